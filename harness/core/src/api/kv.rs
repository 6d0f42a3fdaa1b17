//! A store of strings by key: get, put, append. What was never put is the empty string.
//!
//! ```
//! use schism_core::api::kv::{Call, Kv, KvOp};
//! use schism_core::api::{Key, Payload};
//! let asked = Payload { key: Some(Key::Text("7".into())), ..Payload::unkeyed("put", "x".into()) };
//! let call = asked.decode::<Kv>()?;
//! assert_eq!(call.op, KvOp::Put("x".into()));
//! # Ok::<(), schism_core::api::DecodeError>(())
//! ```

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// The Api of strings by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kv;

/// An operation on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which key; `None` where there is only one.
    pub key: Option<Key>,
    /// What is done to it.
    pub op: KvOp,
}

/// What can be done to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvOp {
    /// Reads its string.
    Get,
    /// Replaces its string.
    Put(Arc<str>),
    /// Adds to the end of its string.
    Append(Arc<str>),
}

/// What a key answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Its string.
    Got(Arc<str>),
    /// The put or append took effect.
    Done,
}

impl Api for Kv {
    const NAME: &'static str = "kv";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let (f, value) = match &call.op {
            KvOp::Get => ("get", Value::Null),
            KvOp::Put(text) => ("put", Value::from(text.as_ref())),
            KvOp::Append(text) => ("append", Value::from(text.as_ref())),
        };
        Payload { f: Cow::Borrowed(f), key: call.key.clone(), value }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Got(text) => Value::from(text.as_ref()),
            Reply::Done => Self::encode_call(call).value,
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let (key, value) = asked.keyed();
        let text = |value: Form<'_>| value.text().map(Arc::from);
        let op = match asked.f {
            "get" | "read" => KvOp::Get,
            "put" | "write" => KvOp::Put(text(value)?),
            "append" => KvOp::Append(text(value)?),
            other => return Err(DecodeError::unknown_f("kv", &["get", "put", "append"], other)),
        };
        Ok(Call { key, op })
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call.op {
            KvOp::Get => {
                let answer = super::keyed_answer(call.key.as_ref(), value);
                let text = if answer.is_nil() { "" } else { answer.text()? };
                Ok(Reply::Got(Arc::from(text)))
            }
            KvOp::Put(_) | KvOp::Append(_) => Ok(Reply::Done),
        }
    }
}
