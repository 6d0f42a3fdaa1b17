//! The graph in which a write is visible to whatever it leads to.
//!
//! Its nodes are the reads and writes, and *carriers*. Its edges are: from a write to each read of
//! it; and within a session from a to b, if a comes before b and the guarantees make it count: a
//! write before a read (read your writes), a read before a read (monotonic reads), a write before a
//! write (monotonic writes), a read before a write (writes follow reads).
//!
//! Not all these pairs are put in, only as many as lead to the rest: a read before the next read; a
//! write before the next write; and a write before the reads up to where another write, or another
//! read, leads on. Where neither leads on, a carrier does: a chain of nodes beside the session, on
//! to which each write leads and which leads to each read (or the other way round). So there are at
//! most three nodes and six edges for each read and write.

use super::Guarantees;
use super::sessions::{PartId, Sessions, What, narrow};

/// A node: a part, or from `parts` on a carrier.
pub(crate) type NodeId = u32;

/// Edges by where they lead to.
#[derive(Debug)]
pub(crate) struct Graph {
    /// The first so many nodes are parts.
    pub(super) parts: u32,
    /// By node, where its predecessors begin.
    starts: Vec<u32>,
    before: Vec<NodeId>,
}

/// The edges of one session while they are made.
struct Session<'e> {
    edges: &'e mut Vec<(NodeId, NodeId)>,
    next_carrier: &'e mut NodeId,
    keeps: Guarantees,
    last_read: Option<PartId>,
    last_write: Option<PartId>,
    /// Reads since the last write, writes since the last read, if these lead on to the rest. An
    /// open operation leads nowhere, so it doesn't count as last.
    reads: Vec<PartId>,
    writes: Vec<PartId>,
    /// Carriers from writes to reads, and from reads to writes.
    written: Option<NodeId>,
    read: Option<NodeId>,
}

impl Session<'_> {
    fn edge(&mut self, from: Option<NodeId>, to: NodeId) {
        self.edges.extend(from.map(|from| (from, to)));
    }

    fn carrier(&mut self, previous: Option<NodeId>, from: PartId) -> NodeId {
        let carrier = *self.next_carrier;
        *self.next_carrier += 1;
        self.edge(previous, carrier);
        self.edge(Some(from), carrier);
        carrier
    }

    /// Whatever comes before this read and counts leads to it.
    fn before_read(&mut self, part: PartId) {
        if self.keeps.monotonic_reads {
            self.edge(self.last_read, part);
        }
        if !self.keeps.read_your_writes {
            return;
        }
        if self.keeps.monotonic_writes {
            self.edge(self.last_write, part);
        } else if self.keeps.monotonic_reads {
            self.edges.extend(self.writes.iter().map(|write| (*write, part)));
        } else {
            self.edge(self.written, part);
        }
    }

    fn before_write(&mut self, part: PartId) {
        if self.keeps.monotonic_writes {
            self.edge(self.last_write, part);
        }
        if !self.keeps.writes_follow_reads {
            return;
        }
        if self.keeps.monotonic_reads {
            self.edge(self.last_read, part);
        } else if self.keeps.monotonic_writes {
            self.edges.extend(self.reads.iter().map(|read| (*read, part)));
        } else {
            self.edge(self.read, part);
        }
    }

    fn after_read(&mut self, part: PartId) {
        self.last_read = Some(part);
        self.writes.clear();
        let Guarantees { monotonic_reads, monotonic_writes, writes_follow_reads, .. } = self.keeps;
        if writes_follow_reads && !monotonic_reads {
            if monotonic_writes {
                self.reads.push(part);
            } else {
                self.read = Some(self.carrier(self.read, part));
            }
        }
    }

    fn after_write(&mut self, part: PartId) {
        self.last_write = Some(part);
        self.reads.clear();
        let Guarantees { monotonic_reads, monotonic_writes, read_your_writes, .. } = self.keeps;
        if read_your_writes && !monotonic_writes {
            if monotonic_reads {
                self.writes.push(part);
            } else {
                self.written = Some(self.carrier(self.written, part));
            }
        }
    }
}

impl Graph {
    /// `O(n)`.
    pub(super) fn new(sessions: &Sessions<'_>, keeps: Guarantees) -> Self {
        let parts = narrow(sessions.parts.len());
        let mut edges: Vec<(NodeId, NodeId)> = Vec::new();
        let mut next_carrier = parts;
        let mut at = 0;
        while at < parts {
            let mut session = Session {
                edges: &mut edges,
                next_carrier: &mut next_carrier,
                keeps,
                last_read: None,
                last_write: None,
                reads: Vec::new(),
                writes: Vec::new(),
                written: None,
                read: None,
            };
            let process = sessions.part(at).session;
            while at < parts && sessions.part(at).session == process {
                session.add(at, sessions);
                at += 1;
            }
        }
        Self::from_edges(parts, next_carrier, &edges)
    }

    pub(crate) fn from_edges(parts: u32, nodes: u32, edges: &[(NodeId, NodeId)]) -> Self {
        let mut starts = vec![0_u32; nodes as usize + 1];
        for (_, to) in edges {
            starts[*to as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut fill = starts.clone();
        let mut before = vec![0; edges.len()];
        for (from, to) in edges {
            before[fill[*to as usize] as usize] = *from;
            fill[*to as usize] += 1;
        }
        Self { parts, starts, before }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn predecessors(&self, node: NodeId) -> &[NodeId] {
        let node = node as usize;
        &self.before[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// The nodes in an order that agrees with all edges, those of `more` included; what lies on a
    /// cycle, or behind one, is missing.
    pub(crate) fn order(&self, more: &[(NodeId, NodeId)]) -> Vec<NodeId> {
        let mut after: Vec<Vec<NodeId>> = vec![Vec::new(); self.len()];
        let mut left = vec![0_u32; self.len()];
        let mut edge = |from: NodeId, to: NodeId| {
            after[from as usize].push(to);
            left[to as usize] += 1;
        };
        for node in 0..narrow(self.len()) {
            for from in self.predecessors(node) {
                edge(*from, node);
            }
        }
        for (from, to) in more {
            edge(*from, *to);
        }
        let mut order: Vec<NodeId> =
            (0..narrow(self.len())).filter(|node| left[*node as usize] == 0).collect();
        let mut at = 0;
        while let Some(node) = order.get(at) {
            for next in &after[*node as usize] {
                left[*next as usize] -= 1;
                if left[*next as usize] == 0 {
                    order.push(*next);
                }
            }
            at += 1;
        }
        order
    }

    /// A shortest path, both ends included; `more` are further edges.
    pub(crate) fn path(&self, from: NodeId, to: NodeId, more: &[(NodeId, NodeId)]) -> Vec<NodeId> {
        let mut extra: rustc_hash::FxHashMap<NodeId, Vec<NodeId>> =
            rustc_hash::FxHashMap::default();
        for (older, newer) in more {
            extra.entry(*newer).or_default().push(*older);
        }
        // Backwards from the end, so that what leads on is known when the begin is reached.
        let mut next: Vec<Option<NodeId>> = vec![None; self.len()];
        let mut queue = std::collections::VecDeque::from([to]);
        while let Some(node) = queue.pop_front() {
            let further = extra.get(&node).into_iter().flatten();
            for previous in self.predecessors(node).iter().chain(further) {
                if next[*previous as usize].is_none() {
                    next[*previous as usize] = Some(node);
                    queue.push_back(*previous);
                }
            }
        }
        let mut path = vec![from];
        let mut at = from;
        while let Some(node) = next[at as usize] {
            path.push(node);
            at = node;
            if at == to {
                return path;
            }
        }
        Vec::new()
    }
}

impl Session<'_> {
    fn add(&mut self, part: PartId, sessions: &Sessions<'_>) {
        let what = sessions.part(part);
        match what.what {
            What::Read(source) => {
                self.edge(source, part);
                self.before_read(part);
                if !what.is_open() {
                    self.after_read(part);
                } else if self.keeps.writes_follow_reads {
                    // Of an open compare-and-set: only its own write follows it, the next part.
                    self.edge(Some(part), part + 1);
                }
            }
            What::Write => {
                self.before_write(part);
                if !what.is_open() {
                    self.after_write(part);
                }
            }
        }
    }
}
