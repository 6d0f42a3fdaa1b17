//! Agreement on one value per instance: propose, and ask what a node has decided.
//!
//! Many instances, numbered, run one after another or side by side, so that one run sees a protocol
//! decide many times. The decision belongs to the node that is asked: Agreement is about two nodes
//! that decided differently, so a reply says what *this* node decided.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::Value;
use std::borrow::Cow;

/// The Api of consensus instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consensus;

/// What a node can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which instance.
    pub instance: i64,
    /// What is asked of it.
    pub op: ConsensusOp,
}

/// A question to one node about one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsensusOp {
    /// Hands this node its proposal; the answer comes when the node has decided.
    Propose(i64),
    /// Asks at once what this node has decided.
    Learn,
}

/// What a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This node decided this value; `None` (only to a `Learn`): it has not decided.
    Decided(Option<i64>),
}

impl Api for Consensus {
    const NAME: &'static str = "consensus";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let (f, value) = match call.op {
            ConsensusOp::Propose(value) => ("propose", Value::from(value)),
            ConsensusOp::Learn => ("learn", Value::Null),
        };
        Payload { f: Cow::Borrowed(f), key: Some(Key::Int(call.instance)), value }
    }

    fn encode_reply(_: &Call, reply: &Reply) -> Value {
        let Reply::Decided(value) = reply;
        Value::from(*value)
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let instance = match asked.key {
            Some(key) => key.int()?,
            None => 0,
        };
        let op = match asked.f {
            "propose" => ConsensusOp::Propose(asked.value.int()?),
            "learn" => ConsensusOp::Learn,
            other => return Err(DecodeError::unknown_f("consensus", &["propose", "learn"], other)),
        };
        Ok(Call { instance, op })
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call.op {
            ConsensusOp::Propose(_) => value.int().map(|value| Reply::Decided(Some(value))),
            ConsensusOp::Learn => value.int_or_nil().map(Reply::Decided),
        }
    }
}
