//! One strongly connected component, taken out of the graph to be searched.
//!
//! Its edges are between pairs of nodes, each with a mask of all the kinds that it is, and its
//! *class*: the first of ww, wr, rw, process and realtime, for a dependency of data says more than
//! an order that happens to agree with it. (Of registers wr comes before ww, as in Elle: there the
//! order of versions is the weaker inference.) A search sees it through a [`View`]: some bits, of
//! masks or of classes.
//!
//! Real time within a component is its transitive reduction: an edge from `a` to `b` if `a` ended
//! before `b` began, and nothing of the component lies between. Nothing outside can lie between,
//! for it would then be in the component. `O(edges + members × concurrency)`.

use super::graph::{Edge, Graph, Kind};
use super::history::{Fate, Shape, TxnHistory, TxnId};
use super::scc::{Digraph, Next};
use std::collections::VecDeque;

/// A set of kinds: one bit each.
pub(super) type Kinds = u8;

pub(super) const WW: Kinds = 1 << Kind::Ww as u8;
pub(super) const WR: Kinds = 1 << Kind::Wr as u8;
pub(super) const RW: Kinds = 1 << Kind::Rw as u8;
pub(super) const PROCESS: Kinds = 1 << Kind::Process as u8;
pub(super) const REALTIME: Kinds = 1 << Kind::Realtime as u8;
const PASS: Kinds = 1 << Kind::Pass as u8;

/// A component.
#[derive(Debug)]
pub(super) struct Part {
    /// Its nodes: transactions in order, then hubs.
    nodes: Vec<u32>,
    /// How many of them are transactions.
    txns: usize,
    starts: Vec<u32>,
    targets: Vec<u32>,
    masks: Vec<Kinds>,
    classes: Vec<Kinds>,
}

/// Where the graph's nodes are in the part being built; kept between parts.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<u32>);

const NOWHERE: u32 = u32::MAX;

impl Part {
    pub(super) fn new(
        graph: &Graph,
        history: &TxnHistory,
        nodes: Vec<u32>,
        places: &mut Places,
    ) -> Self {
        places.0.resize(graph.nodes(), NOWHERE);
        for (place, node) in (0..).zip(&nodes) {
            places.0[*node as usize] = place;
        }
        let mut edges: Vec<(u32, u32, Kinds)> = Vec::new();
        for (from, node) in (0..).zip(&nodes) {
            for (kind, to) in graph.edges(*node) {
                let to = places.0[to as usize];
                if to != NOWHERE {
                    edges.push((from, to, kind.bit()));
                }
            }
        }
        for node in &nodes {
            places.0[*node as usize] = NOWHERE;
        }
        let txns = nodes.iter().filter(|node| **node < graph.txns()).count();
        if graph.has_realtime() {
            real_time(history, &nodes[..txns], &mut edges);
        }
        edges.sort_unstable();
        edges.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 |= next.2;
            }
            same
        });
        let mut starts = vec![0; nodes.len() + 1];
        for (from, ..) in &edges {
            starts[*from as usize + 1] += 1;
        }
        for node in 0..nodes.len() {
            starts[node + 1] += starts[node];
        }
        let targets = edges.iter().map(|(_, to, _)| *to).collect();
        let masks: Vec<Kinds> = edges.iter().map(|(.., mask)| *mask).collect();
        let reads_first = history.shape() == Shape::Registers;
        let class = |mask: &Kinds| if reads_first && mask & WR != 0 { WR } else { lowest(*mask) };
        let classes = masks.iter().map(class).collect();
        Self { nodes, txns, starts, targets, masks, classes }
    }

    /// How many transactions it has.
    pub(super) fn txns(&self) -> usize {
        self.txns
    }

    /// The kinds of edges, each by its first; or all of them.
    pub(super) fn view(&self, by_class: bool, kinds: Kinds) -> View<'_> {
        View { part: self, bits: if by_class { &self.classes } else { &self.masks }, kinds }
    }

    /// Every kind of edge that it has.
    pub(super) fn kinds(&self) -> Kinds {
        self.masks.iter().fold(0, |all, mask| all | mask)
    }

    fn row(&self, node: u32) -> std::ops::Range<usize> {
        self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize
    }

    /// The edges of a walk as dependencies between transactions: hubs are left out.
    fn edges(&self, steps: impl Iterator<Item = (u32, u32, Kind)>) -> Vec<Edge> {
        let mut edges: Vec<Edge> = Vec::new();
        for (from, to, kind) in steps {
            let (from, to) = (self.nodes[from as usize], self.nodes[to as usize]);
            match edges.last_mut() {
                // The edge before led to a hub: this goes on from there.
                Some(edge) if kind == Kind::Pass => edge.to = to,
                _ => edges.push(Edge { from, to, kind }),
            }
        }
        edges
    }
}

/// The lowest bit of a mask.
fn lowest(mask: Kinds) -> Kinds {
    mask & mask.wrapping_neg()
}

/// The kind of the lowest bit.
fn kind(mask: Kinds) -> Kind {
    match lowest(mask) {
        WW => Kind::Ww,
        WR => Kind::Wr,
        RW => Kind::Rw,
        PROCESS => Kind::Process,
        REALTIME => Kind::Realtime,
        _ => Kind::Pass,
    }
}

/// Adds the reduction of real time between these transactions.
fn real_time(history: &TxnHistory, txns: &[TxnId], edges: &mut Vec<(u32, u32, Kinds)>) {
    if !txns.iter().any(|txn| history.began(*txn)) {
        return;
    }
    let begin = (0..).zip(txns).map(|(place, txn)| (history.invoked(*txn).index, true, place));
    let end = (0..).zip(txns).filter(|(_, txn)| history.fate(**txn) == Fate::Ok);
    let end = end.map(|(place, txn)| (history.returned(*txn).unwrap_or(u64::MAX), false, place));
    let mut events: Vec<(u64, bool, u32)> = begin.chain(end).collect();
    // One that never began in the log ends at the index at which it begins: it ends later.
    events.sort_unstable_by_key(|(index, begins, place)| (*index, !*begins, *place));
    let mut ended: Vec<u32> = Vec::new();
    for (_, begins, place) in events {
        let txn = txns[place as usize];
        if begins {
            if history.began(txn) {
                edges.extend(ended.iter().map(|before| (*before, place, REALTIME)));
            }
        } else {
            ended.retain(|before| !history.precedes(txns[*before as usize], txn));
            ended.push(place);
        }
    }
}

/// A part through some kinds of edges.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'p> {
    part: &'p Part,
    bits: &'p [Kinds],
    kinds: Kinds,
}

impl View<'_> {
    /// The edges of these kinds, whatever else the view shows: their ends.
    pub(super) fn ends(&self, kinds: Kinds) -> impl Iterator<Item = (u32, u32)> + '_ {
        let nodes = u32::try_from(self.part.nodes.len()).unwrap_or(NOWHERE);
        (0..nodes).flat_map(move |from| {
            let row = self.part.row(from).filter(move |edge| self.bits[*edge] & kinds != 0);
            row.map(move |edge| (from, self.part.targets[edge]))
        })
    }

    /// The edges that it shows from a node.
    pub(super) fn targets(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let shown = move |edge: &usize| self.bits[*edge] & (self.kinds | PASS) != 0;
        self.part.row(node).filter(shown).map(|edge| self.part.targets[edge])
    }

    /// The same with only these kinds.
    pub(super) fn with(self, kinds: Kinds) -> Self {
        Self { kinds, ..self }
    }

    /// A walk along edges that it shows, after one of `first` kinds from `from`, if that is given.
    pub(super) fn cycle(
        &self,
        first: Option<(u32, Kinds)>,
        path: &[(u32, u32)],
        to: u32,
    ) -> Vec<Edge> {
        let start = first
            .map(|(from, kinds)| (from, path.first().map_or(to, |(node, _)| *node), kind(kinds)));
        let ends = path.iter().skip(1).map(|(node, _)| *node).chain([to]);
        let steps = path.iter().zip(ends).map(|((from, nth), to)| {
            let edge = self.part.starts[*from as usize] + nth;
            (*from, to, kind(self.bits[edge as usize] & (self.kinds | PASS)))
        });
        self.part.edges(start.into_iter().chain(steps))
    }
}

impl Digraph for View<'_> {
    fn len(&self) -> usize {
        self.part.nodes.len()
    }

    fn successor(&self, node: u32, nth: u32) -> Option<Next> {
        let edge = self.part.starts[node as usize] + nth;
        if edge >= self.part.starts[node as usize + 1] {
            return None;
        }
        let shown = self.bits[edge as usize] & (self.kinds | PASS) != 0;
        Some(if shown { Next::Node(self.part.targets[edge as usize]) } else { Next::Skip })
    }
}

/// A view in which no two rw edges may follow each other: each node twice, `2 n` reached by an edge
/// that the view shows and `2 n + 1` by an rw edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Apart<'p>(pub(super) View<'p>);

impl Apart<'_> {
    /// The edges of a closed walk of nodes as [`Apart`] numbers them.
    pub(super) fn cycle(&self, path: &[(u32, u32)]) -> Vec<Edge> {
        let View { part, bits, kinds } = self.0;
        let steps = path.iter().enumerate().map(|(place, (node, nth))| {
            let edge = (part.starts[*node as usize / 2] + nth / 2) as usize;
            let to = path[(place + 1) % path.len()].0 / 2;
            let by = if nth % 2 == 0 { bits[edge] & (kinds | PASS) } else { RW };
            (node / 2, to, kind(by))
        });
        part.edges(steps)
    }
}

impl Digraph for Apart<'_> {
    fn len(&self) -> usize {
        2 * self.0.len()
    }

    fn successor(&self, node: u32, nth: u32) -> Option<Next> {
        let View { part, bits, kinds } = self.0;
        let edge = part.starts[node as usize / 2] + nth / 2;
        if edge >= part.starts[node as usize / 2 + 1] {
            return None;
        }
        let (bits, to) = (bits[edge as usize], part.targets[edge as usize]);
        let taken = node % 2;
        Some(match nth % 2 {
            0 if bits & kinds != 0 => Next::Node(2 * to),
            0 if bits & PASS != 0 => Next::Node(2 * to + taken),
            1 if bits & RW != 0 && taken == 0 => Next::Node(2 * to + 1),
            _ => Next::Skip,
        })
    }
}

/// Breadth-first searches over one graph, with their memory.
#[derive(Debug)]
pub(super) struct Paths {
    /// By node: the search that came here, from where, by which of its successors.
    came: Vec<(u32, u32, u32)>,
    search: u32,
    /// How many nodes were visited by all searches.
    pub(super) visited: usize,
}

impl Paths {
    pub(super) fn new(graph: &impl Digraph) -> Self {
        Self { came: vec![(0, 0, 0); graph.len()], search: 0, visited: 0 }
    }

    /// The shortest path of at least one edge, as nodes with the number of the successor taken;
    /// `to` is left out. `None` if there is none within `most` nodes.
    pub(super) fn find(
        &mut self,
        graph: &impl Digraph,
        from: u32,
        to: u32,
        most: usize,
    ) -> Option<Vec<(u32, u32)>> {
        self.search += 1;
        let mut queue = VecDeque::from([from]);
        let until = self.visited.saturating_add(most);
        while let Some(node) = queue.pop_front() {
            self.visited += 1;
            if self.visited > until {
                return None;
            }
            for nth in 0.. {
                let next = match graph.successor(node, nth) {
                    None => break,
                    Some(Next::Skip) => continue,
                    Some(Next::Node(next)) => next,
                };
                if self.came[next as usize].0 == self.search {
                    continue;
                }
                self.came[next as usize] = (self.search, node, nth);
                if next == to {
                    return Some(self.back(from, to));
                }
                queue.push_back(next);
            }
        }
        None
    }

    fn back(&self, from: u32, to: u32) -> Vec<(u32, u32)> {
        let mut path = Vec::new();
        let mut node = to;
        loop {
            let (_, before, nth) = self.came[node as usize];
            path.push((before, nth));
            node = before;
            if node == from {
                break;
            }
        }
        path.reverse();
        path
    }
}
