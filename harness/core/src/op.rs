//! Operations and what became of them.
//!
//! The one distinction that everything rests on is [`Outcome`]: an operation that certainly
//! happened, one that certainly did not, and one of which nobody can say. A checker that is told
//! "failed" about a write that took effect will accuse a correct store.

use crate::api::Api;
use crate::time::Nanos;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// Why an operation failed or stayed open, in words for a person.
pub type Reason = Cow<'static, str>;

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<R> {
    /// It happened, and this was the answer.
    Ok(R),
    /// It certainly did not happen, and never will.
    Fail(Reason),
    /// It may have happened, or may still happen at any later time.
    Info(Reason),
}

impl<R> Outcome<R> {
    /// The answer of an operation that happened.
    pub fn ok(&self) -> Option<&R> {
        match self {
            Self::Ok(reply) => Some(reply),
            Self::Fail(_) | Self::Info(_) => None,
        }
    }

    /// The reason of one that failed or stayed open.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ok(_) => None,
            Self::Fail(reason) | Self::Info(reason) => Some(reason),
        }
    }

    /// True unless it certainly did not happen.
    pub fn may_have_happened(&self) -> bool {
        !matches!(self, Self::Fail(_))
    }
}

/// Who did something: a client process by its number, or the nemesis.
///
/// A process is a logical thread of one client at a time. It never has two operations open; after
/// an indeterminate one its worker goes on under a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// A client process.
    Client(u64),
    /// The process that injects and heals faults.
    Nemesis,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(number) => write!(f, "{number}"),
            Self::Nemesis => f.write_str("nemesis"),
        }
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Client(number) => serializer.serialize_u64(*number),
            Self::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ProcessVisitor;
        impl Visitor<'_> for ProcessVisitor {
            type Value = Process;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a process: a number from 0, or \"nemesis\"")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Process, E> {
                Ok(Process::Client(number))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Process, E> {
                match name {
                    "nemesis" => Ok(Process::Nemesis),
                    _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
                }
            }
        }
        deserializer.deserialize_any(ProcessVisitor)
    }
}

/// Where an event stands: its index in the log, which orders events, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Position in the log; earlier events have smaller ones.
    pub index: u64,
    /// Time since the run began.
    pub time: Nanos,
}

/// One operation: an invocation with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Op<A: Api> {
    /// The client process that did it.
    pub process: u64,
    /// The node that it was asked of; `None` where a foreign history doesn't say.
    pub node: Option<std::sync::Arc<str>>,
    /// What was asked.
    pub call: A::Call,
    /// When it was asked.
    pub invoked: Stamp,
    /// When the log says that it ended, also for an indeterminate one (for drawing it). To judge,
    /// use [`Op::returned`].
    pub completed: Option<Stamp>,
    /// What became of it.
    pub outcome: Outcome<A::Reply>,
}

impl<A: Api> Op<A> {
    /// The index of its return; `None` for an operation that may take effect at any later time.
    pub fn returned(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Info(_) => None,
            Outcome::Ok(_) | Outcome::Fail(_) => self.completed.map(|stamp| stamp.index),
        }
    }

    /// True if this returned before `other` was invoked.
    pub fn precedes(&self, other: &Self) -> bool {
        self.returned().is_some_and(|returned| returned < other.invoked.index)
    }

    /// The answer, if it happened.
    pub fn reply(&self) -> Option<&A::Reply> {
        self.outcome.ok()
    }
}
