//! Prefixes of a history, and the shortest one that is impossible.

use super::register::says_something;
use super::timed::{Answer, NEVER, Timed};
use schism_core::api::register::Register;

/// What was known at the event of index `until`: operations that had begun; those that had not
/// returned have an unknown fate.
pub(crate) fn until<'h>(ops: &[Timed<'h, Register>], until: u64) -> Vec<Timed<'h, Register>> {
    ops.iter()
        .filter(|op| op.start <= until)
        .map(|op| if op.end > until { Timed { end: NEVER, ..*op } } else { *op })
        .filter(says_something)
        .collect()
}

/// The operation with whose return `ops` become impossible, by bisection: a prefix of a
/// linearizable history is linearizable, so impossible prefixes stay impossible. `None` if some
/// prefix could not be decided. `O(log n)` decisions.
pub(crate) fn culprit<'h>(
    ops: &[Timed<'h, Register>],
    decide: impl Fn(&[Timed<'h, Register>]) -> Answer,
) -> Option<Timed<'h, Register>> {
    let mut returns: Vec<&Timed<'h, Register>> = ops.iter().filter(|op| op.completed()).collect();
    returns.sort_unstable_by_key(|op| op.end);
    let (mut possible, mut impossible) = (0, returns.len());
    // The first `possible` returns are possible; the first `impossible` are not.
    while possible + 1 < impossible {
        let middle = usize::midpoint(possible, impossible);
        match decide(&until(ops, returns[middle - 1].end)) {
            Answer::Linearizable(_) => possible = middle,
            Answer::Impossible => impossible = middle,
            Answer::Exhausted => return None,
        }
    }
    returns.get(impossible.checked_sub(1)?).map(|op| **op)
}
