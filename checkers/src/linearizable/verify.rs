//! Checks a linearization: the certificate of a valid verdict.
//!
//! Nothing here is shared with the methods that find one, and it is short enough to be read and
//! believed. An order is a linearization if every operation occurs at most once, every one that
//! returned occurs, none comes after one that began only after it had returned, and each gives, one
//! after the other, the answer that it gave. `O(n)`.

use super::history::Action;
use super::part::Prefix;
use super::timed::{NEVER, Timed};
use crate::transactions::ValueId;
use schism_core::model::Model;

/// Is `order` (positions in `ops`) a linearization of `ops`, if the object is new?
pub fn is_linearization<M: Model>(ops: &[Timed<'_, M::Api>], order: &[usize]) -> bool {
    is_linearization_from(M::init(), ops, order)
}

/// Is `order` (positions in `ops`) a linearization of `ops`, from this state on?
pub fn is_linearization_from<M: Model>(
    mut state: M,
    ops: &[Timed<'_, M::Api>],
    order: &[usize],
) -> bool {
    let span = |position: usize| (ops[position].start, ops[position].end);
    follows(ops.len(), span, order.iter().copied(), |position| {
        let op = &ops[position];
        let next = state.step(&op.op.call, op.reply());
        next.map(|next| state = next).is_some()
    })
}

/// Is `order` a linearization of operations on a register that holds `first` before them?
pub(super) fn is_order(ops: Prefix<'_>, first: ValueId, order: &[u32]) -> bool {
    let mut held = first;
    let span = |position: usize| (ops.op(position).start, ops.op(position).end);
    let order = order.iter().map(|position| *position as usize);
    follows(ops.len(), span, order, |position| match ops.op(position).action {
        Action::Read(found) => found == held,
        Action::Write(new) => {
            held = new;
            true
        }
        Action::Cas(old, new) => old == std::mem::replace(&mut held, new),
    })
}

fn follows(
    len: usize,
    span: impl Fn(usize) -> (u64, u64),
    order: impl Iterator<Item = usize>,
    mut answers: impl FnMut(usize) -> bool,
) -> bool {
    let mut seen = vec![false; len];
    let mut latest_start = 0;
    for position in order {
        if position >= len || std::mem::replace(&mut seen[position], true) {
            return false;
        }
        let (start, end) = span(position);
        latest_start = latest_start.max(start);
        if end < latest_start || !answers(position) {
            return false;
        }
    }
    seen.iter().enumerate().all(|(position, seen)| *seen || span(position).1 == NEVER)
}
