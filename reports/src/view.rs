//! Everything that a report shows of one run, put together by whoever ran or loaded it.
//!
//! The records come from `schism_core::record` as they are stored. Only operations are changed: an
//! [`OpView`] holds an operation of any Api as text, shortened, so that reports need no type
//! parameter and a million reads of a large set don't fill the memory.

use schism_core::api::Api;
use schism_core::event::Kind;
use schism_core::op::{Op, Outcome, Stamp};
use schism_core::record::{FaultRecord, FaultWindow, TestRecord, VerdictRecord};
use schism_core::time::Nanos;
use schism_core::wire::NodeStatus;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A value's text is cut to about this many characters, its middle left out.
pub const VALUE_CHARS: usize = 160;

/// One run, as reports see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunView {
    /// The options.
    pub test: TestRecord,
    /// The verdict, with what every checker found.
    pub verdict: VerdictRecord,
    /// The faults that were injected: `schism_core::record::windows` of the journal.
    pub faults: Vec<FaultWindow>,
    /// The journal itself.
    pub journal: Vec<FaultRecord>,
    /// Every operation, in the order of invocation.
    pub ops: Vec<OpView>,
    /// What the nodes logged.
    pub logs: Vec<NodeLog>,
    /// What each node said of itself, sampled during the run.
    pub beliefs: Vec<Belief>,
    /// Files beside the report.
    pub links: Vec<Link>,
}

impl RunView {
    /// Time of the last thing that is known to have happened.
    pub fn end(&self) -> Nanos {
        let ops = self.ops.iter().map(OpView::end);
        let faults = self.faults.iter().map(|window| window.end.unwrap_or(window.start));
        ops.chain(faults).max().unwrap_or_default()
    }

    /// What the whole run came to.
    pub fn outcome(&self) -> Mark {
        Mark::of(&self.verdict.valid)
    }
}

/// A verdict as reports write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `true`.
    Valid,
    /// `false`.
    Invalid,
    /// Anything else: `"unknown"`.
    Unknown,
}

impl Mark {
    /// Reads the `valid` of a record.
    pub fn of(valid: &Value) -> Self {
        match valid {
            Value::Bool(true) => Self::Valid,
            Value::Bool(false) => Self::Invalid,
            _ => Self::Unknown,
        }
    }

    /// In capitals, for the first line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Invalid => "INVALID",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The name of its style.
    pub fn class(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }

    /// A sign that is told apart by its shape.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Valid => "✓",
            Self::Invalid => "✗",
            Self::Unknown => "?",
        }
    }
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// It may have happened.
    Info,
}

impl Fate {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Fail, Self::Info];

    /// As in a history.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

impl From<Kind> for Fate {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ok => Self::Ok,
            Kind::Fail => Self::Fail,
            Kind::Info | Kind::Invoke => Self::Info,
        }
    }
}

/// One operation of any Api, as text.
#[derive(Clone, Debug, PartialEq)]
pub struct OpView {
    /// The client process.
    pub process: u64,
    /// The node asked.
    pub node: Option<Arc<str>>,
    /// The operation's name.
    pub f: Cow<'static, str>,
    /// The object concerned.
    pub key: Option<String>,
    /// Its argument as JSON, shortened; empty if it has none.
    pub call: String,
    /// Its answer as JSON, shortened; `None` unless it happened.
    pub reply: Option<String>,
    /// When it was asked.
    pub invoked: Stamp,
    /// When the log says that it ended.
    pub completed: Option<Stamp>,
    /// What became of it.
    pub fate: Fate,
    /// Why it failed or stayed open.
    pub error: Option<String>,
}

impl OpView {
    /// The operation as reports show it.
    pub fn from_op<A: Api>(op: &Op<A>) -> Self {
        let payload = A::encode_call(&op.call);
        let (fate, reply) = match &op.outcome {
            Outcome::Ok(reply) => (Fate::Ok, Some(short_json(&A::encode_reply(&op.call, reply)))),
            Outcome::Fail(_) => (Fate::Fail, None),
            Outcome::Info(_) => (Fate::Info, None),
        };
        let call = if payload.value.is_null() { String::new() } else { short_json(&payload.value) };
        Self {
            process: op.process,
            node: op.node.clone(),
            f: payload.f,
            key: payload.key.map(|key| shorten(&key.to_string())),
            call,
            reply,
            invoked: op.invoked,
            completed: op.completed,
            fate,
            error: op.outcome.reason().map(shorten),
        }
    }

    /// When it ended, as far as the log knows; an operation that never did ends where it began.
    pub fn end(&self) -> Nanos {
        self.completed.map_or(self.invoked.time, |stamp| stamp.time.max(self.invoked.time))
    }

    /// How long it took, in milliseconds; `None` unless it was answered.
    pub fn latency_ms(&self) -> Option<f64> {
        match self.fate {
            Fate::Info => None,
            Fate::Ok | Fate::Fail => {
                let completed = self.completed?;
                Some(completed.time.since(self.invoked.time).as_secs_f64() * 1e3)
            }
        }
    }

    /// What was asked and what came of it, such as `read → 3`, without key and node.
    pub fn label(&self) -> String {
        let asked = self.asked();
        match self.fate {
            Fate::Ok => match self.reply.as_deref() {
                Some("null") => format!("{asked} → nothing"),
                Some(reply) if reply != self.call => format!("{asked} → {reply}"),
                Some(_) | None => format!("{asked} → ok"),
            },
            Fate::Fail => format!("{asked} → failed"),
            Fate::Info => format!("{asked} → ?"),
        }
    }

    /// What was asked, such as `write 3`.
    pub fn asked(&self) -> String {
        if self.call.is_empty() { self.f.to_string() } else { format!("{} {}", self.f, self.call) }
    }
}

/// What one node logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLog {
    /// The node.
    pub node: Arc<str>,
    /// The log, or its tail; lines that begin with `123 ms` are placed in time.
    pub text: String,
    /// When each of the node's processes was started, in nanoseconds of the run's time, oldest
    /// first; negative before the run's start. Empty if that isn't known.
    pub starts: Vec<i64>,
}

/// What a node said of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belief {
    /// When it was asked.
    pub time: Nanos,
    /// Who.
    pub node: Arc<str>,
    /// It holds itself for the leader or primary.
    pub leader: bool,
    /// What it believes, in a few words.
    pub says: String,
}

impl Belief {
    /// From a node's answer; `None`, that it did not answer.
    pub fn sampled(time: Nanos, node: Arc<str>, status: Option<&NodeStatus>) -> Self {
        let (leader, says) = match status {
            None => (false, "no answer".to_owned()),
            Some(status) if status.says.is_empty() => {
                let role = if status.leader { "leader" } else { "not leader" };
                (status.leader, format!("{role}, term {}", status.term))
            }
            Some(status) => (status.leader, shorten(&status.says)),
        };
        Self { time, node, leader, says }
    }
}

/// A file beside the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is.
    pub label: String,
    /// Where, relative to the report.
    pub href: String,
}

/// A value as compact JSON, shortened.
pub fn short_json(value: &Value) -> String {
    let text = shorten(&value.to_string());
    match value.as_array() {
        Some(list) if text.contains(" … ") => format!("{text} ({} elements)", list.len()),
        _ => text,
    }
}

/// Cuts the middle out of a long text. O(length).
pub fn shorten(text: &str) -> String {
    if text.len() <= VALUE_CHARS {
        return text.to_owned();
    }
    let head: String = text.chars().take(VALUE_CHARS * 3 / 4).collect();
    let rest = &text[head.len()..];
    let tail_chars = VALUE_CHARS / 4;
    let tail_start = rest.char_indices().rev().nth(tail_chars - 1).map_or(0, |(at, _)| at);
    if tail_start == 0 { text.to_owned() } else { format!("{head} … {}", &rest[tail_start..]) }
}

#[cfg(test)]
mod tests {
    use super::{OpView, VALUE_CHARS, short_json, shorten};
    use schism_core::api::register::Register;
    use schism_core::history::History;

    #[test]
    fn long_values_lose_their_middle_only() {
        let list: Vec<u32> = (0..1000).collect();
        let text = short_json(&serde_json::json!(list));
        assert!(text.starts_with("[0,1,2") && text.ends_with("999] (1000 elements)"), "{text}");
        assert!(text.len() < VALUE_CHARS + 40);
        let accents = "é".repeat(1000);
        assert!(shorten(&accents).chars().count() <= VALUE_CHARS + 3);
        assert_eq!(shorten("short"), "short");
    }

    #[test]
    fn an_operation_reads_like_a_sentence() {
        let lines = concat!(
            r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","key":1,"value":3}"#,
            "\n",
            r#"{"index":1,"time":2,"type":"ok","process":0,"f":"write","key":1,"value":3}"#,
            "\n",
            r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"read","key":1}"#,
            "\n",
            r#"{"index":3,"time":4,"type":"ok","process":0,"f":"read","key":1,"value":null}"#,
            "\n",
            r#"{"index":4,"time":5,"type":"invoke","process":0,"f":"cas","key":1,"value":[3,4]}"#,
            "\n",
        );
        let history = History::<Register>::from_jsonl(lines.as_bytes()).unwrap().history;
        let labels: Vec<String> =
            history.ops().iter().map(|op| OpView::from_op(op).label()).collect();
        assert_eq!(labels, ["write 3 → ok", "read → nothing", "cas [3,4] → ?"]);
    }
}
