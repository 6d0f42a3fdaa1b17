//! A history: what every client asked and what became of it, validated once and then trusted.
//!
//! [`History::from_events`] checks what every checker relies on: indices grow, a process has one
//! operation open at a time, and a completion belongs to an invocation. An operation that never
//! completed becomes an indeterminate one, because that is all that is known about it.
//!
//! [`History::from_jsonl`] reads `history.jsonl` and names line and column of whatever is wrong. A
//! last line that was cut off while being written is dropped and reported, so that the history of a
//! killed controller can be judged; a broken line anywhere else is an error.

use crate::api::{Api, DecodeError};
use crate::event::{Body, Event, Kind, NemesisEvent, RawEvent};
use crate::format::{self, Format, ReadError};
use crate::limits::Limits;
use crate::op::{Op, Outcome, Process, Stamp};
use crate::time::Nanos;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The operations of a run, in the order of their invocations, and what the nemesis did.
#[derive(Clone, Debug, PartialEq)]
pub struct History<A: Api> {
    ops: Vec<Op<A>>,
    nemesis: Vec<(Stamp, NemesisEvent)>,
    end: Nanos,
}

/// A history read from a file, and whether its last line was cut off.
#[derive(Clone, Debug)]
pub struct Read<A: Api> {
    /// What was read.
    pub history: History<A>,
    /// True if the last line was incomplete and has been dropped.
    pub truncated: bool,
}

/// What is wrong with a history, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryError {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1; 0 where the whole line is meant.
    pub column: u64,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            0 => write!(f, "line {}: {}", self.line, self.message),
            column => write!(f, "line {}, column {column}: {}", self.line, self.message),
        }
    }
}

impl std::error::Error for HistoryError {}

impl<A: Api> History<A> {
    /// Pairs invocations with completions. `O(n)`.
    pub fn from_events(events: impl IntoIterator<Item = Event<A>>) -> Result<Self, HistoryError> {
        let mut builder = HistoryBuilder::default();
        for (position, event) in (1..).zip(events) {
            builder.push(event).map_err(|refused| HistoryError {
                line: position,
                column: 0,
                message: refused.message,
            })?;
        }
        Ok(builder.finish())
    }

    /// Reads `history.jsonl`. `O(bytes)`; holds the operations, not the text.
    pub fn from_jsonl(reader: impl std::io::Read) -> Result<Read<A>, HistoryError> {
        let mut builder = HistoryBuilder::default();
        match format::read(Format::Jsonl, reader, &mut builder, &Limits::default()) {
            Ok(summary) => Ok(Read { history: builder.finish(), truncated: summary.truncated }),
            Err(ReadError::Malformed(error)) => Err(error),
            Err(error) => Err(HistoryError { line: 1, column: 0, message: error.to_string() }),
        }
    }

    /// Every operation, in the order of invocation.
    pub fn ops(&self) -> &[Op<A>] {
        &self.ops
    }

    /// What the nemesis did, in order.
    pub fn nemesis(&self) -> &[(Stamp, NemesisEvent)] {
        &self.nemesis
    }

    /// The time of the last event.
    pub fn end(&self) -> Nanos {
        self.end
    }
}

/// Why an event can't be part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was expected and what was found.
    pub message: String,
    /// The byte offset of what is wrong within the event's text; `None` for all of the event.
    pub at: Option<u32>,
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self { message: error.to_string(), at: error.at }
    }
}

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self { message, at: None }
    }
}

/// What takes the events of a history while a reader finds them.
pub trait Sink {
    /// Takes the next event, or says why it can't be part of the history.
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused>;
}

/// Pairs events while they come: how a reader, or a test of your own, makes a [`History`].
#[derive(Debug)]
pub struct HistoryBuilder<A: Api> {
    history: History<A>,
    open: HashMap<u64, usize>,
    nodes: HashMap<String, Arc<str>>,
    last_index: Option<u64>,
}

impl<A: Api> Default for HistoryBuilder<A> {
    fn default() -> Self {
        let history = History { ops: Vec::new(), nemesis: Vec::new(), end: Nanos::ZERO };
        Self { history, open: HashMap::new(), nodes: HashMap::new(), last_index: None }
    }
}

impl<A: Api> HistoryBuilder<A> {
    /// How many operations it has.
    pub fn len(&self) -> usize {
        self.history.ops.len()
    }

    /// True if it has no operation.
    pub fn is_empty(&self) -> bool {
        self.history.ops.is_empty()
    }

    /// Appends an event as it stood in a file. One without an index gets the next one; one without
    /// a time gets its index as nanoseconds.
    pub fn push_raw(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        let index = raw.index.unwrap_or_else(|| self.last_index.map_or(0, |last| last + 1));
        let time = raw.time.unwrap_or(Nanos(index));
        let node = raw.node.map(|name| match self.nodes.get(name) {
            Some(node) => node.clone(),
            None => self.nodes.entry(name.to_owned()).or_insert(Arc::from(name)).clone(),
        });
        let body = match (raw.process, raw.kind) {
            (Process::Nemesis, _) => Body::Nemesis(NemesisEvent {
                f: Cow::Owned(raw.asked.f.to_owned()),
                value: raw.asked.value.to_json(),
                error: raw.error.map(|_| raw.reason()),
            }),
            (Process::Client(process), Kind::Invoke) => {
                Body::Invoke { process, node, call: A::decode_call(&raw.asked)? }
            }
            (Process::Client(process), _) => {
                let call = self.call_of(process)?.clone();
                let outcome = raw.outcome::<A>(&call)?;
                Body::Complete { process, node, call, outcome }
            }
        };
        self.push(Event { index, time, body })
    }

    fn call_of(&self, process: u64) -> Result<&A::Call, String> {
        let position = self.open.get(&process).ok_or_else(|| {
            format!(
                "process {process} completes an operation, but has none open; \
                 expected an \"invoke\" of it before"
            )
        })?;
        Ok(&self.history.ops[*position].call)
    }

    /// Appends an event.
    pub fn push(&mut self, event: Event<A>) -> Result<(), Refused> {
        if self.last_index.is_some_and(|last| event.index <= last) {
            return Err(format!(
                "index {} after index {}; expected indices that grow",
                event.index,
                self.last_index.unwrap_or_default()
            )
            .into());
        }
        self.last_index = Some(event.index);
        self.history.end = self.history.end.max(event.time);
        let stamp = Stamp { index: event.index, time: event.time };
        match event.body {
            Body::Invoke { process, node, call } => {
                if self.open.insert(process, self.history.ops.len()).is_some() {
                    return Err(format!(
                        "process {process} invokes a second operation while its first is open; \
                         expected its \"ok\", \"fail\" or \"info\" before"
                    )
                    .into());
                }
                self.history.ops.push(Op {
                    process,
                    node,
                    call,
                    invoked: stamp,
                    completed: None,
                    outcome: Outcome::Info(Cow::Borrowed("it never completed")),
                });
            }
            Body::Complete { process, outcome, .. } => {
                self.call_of(process)?;
                let position = self.open.remove(&process).unwrap_or_default();
                let op = &mut self.history.ops[position];
                op.completed = Some(stamp);
                op.outcome = outcome;
            }
            Body::Nemesis(nemesis) => self.history.nemesis.push((stamp, nemesis)),
        }
        Ok(())
    }

    /// The history so far; what is still open is indeterminate.
    pub fn finish(self) -> History<A> {
        self.history
    }
}

impl<A: Api> Sink for HistoryBuilder<A> {
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        self.push_raw(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::History;
    use crate::api::register::Register;
    use crate::op::Outcome;

    const INVOKE: &str =
        r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":3,"node":"n1"}"#;

    fn read(text: &str) -> Result<super::Read<Register>, super::HistoryError> {
        History::from_jsonl(text.as_bytes())
    }

    #[test]
    fn an_operation_that_never_completed_is_indeterminate() {
        let read = read(&format!("{INVOKE}\n")).unwrap();
        assert!(matches!(read.history.ops()[0].outcome, Outcome::Info(_)));
        assert_eq!(read.history.ops()[0].returned(), None);
    }

    #[test]
    fn a_last_line_that_was_cut_off_is_dropped_and_reported() {
        let read = read(&format!("{INVOKE}\n{{\"index\":1,\"ti")).unwrap();
        assert!(read.truncated);
        assert_eq!(read.history.ops().len(), 1);
    }

    #[test]
    fn a_broken_line_in_the_middle_is_an_error_with_its_place() {
        let error = read(&format!("{INVOKE}\n{{\"index\":1,\n{INVOKE}\n")).unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.to_string().contains("expected an event"), "{error}");
    }

    #[test]
    fn completions_without_invocation_and_double_invocations_are_errors() {
        let alone = INVOKE.replace("invoke", "ok");
        assert!(read(&format!("{alone}\n")).unwrap_err().message.contains("none open"));
        let twice = INVOKE.replace("\"index\":0", "\"index\":1");
        assert!(read(&format!("{INVOKE}\n{twice}\n")).unwrap_err().message.contains("second"));
    }

    #[test]
    fn events_written_and_read_are_the_same_history() {
        let text = format!(
            "{INVOKE}\n{}\n",
            INVOKE.replace("invoke", "fail").replace(":0,\"time", ":1,\"time")
        );
        let history = read(&text).unwrap().history;
        assert!(matches!(history.ops()[0].outcome, Outcome::Fail(_)));
    }
}
