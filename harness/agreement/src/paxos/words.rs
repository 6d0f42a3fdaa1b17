//! What Paxos decides on, what its nodes say to each other, and what they write down.

use super::decree::Ballot;
use serde::{Deserialize, Serialize};

/// What is decided one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Slot {
    /// An instance of the consensus Api.
    Instance(i64),
    /// A place in the log.
    Log(u64),
}

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Value {
    /// A client's proposal.
    Proposal(i64),
    /// Messages that follow each other in the log.
    Messages(Vec<Item>),
}

/// A message of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) id: ItemId,
    pub(super) message: i64,
}

/// Which message: the node that was asked to send it, its life, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct ItemId {
    pub(super) node: usize,
    pub(super) boot: u64,
    pub(super) number: u64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Message {
    Prepare {
        slot: Slot,
        ballot: Ballot,
    },
    Promise {
        slot: Slot,
        ballot: Ballot,
        accepted: Option<(Ballot, Value)>,
    },
    Accept {
        slot: Slot,
        ballot: Ballot,
        value: Value,
    },
    Accepted {
        slot: Slot,
        ballot: Ballot,
    },
    Refused {
        slot: Slot,
        ballot: Ballot,
        promised: Ballot,
    },
    Chosen {
        slot: Slot,
        value: Value,
    },
    /// "What have you learned after the first `start` things?", asked of the life `boot`.
    Pull {
        boot: u64,
        start: usize,
    },
    Page {
        boot: u64,
        start: usize,
        slots: Vec<(Slot, Value)>,
        count: usize,
    },
    Submit {
        items: Vec<Item>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Record {
    Boot(u64),
    Promised { slot: Slot, ballot: Ballot },
    Accepted { slot: Slot, ballot: Ballot, value: Value },
    Chosen { slot: Slot, value: Value },
}
