//! A counter: add to it, read it.

use super::{Api, Asked, DecodeError, Payload};
use crate::form::Form;
use serde_json::Value;

/// The Api of one counter, which begins at 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter;

/// What can be done to the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Adds this much; less than nothing takes away.
    Add(i64),
    /// Reads it.
    Read,
}

/// What the counter answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was added.
    Added,
    /// What it stood at.
    Read(i64),
}

impl Api for Counter {
    const NAME: &'static str = "counter";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        match call {
            Call::Add(amount) => Payload::unkeyed("add", Value::from(*amount)),
            Call::Read => Payload::unkeyed("read", Value::Null),
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Added => Self::encode_call(call).value,
            Reply::Read(value) => Value::from(*value),
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        match asked.f {
            "add" => asked.value.int().map(Call::Add),
            "read" => Ok(Call::Read),
            other => Err(DecodeError::unknown_f("counter", &["add", "read"], other)),
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call {
            Call::Add(_) => Ok(Reply::Added),
            Call::Read => value.int().map(Reply::Read),
        }
    }
}
