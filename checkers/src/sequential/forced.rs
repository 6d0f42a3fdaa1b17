//! What must come before what in any order of all steps.
//!
//! Let r read what w wrote, and let v write the same register. Then v is before w, or behind r. So
//! if v is known to be before r, it is before w; if it is known to be behind w, it is behind r. (A
//! compare-and-set r that reads w and is v itself says nothing.) A read of what was there before
//! any write is before all of them. That is repeated until nothing is new.
//!
//! What is known is kept as a set of bits for each step, so this is for histories of some ten
//! thousand steps: `O(rounds × (edges × steps / 64 + reads × writes))`, `steps² / 8` bytes. Larger
//! ones are left to the search alone.

use super::steps::{Reads, StepId, Steps};
use crate::session_guarantees::graph::Graph;
use schism_core::limits::Limits;

/// How many steps are not too many.
const MOST: usize = 10_000;

/// How many rounds there may be; whatever has been found by then is used.
const ROUNDS: usize = 100;

/// (before, behind), each with the read that forces it.
#[derive(Debug, Default)]
pub(super) struct Forced {
    pub(super) edges: Vec<(StepId, StepId)>,
    pub(super) reads: Vec<StepId>,
}

/// Which steps are known to be behind each.
struct Known {
    words: usize,
    bits: Vec<u64>,
}

impl Known {
    fn new(graph: &Graph, edges: &[(StepId, StepId)], order: &[StepId]) -> Self {
        let steps = graph.len();
        let words = steps.div_ceil(64);
        let mut known = Self { words, bits: vec![0; words * steps] };
        let mut before: Vec<Vec<StepId>> = vec![Vec::new(); steps];
        for (from, to) in edges {
            before[*to as usize].push(*from);
        }
        for step in order.iter().rev() {
            for from in graph.predecessors(*step).iter().chain(&before[*step as usize]) {
                known.hand_back(*step as usize, *from as usize);
            }
        }
        known
    }

    /// Whatever is behind `step`, and itself, is behind `from`.
    fn hand_back(&mut self, step: usize, from: usize) {
        for word in 0..self.words {
            let bits = self.bits[step * self.words + word];
            self.bits[from * self.words + word] |= bits;
        }
        self.bits[from * self.words + step / 64] |= 1 << (step % 64);
    }

    fn before(&self, step: StepId, behind: StepId) -> bool {
        let (step, behind) = (step as usize, behind as usize);
        self.bits[step * self.words + behind / 64] >> (behind % 64) & 1 == 1
    }
}

/// All that is forced; ends early once it goes round in a circle, or a limit is exceeded.
pub(super) fn forced(steps: &Steps<'_>, graph: &Graph, limits: &Limits) -> Forced {
    let mut forced = Forced::default();
    if steps.all.len() > MOST {
        return forced;
    }
    let mut writes: Vec<Vec<StepId>> = vec![Vec::new(); steps.keys];
    for id in steps.ids().filter(|id| steps.step(*id).writes) {
        writes[steps.step(id).key as usize].push(id);
    }
    for round in 0..ROUNDS {
        let order = graph.order(&forced.edges);
        if order.len() < graph.len() || limits.are_exceeded() {
            break;
        }
        let known = Known::new(graph, &forced.edges, &order);
        let before = forced.edges.len();
        for read in steps.ids() {
            let step = steps.step(read);
            let others = &writes[step.key as usize];
            match step.reads {
                Reads::Initial if round == 0 => {
                    for other in others.iter().filter(|other| **other != read) {
                        forced.add(read, *other, read);
                    }
                }
                Reads::Initial | Reads::Nothing => {}
                Reads::From(source) => {
                    for other in others.iter().filter(|other| ![source, read].contains(other)) {
                        if known.before(*other, read) && !known.before(*other, source) {
                            forced.add(*other, source, read);
                        }
                        if known.before(source, *other) && !known.before(read, *other) {
                            forced.add(read, *other, read);
                        }
                    }
                }
            }
        }
        if forced.edges.len() == before {
            break;
        }
    }
    forced
}

impl Forced {
    fn add(&mut self, before: StepId, behind: StepId, read: StepId) {
        self.edges.push((before, behind));
        self.reads.push(read);
    }
}
