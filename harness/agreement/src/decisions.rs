//! What a node has decided, who waits for it, and what it may still take part in.
//!
//! The consensus protocols here keep their state in memory, and the chapter's processes, once
//! crashed, stay so. A process that is started again would be something else: one that takes part
//! in an instance twice, with a different proposal, and could break even a protocol that is right.
//! So a node writes down which instances it has had a part in, and after a restart has none in
//! those any more: for them it is the crashed process of the chapter. What it decided is written
//! down too, before anybody is told, so that it never decides twice (Integrity).

use crate::host::{NodeConfig, not_served};
use crate::journal::Journal;
use crate::say::say;
use schism_core::api::Api as _;
use schism_core::api::Payload;
use schism_core::api::consensus::{Call, Consensus, ConsensusOp, Reply};
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a proposal waits for its decision before its client is told that nobody knows.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Joined(i64),
    Decided(i64, i64),
}

/// What one node remembers of all instances. 16 to 32 bytes an instance.
pub(crate) struct Decisions {
    config: NodeConfig,
    journal: Journal<Record>,
    memory: RefCell<Memory>,
}

#[derive(Default)]
struct Memory {
    /// It had a part in these before it was restarted, and has lost what it knew.
    lost: HashSet<i64>,
    joined: HashSet<i64>,
    proposed: HashSet<i64>,
    decided: HashMap<i64, i64>,
    waiting: HashMap<i64, Vec<oneshot::Sender<i64>>>,
    latest: Option<i64>,
}

impl Decisions {
    /// Reads what an earlier life of this node left.
    pub(crate) fn open(config: &NodeConfig) -> anyhow::Result<Self> {
        let (journal, records) = Journal::open(config, "decisions")?;
        let mut memory = Memory::default();
        for record in records {
            match record {
                Record::Joined(instance) => _ = memory.lost.insert(instance),
                Record::Decided(instance, value) => _ = memory.decided.insert(instance, value),
            }
        }
        memory.lost.retain(|instance| !memory.decided.contains_key(instance));
        if !memory.lost.is_empty() {
            say!(config, "has been restarted, and stays out of {} instances", memory.lost.len());
        }
        Ok(Self { config: config.clone(), journal, memory: RefCell::new(memory) })
    }

    /// Joins an instance; false if it is decided here, or if its memory was lost in a restart.
    pub(crate) fn takes_part(&self, instance: i64) -> bool {
        let mut memory = self.memory.borrow_mut();
        if memory.decided.contains_key(&instance) || memory.lost.contains(&instance) {
            return false;
        }
        if memory.joined.insert(instance) {
            self.journal.append(&Record::Joined(instance));
        }
        true
    }

    /// What this node decided.
    pub(crate) fn decided(&self, instance: i64) -> Option<i64> {
        self.memory.borrow().decided.get(&instance).copied()
    }

    /// Decides, unless this node has decided before; `why` goes into its log.
    pub(crate) fn decide(&self, instance: i64, value: i64, why: fmt::Arguments<'_>) {
        let mut memory = self.memory.borrow_mut();
        if memory.decided.contains_key(&instance) {
            return;
        }
        self.journal.append(&Record::Decided(instance, value));
        say!(self.config, "instance {instance}: decides {value}, {why}");
        memory.decided.insert(instance, value);
        memory.joined.remove(&instance);
        memory.latest = Some(instance);
        for client in memory.waiting.remove(&instance).into_iter().flatten() {
            // A client that went away isn't told.
            let _ = client.send(value);
        }
    }

    /// Answers a client. `propose` is called with the node's first proposal for an instance, and
    /// says why not if the node can't take it.
    pub(crate) async fn answer(
        &self,
        api: &str,
        payload: &Payload,
        propose: impl FnOnce(i64, i64) -> Result<(), String>,
    ) -> Response {
        if api != Consensus::NAME {
            return not_served(api);
        }
        let call = match payload.decode::<Consensus>() {
            Ok(call) => call,
            Err(error) => return Response::Fail { error: error.to_string() },
        };
        let Call { instance, op } = call;
        let reply =
            |value| Response::Ok { value: Consensus::encode_reply(&call, &Reply::Decided(value)) };
        let ConsensusOp::Propose(value) = op else { return reply(self.decided(instance)) };
        if let Some(value) = self.decided(instance) {
            return reply(Some(value));
        }
        if self.memory.borrow().lost.contains(&instance) {
            let error = format!("a restart took what this node knew of instance {instance}");
            return Response::Fail { error };
        }
        if !self.memory.borrow().proposed.contains(&instance) {
            if let Err(error) = propose(instance, value) {
                return Response::Fail { error };
            }
            self.memory.borrow_mut().proposed.insert(instance);
        }
        match self.wait(instance).await {
            Some(value) => reply(Some(value)),
            None => {
                Response::Info { error: format!("instance {instance} is not decided here yet") }
            }
        }
    }

    async fn wait(&self, instance: i64) -> Option<i64> {
        if let Some(value) = self.decided(instance) {
            return Some(value);
        }
        let (sender, receiver) = oneshot::channel();
        {
            let waiting = &mut self.memory.borrow_mut().waiting;
            let clients = waiting.entry(instance).or_default();
            clients.retain(|client| !client.is_closed());
            clients.push(sender);
        }
        timeout(PATIENCE, receiver).await.ok()?.ok()
    }

    /// A status that says how much is decided, with `more` about the protocol.
    pub(crate) fn status(&self, ready: bool, leader: bool, more: &str) -> NodeStatus {
        let memory = self.memory.borrow();
        let latest = memory.latest.map(|instance| format!(", last of instance {instance}"));
        let says = format!(
            "decided {} instances{}, undecided in {}{}{more}",
            memory.decided.len(),
            latest.unwrap_or_default(),
            memory.joined.len(),
            if more.is_empty() { "" } else { "; " },
        );
        NodeStatus { ready, leader, term: 0, says }
    }
}
