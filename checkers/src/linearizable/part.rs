//! The operations on one register that count, and prefixes of them.
//!
//! What counts: what succeeded, and writes and compare-and-sets of unknown fate. A read of unknown
//! fate says nothing, and what failed did not happen. Nor does a read that answers nil say anything
//! of a register that can't hold nil, because it begins with something else and nobody writes nil:
//! Knossos, whose histories have such reads, takes them for reads whose answer wasn't recorded.

use super::history::{Action, Did, Fate, NIL, OnKey, OpId, RegisterHistory};
use super::timed::NEVER;
use crate::transactions::ValueId;

/// An operation that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegOp {
    /// The index of its invocation in the log.
    pub(crate) start: u64,
    /// The index of its return; [`NEVER`] if it may take effect at any later time.
    pub(crate) end: u64,
    pub(crate) action: Action,
}

impl RegOp {
    pub(crate) fn completed(&self) -> bool {
        self.end != NEVER
    }
}

/// The operations on one register that count, in the order of invocation.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) ids: Vec<OpId>,
    pub(crate) ops: Vec<RegOp>,
}

impl Part {
    /// Of a register that holds `first` before anything is written.
    pub(crate) fn new(history: &RegisterHistory, on: OnKey<'_>, first: ValueId) -> Self {
        let mut part = Self::default();
        let writes_nil = |id: &OpId| history.op(*id).action().written() == Some(NIL);
        let unrecorded = first != NIL && !on.ops.iter().any(writes_nil);
        part.ids.reserve(on.ops.len());
        part.ops.reserve(on.ops.len());
        for id in on.ops {
            let op = history.op(*id);
            if unrecorded && op.action() == Action::Read(NIL) {
                continue;
            }
            if let Some(counts) = counts(op) {
                part.ids.push(*id);
                part.ops.push(counts);
            }
        }
        part
    }

    /// All of it, as a prefix of itself.
    pub(crate) fn whole(&self) -> Prefix<'_> {
        Prefix { ops: &self.ops, until: NEVER }
    }

    /// What was known at the event of index `until`.
    pub(crate) fn until(&self, until: u64) -> Prefix<'_> {
        let begun = self.ops.partition_point(|op| op.start <= until);
        Prefix { ops: &self.ops[..begun], until }
    }

    /// How many returned.
    pub(crate) fn completed(&self) -> usize {
        self.ops.iter().filter(|op| op.completed()).count()
    }
}

fn counts(op: Did<'_>) -> Option<RegOp> {
    let end = match (op.fate(), op.action()) {
        (Fate::Ok, _) => op.returned()?,
        (Fate::Info, Action::Write(_) | Action::Cas(..)) => NEVER,
        (Fate::Info, Action::Read(_)) | (Fate::Fail, _) => return None,
    };
    Some(RegOp { start: op.invoked().index, end, action: op.action() })
}

/// A history up to some event: what had begun; what had not returned has an unknown fate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix<'o> {
    ops: &'o [RegOp],
    /// The index of its last event.
    until: u64,
}

impl Prefix<'_> {
    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// An operation as it is known by then.
    pub(crate) fn op(&self, position: usize) -> RegOp {
        let op = self.ops[position];
        if op.end > self.until { RegOp { end: NEVER, ..op } } else { op }
    }

    /// Those that count by then, with their positions: a read without an answer says nothing.
    pub(crate) fn ops(&self) -> impl Iterator<Item = (u32, RegOp)> + '_ {
        (0..)
            .zip(0..self.ops.len())
            .map(|(id, position)| (id, self.op(position)))
            .filter(|(_, op)| op.completed() || !matches!(op.action, Action::Read(_)))
    }
}
