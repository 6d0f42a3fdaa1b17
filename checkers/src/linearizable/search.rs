//! Depth-first search for a linearization of any model, remembering what was tried.
//!
//! Source: Wing and Gong, "Testing and verifying concurrent objects" (1993), with the memory of
//! Lowe, "Testing for linearizability" (2017). Walk over the events that are left: an invocation
//! may be linearized next, if the model allows it; a return of an operation that has not been means
//! that the last choice was wrong. A pair of (operations linearized, state) that was reached before
//! is not entered again, because what can follow depends on nothing else.
//!
//! Operations of unknown fate have no return, so they may be left out: the search has succeeded
//! when no return is left. Exponential in the worst case, hence the budget: both steps and the
//! memory for what was tried are counted against it.

use super::timed::{Answer, Timed};
use schism_core::model::Model;
use std::collections::HashSet;

/// What the memory may hold, in bytes.
const MEMORY: usize = 512 << 20;

/// Looks for a linearization of `ops`, which have to be in the order of invocation, within `budget`
/// steps.
pub fn decide<M: Model>(ops: &[Timed<'_, M::Api>], budget: u64) -> Answer {
    let mut events = Events::new(ops);
    let mut done = vec![0_u64; ops.len().div_ceil(64)];
    let mut tried: HashSet<(Box<[u64]>, M)> = HashSet::new();
    let entry_bytes = done.len() * 8 + size_of::<M>() + 48;
    let mut path: Vec<(usize, M)> = Vec::new();
    let mut state = M::init();
    let mut steps = 0;
    let mut at = events.first();
    while events.returns_left > 0 {
        steps += 1;
        if steps > budget || tried.len() * entry_bytes > MEMORY {
            return Answer::Exhausted;
        }
        if let Event::Invoke(position) = events.kind(at) {
            let op = &ops[position];
            if let Some(next) = state.step(&op.op.call, op.reply()) {
                done[position / 64] |= 1 << (position % 64);
                if tried.insert((done.clone().into(), next.clone())) {
                    path.push((position, std::mem::replace(&mut state, next)));
                    events.lift(position);
                    at = events.first();
                    continue;
                }
                done[position / 64] &= !(1 << (position % 64));
            }
            at = events.after(at);
        } else {
            // A return of what was not linearized, or the end of the list with returns before it.
            let Some((position, before)) = path.pop() else { return Answer::Impossible };
            state = before;
            done[position / 64] &= !(1 << (position % 64));
            let invoke = events.unlift(position);
            at = events.after(invoke);
        }
    }
    Answer::Linearizable(path.into_iter().map(|(position, _)| position).collect())
}

#[derive(Clone, Copy)]
enum Event {
    Invoke(usize),
    Return,
    End,
}

/// The events that are left, as a doubly linked list in which removing and putting back in reverse
/// order takes constant time. Node 0 is the head, and the end as well: the list is a ring.
struct Events {
    kinds: Vec<Event>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// By operation: the nodes of its invocation, and of its return if it has one.
    nodes: Vec<(usize, Option<usize>)>,
    returns_left: usize,
}

impl Events {
    fn new<A: schism_core::api::Api>(ops: &[Timed<'_, A>]) -> Self {
        let mut order: Vec<(u64, usize, bool)> = Vec::with_capacity(ops.len() * 2);
        for (position, op) in ops.iter().enumerate() {
            order.push((op.start, position, false));
            if op.completed() {
                order.push((op.end, position, true));
            }
        }
        order.sort_unstable();
        let mut kinds = vec![Event::End];
        let mut nodes = vec![(0, None); ops.len()];
        for (_, position, is_return) in &order {
            if *is_return {
                nodes[*position].1 = Some(kinds.len());
                kinds.push(Event::Return);
            } else {
                nodes[*position].0 = kinds.len();
                kinds.push(Event::Invoke(*position));
            }
        }
        let len = kinds.len();
        Self {
            kinds,
            next: (0..len).map(|node| (node + 1) % len).collect(),
            previous: (0..len).map(|node| (node + len - 1) % len).collect(),
            nodes,
            returns_left: ops.iter().filter(|op| op.completed()).count(),
        }
    }

    fn first(&self) -> usize {
        self.next[0]
    }

    fn after(&self, node: usize) -> usize {
        self.next[node]
    }

    fn kind(&self, node: usize) -> Event {
        self.kinds[node]
    }

    fn remove(&mut self, node: usize) {
        let (previous, next) = (self.previous[node], self.next[node]);
        self.next[previous] = next;
        self.previous[next] = previous;
    }

    fn put_back(&mut self, node: usize) {
        let (previous, next) = (self.previous[node], self.next[node]);
        self.next[previous] = node;
        self.previous[next] = node;
    }

    fn lift(&mut self, position: usize) {
        let (invoke, answer) = self.nodes[position];
        self.remove(invoke);
        if let Some(answer) = answer {
            self.remove(answer);
            self.returns_left -= 1;
        }
    }

    /// Undoes the last [`Events::lift`]; answers with the invocation's node.
    fn unlift(&mut self, position: usize) -> usize {
        let (invoke, answer) = self.nodes[position];
        if let Some(answer) = answer {
            self.put_back(answer);
            self.returns_left += 1;
        }
        self.put_back(invoke);
        invoke
    }
}
