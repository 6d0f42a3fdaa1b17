//! Which writes are visible to which reads, and what that says of the order of writes.
//!
//! A read returns the newest of the writes to its register that are visible to it. So each visible
//! one is older than the one read: an edge. A read of what was there before any write must see
//! none.
//!
//! Visible is what leads to it in the [`Graph`]. That is found for many writes at once: each has a
//! bit, and one walk over the nodes, in the order of the graph, hands bits on along the edges; then
//! the next writes have their turn. So the time is `O(writes × nodes / 256)` and the memory
//! `O(nodes)`.
//!
//! Not every visible write needs an edge of its own. A write is *covered* at a node if it is
//! visible there, and already known to be older than another that is visible there, too: because of
//! a read that leads to the node, or because it leads to a later write to the same register. Going
//! from a covered write to the one that covers it, and so on, one comes to a visible write that
//! isn't covered, or round in a circle of what is known, which is a contradiction already. So only
//! those that are not covered get an edge. This keeps their number close to that of the operations.

use super::graph::{Graph, NodeId};
use super::sessions::{PartId, Sessions, What, narrow};
use schism_core::limits::Limits;

/// How many words of bits are handed on in one walk.
const WORDS: usize = 4;

/// How many writes that is.
const BLOCK: usize = WORDS * 64;

/// How many edges may be found.
const MOST: usize = 100_000_000;

type Bits = [u64; WORDS];

/// What visibility says of the order of writes.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// (older, newer).
    pub(super) edges: Vec<(NodeId, NodeId)>,
    /// By edge, the read that says so.
    pub(super) reads: Vec<PartId>,
    /// The first read found that returned what was there before any write, with a write that is
    /// visible to it.
    pub(super) initial: Option<(PartId, PartId)>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Stopped {
    Limit(String),
    TooMany,
}

/// `order` are all nodes, each after its predecessors.
pub(super) fn orders(
    sessions: &Sessions<'_>,
    graph: &Graph,
    order: &[NodeId],
    limits: &Limits,
) -> Result<Orders, Stopped> {
    let mut writes: Vec<PartId> =
        sessions.ids().filter(|id| sessions.part(*id).is_write()).collect();
    writes.sort_by_key(|id| (sessions.part(*id).key, *id));
    let mut found = Orders::default();
    let mut walk = Walk {
        sessions,
        graph,
        bit_of: vec![u32::MAX; sessions.parts.len()],
        range_of: vec![(0, 0); sessions.keys.len()],
        seen: vec![[0; WORDS]; graph.len()],
        covered: vec![[0; WORDS]; graph.len()],
    };
    for block in writes.chunks(BLOCK) {
        if let Some(limit) = limits.exceeded() {
            return Err(Stopped::Limit(limit.to_owned()));
        }
        if found.edges.len() > MOST {
            return Err(Stopped::TooMany);
        }
        walk.begin(block);
        for node in order {
            walk.visit(*node, block, &mut found);
        }
        walk.end(block);
    }
    Ok(found)
}

struct Walk<'w, 'h> {
    sessions: &'w Sessions<'h>,
    graph: &'w Graph,
    /// By write, its bit in this block.
    bit_of: Vec<u32>,
    /// By register, which bits are its writes'.
    range_of: Vec<(u32, u32)>,
    seen: Vec<Bits>,
    covered: Vec<Bits>,
}

impl Walk<'_, '_> {
    fn begin(&mut self, block: &[PartId]) {
        for (bit, write) in (0..).zip(block) {
            self.bit_of[*write as usize] = bit;
            let range = &mut self.range_of[self.sessions.part(*write).key as usize];
            if range.0 == range.1 {
                range.0 = bit;
            }
            range.1 = bit + 1;
        }
    }

    fn end(&mut self, block: &[PartId]) {
        for write in block {
            self.bit_of[*write as usize] = u32::MAX;
            self.range_of[self.sessions.part(*write).key as usize] = (0, 0);
        }
    }

    fn visit(&mut self, node: NodeId, block: &[PartId], found: &mut Orders) {
        let (mut seen, mut covered) = ([0; WORDS], [0; WORDS]);
        for from in self.graph.predecessors(node) {
            for word in 0..WORDS {
                seen[word] |= self.seen[*from as usize][word];
                covered[word] |= self.covered[*from as usize][word];
            }
        }
        if node < self.graph.parts {
            let part = self.sessions.part(node);
            let (low, high) = self.range_of[part.key as usize];
            let mine = match part.what {
                What::Write => self.bit_of[node as usize],
                What::Read(source) => source.map_or(u32::MAX, |by| self.bit_of[by as usize]),
            };
            for bit in bits(&seen, low, high) {
                let word = (bit / 64) as usize;
                if bit == mine || covered[word] >> (bit % 64) & 1 == 1 {
                    continue;
                }
                let write = block[bit as usize];
                match part.what {
                    // It leads to this write, so it is older.
                    What::Write => {}
                    What::Read(Some(source)) => {
                        found.edges.push((write, source));
                        found.reads.push(node);
                    }
                    What::Read(None) => {
                        found.initial.get_or_insert((node, write));
                        continue;
                    }
                }
                covered[word] |= 1 << (bit % 64);
            }
            if part.is_write() && mine != u32::MAX {
                seen[(mine / 64) as usize] |= 1 << (mine % 64);
            }
        }
        self.seen[node as usize] = seen;
        self.covered[node as usize] = covered;
    }
}

/// The bits that are set from `low` up to, but without, `high`.
fn bits(all: &Bits, low: u32, high: u32) -> impl Iterator<Item = u32> + use<> {
    let all = *all;
    let words = low / 64..high.div_ceil(64);
    words.flat_map(move |word| {
        let mut left = all[word as usize];
        if word == low / 64 {
            left &= u64::MAX << (low % 64);
        }
        if high < (word + 1) * 64 {
            left &= (1 << (high % 64)) - 1;
        }
        std::iter::from_fn(move || {
            let bit = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (bit < 64).then_some(word * 64 + bit)
        })
    })
}

/// Checks an order of all writes: the certificate that the guarantees hold.
///
/// By register, each node is given the newest write, in that order, that leads to it; a read must
/// have read that one; and a write must be newer than whatever leads to it. Nothing is shared with
/// the bits above. `None` if it would take more than `budget` steps: `O(registers × nodes)`.
pub(super) fn verify(
    sessions: &Sessions<'_>,
    graph: &Graph,
    arbitration: &[PartId],
    budget: usize,
) -> Option<bool> {
    if graph.len().saturating_mul(sessions.keys.len() + 1) > budget {
        return None;
    }
    let mut place = vec![0_u32; sessions.parts.len()];
    for (at, write) in (1..).zip(arbitration) {
        place[*write as usize] = at;
    }
    let order = graph.order(&[]);
    if order.len() < graph.len() {
        return Some(false);
    }
    let all = sessions.ids().all(|id| !sessions.part(id).is_write() || place[id as usize] > 0);
    let newest = |key: Option<u32>| {
        let mut newest = vec![0_u32; graph.len()];
        order.iter().all(|node| {
            let before = graph.predecessors(*node).iter().map(|from| newest[*from as usize]).max();
            let before = before.unwrap_or(0);
            newest[*node as usize] = before;
            if *node >= graph.parts {
                return true;
            }
            let part = sessions.part(*node);
            let own = place[*node as usize];
            match (part.what, key) {
                (What::Write, None) => {
                    newest[*node as usize] = own.max(before);
                    own > before
                }
                (What::Write, Some(key)) if key == part.key => {
                    newest[*node as usize] = own;
                    own > before
                }
                (What::Read(source), Some(key)) if key == part.key => {
                    source.map_or(0, |source| place[source as usize]) == before
                }
                _ => true,
            }
        })
    };
    Some(all && newest(None) && (0..narrow(sessions.keys.len())).all(|key| newest(Some(key))))
}
