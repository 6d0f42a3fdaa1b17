//! What clients ask and systems answer.
//!
//! An [`Api`] is the meeting point of systems, workloads and checkers: a system serves some Apis, a
//! workload and its checkers speak one. Each lives in a file of its own below this module, and also
//! says how its calls look in a history ([`Payload`]) and on the wire of the embedded systems.

pub mod bank;
pub mod collection;
pub mod consensus;
pub mod counter;
pub mod elements;
pub mod kv;
pub mod leadership;
pub mod list_append;
pub mod lock;
pub mod log;
pub mod long_fork;
pub mod multi_register;
pub mod mutable_set;
pub mod partitioned_log;
pub mod register;
pub mod set;
pub mod total_queue;
pub mod unique_ids;
pub mod watch;

use crate::form::{Form, Tape};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A vocabulary of calls and replies, with its form in a history.
pub trait Api: Sized + Send + Sync + 'static + Clone + fmt::Debug + PartialEq {
    /// The name in listings and files, such as `register`.
    const NAME: &'static str;
    /// What a client asks.
    type Call: Clone + fmt::Debug + PartialEq + Send + Sync + 'static;
    /// What a system answers.
    type Reply: Clone + fmt::Debug + PartialEq + Send + Sync + 'static;

    /// How a call is written in a history.
    fn encode_call(call: &Self::Call) -> Payload;

    /// The `value` of a completed call's line.
    fn encode_reply(call: &Self::Call, reply: &Self::Reply) -> Value;

    /// Reads what [`Api::encode_call`] writes, and what foreign histories write in its place.
    fn decode_call(asked: &Asked<'_>) -> Result<Self::Call, DecodeError>;

    /// Reads what [`Api::encode_reply`] writes.
    fn decode_reply(call: &Self::Call, value: Form<'_>) -> Result<Self::Reply, DecodeError>;

    /// [`Api::decode_reply`] of a JSON value that stands alone.
    fn reply_from_json(call: &Self::Call, value: &Value) -> Result<Self::Reply, DecodeError> {
        Self::decode_reply(call, Tape::from_json(value).root())
    }
}

/// The part of a history line that an [`Api`] decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// The operation's name, such as `write`.
    pub f: Cow<'static, str>,
    /// The object that it concerns, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Its argument, or its answer.
    #[serde(default)]
    pub value: Value,
}

/// A call as it stands in a history.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'t> {
    /// The operation's name, such as `write`.
    pub f: &'t str,
    /// The object that it concerns, where the history says so beside the value.
    pub key: Option<Form<'t>>,
    /// Its argument.
    pub value: Form<'t>,
}

impl<'t> Asked<'t> {
    /// Key and argument, also where they stand together as `[key argument]`, as Jepsen's
    /// independent keys do.
    pub fn keyed(&self) -> (Option<Key>, Form<'t>) {
        match (self.key, self.value.array::<2>()) {
            (Some(key), _) => (Some(key.key()), self.value),
            (None, Ok([key, value])) => (Some(key.key()), value),
            (None, Err(_)) => (None, self.value),
        }
    }
}

/// The answer alone, where it stands as `[key answer]`.
fn keyed_answer<'t>(key: Option<&Key>, value: Form<'t>) -> Form<'t> {
    match (key, value.array::<2>()) {
        (Some(_), Ok([_, answer])) => answer,
        _ => value,
    }
}

impl Payload {
    /// The call that it is.
    pub fn decode<A: Api>(&self) -> Result<A::Call, DecodeError> {
        let mut tape = Tape::default();
        tape.push_json(&self.value);
        let place = tape.len();
        if let Some(key) = &self.key {
            tape.key(key);
        }
        let key = self.key.as_ref().map(|_| tape.form(place));
        A::decode_call(&Asked { f: self.f.as_ref(), key, value: tape.root() })
    }

    /// A payload without a key.
    pub fn unkeyed(f: &'static str, value: Value) -> Self {
        Self { f: Cow::Borrowed(f), key: None, value }
    }
}

/// Which object an operation concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A number, as our own workloads use.
    Int(i64),
    /// A name, as foreign histories may have.
    Text(Arc<str>),
}

impl From<i64> for Key {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(name) => f.write_str(name),
        }
    }
}

/// What an [`Api`] could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What would have been right.
    pub expected: String,
    /// What was there.
    pub found: String,
    /// Where: the byte offset within the event's text, if it came from one.
    pub at: Option<u32>,
}

impl DecodeError {
    /// `expected` in words; `found` is shown as JSON, shortened.
    pub fn new(expected: impl Into<String>, found: &Value) -> Self {
        let mut found = found.to_string();
        if found.len() > 80 {
            found = found.chars().take(77).collect::<String>() + "...";
        }
        Self { expected: expected.into(), found, at: None }
    }

    /// For an operation that the Api does not have.
    pub fn unknown_f(api: &str, known: &[&str], f: &str) -> Self {
        Self {
            expected: format!("an operation of {api}: {}", known.join(", ")),
            found: format!("{f:?}"),
            at: None,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for DecodeError {}
