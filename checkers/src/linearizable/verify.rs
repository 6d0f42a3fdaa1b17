//! Checks a linearization: the certificate of a valid verdict.
//!
//! Nothing here is shared with the methods that find one, and it is short enough to be read and
//! believed. An order is a linearization if every operation occurs at most once, every one that
//! returned occurs, none comes after one that began only after it had returned, and each gives, one
//! after the other, the answer that it gave. `O(n)`.

use super::timed::Timed;
use schism_core::model::Model;

/// Is `order` (positions in `ops`) a linearization of `ops`?
pub fn is_linearization<M: Model>(ops: &[Timed<'_, M::Api>], order: &[usize]) -> bool {
    let mut seen = vec![false; ops.len()];
    let mut state = M::init();
    let mut latest_start = 0;
    for position in order {
        let Some(op) = ops.get(*position) else { return false };
        if std::mem::replace(&mut seen[*position], true) {
            return false;
        }
        latest_start = latest_start.max(op.start);
        if op.end < latest_start {
            return false;
        }
        match state.step(&op.op.call, op.reply()) {
            Some(next) => state = next,
            None => return false,
        }
    }
    ops.iter().zip(seen).all(|(op, seen)| seen || !op.completed())
}
