//! The sessions of a history: per process its reads and writes in order, each read with the write
//! that it read from.
//!
//! A compare-and-set is a read of the old value, then a write of the new one. What is left out:
//! operations that certainly failed; reads whose answer is not known; and writes of unknown fate
//! that nobody observed, because leaving out a write can only make a history easier to explain. A
//! write of unknown fate that was observed is the end of its session: it may take effect at any
//! later time, so what its process did afterwards (if it did anything) does not follow it.

use crate::tally::Tally;
use crate::words::{asked, ended};
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::history::History;
use schism_core::op::{Op, Outcome};
use schism_core::verdict::Anomaly;

/// A read or a write: a position in [`Sessions::parts`].
pub(crate) type PartId = u32;

/// A read or a write of one register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'h> {
    pub(crate) op: &'h Op<Register>,
    pub(crate) session: u32,
    pub(crate) key: u32,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Read what that part wrote; `None`: what was there before any write.
    Read(Option<PartId>),
    Write,
}

impl Part<'_> {
    pub(crate) fn is_write(&self) -> bool {
        self.what == What::Write
    }

    /// Nothing of its session comes after it.
    pub(crate) fn is_open(&self) -> bool {
        self.op.returned().is_none()
    }
}

/// Every session.
#[derive(Debug, Default)]
pub(crate) struct Sessions<'h> {
    /// Session by session, each in its order.
    pub(crate) parts: Vec<Part<'h>>,
    pub(crate) keys: Vec<Option<&'h Key>>,
    /// How many operations they are parts of, and of how many processes.
    pub(crate) operations: usize,
    pub(crate) processes: u32,
    /// What makes it impossible to say which write a read read from.
    pub(crate) ambiguous: Option<String>,
}

/// Where a value comes from: the positions of operations in the history.
struct Writers<'h> {
    by_value: FxHashMap<(Option<&'h Key>, i64), usize>,
    failed: FxHashMap<(Option<&'h Key>, i64), usize>,
    twice: Option<(Option<&'h Key>, i64)>,
}

fn written(op: &Op<Register>) -> Option<i64> {
    match op.call.op {
        RegisterOp::Write(new) | RegisterOp::Cas(_, new) => Some(new),
        RegisterOp::Read => None,
    }
}

/// What an operation saw.
#[derive(Clone, Copy)]
enum Saw {
    /// That nothing was written yet.
    Nothing,
    Value(i64),
}

impl Saw {
    fn value(self) -> Option<i64> {
        match self {
            Self::Nothing => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// What an operation saw, if it happened: an answer of a read, or the old value of a
/// compare-and-set.
fn observed(op: &Op<Register>) -> Option<Saw> {
    match (op.call.op, op.reply()) {
        (RegisterOp::Read, Some(Reply::Read(value))) => {
            Some(value.map_or(Saw::Nothing, Saw::Value))
        }
        (RegisterOp::Cas(old, _), _) => Some(Saw::Value(old)),
        _ => None,
    }
}

impl<'h> Writers<'h> {
    fn gather(ops: &'h [Op<Register>]) -> Self {
        let (mut by_value, mut failed) = (FxHashMap::default(), FxHashMap::default());
        let mut twice = None;
        for (position, op) in ops.iter().enumerate() {
            let Some(value) = written(op) else { continue };
            let name = (op.call.key.as_ref(), value);
            if !op.outcome.may_have_happened() {
                failed.insert(name, position);
            } else if by_value.insert(name, position).is_some() {
                twice.get_or_insert(name);
            }
        }
        Self { by_value, failed, twice }
    }

    /// Which operations took effect for certain: those that succeeded, and what they observed.
    fn effective(&self, ops: &[Op<Register>]) -> Vec<bool> {
        let mut effective = vec![false; ops.len()];
        let mut open: Vec<usize> = Vec::new();
        open.extend((0..ops.len()).filter(|position| ops[*position].reply().is_some()));
        while let Some(position) = open.pop() {
            if std::mem::replace(&mut effective[position], true) {
                continue;
            }
            let op = &ops[position];
            if let Some(Saw::Value(value)) = observed(op) {
                open.extend(self.by_value.get(&(op.call.key.as_ref(), value)));
            }
        }
        effective
    }

    /// That a read shows what no store can have shown, if it does.
    fn implausible(&self, ops: &[Op<Register>], op: &Op<Register>, value: i64) -> Option<Anomaly> {
        let name = (op.call.key.as_ref(), value);
        let (kind, why, write) = match (self.by_value.get(&name), self.failed.get(&name)) {
            (Some(write), _) if op.precedes(&ops[*write]) => {
                ("future-read", "which was written only later", Some(*write))
            }
            (Some(_), _) => return None,
            (None, Some(write)) => ("aborted-read", "whose write certainly failed", Some(*write)),
            (None, None) => ("garbage-read", "which nobody wrote", None),
        };
        let of = op.call.key.as_ref().map_or_else(String::new, |key| format!("key {key}: "));
        let anomaly = Anomaly::new(kind, format!("{of}{} observed {value}, {why}", asked(op)))
            .because(format!("the operation that observed it ended at {}", ended(op)))
            .with_op(op);
        let write = write.map(|position| &ops[position]);
        Some(write.into_iter().fold(anomaly, Anomaly::with_op))
    }
}

impl<'h> Sessions<'h> {
    /// `O(n log n)`. What no store can have shown goes into the tally, and is left out.
    pub(crate) fn gather(history: &'h History<Register>, tally: &mut Tally) -> Self {
        let ops = history.ops();
        let writers = Writers::gather(ops);
        let effective = writers.effective(ops);
        let mut sessions = Self::default();
        if let Some((key, value)) = writers.twice {
            let of = key.map_or_else(String::new, |key| format!(" to key {key}"));
            sessions.ambiguous =
                Some(format!("{value} is written{of} more than once, so reads are ambiguous"));
        }
        let mut order: Vec<usize> =
            (0..ops.len()).filter(|position| effective[*position]).collect();
        order.sort_by_key(|position| (ops[*position].process, ops[*position].invoked.index));
        let mut numbers: FxHashMap<Option<&Key>, u32> = FxHashMap::default();
        let mut write_parts: FxHashMap<usize, PartId> = FxHashMap::default();
        // By part: the operation whose write it read.
        let mut sources: Vec<(PartId, usize)> = Vec::new();
        let mut process = None;
        for position in order {
            let op = &ops[position];
            sessions.operations += 1;
            if process.replace(op.process) != Some(op.process) {
                sessions.processes += 1;
            }
            let key = op.call.key.as_ref();
            let key = *numbers.entry(key).or_insert_with(|| {
                sessions.keys.push(key);
                narrow(sessions.keys.len() - 1)
            });
            let session = sessions.processes - 1;
            if let Some(found) = observed(op).map(Saw::value) {
                let wrong = found.and_then(|value| writers.implausible(ops, op, value));
                if let Some(anomaly) = wrong {
                    super::add(tally, anomaly);
                } else {
                    let name = |value| (op.call.key.as_ref(), value);
                    let source = found.and_then(|value| writers.by_value.get(&name(value)));
                    sources.extend(source.map(|write| (narrow(sessions.parts.len()), *write)));
                    sessions.parts.push(Part { op, session, key, what: What::Read(None) });
                }
            }
            if written(op).is_some() {
                write_parts.insert(position, narrow(sessions.parts.len()));
                sessions.parts.push(Part { op, session, key, what: What::Write });
            }
        }
        for (read, write) in sources {
            sessions.parts[read as usize].what = What::Read(write_parts.get(&write).copied());
        }
        sessions
    }

    /// Only these parts, which are in ascending order, and the writes that they read from.
    pub(crate) fn excerpt(&self, parts: &[PartId]) -> Self {
        let mut kept: Vec<PartId> = parts.to_vec();
        let sources = parts.iter().filter_map(|id| match self.part(*id).what {
            What::Read(source) => source,
            What::Write => None,
        });
        kept.extend(sources);
        kept.sort_unstable();
        kept.dedup();
        let place = |id: PartId| kept.binary_search(&id).ok().map(narrow);
        let parts = kept.iter().map(|id| {
            let part = *self.part(*id);
            let what = match part.what {
                What::Read(source) => What::Read(source.and_then(place)),
                What::Write => What::Write,
            };
            Part { what, ..part }
        });
        Self { parts: parts.collect(), keys: self.keys.clone(), ..Self::default() }
    }

    /// Its parts as numbers.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PartId> + use<> {
        0..narrow(self.parts.len())
    }

    pub(crate) fn part(&self, id: PartId) -> &Part<'h> {
        &self.parts[id as usize]
    }

    /// How many operations were completed.
    pub(crate) fn completed(&self) -> usize {
        let reads = self.parts.iter().filter(|part| !part.is_open());
        reads.filter(|part| part.is_write() || matches!(part.op.outcome, Outcome::Ok(_))).count()
    }
}

/// A history has fewer operations than this.
pub(crate) fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
