//! Writes go to one node, reads are answered by any: stale reads.
//!
//! ```text
//! write at the primary:  apply it, answer; some time later send it to every replica
//! write at a replica:    hand it on to the primary
//! read anywhere:         answer from this node's copy
//! ```
//!
//! Every copy goes through the same states in the same order, so it looks like one register that is
//! read a little late. It breaks because "late" is already wrong: a client that has been told that
//! its write is done can read the old value from a replica, and a second client can read the new
//! value here and then the old one there. No fault is needed, only the lag, `lag_ms` on average.
//!
//! The first node is the primary for ever. Its store is in a file; replicas ask it for a copy when
//! they start. Links are reliable and in order, so a replica misses nothing; but a write handed on
//! to a primary that is killed before it acknowledges may be done again in its next life.
//!
//! To see it: `schism test stale-replicas --faults none`.

use crate::forwards::{CallId, Forwards};
use crate::host::{NodeConfig, Service, incarnation, serve};
use crate::journal::Journal;
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use crate::store::{Asked, Change, Store};
use schism_core::api::Payload;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "stale-replicas",
    about: "reads from any replica",
    serves: &["register", "set"],
    nodes: 2..=usize::MAX,
    last_node: None,
    options: &[ProtocolOption {
        name: "lag_ms",
        about: "mean time until a change is sent to a replica, default 30",
    }],
    node: |config| Box::pin(node(config)),
};

const PRIMARY: usize = 0;
/// How long a replica waits for a copy before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    /// A replica has no copy, or one with a gap.
    Ask,
    /// The whole store after its `seq`-th change.
    Copy {
        seq: u64,
        changes: Vec<Change>,
    },
    /// The `seq`-th change.
    Change {
        seq: u64,
        change: Change,
    },
    Call {
        id: CallId,
        api: String,
        payload: Payload,
    },
    Answer {
        id: CallId,
        response: Response,
    },
}

struct StaleReplicas {
    config: NodeConfig,
    journal: Journal<Change>,
    peers: Peers<Message>,
    forwards: Forwards,
    store: RefCell<Store>,
    seq: Cell<u64>,
    has_copy: Cell<bool>,
    /// What is to be sent to each replica, and when.
    lagging: Vec<UnboundedSender<(Instant, Message)>>,
    lag: Lag,
}

struct Lag {
    mean: Duration,
    rng: RefCell<schism_core::rng::Rng>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let mean = config.millis("lag_ms", 30)?;
    let (journal, changes) = Journal::open(&config, "changes")?;
    let (peers, inbox) = Peers::join(&config, Delivery::UntilReceived).await?;
    let (lagging, queues): (Vec<_>, Vec<_>) =
        (0..config.size()).map(|_| unbounded_channel()).unzip();
    let node = Rc::new(StaleReplicas {
        journal,
        peers,
        forwards: Forwards::new(incarnation()),
        store: RefCell::new(Store::of(&changes)),
        seq: Cell::new(changes.len() as u64),
        has_copy: Cell::new(config.me == PRIMARY),
        lagging,
        lag: Lag { mean, rng: RefCell::new(config.rng("lag")) },
        config: config.clone(),
    });
    for (replica, queue) in queues.into_iter().enumerate() {
        tokio::task::spawn_local(node.clone().send_late(replica, queue));
    }
    if node.is_primary() {
        // What was on its way in an earlier life may not have been sent.
        (0..config.size()).for_each(|replica| node.send_copy(replica));
    } else {
        tokio::task::spawn_local(node.clone().ask_for_copy());
    }
    let hearing = listen(inbox, |from, message| node.hear(from, message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl StaleReplicas {
    fn is_primary(&self) -> bool {
        self.config.me == PRIMARY
    }

    fn hear(&self, from: usize, message: Message) {
        match message {
            Message::Ask if self.is_primary() => self.send_copy(from),
            Message::Ask => {}
            Message::Copy { seq, changes } => {
                if !self.has_copy.replace(true) {
                    say!(self.config, "has a copy with {seq} changes");
                }
                self.seq.set(seq);
                *self.store.borrow_mut() = Store::of(&changes);
            }
            Message::Change { seq, change } => {
                if seq == self.seq.get() + 1 {
                    self.seq.set(seq);
                    self.store.borrow_mut().apply(&change);
                } else if seq > self.seq.get() && self.has_copy.replace(false) {
                    say!(self.config, "misses the changes before number {seq}");
                }
            }
            Message::Call { id, api, payload } => {
                let response = self.perform(&api, &payload);
                self.peers.send(from, &Message::Answer { id, response });
            }
            Message::Answer { id, response } => self.forwards.answered(id, response),
        }
    }

    fn perform(&self, api: &str, payload: &Payload) -> Response {
        let asked = self.store.borrow().ask(api, payload);
        match asked {
            Asked::Read(response) | Asked::Refused(response) => response,
            Asked::Change(..) if !self.is_primary() => {
                Response::Fail { error: "not primary".to_owned() }
            }
            Asked::Change(change, response) => {
                self.journal.append(&change);
                self.store.borrow_mut().apply(&change);
                let seq = self.seq.get() + 1;
                self.seq.set(seq);
                for replica in 0..self.config.size() {
                    self.later(replica, Message::Change { seq, change: change.clone() });
                }
                response
            }
        }
    }

    fn send_copy(&self, replica: usize) {
        let changes = self.store.borrow().changes();
        self.later(replica, Message::Copy { seq: self.seq.get(), changes });
    }

    fn later(&self, replica: usize, message: Message) {
        if replica != self.config.me {
            let due = Instant::now() + self.lag.rng.borrow_mut().around(self.lag.mean);
            // The other end lives as long as the node.
            let _ = self.lagging[replica].send((due, message));
        }
    }

    async fn send_late(
        self: Rc<Self>,
        replica: usize,
        mut queue: UnboundedReceiver<(Instant, Message)>,
    ) {
        while let Some((due, message)) = queue.recv().await {
            sleep_until(due).await;
            self.peers.send(replica, &message);
        }
    }

    async fn ask_for_copy(self: Rc<Self>) {
        loop {
            if !self.has_copy.get() && self.peers.connected(PRIMARY) {
                self.peers.send(PRIMARY, &Message::Ask);
                sleep(ASK_AGAIN).await;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Service for StaleReplicas {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let asked = self.store.borrow().ask(&api, &payload);
        match asked {
            _ if self.is_primary() => self.perform(&api, &payload),
            Asked::Read(_) if !self.has_copy.get() => {
                Response::Fail { error: "has no copy yet".to_owned() }
            }
            Asked::Read(response) => response,
            _ if !self.peers.connected(PRIMARY) => {
                Response::Fail { error: "the primary is not connected".to_owned() }
            }
            // A compare-and-set is the primary's to settle, even where this copy would refuse it.
            Asked::Change(..) | Asked::Refused(_) => {
                let hand_on = |id| self.peers.send(PRIMARY, &Message::Call { id, api, payload });
                self.forwards.ask(hand_on).await
            }
        }
    }

    fn status(&self) -> NodeStatus {
        let seq = self.seq.get();
        let says = match (self.is_primary(), self.has_copy.get()) {
            (true, _) => format!("the primary, {seq} changes"),
            (false, true) => format!("a replica, {seq} changes"),
            (false, false) => "a replica without a copy".to_owned(),
        };
        let ready = self.has_copy.get() && self.peers.connected(PRIMARY);
        NodeStatus { ready, leader: self.is_primary(), term: 0, says }
    }
}
