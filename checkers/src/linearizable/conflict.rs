//! Why a register whose written values are distinct is not linearizable: a few operations that can
//! be checked without the rest.
//!
//! A *chain* is a list of operations that stand in this order without any other write between them:
//! the first may be anything, each other one reads, or replaces by compare-and-set, what the list
//! so far has written or read. All of it took effect if it ends in an operation that returned:
//! every value on the way was observed by something that took effect. As each value is written
//! once, a chain occupies one piece of any linearization; the reads of one value are in any order.
//!
//! [`Conflict::holds`] checks the argument from the operations alone, and shares nothing with the
//! method that found it: the certificate of an invalid verdict. `O(n)`, for it makes sure that
//! nothing else writes those values.

use super::history::Action;
use super::part::{Prefix, RegOp};
use crate::transactions::ValueId;
use rustc_hash::FxHashSet;

/// Positions in the history.
type Chain = Vec<u32>;

/// What contradicts linearizability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The first of a chain observed a value that the register doesn't hold first and nobody wrote.
    Nowhere { observed_by: Chain },
    /// Two compare-and-sets replaced one value that was written once: each begins a chain.
    TwoCas { both: [Chain; 2] },
    /// Compare-and-sets each of which needs the value of the one before, all round; the root
    /// returned, and observed one of the values.
    Cycle { cas: Chain, root: u32 },
    /// A chain in which one operation had ended before another began that comes before it.
    Disorder { chain: Chain },
    /// Two chains: of each an operation had ended before one of the other began. What the register
    /// holds first counts as written before everything.
    Blocks { both: [Chain; 2] },
}

impl Conflict {
    /// The operations that it names, each once, in the order of invocation.
    pub(crate) fn ops(&self) -> Vec<u32> {
        let mut ops: Vec<u32> = match self {
            Self::Nowhere { observed_by: chain } | Self::Disorder { chain } => chain.clone(),
            Self::TwoCas { both: [one, other] } | Self::Blocks { both: [one, other] } => {
                one.iter().chain(other).copied().collect()
            }
            Self::Cycle { cas, root } => cas.iter().chain([root]).copied().collect(),
        };
        ops.sort_unstable();
        ops.dedup();
        ops
    }

    /// Does it show that these operations have no linearization?
    pub(crate) fn holds(&self, ops: Prefix<'_>, first: ValueId) -> bool {
        let known = |position: &u32| (*position as usize) < ops.len();
        if !self.ops().iter().all(known) {
            return false;
        }
        let judge = Judge { ops, first };
        match self {
            Self::Nowhere { observed_by } => {
                let value = judge.at(observed_by, 0).and_then(|op| op.action.observed());
                let written = |value| ops.ops().any(|(_, op)| op.action.written() == Some(value));
                judge.is_chain(observed_by)
                    && value.is_some_and(|value| value != first && !written(value))
            }
            Self::TwoCas { both: [one, other] } => {
                let old = |chain| match judge.at(chain, 0)?.action {
                    Action::Cas(old, _) => Some(old),
                    Action::Read(_) | Action::Write(_) => None,
                };
                judge.is_chain(one)
                    && judge.is_chain(other)
                    && one.first() != other.first()
                    && old(one).is_some_and(|value| {
                        old(other) == Some(value)
                            && judge.written_once(&FxHashSet::from_iter([value]))
                    })
            }
            Self::Cycle { cas, root } => judge.is_cycle(cas, *root),
            Self::Disorder { chain } => judge.is_disordered(chain),
            Self::Blocks { both: [one, other] } => {
                let values: FxHashSet<ValueId> =
                    judge.values(one).chain(judge.values(other)).collect();
                let apart = values.len()
                    == judge.values(one).collect::<FxHashSet<_>>().len()
                        + judge.values(other).collect::<FxHashSet<_>>().len();
                judge.is_chain(one)
                    && judge.is_chain(other)
                    && apart
                    && judge.written_once(&values)
                    && judge.precedes(one, other)
                    && judge.precedes(other, one)
            }
        }
    }
}

struct Judge<'o> {
    ops: Prefix<'o>,
    first: ValueId,
}

impl Judge<'_> {
    fn op(&self, position: u32) -> RegOp {
        self.ops.op(position as usize)
    }

    fn at(&self, chain: &Chain, place: usize) -> Option<RegOp> {
        chain.get(place).map(|position| self.op(*position))
    }

    /// The values that a chain observes or writes.
    fn values(&self, chain: &Chain) -> impl Iterator<Item = ValueId> {
        let actions = chain.iter().map(|position| self.op(*position).action);
        actions.flat_map(|action| [action.observed(), action.written()]).flatten()
    }

    /// Does each observe what the one before wrote or read, and did the last one return?
    fn is_chain(&self, chain: &Chain) -> bool {
        let mut held = None;
        for (place, position) in chain.iter().enumerate() {
            let action = self.op(*position).action;
            let observed = action.observed();
            let follows = place == 0 || (observed.is_some() && observed == held);
            if !follows || chain[..place].last() == Some(position) {
                return false;
            }
            held = action.written().or(observed);
        }
        self.at(chain, chain.len().wrapping_sub(1)).is_some_and(|op| op.completed())
    }

    /// Is each of these values written at most once, and never if the register holds it first?
    fn written_once(&self, values: &FxHashSet<ValueId>) -> bool {
        let mut seen = FxHashSet::default();
        let written = self.ops.ops().filter_map(|(_, op)| op.action.written());
        written
            .filter(|value| values.contains(value))
            .all(|value| value != self.first && seen.insert(value))
    }

    /// Did an operation of one chain end before one of the other began?
    fn precedes(&self, one: &Chain, other: &Chain) -> bool {
        let observes_first =
            self.at(one, 0).is_some_and(|op| op.action.observed() == Some(self.first));
        let first_end = one.iter().map(|position| self.op(*position).end).min();
        let last_start = other.iter().map(|position| self.op(*position).start).max();
        observes_first || first_end < last_start
    }

    fn is_disordered(&self, chain: &Chain) -> bool {
        // The latest start of what comes before, apart from reads of the same value.
        let (mut latest, mut of_reads) = (0, 0);
        let mut disordered = false;
        for (place, position) in chain.iter().enumerate() {
            let op = self.op(*position);
            let start = op.start.saturating_add(1);
            if matches!(op.action, Action::Read(_)) {
                disordered |= op.end.saturating_add(1) < latest;
                of_reads = of_reads.max(start);
            } else {
                disordered |= place > 0 && op.end.saturating_add(1) < latest.max(of_reads);
                latest = latest.max(of_reads).max(start);
            }
        }
        disordered && self.is_chain(chain) && self.written_once(&self.values(chain).collect())
    }

    fn is_cycle(&self, cas: &Chain, root: u32) -> bool {
        let pairs = cas.iter().zip(cas.iter().cycle().skip(1));
        let linked = pairs.map(|(one, next)| (self.op(*one).action, self.op(*next).action)).all(
            |(one, next)| match (one, next) {
                (Action::Cas(_, new), Action::Cas(old, _)) => new == old,
                _ => false,
            },
        );
        let values: FxHashSet<ValueId> = self.values(cas).collect();
        let root = self.op(root);
        linked
            && !cas.is_empty()
            && root.completed()
            && root.action.observed().is_some_and(|value| values.contains(&value))
            && !values.contains(&self.first)
            && self.written_once(&values)
    }
}
