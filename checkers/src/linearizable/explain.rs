//! Puts a violation into words: the operation that no order explains, and what it collides with.
//!
//! The verdict is fixed before this is asked. The name of the anomaly is the first of these that
//! fits the operation at which the shortest impossible prefix ends:
//! - a read: `aborted-read` (the value of a write that failed), `garbage-read` (nobody wrote it),
//!   `future-read` (written only later), `split-brain`, `stale-read` (a newer value had been
//!   acknowledged, or read, before the read began);
//! - a compare-and-set: `split-brain`, `lost-write` (another replaced the same value);
//! - otherwise `not-linearizable`.

use super::history::{Action, Did, Fate, OnKey, RegisterHistory};
use super::part::Part;
use super::split_brain::{self, SplitBrain};
use crate::transactions::ValueId;
use crate::words::some;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use std::collections::HashMap;

/// A register that is not linearizable.
pub(super) struct Case<'a> {
    pub(super) history: &'a RegisterHistory,
    pub(super) on: OnKey<'a>,
    pub(super) part: &'a Part,
    /// What it holds first.
    pub(super) first: ValueId,
    /// The operation with whose return it becomes impossible.
    pub(super) culprit: Did<'a>,
    /// What it can have held meanwhile, if that is known.
    pub(super) states: &'a [ValueId],
    pub(super) run: &'a RunFacts,
}

impl<'a> Case<'a> {
    /// The name and description of what is wrong.
    pub(super) fn explain(&self) -> (&'static str, Anomaly) {
        let (kind, anomaly) = match self.culprit.action() {
            Action::Read(found) => self.read(found),
            Action::Cas(old, _) => self.cas(old),
            Action::Write(_) => self.plain(),
        };
        (kind, self.with_states(anomaly))
    }

    fn name(&self) -> String {
        self.on.key.map_or_else(|| "the register".to_owned(), |key| format!("key {key}"))
    }

    /// What counts and had begun before the culprit returned.
    fn begun(&self) -> impl Iterator<Item = Did<'a>> {
        let end = self.culprit.returned().unwrap_or(u64::MAX);
        let begun = self.part.ops.partition_point(|op| op.start < end);
        let history = self.history;
        self.part.ids[..begun].iter().map(move |id| history.op(*id))
    }

    /// What may have changed the register before the culprit returned.
    fn writes(&self) -> impl Iterator<Item = (ValueId, Did<'a>)> {
        self.begun().filter_map(|op| Some((op.action().written()?, op)))
    }

    fn anomaly(&self, kind: &'static str, summary: &str, others: &[Did<'_>]) -> Anomaly {
        let ops = || others.iter().copied().chain([self.culprit]);
        let from = ops().map(|op| op.invoked().time).min().unwrap_or_default();
        let to = ops().map(Did::ended).max().unwrap_or_default();
        let during =
            if kind == "split-brain" { String::new() } else { self.run.faults_in_words(from, to) };
        let anomaly = Anomaly::new(kind, format!("{summary}{during}"));
        ops().fold(anomaly, |anomaly, op| op.name_in(anomaly.because(op.step())))
    }

    fn read(&self, found: ValueId) -> (&'static str, Anomaly) {
        let read = self.culprit;
        let writers: Vec<Did<'_>> =
            self.writes().filter(|(new, _)| *new == found).map(|(_, op)| op).collect();
        if writers.is_empty() && found != self.first {
            return self.unwritten(found);
        }
        if let Some(brains) = self.split_brain(&writers) {
            return self.brains(&brains);
        }
        // Every write of the value was over before something newer, which was known before the
        // read.
        let over = all_over(&writers);
        let newer = self
            .writes()
            .filter(|(new, op)| *new != found && op.precedes(read))
            .filter(|(_, op)| over.is_some_and(|over| over <= op.invoked().index))
            .max_by_key(|(_, op)| op.invoked().index);
        if let Some((_, newer)) = newer {
            let summary = format!(
                "stale read of {}: {} read {} at {}, but {} {} at {}, before that read began",
                self.name(),
                read.asked(),
                self.history.shown(found),
                read.ended(),
                newer.asked(),
                newer.did().replace("acknowledged write", "had acknowledged write"),
                newer.ended(),
            );
            let others: Vec<Did<'_>> = writers.iter().copied().take(1).chain([newer]).collect();
            return ("stale-read", self.anomaly("stale-read", &summary, &others));
        }
        if let Some(reader) = self.newer_read(found, &writers) {
            let summary = format!(
                "stale read of {}: {} read {} at {}, but {} had already {} at {}, which is newer",
                self.name(),
                read.asked(),
                self.history.shown(found),
                read.ended(),
                reader.asked(),
                reader.did(),
                reader.ended(),
            );
            let others: Vec<Did<'_>> = writers.iter().copied().take(1).chain([reader]).collect();
            return ("stale-read", self.anomaly("stale-read", &summary, &others));
        }
        self.plain()
    }

    /// A read that ended before this one began, of a value all of whose writes came after those of
    /// the value found.
    fn newer_read(&self, found: ValueId, writers: &[Did<'_>]) -> Option<Did<'a>> {
        let over = all_over(writers)?;
        let mut is_newer: HashMap<ValueId, bool> = HashMap::new();
        for (new, op) in self.writes() {
            let newer = is_newer.entry(new).or_insert(true);
            *newer &= over <= op.invoked().index;
        }
        self.begun()
            .filter(|op| op.is_ok() && op.precedes(self.culprit))
            .filter(|op| match op.action() {
                Action::Read(seen) => {
                    seen != found && seen != self.first && is_newer.get(&seen) == Some(&true)
                }
                Action::Write(_) | Action::Cas(..) => false,
            })
            .max_by_key(|op| op.invoked().index)
    }

    fn unwritten(&self, wanted: ValueId) -> (&'static str, Anomaly) {
        let read = self.culprit;
        let ops = || self.on.ops.iter().map(|id| self.history.op(*id));
        let mut writes = ops().filter(|op| op.action().written() == Some(wanted));
        let later = writes.clone().find(|op| op.fate() != Fate::Fail);
        let (kind, why, other) = match (later, writes.next()) {
            (Some(op), _) => ("future-read", "which was written only later", Some(op)),
            (None, Some(op)) => ("aborted-read", "although that write certainly failed", Some(op)),
            (None, None) => ("garbage-read", "which nobody ever wrote", None),
        };
        let summary = format!(
            "{} read {} from {} at {}, {why}",
            read.asked(),
            self.history.shown(wanted),
            self.name(),
            read.ended()
        );
        let anomaly = self.anomaly(kind, &summary, &[]);
        (kind, other.into_iter().fold(anomaly, |anomaly, op| op.name_in(anomaly)))
    }

    /// Two primaries: one wrote one of `ours`, the other something else.
    fn split_brain(&self, ours: &[Did<'a>]) -> Option<SplitBrain<'a>> {
        if self.run.faults.is_empty() {
            return None;
        }
        let acknowledged: Vec<Did<'_>> =
            self.writes().map(|(_, op)| op).filter(|op| op.is_ok()).collect();
        // Where the value itself has no known writer, any two primaries of this key explain it.
        let candidates: Vec<Did<'_>> = match ours {
            [] => acknowledged.clone(),
            _ => ours.iter().copied().filter(|op| op.is_ok()).collect(),
        };
        candidates
            .into_iter()
            .find_map(|first| split_brain::find(first, &acknowledged, self.history, self.run))
    }

    fn brains(&self, brains: &SplitBrain<'_>) -> (&'static str, Anomaly) {
        let [first, newer] = brains.writes;
        let same = first.id == self.culprit.id;
        let shown = |value| self.history.shown(value);
        let what = |op: Did<'_>| match op.action() {
            Action::Cas(old, new) => format!("the change of {} to {}", shown(old), shown(new)),
            Action::Write(new) => format!("write {}", shown(new)),
            Action::Read(_) => "a read".to_owned(),
        };
        let summary = format!(
            "split brain: {} acknowledged {} to {} and {} acknowledged {}, while {}, and neither \
             order of the two explains {}",
            first.asked(),
            what(first),
            self.name(),
            newer.asked(),
            what(newer),
            brains.fault.summary,
            if same { "the others" } else { "the reads" }
        );
        let others: &[Did<'_>] = if same { &[newer] } else { &[first, newer] };
        ("split-brain", self.anomaly("split-brain", &summary, others))
    }

    fn cas(&self, old: ValueId) -> (&'static str, Anomaly) {
        let cas = self.culprit;
        if let Some(brains) = self.split_brain(&[cas]) {
            return self.brains(&brains);
        }
        let rival = self.writes().map(|(_, op)| op).find(|op| {
            matches!(op.action(), Action::Cas(from, _) if from == old)
                && op.id != cas.id
                && op.is_ok()
        });
        let writers = self.writes().filter(|(new, _)| *new == old).count();
        match rival {
            Some(rival) if writers == 1 => {
                let summary = format!(
                    "lost write on {}: {} {} and {} {}, though {} was written once",
                    self.name(),
                    rival.asked(),
                    rival.did(),
                    cas.asked(),
                    cas.did(),
                    self.history.shown(old)
                );
                ("lost-write", self.anomaly("lost-write", &summary, &[rival]))
            }
            _ => self.plain(),
        }
    }

    fn plain(&self) -> (&'static str, Anomaly) {
        let op = self.culprit;
        let summary = format!(
            "no order of the operations on {} explains that {} {} at {}",
            self.name(),
            op.asked(),
            op.did(),
            op.ended()
        );
        ("not-linearizable", self.anomaly("not-linearizable", &summary, &[]))
    }

    /// Adds what the register could hold while the culprit was open.
    fn with_states(&self, anomaly: Anomaly) -> Anomaly {
        let said = self.culprit.action().observed();
        if self.states.is_empty() || said.is_some_and(|value| self.states.contains(&value)) {
            return anomaly;
        }
        let states: Vec<String> =
            self.states.iter().map(|value| self.history.shown(*value)).collect();
        anomaly.because(format!(
            "while that operation was open, {} can only have held {}",
            self.name(),
            some(&states).replace(" and ", " or ")
        ))
    }
}

/// From which index on all of these had returned; `None` if one never did.
fn all_over(ops: &[Did<'_>]) -> Option<u64> {
    ops.iter().try_fold(0, |over, op| Some(over.max(op.returned()?.saturating_add(1))))
}
