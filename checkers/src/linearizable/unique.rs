//! Registers whose written values are all distinct: decided in `O(n log n)`.
//!
//! Source: Gibbons and Korach, "Testing shared memories" (1997), section 4, extended here by
//! compare-and-set and by operations of unknown fate.
//!
//! *Clusters.* As every value is written once, each read names its write. A write and its reads
//! form a cluster, and in any linearization a cluster stands in one piece: write first, then reads,
//! until the next write. What the register holds first has a cluster of its own, that begins with
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
//! certificate. If there is a contradiction, the operations that make it are (`conflict`).
//!
//! Cost: a few arrays of numbers as long as the history, and one sort of the blocks.

mod witness;

use super::conflict::Conflict;
use super::history::Action;
use super::part::{Part, Prefix};
use super::timed::NEVER;
use crate::transactions::ValueId;
use rustc_hash::FxHashMap;

/// No operation, or no cluster.
const NONE: u32 = u32::MAX;

/// Who writes each value, if no value is written twice.
#[derive(Debug)]
pub(crate) struct Writers {
    first: ValueId,
    /// By value, for values that are not much larger than the history is long.
    direct: Vec<u32>,
    others: FxHashMap<ValueId, u32>,
}

impl Writers {
    /// `None` if a value is written twice, or what the register holds first is written again.
    pub(crate) fn of(part: &Part, first: ValueId) -> Option<Self> {
        let size = part.ops.len() * 4 + 1024;
        let mut writers = Self { first, direct: Vec::new(), others: FxHashMap::default() };
        for (position, op) in (0..).zip(&part.ops) {
            let Some(value) = op.action.written() else { continue };
            let place = value.raw() as usize;
            let before = if place < size {
                if writers.direct.len() <= place {
                    writers.direct.resize((place + 1).next_power_of_two().min(size), NONE);
                }
                std::mem::replace(&mut writers.direct[place], position)
            } else {
                writers.others.insert(value, position).unwrap_or(NONE)
            };
            if before != NONE || value == first {
                return None;
            }
        }
        Some(writers)
    }

    /// The cluster of a value: 0 for what the register holds first, else the position of its write
    /// plus 1. `None` if nobody has begun to write it among the first `begun` operations.
    fn cluster(&self, value: ValueId, begun: usize) -> Option<usize> {
        if value == self.first {
            return Some(0);
        }
        let writer = match self.direct.get(value.raw() as usize) {
            Some(writer) => *writer,
            None => self.others.get(&value).copied().unwrap_or(NONE),
        } as usize;
        (writer < begun).then_some(writer + 1)
    }
}

/// Decides, by those who wrote: a linearization (positions in the history), or what contradicts it.
pub(crate) fn decide(ops: Prefix<'_>, writers: &Writers) -> Result<Vec<u32>, Conflict> {
    let clusters = Clusters::new(ops, writers)?;
    let blocks = clusters.blocks()?;
    clusters.arrange(blocks)
}

/// What a cluster's reads amount to, and the compare-and-set that replaced its value. Times are one
/// more than in the log, so that 0 is before everything.
#[derive(Clone, Copy)]
struct Cluster {
    first_read_end: u64,
    last_read_start: u64,
    /// The position of the effective compare-and-set that follows.
    next: u32,
    effective: bool,
}

struct Clusters<'o> {
    ops: Prefix<'o>,
    writers: &'o Writers,
    /// 0 is that of what the register holds first; then by the position of the write, plus 1.
    of: Vec<Cluster>,
}

/// Some clusters in their fixed order.
#[derive(Clone, Copy)]
struct Block {
    /// f: the earliest end.
    first_end: u64,
    /// s: the latest start.
    last_start: u64,
    /// Its first cluster.
    head: u32,
}

impl Block {
    fn is_forward(&self) -> bool {
        self.first_end < self.last_start
    }

    fn key(&self) -> u64 {
        self.first_end.min(self.last_start)
    }
}

fn after(time: u64) -> u64 {
    time.saturating_add(1)
}

impl<'o> Clusters<'o> {
    fn new(ops: Prefix<'o>, writers: &'o Writers) -> Result<Self, Conflict> {
        let none =
            Cluster { first_read_end: NEVER, last_read_start: 0, next: NONE, effective: false };
        let mut clusters = Self { ops, writers, of: vec![none; ops.len() + 1] };
        clusters.of[0].effective = true;
        let mut open = Vec::new();
        for (position, op) in ops.ops() {
            let reached = match op.action {
                Action::Read(value) => {
                    let at = clusters.source(value, position)?;
                    let cluster = &mut clusters.of[at];
                    cluster.first_read_end = cluster.first_read_end.min(after(op.end));
                    cluster.last_read_start = cluster.last_read_start.max(after(op.start));
                    at
                }
                _ if op.completed() => position as usize + 1,
                Action::Write(_) | Action::Cas(..) => continue,
            };
            clusters.take_effect(reached, &mut open)?;
        }
        Ok(clusters)
    }

    /// The cluster of a value that the operation at `position` observed.
    fn source(&self, value: ValueId, position: u32) -> Result<usize, Conflict> {
        self.writers
            .cluster(value, self.ops.len())
            .ok_or_else(|| Conflict::Nowhere { observed_by: self.supported(position) })
    }

    /// The write of a cluster took effect, and so did what it replaced.
    fn take_effect(&mut self, cluster: usize, open: &mut Vec<usize>) -> Result<(), Conflict> {
        if self.of[cluster].effective {
            return Ok(());
        }
        open.push(cluster);
        while let Some(cluster) = open.pop() {
            if std::mem::replace(&mut self.of[cluster].effective, true) {
                continue;
            }
            let Action::Cas(old, _) = self.ops.op(cluster - 1).action else { continue };
            let writer = u32::try_from(cluster - 1).unwrap_or(NONE);
            let source = self.source(old, writer)?;
            let rival = std::mem::replace(&mut self.of[source].next, writer);
            if rival != NONE {
                let both = [self.supported(rival), self.supported(writer)];
                return Err(Conflict::TwoCas { both });
            }
            open.push(source);
        }
        Ok(())
    }

    /// The chains; refused if one contradicts real time, or if there is a cycle.
    fn blocks(&self) -> Result<Vec<Block>, Conflict> {
        let mut blocks = Vec::new();
        let mut covered = 0;
        for (head, cluster) in self.of.iter().enumerate() {
            let is_head = head == 0 || matches!(self.ops.op(head - 1).action, Action::Write(_));
            if cluster.effective && is_head {
                blocks.push(self.block(head, &mut covered)?);
            }
        }
        // A cycle of compare-and-sets hangs on no write.
        if covered == self.of.iter().filter(|cluster| cluster.effective).count() {
            Ok(blocks)
        } else {
            Err(self.cycle(&blocks))
        }
    }

    fn block(&self, head: usize, covered: &mut usize) -> Result<Block, Conflict> {
        let number = u32::try_from(head).unwrap_or(NONE);
        let mut block = Block { first_end: NEVER, last_start: 0, head: number };
        let mut at = head;
        loop {
            *covered += 1;
            let cluster = &self.of[at];
            let (start, end) = match at.checked_sub(1) {
                None => (0, 0),
                Some(writer) => {
                    let writer = self.ops.op(writer);
                    (after(writer.start), after(writer.end))
                }
            };
            if end < block.last_start {
                return Err(self.disorder(head, at));
            }
            block.last_start = block.last_start.max(start);
            if cluster.first_read_end < block.last_start {
                return Err(self.disorder(head, at));
            }
            block.last_start = block.last_start.max(cluster.last_read_start);
            block.first_end = block.first_end.min(end).min(cluster.first_read_end);
            if cluster.next == NONE {
                return Ok(block);
            }
            at = cluster.next as usize + 1;
        }
    }

    /// Puts the blocks into an order, or finds two that must both come first.
    fn arrange(&self, mut blocks: Vec<Block>) -> Result<Vec<u32>, Conflict> {
        blocks.sort_unstable_by_key(|block| (block.key(), block.head));
        let forward: Vec<Block> = blocks.iter().copied().filter(Block::is_forward).collect();
        if let Some(pair) = forward.windows(2).find(|pair| pair[1].first_end < pair[0].last_start) {
            return Err(self.conflict(pair[0], pair[1]));
        }
        // Blocks come by s here, so the forward block that began last before s only moves on.
        let mut begun = 0;
        for block in blocks.iter().filter(|block| !block.is_forward()) {
            while forward.get(begun).is_some_and(|other| other.first_end < block.last_start) {
                begun += 1;
            }
            if let Some(around) = begun.checked_sub(1).map(|at| forward[at])
                && block.first_end < around.last_start
            {
                return Err(self.conflict(around, *block));
            }
        }
        Ok(self.order(&blocks))
    }

    /// The operations, block by block.
    fn order(&self, blocks: &[Block]) -> Vec<u32> {
        // Reads by cluster: where those of each begin.
        let mut starts = vec![0_u32; self.of.len() + 1];
        let reads = || {
            self.ops.ops().filter_map(|(position, op)| match op.action {
                Action::Read(value) => {
                    Some((position, self.writers.cluster(value, self.ops.len())?))
                }
                _ => None,
            })
        };
        for (_, cluster) in reads() {
            starts[cluster + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut ends = starts.clone();
        let mut sorted = vec![0_u32; starts[self.of.len()] as usize];
        for (position, cluster) in reads() {
            sorted[ends[cluster] as usize] = position;
            ends[cluster] += 1;
        }
        let mut order = Vec::with_capacity(self.ops.len());
        for block in blocks {
            let mut at = block.head as usize;
            loop {
                order.extend(at.checked_sub(1).and_then(|writer| u32::try_from(writer).ok()));
                order.extend(&sorted[starts[at] as usize..ends[at] as usize]);
                if self.of[at].next == NONE {
                    break;
                }
                at = self.of[at].next as usize + 1;
            }
        }
        order
    }
}
