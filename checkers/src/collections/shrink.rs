//! Makes a conflict small: leaves out elements as long as the rest can't be put into an order.
//!
//! A collection without an element is as correct as with it, so a conflict stays one when elements
//! are added, and may be looked for by halving: first what comes after the shortest bad prefix
//! goes, then what comes before its shortest bad suffix; of the few that are left, one after the
//! other.

use super::parts::Parts;
use super::{Conflict, Discipline};
use schism_core::limits::Limits;

/// Up to how many elements each is tried alone.
const FEW: usize = 200;

/// A conflict within this one from which nothing can be left out, if that isn't too much work.
/// `O(log n)` decisions, and one for each of a few.
pub(super) fn shrink<D: Discipline>(
    parts: &Parts,
    conflict: Conflict,
    limits: &Limits,
) -> Conflict {
    let impossible = |items: &[usize]| {
        let kept = Conflict { items: items.to_vec(), empties: conflict.empties.clone() };
        !limits.are_exceeded() && D::arrange(&parts.only(&kept)).is_err()
    };
    let mut items = conflict.items.clone();
    items.sort_unstable();
    items.dedup();
    if !impossible(&items) {
        return conflict;
    }
    let needed = shortest(items.len(), |count| impossible(&items[..count]));
    items.truncate(needed);
    let needed = shortest(items.len(), |count| impossible(&items[items.len() - count..]));
    items.drain(..items.len() - needed);
    if items.len() <= FEW {
        for at in (0..items.len()).rev() {
            let mut without = items.clone();
            without.remove(at);
            if impossible(&without) {
                items = without;
            }
        }
    }
    Conflict { items, empties: conflict.empties }
}

/// The least count that is bad, if `len` is and if more than a bad count is bad.
fn shortest(len: usize, bad: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut found) = (0, len);
    while good + 1 < found {
        let middle = usize::midpoint(good, found);
        if bad(middle) {
            found = middle;
        } else {
            good = middle;
        }
    }
    found
}
