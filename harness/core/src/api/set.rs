//! A set that only grows: add an element, read them all.

use super::{Api, Asked, DecodeError, Payload};
use crate::form::Form;
use serde_json::Value;

/// The Api of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set;

/// What can be done to the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Adds an element.
    Add(i64),
    /// Reads every element.
    Read,
}

/// What the set answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The element is in.
    Added,
    /// The elements, as the system gave them: an element that occurs twice is a duplicate.
    Read(Vec<i64>),
}

impl Api for Set {
    const NAME: &'static str = "set";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        match call {
            Call::Add(element) => Payload::unkeyed("add", Value::from(*element)),
            Call::Read => Payload::unkeyed("read", Value::Null),
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Added => Self::encode_call(call).value,
            Reply::Read(elements) => Value::from(elements.clone()),
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        match asked.f {
            "add" => asked.value.int().map(Call::Add),
            "read" => Ok(Call::Read),
            other => Err(DecodeError::unknown_f("set", &["add", "read"], other)),
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call {
            Call::Add(_) => Ok(Reply::Added),
            Call::Read => value.ints().map(Reply::Read),
        }
    }
}
