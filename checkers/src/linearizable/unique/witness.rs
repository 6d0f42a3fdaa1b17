//! The operations that make a contradiction: picked once a history has turned out impossible.
//!
//! Each is a pass or two over the history.

use super::{Block, Clusters, NONE};
use crate::linearizable::conflict::Conflict;
use crate::linearizable::history::Action;
use crate::linearizable::part::RegOp;
use rustc_hash::{FxHashMap, FxHashSet};

/// An operation in a chain: in which of its clusters, and what it is.
#[derive(Clone, Copy)]
struct Member {
    rank: usize,
    position: u32,
    op: RegOp,
}

impl Member {
    fn is_read(&self) -> bool {
        matches!(self.op.action, Action::Read(_))
    }
}

impl Clusters<'_> {
    /// An operation that took effect, followed by what shows that it did: itself, if it returned,
    /// else a read of what it wrote, or a compare-and-set of that which took effect in turn.
    pub(super) fn supported(&self, position: u32) -> Vec<u32> {
        if self.ops.op(position as usize).completed() {
            return vec![position];
        }
        let mut observers: FxHashMap<_, Vec<u32>> = FxHashMap::default();
        for (observer, op) in self.ops.ops() {
            if let Some(value) = op.action.observed() {
                observers.entry(value).or_default().push(observer);
            }
        }
        let mut found_by: FxHashMap<u32, u32> = FxHashMap::default();
        let mut open = vec![position];
        while let Some(next) = open.pop() {
            let op = self.ops.op(next as usize);
            if op.completed() {
                let mut chain = vec![next];
                while let Some(before) = chain.last().and_then(|last| found_by.get(last)) {
                    chain.push(*before);
                }
                chain.reverse();
                return chain;
            }
            let written = op.action.written().and_then(|value| observers.remove(&value));
            for observer in written.into_iter().flatten() {
                if observer != position {
                    found_by.insert(observer, next);
                    open.push(observer);
                }
            }
        }
        vec![position]
    }

    /// The operations of a chain up to one of its clusters, the reads of each after its write.
    fn members(&self, head: usize, last: Option<usize>) -> Vec<Member> {
        let mut ranks: FxHashMap<usize, usize> = FxHashMap::default();
        let mut members = Vec::new();
        let mut at = head;
        loop {
            let rank = ranks.len();
            ranks.insert(at, rank);
            if let Some(position) = at.checked_sub(1) {
                let op = self.ops.op(position);
                members.push(Member {
                    rank,
                    position: u32::try_from(position).unwrap_or(NONE),
                    op,
                });
            }
            if self.of[at].next == NONE || last == Some(at) {
                break;
            }
            at = self.of[at].next as usize + 1;
        }
        for (position, op) in self.ops.ops() {
            let Action::Read(value) = op.action else { continue };
            let cluster = self.writers.cluster(value, self.ops.len());
            if let Some(rank) = cluster.and_then(|cluster| ranks.get(&cluster)) {
                members.push(Member { rank: *rank, position, op });
            }
        }
        members.sort_by_key(|member| (member.rank, member.is_read(), member.position));
        members
    }

    /// The chain that contradicts real time in this cluster at the latest.
    pub(super) fn disorder(&self, head: usize, cluster: usize) -> Conflict {
        let members = self.members(head, Some(cluster));
        let last = members.last().map_or(0, |member| member.rank);
        let comes_before = |early: &Member, late: &Member| {
            early.rank < late.rank || (early.rank == late.rank && !early.is_read())
        };
        let of_last = members.iter().filter(|member| member.rank == last);
        let pairs = of_last.filter_map(|late| {
            let before = members.iter().filter(|early| comes_before(early, late));
            let early = before.max_by_key(|early| early.op.start)?;
            (late.op.end < early.op.start).then_some((*early, *late))
        });
        let Some((early, late)) = pairs.min_by_key(|(_, late)| late.op.end) else {
            return Conflict::Disorder { chain: Vec::new() };
        };
        Conflict::Disorder { chain: self.segment(&members, early, late) }
    }

    /// Two blocks each of which has to come before the other.
    pub(super) fn conflict(&self, one: Block, other: Block) -> Conflict {
        let chain = |block: Block| {
            let head = block.head as usize;
            let members = self.members(head, None);
            let starts_last = members.iter().max_by_key(|member| member.op.start).copied();
            let ends_first = members.iter().min_by_key(|member| member.op.end).copied();
            let (Some(starts_last), Some(ends_first)) = (starts_last, ends_first) else {
                return Vec::new();
            };
            match (head, members.first()) {
                // What was there first was there before everything.
                (0, Some(first)) => self.segment(&members, *first, starts_last),
                _ => self.segment(&members, starts_last, ends_first),
            }
        };
        Conflict::Blocks { both: [chain(one), chain(other)] }
    }

    /// Two operations of a chain with all writes between them, and what shows that those took
    /// effect.
    fn segment(&self, members: &[Member], one: Member, other: Member) -> Vec<u32> {
        let ranks = one.rank.min(other.rank)..=one.rank.max(other.rank);
        let wanted = |member: &&Member| {
            ranks.contains(&member.rank)
                && (!member.is_read() || [one.position, other.position].contains(&member.position))
        };
        let mut chain: Vec<u32> =
            members.iter().filter(wanted).map(|member| member.position).collect();
        if let Some(last) = chain.pop() {
            chain.extend(self.supported(last));
        }
        chain
    }

    /// The cycle of compare-and-sets that hangs on none of these blocks.
    pub(super) fn cycle(&self, blocks: &[Block]) -> Conflict {
        let mut covered = FxHashSet::default();
        for block in blocks {
            let mut at = block.head as usize;
            while covered.insert(at) && self.of[at].next != NONE {
                at = self.of[at].next as usize + 1;
            }
        }
        let effective = |at: &usize| self.of[*at].effective && !covered.contains(at);
        let Some(mut at) = (0..self.of.len()).find(effective) else {
            return Conflict::Cycle { cas: Vec::new(), root: NONE };
        };
        // Against the chain one comes onto the cycle, and along it round.
        let mut seen = FxHashSet::default();
        while seen.insert(at) {
            let Action::Cas(old, _) = self.ops.op(at - 1).action else { break };
            at = self.writers.cluster(old, self.ops.len()).unwrap_or(at);
        }
        let (first, mut cas) = (at, Vec::new());
        loop {
            cas.push(u32::try_from(at - 1).unwrap_or(NONE));
            at = self.of[at].next as usize + 1;
            if at == first || cas.len() > self.of.len() || at > self.of.len() {
                break;
            }
        }
        let values: FxHashSet<_> =
            cas.iter().filter_map(|op| self.ops.op(*op as usize).action.written()).collect();
        let shows = |(position, op): (u32, RegOp)| {
            let value = op.action.observed().filter(|_| op.completed())?;
            values.contains(&value).then_some(position)
        };
        Conflict::Cycle { cas, root: self.ops.ops().find_map(shows).unwrap_or(NONE) }
    }
}
