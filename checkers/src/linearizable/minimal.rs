//! A small part of a violation that is still one, to be shown to a person.
//!
//! Operations are removed whole, and only so that what is left proves something about the whole: an
//! operation that observed a value keeps every write that may have been its *source*, the last
//! write before it. Then a linearization of the whole, with the others left out, is one of the
//! part, as no other write comes between an observation and its source; so if the part has none,
//! the whole has none. A write can't be the source if another one began after it had ended, and
//! ended before the observation began.
//!
//! Where values are distinct, the operations of the contradiction are such a part already. Else
//! chunks of the operations before the end of the shortest impossible prefix are left out, in turn,
//! ever smaller ones (Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing
//! input"); each trial is a sweep. Refused: violations that need more than the last few thousand
//! operations.

use super::Why;
use super::part::{Part, RegOp};
use super::sweep::{self, Budget, Swept};
use crate::transactions::ValueId;
use rustc_hash::{FxHashMap, FxHashSet};

/// How many operations at the end are looked at first.
const WINDOW: usize = 32;
/// How many are looked at at most.
const WIDEST: usize = 4096;

/// Positions, in the order of invocation, of operations that alone are not linearizable; `end` is
/// where the shortest impossible prefix ends. Empty if none are found within the budget.
pub(super) fn of(part: &Part, first: ValueId, end: u64, why: &Why, budget: Budget<'_>) -> Vec<u32> {
    if let Why::Conflict(conflict, _) = why {
        return with_writers(part, &conflict.ops());
    }
    let prefix = part.until(end);
    Search::new(prefix.ops().collect(), first, budget).minimize()
}

/// These operations, and who wrote what they observed.
fn with_writers(part: &Part, ops: &[u32]) -> Vec<u32> {
    let action = |position: &u32| part.ops[*position as usize].action;
    let mut wanted: FxHashSet<ValueId> =
        ops.iter().filter_map(|position| action(position).observed()).collect();
    for written in ops.iter().filter_map(|position| action(position).written()) {
        wanted.remove(&written);
    }
    let is_wanted = |op: &RegOp| op.action.written().is_some_and(|value| wanted.contains(&value));
    let writers =
        (0..).zip(&part.ops).filter(|(_, op)| is_wanted(op)).map(|(position, _)| position);
    let mut all: Vec<u32> = ops.iter().copied().chain(writers).collect();
    all.sort_unstable();
    all.dedup();
    all
}

struct Search<'l> {
    /// With their positions, in the order of invocation.
    all: Vec<(u32, RegOp)>,
    /// By value, who writes it.
    writers: FxHashMap<ValueId, Vec<usize>>,
    /// By operation: a write that had ended before this was overwritten before the operation began.
    overwritten: Vec<u64>,
    first: ValueId,
    trials: u64,
    budget: Budget<'l>,
}

impl<'l> Search<'l> {
    fn new(all: Vec<(u32, RegOp)>, first: ValueId, budget: Budget<'l>) -> Self {
        let mut writers: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
        let mut ended: Vec<(u64, u64)> = Vec::new();
        for (at, (_, op)) in all.iter().enumerate() {
            if let Some(value) = op.action.written() {
                writers.entry(value).or_default().push(at);
                ended.extend(op.completed().then_some((op.end, op.start)));
            }
        }
        ended.sort_unstable();
        let mut ended = ended.into_iter().peekable();
        let mut latest = 0;
        let mut overwritten = Vec::with_capacity(all.len());
        for (_, op) in &all {
            while let Some((_, start)) = ended.next_if(|(end, _)| *end < op.start) {
                latest = latest.max(start);
            }
            overwritten.push(latest);
        }
        Self { all, writers, overwritten, first, trials: 0, budget }
    }

    fn minimize(&mut self) -> Vec<u32> {
        // What is wrong is near the end, mostly: a part that fails is found by doubling.
        let len = self.all.len();
        let mut window = WINDOW;
        let mut kept = loop {
            let kept = self.with_sources((len.saturating_sub(window)..len).collect());
            if self.fails(&kept) {
                break kept;
            }
            if window >= len.min(WIDEST) || self.is_over() {
                return Vec::new();
            }
            window *= 4;
        };
        let mut chunk = kept.len().div_ceil(2);
        while chunk > 0 && !self.is_over() {
            let mut at = 0;
            let mut removed = false;
            while at < kept.len() && !self.is_over() {
                let end = (at + chunk).min(kept.len());
                let fewer = self.with_sources([&kept[..at], &kept[end..]].concat());
                if fewer.len() < kept.len() && self.fails(&fewer) {
                    kept = fewer;
                    removed = true;
                } else {
                    at += chunk;
                }
            }
            if chunk > 1 || !removed {
                chunk /= 2;
            }
        }
        kept.into_iter().map(|at| self.all[at].0).collect()
    }

    fn is_over(&self) -> bool {
        self.trials > 4 * WIDEST as u64 || self.budget.limits.are_exceeded()
    }

    /// These operations with all that may have been the source of one of them, in order.
    fn with_sources(&self, kept: Vec<usize>) -> Vec<usize> {
        let mut taken = vec![false; self.all.len()];
        let mut open = kept;
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut taken[at], true) {
                continue;
            }
            let observer = &self.all[at].1;
            let Some(value) = observer.action.observed() else { continue };
            for source in self.writers.get(&value).into_iter().flatten() {
                let writer = &self.all[*source].1;
                let possible = writer.start < observer.end
                    && (!writer.completed() || writer.end >= self.overwritten[at]);
                if possible && !taken[*source] {
                    open.push(*source);
                }
            }
        }
        (0..self.all.len()).filter(|at| taken[*at]).collect()
    }

    fn fails(&mut self, kept: &[usize]) -> bool {
        self.trials += 1 + kept.len() as u64 / 64;
        let ops: Vec<RegOp> = kept.iter().map(|at| self.all[*at].1).collect();
        let part = Part { ids: Vec::new(), ops };
        let steps = (self.budget.steps / 1024).max(10_000);
        let budget = Budget { steps, limits: self.budget.limits };
        let swept = sweep::decide(part.whole(), self.first, budget);
        matches!(swept, Swept::Impossible { .. })
    }
}
