//! Monotonic: values that only grow are never seen to shrink.
//!
//! For registers whose values are versions, counts or time stamps: whoever writes them writes ever
//! larger ones. Kinds:
//! - `non-monotonic-read`: a process reads less than it had read or written before, of the same
//!   key;
//! - `non-monotonic-realtime`, only if asked for ([`Monotonic::real_time`]): a read that began
//!   after another process had read or written more. A store with one copy never shows that; one
//!   with replicas may.
//!
//! What a process had seen is what reads returned to it and what writes and compare-and-sets of its
//! own put there, as far as they were acknowledged; nothing (nil) is less than any value. That
//! values do grow is taken from the user, but not against the evidence: if some write of the lesser
//! value need not have been over before every write of the greater one began, the lesser may have
//! come later, and nobody is accused. Values that no operation wrote, such as those of a counter
//! that the system itself increments, are taken to grow. `O(n)`.
//!
//! It asks less than [`session_guarantees`](crate::session_guarantees), which find out which value
//! is newer, but also of histories that write one value many times. Source: Jepsen's `monotonic`
//! workloads.
//!
//! ```
//! use schism_checkers::monotonic::Monotonic;
//! use schism_core::{api::register::Register, checker::Checker, history::History};
//! let mut lines = String::new();
//! for value in [3, 2] {
//!     for kind in ["invoke", "ok"] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":0,\"f\":\"read\",\"value\":{value}}}\n");
//!     }
//! }
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Monotonic::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "non-monotonic-read");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, value};
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

/// The checker's name.
pub const NAME: &str = "monotonic";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "values that only grow: no process sees them shrink",
    page: "\
Operations: as of `register`, each key by itself; values are versions, counts or time stamps.
Finds: non-monotonic-read: a process reads less than it had read or written before.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(Monotonic::default()))
    },
};

/// Judges values that only grow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic {
    /// Also between processes, where one operation returned before the other began.
    pub real_time: bool,
}

/// What an operation saw of its key, or put there.
#[derive(Clone, Copy)]
struct Seen<'h> {
    value: Option<i64>,
    op: &'h Op<Register>,
}

impl Seen<'_> {
    fn is_read(&self) -> bool {
        matches!(self.op.call.op, RegisterOp::Read)
    }
}

type Object<'h> = Option<&'h Key>;

fn seen(op: &Op<Register>) -> Option<Seen<'_>> {
    let value = match (op.call.op, op.reply()?) {
        (RegisterOp::Read, Reply::Read(value)) => *value,
        (RegisterOp::Write(new) | RegisterOp::Cas(_, new), _) => Some(new),
        (RegisterOp::Read, Reply::Written) => return None,
    };
    Some(Seen { value, op })
}

impl Checker<Register> for Monotonic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, _: &RunFacts, _: &Limits) -> Finding {
        let grows = Grows::gather(history);
        let all = || history.ops().iter().filter_map(seen);
        let mut tally = Tally::default();
        let mut last: FxHashMap<(u64, Object<'_>), Seen<'_>> = FxHashMap::default();
        for seen in all() {
            let highest = last.entry((seen.op.process, seen.op.call.key.as_ref())).or_insert(seen);
            if seen.value >= highest.value {
                *highest = seen;
            } else if seen.is_read() && grows.from(&seen, highest) {
                tally.add("non-monotonic-read", || describe("non-monotonic-read", highest, &seen));
            }
        }
        if self.real_time {
            between_processes(all(), &grows, &mut tally);
        }
        let reads = all().filter(Seen::is_read).count();
        let details = json!({
            "reads": reads,
            "anomalies": tally.to_json(),
        });
        let unknown = (reads == 0).then(|| "vacuous: no read succeeded".to_owned());
        let checked = count(reads, "read", "reads");
        let (verdict, summary) =
            tally.conclude(&checked, unknown, || format!("{checked}, and nothing shrinks"));
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

/// By key and value, when the last write of it was certainly over (`u64::MAX`: it may still come),
/// and when the first one began.
struct Grows<'h>(FxHashMap<(Object<'h>, i64), (u64, u64)>);

impl<'h> Grows<'h> {
    fn gather(history: &'h History<Register>) -> Self {
        let mut writes = FxHashMap::default();
        for op in history.ops().iter().filter(|op| op.outcome.may_have_happened()) {
            let (RegisterOp::Write(new) | RegisterOp::Cas(_, new)) = op.call.op else { continue };
            let (start, end) = (op.invoked.index, op.returned().unwrap_or(u64::MAX));
            let (over, began) = writes.entry((op.call.key.as_ref(), new)).or_insert((end, start));
            *over = end.max(*over);
            *began = start.min(*began);
        }
        Self(writes)
    }

    /// Is it ruled out that the lesser value was written after the greater one?
    fn from(&self, less: &Seen<'h>, more: &Seen<'h>) -> bool {
        let of = |seen: &Seen<'h>| self.0.get(&(seen.op.call.key.as_ref(), seen.value?));
        match (of(less), of(more)) {
            (Some((over, _)), Some((_, began))) => over < began,
            (Some((over, _)), None) => *over < more.op.invoked.index,
            (None, _) => true,
        }
    }
}

/// Walks over begins and ends, with the highest value of each key that has returned.
fn between_processes<'h>(
    all: impl Iterator<Item = Seen<'h>>,
    grows: &Grows<'h>,
    tally: &mut Tally,
) {
    let mut events: Vec<(u64, bool, Seen<'h>)> = Vec::new();
    for seen in all {
        events.push((seen.op.invoked.index, false, seen));
        events.extend(seen.op.returned().map(|returned| (returned, true, seen)));
    }
    events.sort_unstable_by_key(|(index, ..)| *index);
    let mut highest: FxHashMap<Object<'h>, Seen<'h>> = FxHashMap::default();
    for (_, ends, seen) in events {
        let key = seen.op.call.key.as_ref();
        if ends {
            let known = highest.entry(key).or_insert(seen);
            if seen.value > known.value {
                *known = seen;
            }
        } else if let Some(known) = highest.get(&key)
            && seen.is_read()
            && known.op.process != seen.op.process
            && seen.value < known.value
            && grows.from(&seen, known)
        {
            tally
                .add("non-monotonic-realtime", || describe("non-monotonic-realtime", known, &seen));
        }
    }
}

fn describe(kind: &'static str, before: &Seen<'_>, after: &Seen<'_>) -> Anomaly {
    let of = after.op.call.key.as_ref().map_or_else(String::new, |key| format!("key {key}: "));
    let did = if before.is_read() { "read" } else { "written" };
    let (who, whose) = (after.op.process, before.op.process);
    let (low, high) = (value(after.value), value(before.value));
    let summary = format!("{of}process {who} read {low}, after process {whose} had {did} {high}");
    Anomaly::new(kind, summary)
        .because(format!("{} answered {high} at {}", asked(before.op), ended(before.op)))
        .because(format!("{} was asked at {}", asked(after.op), after.op.invoked.time))
        .with_op(before.op)
        .with_op(after.op)
}
