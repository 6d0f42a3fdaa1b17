//! Depth-first search for a linearization of any model, remembering what was tried.
//!
//! Source: Wing and Gong, "Testing and verifying concurrent objects" (1993), with the memory of
//! Lowe, "Testing for linearizability" (2017), and his linearization just in time. Walk over the
//! returns, in order. At each, operations that are pending may take effect, in any order that the
//! model allows, until the one that returns has; then the next return is looked at. If none is left
//! to try, the last choice was wrong.
//!
//! A *configuration* is the return that is looked at, the model's state, and which pending
//! operations have taken effect; what can follow depends on nothing else, so one that was met
//! before is not entered again. Only pending operations are in it, not all that ever were: memory
//! for one is a few words, and between two moments at which nothing is pending it is just the
//! state.
//!
//! Three things keep the search small without losing anything:
//! - A read, which leaves any state as it is, takes effect as soon as the model allows it: in any
//!   linearization in which it does later, it may as well do so now. Which calls are reads only the
//!   user can know (a write, too, may leave one state as it is): see [`Reads`].
//! - An operation of unknown fate that leaves the state as it is takes no effect at all.
//! - Of equal operations of unknown fate those that began first go first: they can change places.
//!
//! The search ends when no return is left; operations of unknown fate have none and may be left
//! out. If it fails, the first return that no configuration got over ends the shortest impossible
//! prefix, because the search is complete; the states of the configurations that got there are all
//! that were possible before.
//!
//! Exponential in the worst case, hence the budget of steps (a step asks the model once), the
//! memory that is accounted for, and limits. Refused: more than 4096 operations pending at one
//! time, of unknown fates too.
//!
//! ```
//! use schism_checkers::linearizable::{search, timed::{Answer, Timed}};
//! use schism_core::api::register::{Call, Register, RegisterOp, Reply};
//! use schism_core::{history::History, model::SequentialSpec};
//! #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
//! struct Cell(Option<i64>);
//! impl SequentialSpec for Cell {
//!     type Api = Register;
//!     fn apply(&mut self, call: &Call) -> Reply {
//!         match call.op {
//!             RegisterOp::Read => return Reply::Read(self.0),
//!             RegisterOp::Write(new) | RegisterOp::Cas(_, new) => self.0 = Some(new),
//!         }
//!         Reply::Written
//!     }
//! }
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"invoke","process":1,"f":"read"}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"ok","process":1,"f":"read","value":1}"#, "\n",
//! );
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let ops: Vec<_> = history.ops().iter().filter_map(Timed::of).collect();
//! assert_eq!(search::decide::<Cell>(&ops, 1_000), Answer::Linearizable(vec![0, 1]));
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use super::sweep::bits::Bits;
use super::timed::{Answer, Timed};
use rustc_hash::{FxHashMap, FxHashSet};
use schism_core::api::Api;
use schism_core::limits::Limits;
use schism_core::model::Model;

/// What the memory of one search may hold, in bytes.
const MEMORY: usize = 512 << 20;
/// With how many different operations of unknown fate one is compared, to find its equals.
const COMPARED: usize = 256;
/// No operation.
const NONE: u32 = u32::MAX;

/// Which calls leave any state as it is, whatever is answered.
pub type Reads<A> = fn(&<A as Api>::Call) -> bool;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<M> {
    /// A linearization, as in [`Answer::Linearizable`].
    Linearizable(Vec<usize>),
    /// There is none.
    Impossible {
        /// The operation, by position, with whose return it has become impossible.
        last: usize,
        /// The states that were possible before that return.
        states: Vec<M>,
    },
    /// It was given up.
    Exhausted {
        /// How many returns, the first ones, are known to be possible.
        possible: usize,
    },
}

/// Looks for a linearization of `ops`, which have to be in the order of invocation, within `budget`
/// steps; the object is new.
pub fn decide<M: Model>(ops: &[Timed<'_, M::Api>], budget: u64) -> Answer {
    decide_beginning(M::init(), ops, budget)
}

/// The same of an object in this state.
pub(crate) fn decide_beginning<M: Model>(
    init: M,
    ops: &[Timed<'_, M::Api>],
    budget: u64,
) -> Answer {
    match decide_from(init, |_| false, ops, budget, &Limits::default()) {
        Found::Linearizable(order) => Answer::Linearizable(order),
        Found::Impossible { .. } => Answer::Impossible,
        Found::Exhausted { .. } => Answer::Exhausted,
    }
}

/// The same from any state on, within limits too, and quicker if it is known which calls are reads.
pub fn decide_from<M: Model>(
    init: M,
    reads: Reads<M::Api>,
    ops: &[Timed<'_, M::Api>],
    budget: u64,
    limits: &Limits,
) -> Found<M> {
    let course = Course::new(ops, reads);
    match course.width {
        0..=64 => Search::<M, 1>::new(ops, &course, budget, limits).run(init),
        65..=128 => Search::<M, 2>::new(ops, &course, budget, limits).run(init),
        129..=256 => Search::<M, 4>::new(ops, &course, budget, limits).run(init),
        257..=1024 => Search::<M, 16>::new(ops, &course, budget, limits).run(init),
        1025..=4096 => Search::<M, 64>::new(ops, &course, budget, limits).run(init),
        _ => Found::Exhausted { possible: 0 },
    }
}

/// What is the same whatever the search tries.
struct Course {
    /// The operations that returned, in that order.
    returns: Vec<u32>,
    /// By return, how many operations had begun before.
    begun: Vec<u32>,
    /// By operation, its slot while it is pending.
    slots: Vec<u32>,
    /// How many slots there are.
    width: u32,
    /// By operation of unknown fate, the last equal one before it.
    twins: Vec<u32>,
    /// By operation, is it a read that returned?
    reads: Vec<bool>,
}

impl Course {
    fn new<A: Api>(ops: &[Timed<'_, A>], reads: Reads<A>) -> Self {
        let number = |at: usize| u32::try_from(at).unwrap_or(NONE);
        let mut returns: Vec<u32> =
            (0..ops.len()).filter(|at| ops[*at].completed()).map(number).collect();
        returns.sort_unstable_by_key(|at| ops[*at as usize].end);
        let mut begun = Vec::with_capacity(returns.len());
        let mut slots = vec![0; ops.len()];
        let (mut free, mut width, mut next) = (Vec::new(), 0, 0);
        for at in &returns {
            let end = ops[*at as usize].end;
            while next < ops.len() && ops[next].start < end {
                slots[next] = free.pop().unwrap_or_else(|| {
                    width += 1;
                    width - 1
                });
                next += 1;
            }
            begun.push(number(next));
            free.push(slots[*at as usize]);
        }
        let mut twins = vec![NONE; ops.len()];
        let mut last: Vec<usize> = Vec::new();
        for at in (0..next).filter(|at| !ops[*at].completed()) {
            let equal = last.iter_mut().find(|twin| ops[**twin].op.call == ops[at].op.call);
            if let Some(twin) = equal {
                twins[at] = number(*twin);
                *twin = at;
            } else if last.len() < COMPARED {
                last.push(at);
            }
        }
        let reads = ops.iter().map(|op| op.completed() && reads(&op.op.call)).collect();
        Self { returns, begun, slots, width, twins, reads }
    }
}

/// A configuration on the way, with what is still to be tried from it.
struct Frame<const N: usize> {
    at_return: u32,
    state: u32,
    done: Bits<N>,
    /// The next slot to try; the returning operation comes before all.
    cursor: Option<u32>,
    /// How long the order was before it.
    order: usize,
}

struct Search<'s, 'h, M: Model, const N: usize> {
    ops: &'s [Timed<'h, M::Api>],
    course: &'s Course,
    budget: u64,
    limits: &'s Limits,
    steps: u64,
    states: Vec<M>,
    ids: FxHashMap<M, u32>,
    /// Configurations that were entered: return, state, done.
    tried: FxHashSet<(u32, u32, Bits<N>)>,
    stack: Vec<Frame<N>>,
    order: Vec<u32>,
    /// The return that is looked at, and what is pending before it.
    at_return: usize,
    pending: Bits<N>,
    in_slot: Vec<u32>,
    furthest: u32,
}

impl<'s, 'h, M: Model, const N: usize> Search<'s, 'h, M, N> {
    fn new(
        ops: &'s [Timed<'h, M::Api>],
        course: &'s Course,
        budget: u64,
        limits: &'s Limits,
    ) -> Self {
        Self {
            ops,
            course,
            budget,
            limits,
            steps: 0,
            states: Vec::new(),
            ids: FxHashMap::default(),
            tried: FxHashSet::default(),
            stack: Vec::new(),
            order: Vec::new(),
            at_return: 0,
            pending: Bits::EMPTY,
            in_slot: vec![NONE; course.width as usize],
            furthest: 0,
        }
    }

    fn run(mut self, init: M) -> Found<M> {
        let state = self.intern(init);
        self.begin(0);
        let mut ended = self.enter(state, Bits::EMPTY, 0);
        while !ended {
            if self.is_over() {
                return Found::Exhausted { possible: self.furthest as usize };
            }
            let Some(frame) = self.stack.last_mut() else { return self.impossible() };
            let (state, done) = (frame.state, frame.done);
            let returning = self.course.returns[frame.at_return as usize];
            let first = self.course.slots[returning as usize];
            let slot = match frame.cursor {
                None => Some(first),
                Some(from) => self.pending.without(&done).next(from),
            };
            let again = frame.cursor.is_some() && slot == Some(first);
            frame.cursor = Some(frame.cursor.map_or(0, |from| slot.map_or(from, |slot| slot + 1)));
            match slot {
                Some(_) if again => {}
                Some(slot) => ended = self.perform(state, done, slot),
                None => self.leave(),
            }
        }
        Found::Linearizable(self.order.into_iter().map(|at| at as usize).collect())
    }

    fn is_over(&self) -> bool {
        let entry = size_of::<(u32, u32, Bits<N>)>() + 8;
        let bytes = self.tried.len() * entry
            + self.stack.len() * size_of::<Frame<N>>()
            + self.states.len() * (2 * size_of::<M>() + 64);
        self.steps > self.budget || bytes > MEMORY || self.limits.are_exceeded()
    }

    fn impossible(self) -> Found<M> {
        let Some(last) = self.course.returns.get(self.furthest as usize) else {
            return Found::Exhausted { possible: self.furthest as usize };
        };
        let there = self.tried.iter().filter(|(at, ..)| *at == self.furthest);
        let mut states: Vec<u32> = there.map(|(_, state, _)| *state).collect();
        states.sort_unstable();
        states.dedup();
        let states = states.into_iter().map(|state| self.states[state as usize].clone()).collect();
        Found::Impossible { last: *last as usize, states }
    }

    fn intern(&mut self, state: M) -> u32 {
        if let Some(id) = self.ids.get(&state) {
            return *id;
        }
        let id = u32::try_from(self.states.len()).unwrap_or(NONE);
        self.states.push(state.clone());
        self.ids.insert(state, id);
        id
    }

    /// What an operation makes of a state.
    fn step(&mut self, state: u32, op: u32) -> Option<M> {
        self.steps += 1;
        let op = &self.ops[op as usize];
        self.states[state as usize].step(&op.op.call, op.reply())
    }

    /// What had begun before a return, but not before the one before it, is pending.
    fn begin(&mut self, at: usize) {
        for op in self.begun(at) {
            let slot = self.course.slots[op as usize];
            self.pending.set(slot);
            self.in_slot[slot as usize] = op;
        }
    }

    fn begun(&self, at: usize) -> std::ops::Range<u32> {
        let before = at.checked_sub(1).map_or(0, |before| self.course.begun[before]);
        self.course.begun.get(at).map_or(0..0, |begun| before..*begun)
    }

    /// Goes on to the next return.
    fn advance(&mut self) {
        let returned = self.course.returns[self.at_return];
        self.pending.clear(self.course.slots[returned as usize]);
        self.at_return += 1;
        self.begin(self.at_return);
    }

    /// Goes back to an earlier return.
    fn retreat(&mut self, to: u32) {
        while self.at_return > to as usize {
            for op in self.begun(self.at_return) {
                self.pending.clear(self.course.slots[op as usize]);
            }
            self.at_return -= 1;
            let returned = self.course.returns[self.at_return];
            let slot = self.course.slots[returned as usize];
            self.pending.set(slot);
            self.in_slot[slot as usize] = returned;
        }
    }

    /// Lets the operation in a slot take effect, if it can; true if that was the last.
    fn perform(&mut self, state: u32, mut done: Bits<N>, slot: u32) -> bool {
        let op = self.in_slot[slot as usize];
        let twin = self.course.twins[op as usize];
        if twin != NONE && !done.has(self.course.slots[twin as usize]) {
            return false;
        }
        let Some(next) = self.step(state, op) else { return false };
        if next == self.states[state as usize] && !self.ops[op as usize].completed() {
            return false;
        }
        let next = self.intern(next);
        let before = self.order.len();
        self.order.push(op);
        done.set(slot);
        self.enter(next, done, before)
    }

    /// Goes to a configuration, and as far on as nothing has to be chosen; true if that is the end.
    fn enter(&mut self, state: u32, mut done: Bits<N>, order: usize) -> bool {
        let from = u32::try_from(self.at_return).unwrap_or(NONE);
        loop {
            self.absorb(state, &mut done);
            let Some(returning) = self.course.returns.get(self.at_return) else { return true };
            let slot = self.course.slots[*returning as usize];
            if !done.has(slot) {
                break;
            }
            done.clear(slot);
            self.advance();
        }
        let at_return = u32::try_from(self.at_return).unwrap_or(NONE);
        self.furthest = self.furthest.max(at_return);
        if self.tried.insert((at_return, state, done)) {
            self.stack.push(Frame { at_return, state, done, cursor: None, order });
        } else {
            self.retreat(from);
            self.order.truncate(order);
        }
        false
    }

    /// Reads that the model allows take effect at once.
    fn absorb(&mut self, state: u32, done: &mut Bits<N>) {
        let mut from = 0;
        while let Some(slot) = self.pending.without(done).next(from) {
            from = slot + 1;
            let op = self.in_slot[slot as usize];
            if self.course.reads[op as usize]
                && self.step(state, op).is_some_and(|next| next == self.states[state as usize])
            {
                done.set(slot);
                self.order.push(op);
            }
        }
    }

    /// Takes the last choice back.
    fn leave(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.order.truncate(frame.order);
        }
        if let Some(before) = self.stack.last() {
            self.retreat(before.at_return);
        }
    }
}
