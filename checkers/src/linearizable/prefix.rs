//! The shortest prefix of a history that is impossible.
//!
//! A prefix of a linearizable history is linearizable, so impossible prefixes stay impossible.

use super::part::Part;
use super::sweep::{self, Budget, Swept};
use super::timed::NEVER;
use super::unique::{self, Writers};
use super::{Why, conflict::Conflict};
use crate::transactions::ValueId;

/// The operation with whose return a history becomes impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Culprit {
    /// Its position.
    pub(crate) position: u32,
    /// Is it certain that the history is possible up to that return?
    pub(crate) shortest: bool,
}

/// Finds it, from what has been found out of the whole history.
pub(crate) fn culprit(part: &Part, first: ValueId, why: &Why, budget: Budget<'_>) -> Culprit {
    match why {
        Why::Conflict(conflict, writers) => of_conflict(part, conflict, writers),
        Why::Swept { last, shortest } => {
            of_sweep(part, first, Culprit { position: *last, shortest: *shortest }, budget)
        }
    }
}

/// The returns of a conflict's operations bound the shortest impossible prefix from above. What
/// remains is halved; but first the prefix just before is tried, for mostly that is possible. Each
/// trial costs as much as its prefix is long.
fn of_conflict(part: &Part, conflict: &Conflict, writers: &Writers) -> Culprit {
    let mut returns: Vec<(u64, u32)> = (0..)
        .zip(&part.ops)
        .filter(|(_, op)| op.completed())
        .map(|(position, op)| (op.end, position))
        .collect();
    returns.sort_unstable();
    // How many returns, at most, make the history impossible that a conflict shows to be so.
    let bound = |conflict: &Conflict| {
        let end = |position: &u32| part.ops[*position as usize].end;
        let start = |position: &u32| part.ops[*position as usize].start;
        let ops = conflict.ops();
        let last_end = ops.iter().map(end).filter(|end| *end != NEVER).max().unwrap_or(0);
        let known = last_end.max(ops.iter().map(start).max().unwrap_or(0));
        // It may need an operation that only begins later: the next return is late enough.
        returns.partition_point(|(end, _)| *end < known) + 1
    };
    let (mut possible, mut impossible) = (0, bound(conflict).min(returns.len()));
    let mut just_before = true;
    // The first `possible` returns are possible; the first `impossible` are not.
    while possible + 1 < impossible {
        let middle = usize::midpoint(possible, impossible);
        let trial = if just_before { impossible - 1 } else { middle };
        just_before = !just_before;
        match unique::decide(part.until(returns[trial - 1].0), writers) {
            Ok(_) => possible = trial,
            Err(other) => impossible = bound(&other).min(trial),
        }
    }
    let position =
        impossible.checked_sub(1).and_then(|at| returns.get(at)).map_or(0, |(_, at)| *at);
    Culprit { position, shortest: true }
}

fn of_sweep(part: &Part, first: ValueId, mut culprit: Culprit, budget: Budget<'_>) -> Culprit {
    while !culprit.shortest {
        let end = part.ops[culprit.position as usize].end;
        match sweep::decide(part.until(end.saturating_sub(1)), first, budget) {
            Swept::Linearizable(_) => culprit.shortest = true,
            Swept::Impossible { last, shortest } => {
                culprit = Culprit { position: last, shortest };
            }
            Swept::Undecided { .. } => break,
        }
    }
    culprit
}
