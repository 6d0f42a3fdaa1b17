//! Locks, each on one of many independent keys: acquire and release.
//!
//! A lock is held by the process that acquired it, unless the history names another holder. An
//! acquisition may be answered with a fencing token: a number that the lock raises with each grant.
//!
//! ```
//! use schism_core::api::lock::{Call, Lock, LockOp};
//! use schism_core::api::Payload;
//! let call = Payload::unkeyed("acquire", serde_json::Value::Null).decode::<Lock>()?;
//! assert_eq!(call, Call { key: None, by: None, op: LockOp::Acquire });
//! # Ok::<(), schism_core::api::DecodeError>(())
//! ```

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::Value;
use std::borrow::Cow;

/// The Api of independent locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock;

/// An operation on one lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which lock; `None` where there is only one.
    pub key: Option<Key>,
    /// Who acquires or releases; `None`: the process that asks.
    pub by: Option<Key>,
    /// What is done.
    pub op: LockOp,
}

/// What can be done to a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOp {
    /// Takes it; answered once it is held. A lock that could not be had is a `Fail`.
    Acquire,
    /// Gives it back. One that isn't held is a `Fail`.
    Release,
}

/// What a lock answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is held from now on, under this fencing token if the lock gives any.
    Acquired(Option<i64>),
    /// It is not held any more.
    Released,
}

impl Api for Lock {
    const NAME: &'static str = "lock";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let f = match call.op {
            LockOp::Acquire => "acquire",
            LockOp::Release => "release",
        };
        let value = match &call.by {
            None => Value::Null,
            Some(holder) => serde_json::json!({ "client": holder }),
        };
        Payload { f: Cow::Borrowed(f), key: call.key.clone(), value }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Acquired(Some(token)) => Value::from(*token),
            Reply::Acquired(None) | Reply::Released => Self::encode_call(call).value,
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let (key, value) = asked.keyed();
        let op = match asked.f {
            "acquire" | "lock" => LockOp::Acquire,
            "release" | "unlock" => LockOp::Release,
            other => return Err(DecodeError::unknown_f("lock", &["acquire", "release"], other)),
        };
        Ok(Call { key, by: value.get("client").map(Form::key), op })
    }

    /// A token is a whole number, or stands in a map under `token` or `fence`; anything else is an
    /// answer without one.
    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        let answer = super::keyed_answer(call.key.as_ref(), value);
        match call.op {
            LockOp::Acquire => {
                let named = answer.get("token").or_else(|| answer.get("fence"));
                Ok(Reply::Acquired(named.unwrap_or(answer).int().ok()))
            }
            LockOp::Release => Ok(Reply::Released),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Lock, LockOp, Reply};
    use crate::api::{Api, Key, Payload};
    use crate::form::Tape;
    use serde_json::json;

    #[test]
    fn tokens_may_be_named_and_need_not_be_there() {
        let call = Call { key: None, by: None, op: LockOp::Acquire };
        let reply = |value| Lock::decode_reply(&call, Tape::from_json(&value).root()).unwrap();
        assert_eq!(reply(json!(7)), Reply::Acquired(Some(7)));
        assert_eq!(reply(json!({"fence": 7})), Reply::Acquired(Some(7)));
        assert_eq!(reply(json!(null)), Reply::Acquired(None));
        assert_eq!(reply(json!("locked")), Reply::Acquired(None));
    }

    #[test]
    fn a_holder_may_be_named() {
        let call = Call { key: None, by: Some(Key::Int(4)), op: LockOp::Release };
        assert_eq!(Lock::encode_call(&call).decode::<Lock>().unwrap(), call);
        assert!(Payload::unkeyed("steal", json!(null)).decode::<Lock>().is_err());
    }
}
