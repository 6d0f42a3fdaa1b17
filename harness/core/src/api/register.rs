//! Registers: read, write, compare-and-set, each on one of many independent keys.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The Api of independent registers. A register that was never written reads `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register;

/// An operation on one register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which register; `None` where there is only one.
    pub key: Option<Key>,
    /// What is done to it.
    pub op: RegisterOp,
}

impl Call {
    /// An operation on the register `key`.
    pub fn keyed(key: impl Into<Key>, op: RegisterOp) -> Self {
        Self { key: Some(key.into()), op }
    }

    /// An operation on the only register there is.
    pub fn unkeyed(op: RegisterOp) -> Self {
        Self { key: None, op }
    }
}

/// What can be done to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterOp {
    /// Reads it.
    Read,
    /// Writes a value, whatever was there.
    Write(i64),
    /// Writes the second value if the first is there. One that found another value is a `Fail`.
    Cas(i64, i64),
}

/// What a register answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The value read; `None` if it was never written.
    Read(Option<i64>),
    /// The write or compare-and-set took effect.
    Written,
}

impl Api for Register {
    const NAME: &'static str = "register";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let (f, value) = match call.op {
            RegisterOp::Read => ("read", Value::Null),
            RegisterOp::Write(value) => ("write", Value::from(value)),
            RegisterOp::Cas(old, new) => ("cas", json!([old, new])),
        };
        Payload { f: Cow::Borrowed(f), key: call.key.clone(), value }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Read(value) => Value::from(*value),
            Reply::Written => Self::encode_call(call).value,
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let (mut key, value) = asked.keyed();
        let op = match asked.f {
            "read" => RegisterOp::Read,
            "write" => RegisterOp::Write(value.int()?),
            "cas" => {
                let pair = match value.array() {
                    Ok(pair) => pair,
                    // What looked like a key with its argument was [old new] alone.
                    Err(_) if asked.key.is_none() => {
                        key = None;
                        asked
                            .value
                            .array()
                            .map_err(|e| DecodeError { expected: "[old new]".to_owned(), ..e })?
                    }
                    Err(_) => return Err(value.error("[old new]")),
                };
                let [old, new] = pair;
                RegisterOp::Cas(old.int()?, new.int()?)
            }
            other => {
                return Err(DecodeError::unknown_f("register", &["read", "write", "cas"], other));
            }
        };
        Ok(Call { key, op })
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call.op {
            RegisterOp::Read => {
                super::keyed_answer(call.key.as_ref(), value).int_or_nil().map(Reply::Read)
            }
            RegisterOp::Write(_) | RegisterOp::Cas(..) => Ok(Reply::Written),
        }
    }
}
