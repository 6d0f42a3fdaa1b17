//! A history: what every client asked and what became of it, validated once and then trusted.
//!
//! [`History::from_events`] checks what every checker relies on: indices grow, a process has one
//! operation open at a time, and a completion belongs to an invocation. An operation that never
//! completed becomes an indeterminate one, because that is all that is known about it.
//!
//! [`History::from_jsonl`] reads `history.jsonl` and names line and column of whatever is wrong. A
//! last line that was cut off while being written is dropped and reported, so that the history of a
//! killed controller can be judged; a broken line anywhere else is an error.

use crate::api::Api;
use crate::event::{Body, Event, Kind, Line, NemesisEvent};
use crate::op::{Op, Outcome, Process, Stamp};
use crate::time::Nanos;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;

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
        let mut pairing = Pairing::default();
        for (position, event) in (1..).zip(events) {
            pairing.push(event).map_err(|message| HistoryError {
                line: position,
                column: 0,
                message,
            })?;
        }
        Ok(pairing.finish())
    }

    /// Reads `history.jsonl`. `O(bytes)`; holds the operations, not the text.
    pub fn from_jsonl(mut reader: impl BufRead) -> Result<Read<A>, HistoryError> {
        let mut pairing = Pairing::default();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let error = |column, message| HistoryError { line: number, column, message };
            let read = reader
                .read_until(b'\n', &mut bytes)
                .map_err(|e| error(0, format!("cannot be read: {e}")))?;
            if read == 0 {
                break;
            }
            let complete = bytes.ends_with(b"\n");
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let line: Line<'_> = match serde_json::from_slice(&bytes) {
                Ok(line) => line,
                Err(_) if !complete => {
                    return Ok(Read { history: pairing.finish(), truncated: true });
                }
                Err(e) => {
                    let message = format!(
                        "expected an event like {{\"index\":0,\"time\":1,\"type\":\"invoke\",\
                         \"process\":0,\"f\":\"read\",\"value\":null}}, found {e}"
                    );
                    return Err(error(e.column() as u64, message));
                }
            };
            pairing.push_line(&line).map_err(|message| error(0, message))?;
        }
        Ok(Read { history: pairing.finish(), truncated: false })
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

/// Pairs events while they come.
struct Pairing<A: Api> {
    history: History<A>,
    open: HashMap<u64, usize>,
    last_index: Option<u64>,
}

impl<A: Api> Default for Pairing<A> {
    fn default() -> Self {
        let history = History { ops: Vec::new(), nemesis: Vec::new(), end: Nanos::ZERO };
        Self { history, open: HashMap::new(), last_index: None }
    }
}

impl<A: Api> Pairing<A> {
    fn push_line(&mut self, line: &Line<'_>) -> Result<(), String> {
        let body = match (line.process, line.kind) {
            (Process::Nemesis, _) => Body::Nemesis(NemesisEvent {
                f: Cow::Owned(line.f.clone().into_owned()),
                value: line.value.clone(),
                error: line.error.as_ref().map(|e| Cow::Owned(e.clone().into_owned())),
            }),
            (Process::Client(process), Kind::Invoke) => Body::Invoke {
                process,
                node: line.node.clone(),
                call: line.call::<A>().map_err(|e| e.to_string())?,
            },
            (Process::Client(process), _) => {
                let call = self.call_of(process)?.clone();
                let outcome = line.outcome::<A>(&call).map_err(|e| e.to_string())?;
                Body::Complete { process, node: line.node.clone(), call, outcome }
            }
        };
        self.push(Event { index: line.index, time: line.time, body })
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

    fn push(&mut self, event: Event<A>) -> Result<(), String> {
        if self.last_index.is_some_and(|last| event.index <= last) {
            return Err(format!(
                "index {} after index {}; expected indices that grow",
                event.index,
                self.last_index.unwrap_or_default()
            ));
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
                    ));
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

    fn finish(self) -> History<A> {
        self.history
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
