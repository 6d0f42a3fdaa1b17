//! Total-order broadcast: send a message, and read what a node has delivered.

use super::{Api, Asked, DecodeError, Payload};
use crate::form::Form;
use serde_json::Value;

/// The Api of one replicated log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log;

/// What a node can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Broadcasts a message; answered once its delivery is certain.
    Broadcast(i64),
    /// Reads every message that this node has delivered, in its order, from position 0.
    Delivered,
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The message will be delivered, or has been.
    Sent,
    /// The messages that this node delivered, in order.
    Delivered(Vec<i64>),
}

impl Api for Log {
    const NAME: &'static str = "log";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        match call {
            Call::Broadcast(message) => Payload::unkeyed("broadcast", Value::from(*message)),
            Call::Delivered => Payload::unkeyed("delivered", Value::Null),
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Sent => Self::encode_call(call).value,
            Reply::Delivered(messages) => Value::from(messages.clone()),
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        match asked.f {
            "broadcast" => asked.value.int().map(Call::Broadcast),
            "delivered" => Ok(Call::Delivered),
            other => Err(DecodeError::unknown_f("log", &["broadcast", "delivered"], other)),
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call {
            Call::Broadcast(_) => Ok(Reply::Sent),
            Call::Delivered => value.ints().map(Reply::Delivered),
        }
    }
}
