//! The dependencies between transactions, in two arrays.
//!
//! An edge says that its source comes before its target in every order that explains the history:
//! `ww` (overwrote), `wr` (read from), `rw` (read what the target overwrote), `process` (the same
//! process did it before). An edge is four bytes: the target and its kind. Why there is one, which
//! key and which values, is not kept: whoever inferred it can say so again ([`Dependencies`]).
//!
//! Two kinds of edge would be too many to list, and go through extra nodes instead:
//!
//! - *Real time*: a transaction that ended precedes all that begin later, `O(n²)` pairs. Here the
//!   completions form a chain of *barriers*; a transaction leads to the barrier of its completion,
//!   and a barrier leads to the next, and to the transactions invoked before that. Those are
//!   neighbours in the order of invocations, so that nothing of this is stored but two numbers a
//!   transaction.
//! - *Many to many*: k readers of a last state, each before u writers. [`Edges::all_before_all`]
//!   makes a chain of *hubs*: a reader leads to a hub by its edge, hubs lead on by `pass`. A reader
//!   that is one of the writers leads to those before it and to those after it, never to itself.
//!
//! Barriers and hubs are passed by, never shown: a path through them stands for one edge.
//!
//! ```
//! use schism_checkers::transactions::graph::{Edges, Graph, Kind};
//! let mut edges = Edges::new(3);
//! edges.push(0, Kind::Ww, 1);
//! edges.push(1, Kind::Rw, 0);
//! edges.push(1, Kind::Wr, 2);
//! let graph = Graph::new(edges, None);
//! assert_eq!(graph.components(), [vec![0, 1]]);
//! ```

use super::history::{Fate, KeyId, TxnHistory, TxnId};
use super::intern::ValueId;
use super::scc::{self, Digraph, Next};

/// Why one node comes before another. As a bit in a mask: `1 << kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The target overwrote, or appended after, what the source wrote.
    Ww = 0,
    /// The target read what the source wrote.
    Wr = 1,
    /// The source read a state that the target replaced.
    Rw = 2,
    /// The same process did the source before the target.
    Process = 3,
    /// The source had ended before the target began.
    Realtime = 4,
    /// No dependency: on from a hub, in the way of the edge that led there.
    Pass = 5,
}

impl Kind {
    /// Its bit in a mask.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    fn of(edge: u32) -> Self {
        match edge & 7 {
            0 => Self::Ww,
            1 => Self::Wr,
            2 => Self::Rw,
            3 => Self::Process,
            4 => Self::Realtime,
            _ => Self::Pass,
        }
    }
}

/// One dependency between two transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// What comes before.
    pub from: TxnId,
    /// What comes after.
    pub to: TxnId,
    /// Why.
    pub kind: Kind,
}

/// Which key and values make an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The object.
    pub key: KeyId,
    /// ww: what the source wrote. rw: what the source saw last, `None` for the initial state.
    pub earlier: Option<ValueId>,
    /// ww and rw: what the target wrote. wr: what was written and read.
    pub later: ValueId,
    /// How the order of the two values is known, if that needs a sentence.
    pub note: Option<String>,
}

/// Where `ww`, `wr` and `rw` edges come from.
pub trait Dependencies {
    /// Why there is this edge; `None` if there is none. Never asked of order edges.
    fn reason(&self, edge: &Edge) -> Option<Reason>;

    /// Checks a reason against the history itself, by nothing that was inferred.
    fn holds(&self, edge: &Edge, reason: &Reason) -> bool;

    /// Did a transaction succeed, or did somebody read something of it?
    fn happened(&self, txn: TxnId) -> bool;
}

/// Edges while they are found.
#[derive(Debug)]
pub struct Edges {
    nodes: u32,
    txns: u32,
    list: Vec<(u32, u32)>,
}

impl Edges {
    /// Between so many transactions.
    ///
    /// # Panics
    /// If there are more than 2²⁸: a node shares a word with its edge's kind, and hubs need room.
    pub fn new(txns: usize) -> Self {
        let txns = u32::try_from(txns).ok().filter(|txns| *txns <= 1 << 28);
        let txns = txns.expect("at most 2^28 transactions");
        Self { nodes: txns, txns, list: Vec::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds one. Nothing comes before itself, so that is passed over.
    pub fn push(&mut self, from: u32, kind: Kind, to: u32) {
        if from != to {
            self.list.push((from, to << 3 | kind as u32));
        }
    }

    fn hub(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    /// Adds an edge from each of `first` to each of `second`, but for those to itself. Both have
    /// no duplicates. `O(first + second)` edges and hubs, with a logarithm for finding who is in
    /// both.
    pub fn all_before_all(&mut self, first: &[u32], kind: Kind, second: &[u32]) {
        if first.len() * second.len() <= 4 * (first.len() + second.len()) {
            for from in first {
                for to in second {
                    self.push(*from, kind, *to);
                }
            }
            return;
        }
        let mut second = second.to_vec();
        second.sort_unstable();
        // up[i] leads to all of second[..=i], down[i] to all of second[i..].
        let up: Vec<u32> = second.iter().map(|_| self.hub()).collect();
        let down: Vec<u32> = second.iter().map(|_| self.hub()).collect();
        for (place, to) in second.iter().enumerate() {
            self.push(up[place], Kind::Pass, *to);
            self.push(down[place], Kind::Pass, *to);
            if place > 0 {
                self.push(up[place], Kind::Pass, up[place - 1]);
                self.push(down[place - 1], Kind::Pass, down[place]);
            }
        }
        for from in first {
            match second.binary_search(from) {
                Err(_) => self.push(*from, kind, down[0]),
                Ok(place) => {
                    if place > 0 {
                        self.push(*from, kind, up[place - 1]);
                    }
                    if let Some(hub) = down.get(place + 1) {
                        self.push(*from, kind, *hub);
                    }
                }
            }
        }
    }

    /// Adds the order of each process: from each transaction that succeeded to what the process
    /// did next, as far as that may have happened.
    pub fn add_process_order(&mut self, history: &TxnHistory) {
        let mut last: Vec<Option<TxnId>> = vec![None; history.session_count()];
        for txn in history.txns().filter(|txn| history.fate(*txn) != Fate::Fail) {
            let last = &mut last[history.session(txn) as usize];
            if let Some(before) = last.filter(|before| history.precedes(*before, txn)) {
                self.push(before, Kind::Process, txn);
            }
            if history.fate(txn) == Fate::Ok {
                *last = Some(txn);
            }
        }
    }
}

/// Real time, as the chain of completions.
#[derive(Debug)]
pub struct Realtime {
    /// By transaction, the place of its completion in the chain; `NONE` if it has none.
    barrier: Vec<u32>,
    /// By barrier, the first transaction invoked after it; and one more for the end.
    first: Vec<u32>,
    /// Is its invocation in the log? By transaction; empty if all are.
    began: Vec<bool>,
}

const NONE: u32 = u32::MAX;

impl Realtime {
    /// The real time of a history. `O(n)`.
    pub fn new(history: &TxnHistory) -> Self {
        let mut barrier = vec![NONE; history.len()];
        let mut first = Vec::with_capacity(history.returns().len() + 1);
        let mut txn: TxnId = 0;
        let end = history.txns().end;
        for (place, returned) in (0..).zip(history.returns()) {
            barrier[*returned as usize] = place;
            let index = history.returned(*returned).unwrap_or(u64::MAX);
            while txn < end && history.invoked(txn).index < index {
                txn += 1;
            }
            first.push(txn);
        }
        first.push(end);
        let began = if history.txns().all(|txn| history.began(txn)) {
            Vec::new()
        } else {
            history.txns().map(|txn| history.began(txn)).collect()
        };
        Self { barrier, first, began }
    }
}

/// A dependency graph.
#[derive(Debug)]
pub struct Graph {
    txns: u32,
    starts: Vec<u32>,
    edges: Vec<u32>,
    realtime: Option<Realtime>,
}

impl Graph {
    /// The graph of these edges, with real time if that counts. `O(nodes + edges)`.
    pub fn new(edges: Edges, realtime: Option<Realtime>) -> Self {
        let Edges { nodes, txns, list } = edges;
        let mut starts = vec![0_u32; nodes as usize + 1];
        for (from, _) in &list {
            starts[*from as usize + 1] += 1;
        }
        for node in 0..nodes as usize {
            starts[node + 1] += starts[node];
        }
        let mut ends = starts.clone();
        let mut sorted = vec![0; list.len()];
        for (from, edge) in list {
            let end = &mut ends[from as usize];
            sorted[*end as usize] = edge;
            *end += 1;
        }
        Self { txns, starts, edges: sorted, realtime }
    }

    /// How many nodes are transactions; hubs come after.
    pub fn txns(&self) -> u32 {
        self.txns
    }

    /// How many nodes there are, with hubs, without barriers.
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many edges are kept.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// True if real time counts.
    pub fn has_realtime(&self) -> bool {
        self.realtime.is_some()
    }

    /// The edges from a node, but for real time.
    pub fn edges(&self, node: u32) -> impl Iterator<Item = (Kind, u32)> + '_ {
        let row = self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize;
        self.edges[row].iter().map(|edge| (Kind::of(*edge), edge >> 3))
    }

    /// The strongly connected components of more than one transaction, each as its nodes in order.
    /// Whatever cycle there is lies within one of them.
    pub fn components(&self) -> Vec<Vec<u32>> {
        let nodes = u32::try_from(self.nodes()).unwrap_or(NONE);
        let mut found = Vec::new();
        scc::components(self, |members| {
            let mut members: Vec<u32> =
                members.iter().copied().filter(|node| *node < nodes).collect();
            if members.iter().filter(|node| **node < self.txns).count() > 1 {
                members.sort_unstable();
                found.push(members);
            }
        });
        found
    }

    /// Successors by real time, of a transaction or a barrier.
    fn in_time(&self, realtime: &Realtime, node: u32, nth: u32) -> Option<Next> {
        let nodes = u32::try_from(self.nodes()).unwrap_or(NONE);
        let Some(barrier) = node.checked_sub(nodes) else {
            let barrier = *realtime.barrier.get(node as usize)?;
            return (nth == 0 && barrier != NONE).then(|| Next::Node(nodes + barrier));
        };
        let first = realtime.first[barrier as usize];
        let end = realtime.first[barrier as usize + 1];
        match nth.checked_sub(1) {
            None if barrier as usize + 2 == realtime.first.len() => Some(Next::Skip),
            None => Some(Next::Node(node + 1)),
            Some(place) if first + place < end => {
                let txn = first + place;
                match realtime.began.get(txn as usize) {
                    Some(false) => Some(Next::Skip),
                    _ => Some(Next::Node(txn)),
                }
            }
            Some(_) => None,
        }
    }
}

impl Digraph for Graph {
    fn len(&self) -> usize {
        self.nodes() + self.realtime.as_ref().map_or(0, |realtime| realtime.first.len() - 1)
    }

    fn successor(&self, node: u32, nth: u32) -> Option<Next> {
        let mut after = nth;
        if (node as usize) < self.nodes() {
            let start = self.starts[node as usize];
            let end = self.starts[node as usize + 1];
            if start + nth < end {
                return Some(Next::Node(self.edges[(start + nth) as usize] >> 3));
            }
            after = nth - (end - start);
        }
        self.in_time(self.realtime.as_ref()?, node, after)
    }
}
