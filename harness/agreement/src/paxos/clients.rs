//! What clients ask of a Paxos node.

use super::words::{ItemId, Slot, Value};
use super::{Mine, Paxos};
use crate::host::{Service, answer, not_served};
use schism_core::api::consensus::{self, Consensus, ConsensusOp};
use schism_core::api::log::{self, Log};
use schism_core::api::{Api as _, Payload};
use schism_core::op::Outcome;
use schism_core::wire::{NodeStatus, Response};
use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// How long a client waits before it is told that nobody knows.
const PATIENCE: Duration = Duration::from_secs(10);

impl Paxos {
    async fn consensus(&self, call: consensus::Call) -> Outcome<consensus::Reply> {
        let instance = call.instance;
        let slot = Slot::Instance(instance);
        let decided = match self.state.borrow().learned.get(slot) {
            Some(Value::Proposal(value)) => Some(*value),
            _ => None,
        };
        let ConsensusOp::Propose(value) = call.op else {
            return Outcome::Ok(consensus::Reply::Decided(decided));
        };
        if decided.is_some() {
            return Outcome::Ok(consensus::Reply::Decided(decided));
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state.borrow_mut();
            let clients = state.waiting.entry(instance).or_default();
            clients.retain(|client| !client.is_closed());
            clients.push(sender);
        }
        self.propose(slot, Value::Proposal(value));
        self.flush();
        match timeout(PATIENCE, receiver).await {
            Ok(Ok(value)) => Outcome::Ok(consensus::Reply::Decided(Some(value))),
            _ => Outcome::Info(Cow::Borrowed("not decided yet")),
        }
    }

    async fn log(&self, call: log::Call) -> Outcome<log::Reply> {
        let log::Call::Broadcast(message) = call else {
            let delivered = self.state.borrow().learned.delivered().to_vec();
            return Outcome::Ok(log::Reply::Delivered(delivered));
        };
        self.numbers.set(self.numbers.get() + 1);
        let id = ItemId { node: self.config.me, boot: self.boot, number: self.numbers.get() };
        let (client, receiver) = oneshot::channel();
        let mine = Mine { message, submitted: Instant::now(), tries: 0, client };
        self.state.borrow_mut().mine.insert(id, mine);
        self.hand_on_mine();
        self.propose_backlog();
        self.flush();
        match timeout(PATIENCE, receiver).await {
            Ok(Ok(())) => Outcome::Ok(log::Reply::Sent),
            _ => Outcome::Info(Cow::Borrowed("not delivered yet")),
        }
    }
}

impl Service for Paxos {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        match api.as_str() {
            Consensus::NAME => answer::<Consensus, _>(&payload, |call| self.consensus(call)).await,
            Log::NAME => answer::<Log, _>(&payload, |call| self.log(call)).await,
            _ => not_served(&api),
        }
    }

    /// Ready if a majority is heard of, and everything that those have learned is known here.
    fn status(&self) -> NodeStatus {
        let hears: Vec<usize> = (0..self.config.size()).filter(|node| self.hears(*node)).collect();
        let speaker = self.speaker();
        let up_to_date = hears.iter().all(|node| self.knows_all_of(*node));
        let state = self.state.borrow();
        let leader = speaker == self.config.me;
        let says = format!(
            "hears {} of {} nodes, knows {} slots, {} of the log; {} proposes for all",
            hears.len(),
            self.config.size(),
            state.learned.count(),
            state.learned.next(),
            self.config.nodes[speaker].0,
        );
        let ready = hears.len() >= self.config.majority() && up_to_date;
        NodeStatus { ready, leader, term: 0, says }
    }
}
