//! Calls that a node hands on to another, and the answers that it waits for.

use schism_core::wire::Response;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long an answer may take; below a client's own patience, so that it hears a reason.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Which call: the life of the node that handed it on, and a number.
///
/// Without the life, a late answer to a call from before a restart would pass for the answer to
/// another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct CallId(u64, u64);

/// The calls of one node that are under way elsewhere.
pub(crate) struct Forwards {
    boot: u64,
    last: Cell<u64>,
    open: RefCell<HashMap<CallId, oneshot::Sender<Response>>>,
}

impl Forwards {
    /// None yet.
    pub(crate) fn new(boot: u64) -> Self {
        Self { boot, last: Cell::new(0), open: RefCell::default() }
    }

    /// Sends a call through `send`, and waits for its answer.
    pub(crate) async fn ask(&self, send: impl FnOnce(CallId)) -> Response {
        self.last.set(self.last.get() + 1);
        let id = CallId(self.boot, self.last.get());
        let (sender, receiver) = oneshot::channel();
        self.open.borrow_mut().insert(id, sender);
        send(id);
        let answer = timeout(PATIENCE, receiver).await;
        self.open.borrow_mut().remove(&id);
        answer.ok().and_then(Result::ok).unwrap_or_else(|| Response::Info {
            error: "the node that this was handed on to has not answered".to_owned(),
        })
    }

    /// An answer has come.
    pub(crate) fn answered(&self, id: CallId, response: Response) {
        if let Some(waiting) = self.open.borrow_mut().remove(&id) {
            // The client may have gone away.
            let _ = waiting.send(response);
        }
    }
}
