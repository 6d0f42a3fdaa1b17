//! What the log of a run holds, and how one line of `history.jsonl` looks.
//!
//! [`Event`] is typed and cheap to make while a run is at full speed; [`Line`] is its form in the
//! file, read and written by serde. Nemesis events share the file, so that one order covers both.

use crate::api::{Api, Asked, DecodeError, Key, Payload};
use crate::form::{Form, NOWHERE, Tape};
use crate::op::{Outcome, Process, Reason};
use crate::time::Nanos;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<A: Api> {
    /// Position in the log.
    pub index: u64,
    /// Time since the run began.
    pub time: Nanos,
    /// What happened.
    pub body: Body<A>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<A: Api> {
    /// A process asked something of a node.
    Invoke {
        /// The client process.
        process: u64,
        /// The node asked, if known.
        node: Option<Arc<str>>,
        /// What was asked.
        call: A::Call,
    },
    /// An operation ended.
    Complete {
        /// The client process.
        process: u64,
        /// The node asked, if known.
        node: Option<Arc<str>>,
        /// What had been asked.
        call: A::Call,
        /// What became of it.
        outcome: Outcome<A::Reply>,
    },
    /// The nemesis began or finished something.
    Nemesis(NemesisEvent),
}

/// An action of the nemesis: each is logged when it begins and when it has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct NemesisEvent {
    /// What it does, such as `inject` or `heal`.
    pub f: Cow<'static, str>,
    /// On what, in words or data.
    pub value: Value,
    /// Why it could not be done.
    pub error: Option<Reason>,
}

/// The `type` of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An operation begins.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// It may have happened; or the nemesis speaks.
    Info,
}

/// One line of `history.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line<'a> {
    /// Position in the log.
    pub index: u64,
    /// Nanoseconds since the run began.
    pub time: Nanos,
    /// What kind of event.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Who.
    pub process: Process,
    /// The operation's name.
    pub f: Cow<'a, str>,
    /// The object concerned, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Its argument or answer.
    #[serde(default)]
    pub value: Value,
    /// The node asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<str>>,
    /// Why it failed or stayed open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
}

impl<A: Api> Event<A> {
    /// The event as a line of the file.
    pub fn to_line(&self) -> Line<'_> {
        let Self { index, time, body } = self;
        let line = |kind, process, payload: Payload, node: &Option<Arc<str>>, error| Line {
            index: *index,
            time: *time,
            kind,
            process: Process::Client(process),
            f: payload.f,
            key: payload.key,
            value: payload.value,
            node: node.clone(),
            error,
        };
        match body {
            Body::Invoke { process, node, call } => {
                line(Kind::Invoke, *process, A::encode_call(call), node, None)
            }
            Body::Complete { process, node, call, outcome } => {
                let mut payload = A::encode_call(call);
                let (kind, error) = match outcome {
                    Outcome::Ok(reply) => {
                        payload.value = A::encode_reply(call, reply);
                        (Kind::Ok, None)
                    }
                    Outcome::Fail(reason) => (Kind::Fail, Some(Cow::Borrowed(reason.as_ref()))),
                    Outcome::Info(reason) => (Kind::Info, Some(Cow::Borrowed(reason.as_ref()))),
                };
                line(kind, *process, payload, node, error)
            }
            Body::Nemesis(event) => Line {
                index: *index,
                time: *time,
                kind: Kind::Info,
                process: Process::Nemesis,
                f: Cow::Borrowed(event.f.as_ref()),
                key: None,
                value: event.value.clone(),
                node: None,
                error: event.error.as_deref().map(Cow::Borrowed),
            },
        }
    }

    /// Appends the event's line, newline included, to `out`.
    ///
    /// # Panics
    /// Never: writing JSON to memory cannot fail.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, &self.to_line()).expect("JSON into memory");
        out.push(b'\n');
    }
}

/// An event as a reader found it in a file, before anybody asked which Api it speaks.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'t> {
    /// Position in the log; `None` where the file doesn't say.
    pub index: Option<u64>,
    /// Time since the run began; `None` where the file doesn't say.
    pub time: Option<Nanos>,
    /// What kind of event.
    pub kind: Kind,
    /// Who.
    pub process: Process,
    /// What, on which object, with which argument or answer.
    pub asked: Asked<'t>,
    /// The node asked.
    pub node: Option<&'t str>,
    /// Why it failed or stayed open.
    pub error: Option<Form<'t>>,
}

impl RawEvent<'_> {
    /// Why it failed or stayed open, in words.
    pub fn reason(&self) -> Reason {
        match self.error {
            None => Cow::Borrowed("no reason recorded"),
            Some(error) => {
                Cow::Owned(error.word().map_or_else(|| error.to_string(), str::to_owned))
            }
        }
    }

    /// The outcome that a completion gives to `call`.
    pub fn outcome<A: Api>(&self, call: &A::Call) -> Result<Outcome<A::Reply>, DecodeError> {
        match self.kind {
            Kind::Ok => A::decode_reply(call, self.asked.value).map(Outcome::Ok),
            Kind::Fail => Ok(Outcome::Fail(self.reason())),
            Kind::Info | Kind::Invoke => Ok(Outcome::Info(self.reason())),
        }
    }
}

/// A reader's event that outlives the reader.
#[derive(Clone, Debug)]
pub struct OwnedEvent {
    tape: Tape,
    index: u64,
    time: Option<Nanos>,
    kind: Kind,
    process: Process,
    f: String,
    key: Option<usize>,
    value: usize,
    node: Option<Arc<str>>,
    error: Option<usize>,
}

impl OwnedEvent {
    /// A copy, at this index.
    pub fn new(raw: &RawEvent<'_>, index: u64) -> Self {
        let mut tape = Tape::default();
        let mut keep = |form: Form<'_>| {
            let place = tape.len();
            tape.push_form(form);
            place
        };
        let value = keep(raw.asked.value);
        let (key, error) = (raw.asked.key.map(&mut keep), raw.error.map(&mut keep));
        Self {
            tape,
            index,
            time: raw.time,
            kind: raw.kind,
            process: raw.process,
            f: raw.asked.f.to_owned(),
            key,
            value,
            node: raw.node.map(Arc::from),
            error,
        }
    }

    /// It as a reader would hand it out.
    pub fn raw(&self) -> RawEvent<'_> {
        RawEvent {
            index: Some(self.index),
            time: self.time,
            kind: self.kind,
            process: self.process,
            asked: Asked {
                f: &self.f,
                key: self.key.map(|place| self.tape.form(place)),
                value: self.tape.form(self.value),
            },
            node: self.node.as_deref(),
            error: self.error.map(|place| self.tape.form(place)),
        }
    }

    /// Its position in the log.
    pub fn index(&self) -> u64 {
        self.index
    }
}

impl Line<'_> {
    /// The line as a reader's event, with its values on a tape.
    pub fn raw<'t>(&'t self, tape: &'t mut Tape) -> RawEvent<'t> {
        tape.clear();
        tape.push_json(&self.value);
        let key = self.key.as_ref().map(|key| {
            let place = tape.len();
            tape.key(key);
            place
        });
        let error = self.error.as_ref().map(|error| {
            let place = tape.len();
            tape.text(NOWHERE, error);
            place
        });
        let tape = &*tape;
        RawEvent {
            index: Some(self.index),
            time: Some(self.time),
            kind: self.kind,
            process: self.process,
            asked: Asked { f: &self.f, key: key.map(|place| tape.form(place)), value: tape.root() },
            node: self.node.as_deref(),
            error: error.map(|place| tape.form(place)),
        }
    }
}
