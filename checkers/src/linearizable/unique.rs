//! Registers whose written values are all distinct: decided in `O(n log n)`.
//!
//! Source: Gibbons and Korach, "Testing shared memories" (1997), section 4, extended here by
//! compare-and-set and by operations of unknown fate.
//!
//! *Clusters.* As every value is written once, each read names its write. A write and its reads
//! form a cluster, and in any linearization a cluster stands in one piece: write first, then reads,
//! until the next write. What was never written, `None`, has a cluster of its own, that begins with
//! an imagined write before everything.
//!
//! *Chains.* A compare-and-set from old to new, if it took effect, comes directly after old's
//! cluster, since nothing was written between. So clusters join into chains (*blocks*) of a fixed
//! inner order. Impossible at once: two effective ones from one old value; one whose old value
//! nobody wrote; a cycle of them; a read of a value that nobody wrote; an inner order that
//! contradicts real time.
//!
//! *Unknown fates.* A write of unknown fate took effect if its value was read, or replaced by an
//! effective compare-and-set; otherwise it can be left out: nothing depends on it, and leaving it
//! out adds no constraint. One that took effect ends never.
//!
//! *Order of blocks.* Let f be the earliest end and s the latest start in a block. Block A has to
//! come before B exactly if some operation of A ends before some of B starts: f(A) < s(B). It is
//! impossible if A is before B and B before A. Call a block with f < s *forward*: something in it
//! ended before something else in it began, so it occupies all of [f, s]. Then the impossible pairs
//! are: two forward blocks whose intervals overlap; or one with s ≤ f whose [s, f] lies within a
//! forward block's interval. Two blocks with s ≤ f never conflict. Sorting finds both kinds.
//!
//! *Without such a pair there is a linearization*: sort forward blocks by f and the others by s.
//! Let k be this key, and f(A) < s(B), so that A has to come before B. If B is not forward, k(B) =
//! s(B), and k(A) ≤ f(A) in any case. If B is forward, then s(A) < f(B) = k(B), as there is no
//! conflict, and k(A) ≤ s(A) in any case. So k(A) < k(B). That order is returned as the
//! certificate.

use super::register::{Action, actions};
use super::timed::{Answer, Timed};
use schism_core::api::register::Register;
use std::collections::{HashMap, HashSet};

/// Is no value written twice?
pub(crate) fn applies(ops: &[Timed<'_, Register>]) -> bool {
    let mut seen = HashSet::new();
    actions(ops).into_iter().filter_map(Action::written).all(|value| seen.insert(value))
}

/// Decides, if [`applies`].
pub(crate) fn decide(ops: &[Timed<'_, Register>]) -> Answer {
    let clusters = Clusters::new(ops);
    let order = clusters.effective().and_then(|effective| {
        let next = clusters.successors(&effective)?;
        let blocks = clusters.blocks(&effective, &next)?;
        arrange(blocks)
    });
    order.map_or(Answer::Impossible, Answer::Linearizable)
}

struct Clusters<'o, 'h> {
    ops: &'o [Timed<'h, Register>],
    actions: Vec<Action>,
    /// Who writes a value.
    writer: HashMap<i64, usize>,
    /// Who read a value, in the order of invocation.
    reads: HashMap<Option<i64>, Vec<usize>>,
}

/// Some clusters in their fixed order.
struct Block {
    /// f: the earliest end; all times are one more than in the log, so that 0 is before everything.
    first_end: u64,
    /// s: the latest start.
    last_start: u64,
    members: Vec<usize>,
}

impl Block {
    fn is_forward(&self) -> bool {
        self.first_end < self.last_start
    }

    /// Adds operations that come after all members, in any order among themselves. `None` if one of
    /// them had ended before a member started.
    fn append(&mut self, ops: &[Timed<'_, Register>], members: &[usize]) -> Option<()> {
        let start = |member: &usize| ops[*member].start.saturating_add(1);
        let end = |member: &usize| ops[*member].end.saturating_add(1);
        if members.iter().any(|member| end(member) < self.last_start) {
            return None;
        }
        for member in members {
            self.first_end = self.first_end.min(end(member));
            self.last_start = self.last_start.max(start(member));
        }
        self.members.extend_from_slice(members);
        Some(())
    }
}

impl<'o, 'h> Clusters<'o, 'h> {
    fn new(ops: &'o [Timed<'h, Register>]) -> Self {
        let actions = actions(ops);
        let mut writer = HashMap::new();
        let mut reads: HashMap<Option<i64>, Vec<usize>> = HashMap::new();
        for (position, action) in actions.iter().enumerate() {
            match action {
                Action::Read(value) => reads.entry(*value).or_default().push(position),
                Action::Write(new) | Action::Cas(_, new) => {
                    writer.insert(*new, position);
                }
            }
        }
        Self { ops, actions, writer, reads }
    }

    /// Which writes took effect; `None` if something was read or replaced that nobody wrote.
    fn effective(&self) -> Option<Vec<bool>> {
        let mut effective = vec![false; self.ops.len()];
        let mut open = Vec::new();
        for value in self.reads.keys().flatten() {
            open.push(*self.writer.get(value)?);
        }
        let returned = |position: &usize| self.ops[*position].completed();
        open.extend(self.writer.values().copied().filter(returned));
        while let Some(position) = open.pop() {
            if std::mem::replace(&mut effective[position], true) {
                continue;
            }
            if let Action::Cas(old, _) = self.actions[position] {
                open.push(*self.writer.get(&old)?);
            }
        }
        Some(effective)
    }

    /// By value, the effective compare-and-set that replaced it; `None` if there are two.
    fn successors(&self, effective: &[bool]) -> Option<HashMap<i64, usize>> {
        let mut next = HashMap::new();
        for (position, action) in self.actions.iter().enumerate() {
            if let Action::Cas(old, _) = action
                && effective[position]
                && next.insert(*old, position).is_some()
            {
                return None;
            }
        }
        Some(next)
    }

    /// The chains; `None` if one contradicts real time, or if there is a cycle.
    fn blocks(&self, effective: &[bool], next: &HashMap<i64, usize>) -> Option<Vec<Block>> {
        let mut covered = 0;
        let mut blocks = vec![Block { first_end: 0, last_start: 0, members: Vec::new() }];
        if let Some(reads) = self.reads.get(&None) {
            blocks[0].append(self.ops, reads)?;
        }
        for (position, action) in self.actions.iter().enumerate() {
            let (Action::Write(_), true) = (action, effective[position]) else { continue };
            let mut block = Block { first_end: u64::MAX, last_start: 0, members: Vec::new() };
            let mut link = Some(position);
            while let Some(writer) = link {
                covered += 1;
                let written = self.actions[writer].written()?;
                block.append(self.ops, &[writer])?;
                if let Some(reads) = self.reads.get(&Some(written)) {
                    block.append(self.ops, reads)?;
                }
                link = next.get(&written).copied();
            }
            blocks.push(block);
        }
        // A cycle of compare-and-sets hangs on no write.
        (covered == effective.iter().filter(|effective| **effective).count()).then_some(blocks)
    }
}

/// Puts the blocks into an order, or finds two that must both come first.
fn arrange(mut blocks: Vec<Block>) -> Option<Vec<usize>> {
    let mut forward: Vec<(u64, u64)> = blocks
        .iter()
        .filter(|block| block.is_forward())
        .map(|block| (block.first_end, block.last_start))
        .collect();
    forward.sort_unstable();
    if forward.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        return None;
    }
    let fits_between = |block: &Block| {
        let begun = forward.partition_point(|(first_end, _)| *first_end < block.last_start);
        let around = begun.checked_sub(1).and_then(|at| forward.get(at));
        around.is_none_or(|(_, last_start)| block.first_end >= *last_start)
    };
    if !blocks.iter().all(|block| block.is_forward() || fits_between(block)) {
        return None;
    }
    blocks.sort_by_key(|block| block.first_end.min(block.last_start));
    Some(blocks.into_iter().flat_map(|block| block.members).collect())
}
