//! Recording a history in a test of your own, from many threads at once.
//!
//! A [`Recorder`] is shared by reference. A thread asks it for a [`Session`], calls it before and
//! after each operation, and at the end the recorder gives the [`History`]. Events are ordered by
//! the moment at which they are recorded, under one lock; there is no clock, so the time of an
//! event is its index. An invocation is recorded before the operation is sent and its outcome after
//! the answer has come, so the interval recorded is never shorter than the true one: what is found
//! to be wrong is wrong.
//!
//! A process has one operation open at a time. If one ends as [`Session::info`] (timed out, torn
//! connection: it may have happened, or may still happen), or is never ended at all, the session
//! goes on as a new process, because the old operation may take effect at any later time.
//!
//! ```
//! use schism_checkers::linearizable::Linearizable;
//! use schism_checkers::record::Recorder;
//! use schism_core::api::register::{Call, Register, RegisterOp, Reply};
//! use schism_core::checker::Checker;
//! use schism_core::verdict::Verdict;
//! let recorder = Recorder::<Register>::default();
//! std::thread::scope(|threads| {
//!     for value in 0..4 {
//!         let mut session = recorder.session();
//!         threads.spawn(move || {
//!             session.invoke(Call::unkeyed(RegisterOp::Write(value)));
//!             session.ok(Reply::Written);
//!         });
//!     }
//! });
//! let history = recorder.into_history();
//! let finding = Linearizable::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict, Verdict::Valid);
//! ```

use schism_core::api::Api;
use schism_core::event::{Body, Event};
use schism_core::history::{History, HistoryBuilder};
use schism_core::op::{Outcome, Reason};
use schism_core::time::Nanos;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records what many threads do.
#[derive(Debug)]
pub struct Recorder<A: Api> {
    log: Mutex<Log<A>>,
}

#[derive(Debug)]
struct Log<A: Api> {
    history: HistoryBuilder<A>,
    next_index: u64,
    next_process: u64,
}

impl<A: Api> Default for Recorder<A> {
    fn default() -> Self {
        let history = HistoryBuilder::default();
        Self { log: Mutex::new(Log { history, next_index: 0, next_process: 0 }) }
    }
}

impl<A: Api> Log<A> {
    fn push(&mut self, body: Body<A>) {
        let index = self.next_index;
        self.next_index += 1;
        let pushed = self.history.push(Event { index, time: Nanos(index), body });
        debug_assert!(pushed.is_ok(), "sessions keep the rules of a history: {pushed:?}");
    }
}

impl<A: Api> Recorder<A> {
    /// A new process, whose operations come one after the other.
    pub fn session(&self) -> Session<'_, A> {
        let process = self.new_process();
        Session { recorder: self, process, node: None, open: None }
    }

    /// The history so far; operations that are still open are indeterminate.
    pub fn into_history(self) -> History<A> {
        self.log.into_inner().unwrap_or_else(PoisonError::into_inner).history.finish()
    }

    fn new_process(&self) -> u64 {
        let mut log = self.log();
        log.next_process += 1;
        log.next_process - 1
    }

    /// A thread that panicked while recording has still recorded whole events.
    fn log(&self) -> MutexGuard<'_, Log<A>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one thread does.
#[derive(Debug)]
pub struct Session<'r, A: Api> {
    recorder: &'r Recorder<A>,
    process: u64,
    node: Option<Arc<str>>,
    open: Option<A::Call>,
}

impl<A: Api> Session<'_, A> {
    /// Which node it asks from now on: sentences about its operations name it.
    #[must_use]
    pub fn at(mut self, node: &str) -> Self {
        self.node = Some(Arc::from(node));
        self
    }

    /// The process that its next operation belongs to.
    pub fn process(&self) -> u64 {
        self.process
    }

    /// Call this before the operation is sent. If the one before was never ended, its fate is
    /// unknown.
    pub fn invoke(&mut self, call: A::Call) {
        if self.open.take().is_some() {
            self.process = self.recorder.new_process();
        }
        let (process, node) = (self.process, self.node.clone());
        self.recorder.log().push(Body::Invoke { process, node, call: call.clone() });
        self.open = Some(call);
    }

    /// It happened, and this was the answer.
    pub fn ok(&mut self, reply: A::Reply) {
        self.complete(Outcome::Ok(reply));
    }

    /// It certainly did not happen, and never will.
    pub fn fail(&mut self, reason: impl Into<Reason>) {
        self.complete(Outcome::Fail(reason.into()));
    }

    /// It may have happened, or may still happen at any later time.
    pub fn info(&mut self, reason: impl Into<Reason>) {
        self.complete(Outcome::Info(reason.into()));
    }

    /// Ends the open operation; without one, nothing is recorded.
    pub fn complete(&mut self, outcome: Outcome<A::Reply>) {
        let Some(call) = self.open.take() else { return };
        let (process, node) = (self.process, self.node.clone());
        let open_for_ever = matches!(outcome, Outcome::Info(_));
        self.recorder.log().push(Body::Complete { process, node, call, outcome });
        if open_for_ever {
            self.process = self.recorder.new_process();
        }
    }
}
