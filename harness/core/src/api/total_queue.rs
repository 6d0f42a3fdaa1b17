//! A queue whose order is not judged: what goes in must come out.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Value, json};

/// The Api of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalQueue;

/// What can be done to the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Puts an element in.
    Enqueue(Key),
    /// Takes an element out.
    Dequeue,
    /// Takes elements out until there is none.
    Drain,
}

/// What the queue answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The element is in.
    Enqueued,
    /// This was taken out; `None` if there was nothing.
    Dequeued(Option<Key>),
    /// These were taken out, and then there was nothing.
    Drained(Vec<Key>),
}

impl Api for TotalQueue {
    const NAME: &'static str = "total-queue";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        match call {
            Call::Enqueue(element) => Payload::unkeyed("enqueue", json!(element)),
            Call::Dequeue => Payload::unkeyed("dequeue", Value::Null),
            Call::Drain => Payload::unkeyed("drain", Value::Null),
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Enqueued => Self::encode_call(call).value,
            Reply::Dequeued(element) => json!(element),
            Reply::Drained(elements) => json!(elements),
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        match asked.f {
            "enqueue" => Ok(Call::Enqueue(asked.value.key())),
            "dequeue" => Ok(Call::Dequeue),
            "drain" => Ok(Call::Drain),
            other => {
                let known = ["enqueue", "dequeue", "drain"];
                Err(DecodeError::unknown_f("total-queue", &known, other))
            }
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call {
            Call::Enqueue(_) => Ok(Reply::Enqueued),
            Call::Dequeue if value.is_nil() => Ok(Reply::Dequeued(None)),
            Call::Dequeue => Ok(Reply::Dequeued(Some(value.key()))),
            Call::Drain if value.is_nil() => Ok(Reply::Drained(Vec::new())),
            Call::Drain => Ok(Reply::Drained(value.items()?.map(Form::key).collect())),
        }
    }
}
