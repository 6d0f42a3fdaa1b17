//! Puts the blocks of a key into an order, or says which two can't be.

use super::pasts::{Made, Pasts};
use super::{did, what};
use crate::linearizable::timed::Timed;
use crate::objects::{Object, Violation};
use crate::words::asked;
use schism_core::api::kv::{Kv, KvOp};
use schism_core::op::Op;

/// Operations in a fixed order, between which nothing else changes the key.
#[derive(Default)]
struct Block {
    members: Vec<usize>,
    /// The member that ended first; `None`: the beginning, which ended before everything.
    first_end: Option<usize>,
    /// The member that began last.
    last_start: Option<usize>,
}

struct Times<'o, 'h>(&'o [Timed<'h, Kv>]);

impl Times<'_, '_> {
    /// One more than in the log, so that the beginning has a time of its own.
    fn start(&self, op: Option<usize>) -> u64 {
        op.map_or(0, |op| self.0[op].start.saturating_add(1))
    }

    fn end(&self, op: Option<usize>) -> u64 {
        op.map_or(0, |op| self.0[op].end.saturating_add(1))
    }

    /// Adds an operation after all members, or answers with the member that began only after it had
    /// ended.
    fn add(&self, block: &mut Block, op: usize) -> Result<(), usize> {
        if let Some(late) = block.last_start
            && self.end(Some(op)) < self.start(Some(late))
        {
            return Err(late);
        }
        if self.start(Some(op)) > self.start(block.last_start) {
            block.last_start = Some(op);
        }
        block.members.push(op);
        Ok(())
    }
}

/// Every operation that counts, in an order, if these made the strings that were there.
pub(super) fn order<'h>(
    object: &Object<'h, Kv>,
    pasts: &Pasts,
    makers: &[Option<usize>],
) -> Result<Vec<usize>, Violation<'h, Kv>> {
    let times = Times(&object.ops);
    let mut blocks = Vec::new();
    for (at, state) in pasts.states.iter().enumerate() {
        if !matches!(state.made, Made::Append(_)) {
            blocks.push(chain(object, pasts, makers, at).map_err(|pair| inner(object, pair))?);
        }
    }
    let mut made = vec![false; object.ops.len()];
    for maker in makers.iter().flatten() {
        made[*maker] = true;
    }
    for (position, timed) in object.ops.iter().enumerate() {
        let seen = timed.op.call.op == KvOp::Get || made[position];
        if !seen && timed.completed() {
            let only = Some(position);
            blocks.push(Block { members: vec![position], first_end: only, last_start: only });
        }
    }
    arrange(&times, &mut blocks).map_err(|pair| between(object, pair))?;
    Ok(blocks.into_iter().flat_map(|block| block.members).collect())
}

/// A put, or the beginning, with the appends that follow, and the gets between; or two operations
/// that contradict this order: the first ended before the second began.
fn chain(
    object: &Object<'_, Kv>,
    pasts: &Pasts,
    makers: &[Option<usize>],
    root: usize,
) -> Result<Block, [usize; 2]> {
    let times = Times(&object.ops);
    let mut block = Block::default();
    let mut at = Some(root);
    while let Some(place) = at {
        let state = &pasts.states[place];
        if let Some(op) = makers[place] {
            times.add(&mut block, op).map_err(|late| [op, late])?;
        }
        // Gets of one string have any order among themselves.
        let before = block.last_start;
        for get in &state.gets {
            if let Some(late) = before
                && times.end(Some(*get)) < times.start(Some(late))
            {
                return Err([*get, late]);
            }
            block.members.push(*get);
        }
        let last = state.gets.iter().copied().map(Some).chain([before]);
        block.last_start = last.max_by_key(|op| times.start(*op)).flatten();
        at = state.after;
    }
    let from_beginning = pasts.states[root].made == Made::Beginning;
    let first = block.members.iter().copied().min_by_key(|op| times.end(Some(*op)));
    block.first_end = first.filter(|_| !from_beginning);
    Ok(block)
}

/// The ends of a block: who ended first and who began last.
type Ends = [Option<usize>; 2];

/// Sorts blocks into an order, or finds two of which each would have to be before the other: with f
/// the earliest end and s the latest start in a block, A has to come before B if f(A) < s(B). See
/// `linearizable::unique` for why sorting finds such a pair.
fn arrange(times: &Times<'_, '_>, blocks: &mut [Block]) -> Result<(), [Ends; 2]> {
    let span = |block: &Block| (times.end(block.first_end), times.start(block.last_start));
    let ends = |block: &Block| [block.first_end, block.last_start];
    let mut forward: Vec<&Block> =
        blocks.iter().filter(|block| span(block).0 < span(block).1).collect();
    forward.sort_unstable_by_key(|block| span(block));
    for pair in forward.windows(2) {
        if span(pair[1]).0 < span(pair[0]).1 {
            return Err([ends(pair[0]), ends(pair[1])]);
        }
    }
    for block in &*blocks {
        let (first_end, last_start) = span(block);
        let begun = forward.partition_point(|around| span(around).0 < last_start);
        let around = begun.checked_sub(1).map(|at| forward[at]);
        if let Some(around) = around.filter(|around| first_end < span(around).1)
            && last_start <= first_end
        {
            return Err([ends(around), ends(block)]);
        }
    }
    blocks.sort_by_key(|block| span(block).0.min(span(block).1));
    Ok(())
}

/// In a block, the first of these ended before the second began, which had to be before it.
fn inner<'h>(object: &Object<'h, Kv>, [early, late]: [usize; 2]) -> Violation<'h, Kv> {
    let [early, late] = [object.ops[early].op, object.ops[late].op];
    let is_get = |op: &Op<Kv>| op.call.op == KvOp::Get;
    let (kind, how) = match (is_get(early), is_get(late)) {
        (_, true) => ("stale-read", "an older string than was there before it asked"),
        (true, false) => ("future-read", "a string that was written only later"),
        (false, false) => ("out-of-order", "had been acknowledged before it began"),
    };
    let summary = match (is_get(early), is_get(late)) {
        (false, false) => {
            format!("{} took effect before {}, which {how}", what(late), what(early))
        }
        (_, true) => format!("{} {}, {how}", asked(late), did(late)),
        (true, false) => format!("{} {}, {how}", asked(early), did(early)),
    };
    let core = vec![(early, did(early)), (late, did(late))];
    Violation { kind, summary, core, because: None }
}

/// Two blocks of which each would have to be before the other.
fn between<'h>(object: &Object<'h, Kv>, [one, other]: [Ends; 2]) -> Violation<'h, Kv> {
    let mut positions: Vec<usize> = one.into_iter().chain(other).flatten().collect();
    positions.sort_unstable();
    positions.dedup();
    let ops: Vec<&'h Op<Kv>> =
        positions.into_iter().map(|position| object.ops[position].op).collect();
    let late = ops.iter().copied().rfind(|op| op.call.op == KvOp::Get);
    let (kind, summary) = match late {
        Some(get) => (
            "stale-read",
            format!("{} {}, though something else was there before it asked", asked(get), did(get)),
        ),
        None => (
            "not-linearizable",
            "of two strings each was there before the other had been written".to_owned(),
        ),
    };
    let core = ops.into_iter().map(|op| (op, did(op))).collect();
    Violation { kind, summary, core, because: None }
}
