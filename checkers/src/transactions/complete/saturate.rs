//! What follows for the order of versions from what is known, by clocks along chains.
//!
//! A clock says of a node how many nodes of each chain lead to it. Of a read of `w1`'s version, and
//! another writer `w2` of that key:
//!
//! - if `w2`'s commit leads to the read, `w2` comes before `w1`;
//! - if `w1` leads to `w2`'s commit, `w1` comes before `w2`, and the read before `w2`'s commit.
//!
//! Of each chain the last such `w2` for the one, and the first for the other, imply the rest.

use super::Order;
use super::problem::{Member, Node, Problem, Writer};
use schism_core::limits::Limits;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is known to come before what, and clocks that say what follows.
#[derive(Debug)]
pub(super) struct Saturation<'p> {
    problem: &'p Problem<'p>,
    pub(super) edges: Vec<(Node, Node)>,
    /// By node, a row: by chain, how many of it lead here.
    clocks: Vec<u32>,
    /// How much was done: clock entries looked at.
    pub(super) steps: u64,
}

/// Something would come before itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contradiction;

impl<'p> Saturation<'p> {
    pub(super) fn new(problem: &'p Problem<'p>) -> Self {
        let clocks = vec![0; problem.nodes() * problem.chain_count as usize];
        Self { problem, edges: problem.known(), clocks, steps: 0 }
    }

    fn clock(&self, node: Node) -> &[u32] {
        let width = self.problem.chain_count as usize;
        &self.clocks[node as usize * width..][..width]
    }

    /// Does the first lead to the second, by what was known when clocks were last set?
    pub(super) fn leads(&self, first: Node, second: Node) -> bool {
        let (chain, up_to) = self.problem.up_to(first);
        self.clock(second)[chain as usize] >= up_to
    }

    /// Adds what follows, until nothing more does, or too many steps were taken.
    pub(super) fn run(&mut self, most: u64, limits: &Limits) -> Result<(), Contradiction> {
        loop {
            self.set_clocks()?;
            let before = self.edges.len();
            self.derive();
            if self.edges.len() == before || self.steps > most || limits.are_exceeded() {
                return Ok(());
            }
        }
    }

    /// Sets all clocks, going along what is known and real time.
    fn set_clocks(&mut self) -> Result<(), Contradiction> {
        let problem = self.problem;
        let nodes = problem.nodes();
        let width = problem.chain_count as usize;
        self.steps += ((nodes + self.edges.len()) * width) as u64;
        let (starts, targets) = sorted(nodes, &self.edges);
        let mut missing = vec![0_u32; nodes];
        for target in &targets {
            missing[*target as usize] += 1;
        }
        self.clocks.fill(0);
        let mut time = Time::new(problem);
        let mut ready: BinaryHeap<Reverse<(u64, Node)>> = BinaryHeap::new();
        let moment = |node: Node| {
            if problem.is_start(node) { problem.times(problem.member(node)).0 } else { 0 }
        };
        for (node, missing) in (0..).zip(&missing) {
            if *missing == 0 {
                ready.push(Reverse((moment(node), node)));
            }
        }
        let mut done = 0;
        while let Some(Reverse((at, node))) = ready.pop() {
            if at >= time.open() {
                return Err(Contradiction);
            }
            done += 1;
            let row = node as usize * width;
            if problem.is_start(node) {
                time.ended_before(at, &mut self.clocks[row..row + width]);
            }
            let (chain, up_to) = problem.up_to(node);
            self.clocks[row + chain as usize] = up_to;
            if problem.is_commit(node) {
                time.end(problem.member(node));
            }
            for target in
                &targets[starts[node as usize] as usize..starts[node as usize + 1] as usize]
            {
                let other = *target as usize * width;
                for chain in 0..width {
                    let here = self.clocks[row + chain];
                    let there = &mut self.clocks[other + chain];
                    *there = (*there).max(here);
                }
                missing[*target as usize] -= 1;
                if missing[*target as usize] == 0 {
                    ready.push(Reverse((moment(*target), *target)));
                }
            }
        }
        if done == nodes { Ok(()) } else { Err(Contradiction) }
    }

    /// Adds what follows from the clocks.
    fn derive(&mut self) {
        let problem = self.problem;
        let mut found: Vec<(Node, Node)> = Vec::new();
        for read in &problem.reads {
            let reader = problem.start(read.reader);
            for writers in by_chain(problem.writers_of(read.key)) {
                self.steps += 1;
                self.before_read(read.reader, read.from, writers, &mut found);
                let after = |writer: &Writer| match read.from {
                    None => true,
                    Some(from) => {
                        writer.member != from
                            && self.leads(problem.start(from), problem.commit(writer.member))
                    }
                };
                // What a writer itself read leads to it already.
                let first = first(writers, after).filter(|other| other.member != read.reader);
                if let Some(other) = first {
                    let commit = problem.commit(other.member);
                    if !self.leads(reader, commit) {
                        found.push((reader, commit));
                    }
                }
            }
        }
        if problem.isolation == super::Isolation::Snapshot {
            self.apart(&mut found);
        }
        self.edges.append(&mut found);
    }

    /// The last writer of a chain that leads to a read comes before whom it read from.
    fn before_read(
        &self,
        reader: Member,
        from: Option<Member>,
        writers: &[Writer],
        found: &mut Vec<(Node, Node)>,
    ) {
        let problem = self.problem;
        let read = problem.start(reader);
        let leads = |writer: &Writer| {
            writer.member != reader && self.leads(problem.commit(writer.member), read)
        };
        let count = writers.partition_point(leads);
        let Some(other) = writers[..count].last().filter(|one| Some(one.member) != from) else {
            return;
        };
        let commit = problem.commit(other.member);
        // What came before the initial state would come before itself.
        let before = from.map_or(commit, |from| problem.start(from));
        if from.is_none() || !self.leads(commit, before) {
            found.push((commit, before));
        }
    }

    /// Under snapshot isolation two writers of a key are not concurrent.
    fn apart(&self, found: &mut Vec<(Node, Node)>) {
        let problem = self.problem;
        for (key, _) in (0..).zip(problem.history.keys()) {
            let all = problem.writers_of(key);
            for writer in all {
                for writers in by_chain(all) {
                    let start = problem.start(writer.member);
                    let after = |other: &Writer| {
                        other.member != writer.member
                            && self.leads(start, problem.commit(other.member))
                    };
                    if let Some(other) = first(writers, after) {
                        let (one, two) =
                            (problem.commit(writer.member), problem.start(other.member));
                        if !self.leads(one, two) {
                            found.push((one, two));
                        }
                    }
                }
            }
        }
    }

    /// Two writers of one key of which none is known to come first.
    pub(super) fn open_pair(&self) -> Option<(Member, Member)> {
        let problem = self.problem;
        (0..).zip(problem.history.keys()).find_map(|(key, _)| {
            let writers = problem.writers_of(key);
            writers.iter().enumerate().find_map(|(place, one)| {
                let open = |other: &&Writer| self.is_open(one.member, other.member);
                let other = writers[place + 1..].iter().find(open)?;
                Some((one.member, other.member))
            })
        })
    }

    /// Is neither of two writers known to come first?
    pub(super) fn is_open(&self, one: Member, other: Member) -> bool {
        let problem = self.problem;
        let first = |one, other| self.leads(problem.start(one), problem.commit(other));
        one != other && !first(one, other) && !first(other, one)
    }
}

/// The first of a chain's writers with a property that all after it have too.
fn first(writers: &[Writer], has: impl Fn(&Writer) -> bool) -> Option<&Writer> {
    writers.get(writers.partition_point(|writer| !has(writer)))
}

/// The writers of a key, chain by chain.
fn by_chain(writers: &[Writer]) -> impl Iterator<Item = &[Writer]> {
    writers.chunk_by(|left, right| left.chain == right.chain)
}

/// The targets of each node's edges.
pub(super) fn sorted(nodes: usize, edges: &[(Node, Node)]) -> (Vec<u32>, Vec<Node>) {
    let mut starts = vec![0_u32; nodes + 1];
    for (from, _) in edges {
        starts[*from as usize + 1] += 1;
    }
    for node in 0..nodes {
        starts[node + 1] += starts[node];
    }
    let mut ends = starts.clone();
    let mut targets = vec![0; edges.len()];
    for (from, to) in edges {
        let end = &mut ends[*from as usize];
        targets[*end as usize] = *to;
        *end += 1;
    }
    (starts, targets)
}

/// Real time while transactions are put in order.
#[derive(Debug)]
pub(super) struct Time {
    /// By return: the index, the member, its chain and how many of the chain's nodes lead up to it.
    returns: Vec<(u64, Member, u32, u32)>,
    done: Vec<bool>,
    /// All returns before this place have been passed.
    next: usize,
    /// By return, in a chain's order: the place among all; chain by chain.
    by_chain: Vec<Vec<(u64, u32)>>,
}

impl Time {
    /// Real time, if it counts.
    pub(super) fn new(problem: &Problem<'_>) -> Self {
        let mut returns = Vec::new();
        let mut by_chain = vec![Vec::new(); problem.chain_count as usize];
        let mut done = Vec::new();
        if problem.order == Order::Real {
            for (member, _) in (0..).zip(&problem.members) {
                let (_, returned) = problem.times(member);
                let (chain, up_to) = problem.up_to(problem.commit(member));
                by_chain[chain as usize].push((returned, up_to));
                if returned < u64::MAX {
                    returns.push((returned, member, chain, up_to));
                }
            }
            returns.sort_unstable();
            done = vec![false; problem.members.len()];
        }
        Self { returns, done, next: 0, by_chain }
    }

    /// The index at which the first that has not been put in order returned.
    pub(super) fn open(&self) -> u64 {
        self.returns.get(self.next).map_or(u64::MAX, |(returned, ..)| *returned)
    }

    /// A member has been put in order.
    pub(super) fn end(&mut self, member: Member) {
        if self.done.is_empty() {
            return;
        }
        self.done[member as usize] = true;
        while self.returns.get(self.next).is_some_and(|(_, one, ..)| self.done[*one as usize]) {
            self.next += 1;
        }
    }

    /// How many of the first to return have all been put in order.
    pub(super) fn passed(&self) -> usize {
        self.next
    }

    /// A member is taken out of the order again, which is as it was when so many had passed.
    pub(super) fn reopen(&mut self, member: Member, passed: usize) {
        if let Some(done) = self.done.get_mut(member as usize) {
            *done = false;
            self.next = passed;
        }
    }

    /// Adds to a clock all that had returned before an index.
    fn ended_before(&self, index: u64, clock: &mut [u32]) {
        for (slot, returns) in clock.iter_mut().zip(&self.by_chain) {
            let count = returns.partition_point(|(returned, _)| *returned < index);
            if let Some((_, up_to)) = returns[..count].last() {
                *slot = (*slot).max(*up_to);
            }
        }
    }
}
