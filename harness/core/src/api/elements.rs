//! A set that only grows, of elements of any kind: add one, read them all.
//!
//! It is [`set`](super::set) as foreign histories have it: elements may be strings or tuples, and
//! there may be many sets, each with a key. A history says so in one of two ways: with a `key`
//! beside the value, or with `[key element]` and `[key elements]` as values. The second can't be
//! told from an element that is a pair before all has been read, so both readings are kept:
//! [`Element::pair`] and [`Contents::pair`].

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::{Form, Shape};
use serde_json::{Value, json};
use std::borrow::Cow;

/// The Api of growing sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements;

/// What can be done to a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Adds an element.
    Add(Element),
    /// Reads every element.
    Read {
        /// Of the set of this key, where the history says so beside the value.
        key: Option<Key>,
        /// The key, if the call's value is `[key nil]`.
        asked: Option<Key>,
    },
}

/// An element that is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Of the set of this key, where the history says so beside the value.
    pub key: Option<Key>,
    /// The element.
    pub element: Key,
    /// If it is a pair: its parts, which may be a key and the element.
    pub pair: Option<(Key, Key)>,
}

/// What a set answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The element is in.
    Added,
    /// The elements.
    Read(Contents),
}

/// What a read returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The elements, as the system gave them: one that occurs twice is a duplicate.
    pub elements: Vec<Key>,
    /// If these are two and the second is a collection: the first, which may be a key, and the
    /// members of the second.
    pub pair: Option<(Key, Vec<Key>)>,
}

impl Api for Elements {
    const NAME: &'static str = "elements";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let (f, key, value) = match call {
            Call::Add(Element { key, pair: Some(pair), .. }) => ("add", key, json!(pair)),
            Call::Add(Element { key, element, pair: None }) => ("add", key, json!(element)),
            Call::Read { key, asked: Some(asked) } => ("read", key, json!([asked, null])),
            Call::Read { key, asked: None } => ("read", key, Value::Null),
        };
        Payload { f: Cow::Borrowed(f), key: key.clone(), value }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Added => Self::encode_call(call).value,
            Reply::Read(Contents { pair: Some(pair), .. }) => json!(pair),
            Reply::Read(Contents { elements, pair: None }) => json!(elements),
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let key = asked.key.map(Form::key);
        let pair = asked.value.is_list().then(|| asked.value.array::<2>().ok()).flatten();
        match asked.f {
            "add" | "write" | "insert" if asked.value.is_nil() => {
                Err(asked.value.error("an element"))
            }
            "add" | "write" | "insert" => Ok(Call::Add(Element {
                key,
                element: asked.value.key(),
                pair: pair.map(|[key, element]| (key.key(), element.key())),
            })),
            "read" => {
                let asked = pair.filter(|[_, nil]| nil.is_nil()).map(|[key, _]| key.key());
                Ok(Call::Read { key, asked })
            }
            other => {
                let known = ["add", "write", "insert", "read"];
                Err(DecodeError::unknown_f("a set", &known, other))
            }
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        if matches!(call, Call::Add(_)) {
            return Ok(Reply::Added);
        }
        if value.is_nil() {
            return Ok(Reply::Read(Contents { elements: Vec::new(), pair: None }));
        }
        let elements = value.items().map_err(|_| value.error("a set of elements"))?;
        let pair = match value.array::<2>() {
            Ok([key, members]) if value.is_list() => Contents::members(key, members),
            _ => None,
        };
        Ok(Reply::Read(Contents { elements: elements.map(Form::key).collect(), pair }))
    }
}

impl Contents {
    fn members(key: Form<'_>, members: Form<'_>) -> Option<(Key, Vec<Key>)> {
        match members.shape() {
            None if members.is_nil() => Some((key.key(), Vec::new())),
            None | Some(Shape::Map) => None,
            Some(_) => Some((key.key(), members.items().ok()?.map(Form::key).collect())),
        }
    }
}
