//! Something that hands out identifiers.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Value, json};

/// The Api of one source of identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueIds;

/// Asks for an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generate;

/// The identifier handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(pub Key);

impl Api for UniqueIds {
    const NAME: &'static str = "unique-ids";
    type Call = Generate;
    type Reply = Id;

    fn encode_call(_: &Generate) -> Payload {
        Payload::unkeyed("generate", Value::Null)
    }

    fn encode_reply(_: &Generate, reply: &Id) -> Value {
        json!(reply.0)
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Generate, DecodeError> {
        match asked.f {
            "generate" => Ok(Generate),
            other => Err(DecodeError::unknown_f("unique-ids", &["generate"], other)),
        }
    }

    fn decode_reply(_: &Generate, value: Form<'_>) -> Result<Id, DecodeError> {
        if value.is_nil() { Err(value.error("an identifier")) } else { Ok(Id(value.key())) }
    }
}
