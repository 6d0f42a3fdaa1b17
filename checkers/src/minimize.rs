//! The smallest part of a history that still fails.
//!
//! A violation in a million operations usually rests on a handful. Those that the checker named are
//! tried first; if they don't fail by themselves in the same way, more of the history is taken:
//! everything up to the last of them, then everything. What fails is then reduced by delta
//! debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002),
//! without its subset step, which hardly ever succeeds on histories: parts are left out, half of
//! it, quarters, eighths, … single operations, as long as the rest still fails.
//!
//! "Fails in the same way" means that the same model is violated by an anomaly of the same kind.
//! That matters: without the write, a stale read is a read from nowhere.
//!
//! The result is 1-minimal unless the budget of judgements is used up: no single operation can be
//! left out. At most `O(n log n)` judgements of at most n operations for a result of few.
//!
//! ```
//! use schism_checkers::minimize::{Recording, minimize};
//! use schism_checkers::models;
//! use schism_core::{event::Line, form::Tape, history::Sink};
//! let mut recording = Recording::default();
//! let mut tape = Tape::default();
//! let mut event = |index: u64, kind: &str, process: u64, f: &str, value: &str| {
//!     let line = format!(
//!         r#"{{"index":{index},"time":0,"type":"{kind}","process":{process},
//!             "f":"{f}","value":{value}}}"#
//!     );
//!     let line: Line<'_> = serde_json::from_str(&line).unwrap();
//!     recording.event(&line.raw(&mut tape)).unwrap();
//! };
//! for (index, (f, value)) in [("write", "1"), ("write", "2"), ("read", "2"), ("read", "1")]
//!     .into_iter()
//!     .enumerate()
//! {
//!     event(2 * index as u64, "invoke", 0, f, if f == "read" { "null" } else { value });
//!     event(2 * index as u64 + 1, "ok", 0, f, value);
//! }
//! let model = models::find("register").unwrap();
//! let smallest = minimize(&recording, model, &Default::default(), "stale-read", &[], 100);
//! assert_eq!(smallest.unwrap(), [0, 2, 6]);
//! ```

use crate::model::{Model, Options};
use schism_core::event::{Kind, OwnedEvent, RawEvent};
use schism_core::history::{Refused, Sink};
use schism_core::limits::Limits;
use schism_core::op::Process;
use std::collections::{BTreeSet, HashMap};

/// The events of a history, by operation.
#[derive(Debug, Default)]
pub struct Recording {
    ops: Vec<RecordedOp>,
    open: HashMap<u64, usize>,
    last: Option<u64>,
}

/// One operation as it stood in the file.
#[derive(Debug)]
pub struct RecordedOp {
    first: OwnedEvent,
    completion: Option<OwnedEvent>,
}

impl RecordedOp {
    /// The index of its invocation, by which anomalies name it.
    pub fn index(&self) -> u64 {
        self.first.index()
    }

    /// Its events, in order.
    pub fn events(&self) -> impl Iterator<Item = &OwnedEvent> {
        std::iter::once(&self.first).chain(&self.completion)
    }

    fn end(&self) -> u64 {
        self.completion.as_ref().map_or(u64::MAX, OwnedEvent::index)
    }
}

impl Recording {
    /// The operations, in the order of their first events.
    pub fn ops(&self) -> &[RecordedOp] {
        &self.ops
    }
}

impl Sink for Recording {
    /// Takes every client's event; what belongs together is not checked, for a judge does that.
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        let index = raw.index.unwrap_or_else(|| self.last.map_or(0, |last| last + 1));
        self.last = Some(index);
        let Process::Client(process) = raw.process else { return Ok(()) };
        let event = OwnedEvent::new(raw, index);
        let open = if raw.kind == Kind::Invoke { None } else { self.open.remove(&process) };
        if let Some(position) = open {
            self.ops[position].completion = Some(event);
            return Ok(());
        }
        if raw.kind == Kind::Invoke {
            self.open.insert(process, self.ops.len());
        }
        self.ops.push(RecordedOp { first: event, completion: None });
        Ok(())
    }
}

/// The smallest part that `model` finds invalid with an anomaly of this kind, as indices of
/// invocations; `culprits` are the operations that the anomaly named. `None` if nothing that could
/// be tried within `judgements` fails so.
pub fn minimize(
    recording: &Recording,
    model: &Model,
    options: &Options,
    kind: &str,
    culprits: &[u64],
    judgements: usize,
) -> Option<Vec<u64>> {
    let ops = recording.ops();
    let mut left = judgements;
    let mut fails = |chosen: &[usize]| {
        left = left.checked_sub(1)?;
        Some(judged(ops, model, options, chosen, kind))
    };
    let culprits: BTreeSet<u64> = culprits.iter().copied().collect();
    let named = |op: &&usize| culprits.contains(&ops[**op].index());
    let all: Vec<usize> = (0..ops.len()).collect();
    let own: Vec<usize> = all.iter().filter(named).copied().collect();
    let last = own.iter().map(|op| ops[*op].end()).max().unwrap_or(u64::MAX);
    let prefix: Vec<usize> = all.iter().filter(|op| ops[**op].index() < last).copied().collect();
    let mut chosen = None;
    for candidate in [own, prefix, all] {
        if !candidate.is_empty() && fails(&candidate)? {
            chosen = Some(candidate);
            break;
        }
    }
    let chosen = reduce(chosen?, &mut fails);
    Some(chosen.into_iter().map(|op| ops[op].index()).collect())
}

/// Leaves out what can be left out; `fails` is `None` once the budget is used up.
fn reduce(mut chosen: Vec<usize>, fails: &mut impl FnMut(&[usize]) -> Option<bool>) -> Vec<usize> {
    let mut size = chosen.len().div_ceil(2).max(1);
    loop {
        let mut changed = false;
        let mut from = 0;
        while from < chosen.len() && chosen.len() > 1 {
            let to = (from + size).min(chosen.len());
            let rest = [&chosen[..from], &chosen[to..]].concat();
            match fails(&rest) {
                None => return chosen,
                Some(true) => {
                    chosen = rest;
                    changed = true;
                }
                Some(false) => from = to,
            }
        }
        if size > 1 {
            size = (size / 2).max(1);
        } else if !changed {
            return chosen;
        }
    }
}

/// Does this part fail in this way?
fn judged(
    ops: &[RecordedOp],
    model: &Model,
    options: &Options,
    chosen: &[usize],
    kind: &str,
) -> bool {
    let Ok(mut judge) = model.make(options) else { return false };
    let mut events: Vec<&OwnedEvent> = chosen.iter().flat_map(|op| ops[*op].events()).collect();
    events.sort_unstable_by_key(|event| event.index());
    if events.iter().any(|event| judge.event(&event.raw()).is_err()) {
        return false;
    }
    let judged = judge.judge(&Limits::default());
    judged.verdict.anomalies().iter().any(|anomaly| anomaly.kind == kind)
}
