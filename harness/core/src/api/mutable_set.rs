//! A set from which elements can be removed again: add, remove, and ask for one element.
//!
//! ```
//! use schism_core::api::Payload;
//! use schism_core::api::mutable_set::{Call, MutableSet, SetOp};
//! let call = Payload::unkeyed("contains", 3.into()).decode::<MutableSet>()?;
//! assert_eq!(call, Call { key: None, element: 3.into(), op: SetOp::Contains });
//! # Ok::<(), schism_core::api::DecodeError>(())
//! ```

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::Value;
use std::borrow::Cow;

/// The Api of independent sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutableSet;

/// An operation on one element of a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    /// Which set; `None` where there is only one.
    pub key: Option<Key>,
    /// Which element.
    pub element: Key,
    /// What is done.
    pub op: SetOp,
}

/// What can be done to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SetOp {
    /// Puts it in.
    Add,
    /// Takes it out.
    Remove,
    /// Asks whether it is in.
    Contains,
}

/// What a set answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The call took effect; the set did not say whether that changed anything.
    Done,
    /// Add, remove: the call changed the set. Contains: the element is in.
    Said(bool),
}

impl Api for MutableSet {
    const NAME: &'static str = "mutable-set";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let f = match call.op {
            SetOp::Add => "add",
            SetOp::Remove => "remove",
            SetOp::Contains => "contains",
        };
        Payload {
            f: Cow::Borrowed(f),
            key: call.key.clone(),
            value: serde_json::json!(call.element),
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Done => Self::encode_call(call).value,
            Reply::Said(said) => Value::from(*said),
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let (key, value) = asked.keyed();
        let op = match asked.f {
            "add" | "insert" => SetOp::Add,
            "remove" | "delete" => SetOp::Remove,
            "contains" => SetOp::Contains,
            other => {
                let known = ["add", "remove", "contains"];
                return Err(DecodeError::unknown_f("a set with remove", &known, other));
            }
        };
        if value.is_nil() {
            return Err(value.error("an element"));
        }
        Ok(Call { key, element: value.key(), op })
    }

    /// `true` or `false`, alone or after the element; an add or remove may also just repeat it.
    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        let said = value.bool().or_else(|_| {
            let last = value.items()?.last();
            last.ok_or_else(|| value.error("true or false"))?.bool()
        });
        match (said, call.op) {
            (Ok(said), _) => Ok(Reply::Said(said)),
            (Err(_), SetOp::Add | SetOp::Remove) => Ok(Reply::Done),
            (Err(_), SetOp::Contains) => Err(value.error("true or false")),
        }
    }
}
