//! Puts a violation into words: the operation that no order explains, and what it collides with.
//!
//! The verdict is fixed before this is asked. The name of the anomaly is the first of these that
//! fits the operation at which the shortest impossible prefix ends:
//! - a read: `aborted-read` (the value of a write that failed), `garbage-read` (nobody wrote it),
//!   `future-read` (written only later), `split-brain`, `stale-read` (a newer value had been
//!   acknowledged, or read, before the read began);
//! - a compare-and-set: `split-brain`, `lost-write` (another replaced the same value);
//! - otherwise `not-linearizable`.

use super::register::{Action, actions};
use super::split_brain::{self, SplitBrain};
use super::timed::Timed;
use super::{Object, decide_by, prefix, sweep};
use crate::words::{asked, count, ended, some, value};
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::history::History;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;

/// How many steps may be spent on finding the states that were possible.
const STATES_BUDGET: u64 = 2_000_000;

/// The name and description of what is wrong with an object that is not linearizable.
pub(super) fn explain(
    object: &Object<'_>,
    method: &str,
    budget: u64,
    history: &History<Register>,
    run: &RunFacts,
) -> (&'static str, Anomaly) {
    let culprit = prefix::culprit(&object.ops, |ops| decide_by(method, ops, budget));
    let Some(culprit) = culprit else {
        let operations = count(object.ops.len(), "operation", "operations");
        let summary = format!("no order of the {operations} on {} explains them", name(object));
        return ("not-linearizable", Anomaly::new("not-linearizable", summary));
    };
    let case = Case { object, culprit, history, run };
    let (kind, anomaly) = match Action::of(&culprit) {
        Some(Action::Read(found)) => case.read(found),
        Some(Action::Cas(old, _)) => case.cas(old),
        Some(Action::Write(_)) | None => case.plain(),
    };
    (kind, case.states(anomaly))
}

fn name(object: &Object<'_>) -> String {
    object.key.map_or_else(|| "the register".to_owned(), |key| format!("key {key}"))
}

/// What an operation did, such as `read 3` or `wrote 3`.
fn did(op: &Op<Register>) -> String {
    match (op.call.op, op.reply()) {
        (RegisterOp::Read, Some(Reply::Read(found))) => format!("read {}", value(*found)),
        (RegisterOp::Read, _) => "read".to_owned(),
        (RegisterOp::Write(new), Some(_)) => format!("acknowledged write {new}"),
        (RegisterOp::Write(new), None) => format!("was asked to write {new}"),
        (RegisterOp::Cas(old, new), Some(_)) => format!("replaced {old} by {new}"),
        (RegisterOp::Cas(old, new), None) => format!("was asked to replace {old} by {new}"),
    }
}

/// The operation with its times, as a step of the argument.
fn step(op: &Op<Register>) -> String {
    let until = match op.reply() {
        Some(_) => format!("to {}", ended(op)),
        None => "on, and its fate is unknown".to_owned(),
    };
    format!("{} {}, from {} {until}", asked(op), did(op), op.invoked.time)
}

struct Case<'a> {
    object: &'a Object<'a>,
    culprit: Timed<'a, Register>,
    history: &'a History<Register>,
    run: &'a RunFacts,
}

impl<'a> Case<'a> {
    /// What may have changed the register before the culprit returned.
    fn writes(&self) -> impl Iterator<Item = (i64, &'a Op<Register>)> {
        let end = self.culprit.end;
        let begun = self.object.ops.iter().filter(move |op| op.start < end);
        begun.filter_map(|op| Some((Action::of(op)?.written()?, op.op)))
    }

    fn anomaly(&self, kind: &'static str, summary: &str, others: &[&Op<Register>]) -> Anomaly {
        let culprit = self.culprit.op;
        let mut ops: Vec<&Op<Register>> = others.to_vec();
        ops.push(culprit);
        let from = ops.iter().map(|op| op.invoked.time).min().unwrap_or_default();
        let to = ops.iter().map(|op| ended(op)).max().unwrap_or_default();
        let during =
            if kind == "split-brain" { String::new() } else { self.run.faults_in_words(from, to) };
        let anomaly = Anomaly::new(kind, format!("{summary}{during}"));
        ops.into_iter().fold(anomaly, |anomaly, op| anomaly.because(step(op)).with_op(op))
    }

    fn read(&self, found: Option<i64>) -> (&'static str, Anomaly) {
        let read = self.culprit.op;
        let node = asked(read);
        let (shown, of) = (value(found), name(self.object));
        let writers: Vec<&Op<Register>> =
            self.writes().filter(|(new, _)| Some(*new) == found).map(|(_, op)| op).collect();
        if let (Some(wanted), true) = (found, writers.is_empty()) {
            return self.unwritten(wanted);
        }
        if let Some((overwritten, newer)) = self.split_brain(&writers) {
            return overwritten.describe(self, newer);
        }
        // Every write of the value was over before something newer, which was known before the
        // read.
        let older = |op: &Op<Register>| writers.iter().all(|writer| writer.precedes(op));
        let newer = self
            .writes()
            .filter(|(new, op)| Some(*new) != found && op.precedes(read) && older(op))
            .max_by_key(|(_, op)| op.invoked.index);
        if let Some((_, newer)) = newer {
            let summary = format!(
                "stale read of {of}: {node} read {shown} at {}, but {} {} at {}, before that read \
                 began",
                ended(read),
                asked(newer),
                did(newer).replace("acknowledged write", "had acknowledged write"),
                ended(newer),
            );
            let others: Vec<&Op<Register>> =
                writers.iter().copied().take(1).chain([newer]).collect();
            return ("stale-read", self.anomaly("stale-read", &summary, &others));
        }
        if let Some(reader) = self.newer_read(found, &writers) {
            let summary = format!(
                "stale read of {of}: {node} read {shown} at {}, but {} had already {} at {}, which \
                 is newer",
                ended(read),
                asked(reader),
                did(reader),
                ended(reader),
            );
            let others: Vec<&Op<Register>> =
                writers.iter().copied().take(1).chain([reader]).collect();
            return ("stale-read", self.anomaly("stale-read", &summary, &others));
        }
        self.plain()
    }

    /// A read that ended before this one began, of a value all of whose writes came after those of
    /// the value found.
    fn newer_read(
        &self,
        found: Option<i64>,
        writers: &[&Op<Register>],
    ) -> Option<&'a Op<Register>> {
        let reads = self.object.ops.iter().filter_map(|op| match Action::of(op)? {
            Action::Read(Some(seen)) if Some(seen) != found => Some((seen, op.op)),
            _ => None,
        });
        reads
            .filter(|(_, op)| op.precedes(self.culprit.op))
            .filter(|(seen, _)| {
                let mut sources = self.writes().filter(|(new, _)| new == seen).peekable();
                sources.peek().is_some()
                    && sources.all(|(_, new)| writers.iter().all(|old| old.precedes(new)))
            })
            .map(|(_, op)| op)
            .max_by_key(|op| op.invoked.index)
    }

    fn unwritten(&self, wanted: i64) -> (&'static str, Anomaly) {
        let read = self.culprit.op;
        let writes = |op: &Op<Register>| match op.call.op {
            RegisterOp::Write(new) | RegisterOp::Cas(_, new) => new == wanted,
            RegisterOp::Read => false,
        };
        let later = self.object.ops.iter().map(|op| op.op).find(|op| writes(op));
        let failed = self.object.failed.iter().copied().find(|op| writes(op));
        let (kind, why, other) = match (later, failed) {
            (Some(op), _) => ("future-read", "which was written only later", Some(op)),
            (None, Some(op)) => ("aborted-read", "although that write certainly failed", Some(op)),
            (None, None) => ("garbage-read", "which nobody ever wrote", None),
        };
        let summary = format!(
            "{} read {wanted} from {} at {}, {why}",
            asked(read),
            name(self.object),
            ended(read)
        );
        let anomaly = self.anomaly(kind, &summary, &[]);
        (kind, other.into_iter().fold(anomaly, Anomaly::with_op))
    }

    /// Two primaries: one wrote one of `ours`, the other something else.
    fn split_brain(&self, ours: &[&'a Op<Register>]) -> Option<(Brains<'a>, &'a Op<Register>)> {
        let acknowledged: Vec<&Op<Register>> =
            self.writes().map(|(_, op)| op).filter(|op| op.reply().is_some()).collect();
        let mine = ours.iter().copied().filter(|op| op.reply().is_some());
        // Where the value itself has no known writer, any two primaries of this key explain it.
        let candidates: Vec<&Op<Register>> = match ours {
            [] => acknowledged.clone(),
            _ => mine.collect(),
        };
        candidates.into_iter().find_map(|first| {
            let found = split_brain::find(first, &acknowledged, self.history, self.run)?;
            let newer = found.writes[1];
            Some((Brains(found), newer))
        })
    }

    fn cas(&self, old: i64) -> (&'static str, Anomaly) {
        let cas = self.culprit.op;
        if let Some((brains, newer)) = self.split_brain(&[cas]) {
            return brains.describe(self, newer);
        }
        let rival = self.writes().find(|(_, op)| {
            matches!(op.call.op, RegisterOp::Cas(from, _) if from == old)
                && op.invoked.index != cas.invoked.index
                && op.reply().is_some()
        });
        let writers = self.writes().filter(|(new, _)| *new == old).count();
        match rival {
            Some((_, rival)) if writers == 1 => {
                let summary = format!(
                    "lost write on {}: {} {} and {} {}, though {old} was written once",
                    name(self.object),
                    asked(rival),
                    did(rival),
                    asked(cas),
                    did(cas)
                );
                ("lost-write", self.anomaly("lost-write", &summary, &[rival]))
            }
            _ => self.plain(),
        }
    }

    fn plain(&self) -> (&'static str, Anomaly) {
        let op = self.culprit.op;
        let summary = format!(
            "no order of the operations on {} explains that {} {} at {}",
            name(self.object),
            asked(op),
            did(op),
            ended(op)
        );
        ("not-linearizable", self.anomaly("not-linearizable", &summary, &[]))
    }

    /// Adds what the register could hold while the culprit was open.
    fn states(&self, anomaly: Anomaly) -> Anomaly {
        let ops = prefix::until(&self.object.ops, self.culprit.end);
        debug_assert_eq!(ops.len(), actions(&ops).len());
        let watched = ops.iter().position(|op| op.start == self.culprit.start);
        let states = watched.and_then(|at| sweep::states_during(&ops, at, STATES_BUDGET));
        match states {
            Some(states) if !states.is_empty() => {
                let states: Vec<String> = states.into_iter().map(value).collect();
                anomaly.because(format!(
                    "while that operation was open, {} can only have held {}",
                    name(self.object),
                    some(&states).replace(" and ", " or ")
                ))
            }
            _ => anomaly,
        }
    }
}

struct Brains<'a>(SplitBrain<'a>);

impl Brains<'_> {
    fn describe(&self, case: &Case<'_>, newer: &Op<Register>) -> (&'static str, Anomaly) {
        let [first, _] = self.0.writes;
        let same = first.invoked.index == case.culprit.op.invoked.index;
        let what = |op: &Op<Register>| match op.call.op {
            RegisterOp::Cas(old, new) => format!("the change of {old} to {new}"),
            RegisterOp::Write(new) => format!("write {new}"),
            RegisterOp::Read => "a read".to_owned(),
        };
        let summary = format!(
            "split brain: {} acknowledged {} to {} and {} acknowledged {}, while {}, and neither \
             order of the two explains {}",
            asked(first),
            what(first),
            name(case.object),
            asked(newer),
            what(newer),
            self.0.fault.summary,
            if same { "the others" } else { "the reads" }
        );
        let others: &[&Op<Register>] = if same { &[newer] } else { &[first, newer] };
        ("split-brain", case.anomaly("split-brain", &summary, others))
    }
}
