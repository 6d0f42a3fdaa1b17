//! How the embedded systems are asked over TCP: one JSON object a line, both ways.
//!
//! The same words as in a history, so that a person with `nc` can follow along:
//!
//! ```text
//! → {"api":"register","f":"write","value":3}
//! ← {"type":"ok","value":3}
//! → {"api":"status"}
//! ← {"type":"ok","value":{"ready":true,"leader":true,"term":4,"says":"leader of term 4"}}
//! ```

use crate::api::Payload;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The port on which embedded nodes answer clients.
pub const CLIENT_PORT: u16 = 7000;
/// The port on which embedded nodes talk to each other.
pub const PEER_PORT: u16 = 7001;
/// The `api` that asks for a node's [`NodeStatus`].
pub const STATUS: &str = "status";

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The Api's name, or [`STATUS`].
    pub api: String,
    /// What is asked.
    #[serde(flatten)]
    pub payload: Option<Payload>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Response {
    /// It happened.
    Ok {
        /// The answer.
        value: Value,
    },
    /// It certainly did not happen.
    Fail {
        /// Why.
        error: String,
    },
    /// It may have happened.
    Info {
        /// Why that isn't known.
        error: String,
    },
}

/// How a node sees itself: for readiness, for role-aware faults, and for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// It answers clients now.
    pub ready: bool,
    /// It holds itself for the leader or primary.
    #[serde(default)]
    pub leader: bool,
    /// Its logical time, where it has one.
    #[serde(default)]
    pub term: u64,
    /// What it believes, in a few words for the report.
    #[serde(default)]
    pub says: String,
}
