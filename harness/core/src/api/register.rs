//! Registers: read, write, compare-and-set, each on one of many independent keys.

use super::{Api, DecodeError, Key, Payload, int, int_or_nil, ints};
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

    fn decode_call(payload: &Payload) -> Result<Call, DecodeError> {
        let op = match payload.f.as_ref() {
            "read" => RegisterOp::Read,
            "write" => RegisterOp::Write(int(&payload.value)?),
            "cas" => match ints(&payload.value)?.as_slice() {
                [old, new] => RegisterOp::Cas(*old, *new),
                _ => return Err(DecodeError::new("[old, new]", &payload.value)),
            },
            other => {
                return Err(DecodeError::unknown_f("register", &["read", "write", "cas"], other));
            }
        };
        Ok(Call { key: payload.key.clone(), op })
    }

    fn decode_reply(call: &Call, value: &Value) -> Result<Reply, DecodeError> {
        match call.op {
            RegisterOp::Read => int_or_nil(value).map(Reply::Read),
            RegisterOp::Write(_) | RegisterOp::Cas(..) => Ok(Reply::Written),
        }
    }
}
