//! The search for one order of all steps, depth first, remembering where there was no way.
//!
//! A step may be done once all that is forced to be before it is done. One that overwrites a value
//! may be done only once all reads of that value are, for they can't be done any more afterwards. A
//! read whose value is there is done at once: it changes nothing, so whatever can follow without it
//! can follow with it. So there is a choice between writes only. What can follow depends on how far
//! each chain has come and on what each register holds: that is what is remembered of a dead end.

use super::forced::Forced;
use super::steps::{Reads, StepId, Steps};
use rustc_hash::FxHashSet;
use schism_core::limits::Limits;
use std::collections::BTreeSet;

/// What the memory of dead ends may hold, in bytes.
const MEMORY: usize = 256 << 20;

/// What the search found.
#[derive(Debug)]
pub(super) enum Found {
    /// An order of all steps.
    Order(Vec<StepId>),
    /// There is none; the longest beginning of one that was tried.
    None(Vec<StepId>),
    /// It was given up, for this reason.
    Exhausted(String),
}

struct State<'s, 'h> {
    steps: &'s Steps<'h>,
    after: Vec<Vec<StepId>>,
    /// By step, how many that have to come before it are not done.
    waits: Vec<u32>,
    /// By writing step, and at the end by register for what was there before: how many steps that
    /// read it are not done.
    unread: Vec<u32>,
    /// By register, who wrote what it holds.
    holds: Vec<Option<StepId>>,
    /// By chain, how many of its steps are done.
    places: Vec<u32>,
    /// By step, when it is due in a store that is nearly linearizable.
    due: Vec<u64>,
    /// Steps that write and wait for nothing, those that are due first first.
    ready: BTreeSet<(u64, StepId)>,
    /// Steps that only read and wait for nothing.
    reads: BTreeSet<StepId>,
    /// The steps done, each with what its register held before.
    done: Vec<(StepId, Option<StepId>)>,
}

/// A choice: the steps that can be done next, and where to go back to.
struct Choice {
    options: Vec<StepId>,
    next: usize,
    done: usize,
}

/// Looks for an order within `budget` steps done.
pub(super) fn search(steps: &Steps<'_>, forced: &Forced, budget: u64, limits: &Limits) -> Found {
    let mut state = State::new(steps, forced);
    let mut dead: FxHashSet<Box<[u32]>> = FxHashSet::default();
    let entry = (steps.chains + steps.keys) * 4 + 32;
    let mut choices: Vec<Choice> = Vec::new();
    let mut longest: Vec<StepId> = Vec::new();
    let mut taken = 0_u64;
    state.read_all();
    choices.push(state.choice());
    while let Some(choice) = choices.last_mut() {
        if state.done.len() == steps.all.len() {
            return Found::Order(state.done.iter().map(|(step, _)| *step).collect());
        }
        if choice.next == 0 && state.done.len() > longest.len() && choice.options.is_empty() {
            longest = state.done.iter().map(|(step, _)| *step).collect();
        }
        state.back_to(choice.done);
        let Some(step) = choice.options.get(choice.next).copied() else {
            dead.insert(state.fingerprint());
            choices.pop();
            continue;
        };
        choice.next += 1;
        taken += 1;
        if taken > budget || dead.len() * entry > MEMORY {
            return Found::Exhausted(format!("no order found within the budget of {budget} steps"));
        }
        if taken.is_multiple_of(4096)
            && let Some(limit) = limits.exceeded()
        {
            return Found::Exhausted(format!("{limit} was exceeded before an order was found"));
        }
        state.perform(step);
        state.read_all();
        if dead.is_empty() || !dead.contains(&state.fingerprint()) {
            let choice = state.choice();
            choices.push(choice);
        }
    }
    Found::None(longest)
}

/// By step: of itself and all that read what it wrote, the earliest return or the latest begin,
/// whichever is earlier. If the history is linearizable, the writes of a register are in this order
/// in one of its linearizations (Gibbons and Korach). Here it only says what is tried first.
fn due(steps: &Steps<'_>) -> Vec<u64> {
    let end = |id: StepId| steps.step(id).op.returned().unwrap_or(u64::MAX);
    let begin = |id: StepId| steps.step(id).op.invoked.index;
    let mut spans: Vec<(u64, u64)> = steps.ids().map(|id| (end(id), begin(id))).collect();
    for id in steps.ids() {
        if let Reads::From(source) = steps.step(id).reads {
            let (first_end, last_begin) = &mut spans[source as usize];
            *first_end = end(id).min(*first_end);
            *last_begin = begin(id).max(*last_begin);
        }
    }
    spans.into_iter().map(|(first_end, last_begin)| first_end.min(last_begin)).collect()
}

impl<'s, 'h> State<'s, 'h> {
    fn new(steps: &'s Steps<'h>, forced: &Forced) -> Self {
        let count = steps.all.len();
        let mut after = vec![Vec::new(); count];
        let mut waits = vec![0; count];
        let mut unread = vec![0; count + steps.keys];
        let mut edge = |from: StepId, to: StepId| {
            after[from as usize].push(to);
            waits[to as usize] += 1;
        };
        for id in steps.ids() {
            let step = steps.step(id);
            if let Some(before) = step.follows {
                edge(before, id);
            }
            match step.reads {
                Reads::Nothing => {}
                Reads::Initial => unread[count + step.key as usize] += 1,
                Reads::From(source) => {
                    edge(source, id);
                    unread[source as usize] += 1;
                }
            }
        }
        for (from, to) in &forced.edges {
            edge(*from, *to);
        }
        let mut state = Self {
            steps,
            after,
            waits,
            unread,
            holds: vec![None; steps.keys],
            places: vec![0; steps.chains],
            ready: BTreeSet::new(),
            reads: BTreeSet::new(),
            done: Vec::new(),
            due: due(steps),
        };
        for id in steps.ids().filter(|id| state.waits[*id as usize] == 0).collect::<Vec<_>>() {
            state.set_ready(id, true);
        }
        state
    }

    fn set_ready(&mut self, id: StepId, ready: bool) {
        let due = self.due[id as usize];
        match (self.steps.step(id).writes, ready) {
            (true, true) => self.ready.insert((due, id)),
            (true, false) => self.ready.remove(&(due, id)),
            (false, true) => self.reads.insert(id),
            (false, false) => self.reads.remove(&id),
        };
    }

    /// Where the readers of what a register holds are counted.
    fn reader_slot(&self, key: u32) -> usize {
        match self.holds[key as usize] {
            Some(writer) => writer as usize,
            None => self.steps.all.len() + key as usize,
        }
    }

    /// Does it find what it found?
    fn fits(&self, id: StepId) -> bool {
        let step = self.steps.step(id);
        match step.reads {
            Reads::Nothing => true,
            Reads::Initial => self.holds[step.key as usize].is_none(),
            Reads::From(source) => self.holds[step.key as usize] == Some(source),
        }
    }

    /// May it be done now, being ready?
    fn possible(&self, id: StepId) -> bool {
        let step = self.steps.step(id);
        let own = u32::from(step.reads != Reads::Nothing);
        self.fits(id) && (!step.writes || self.unread[self.reader_slot(step.key)] == own)
    }

    fn choice(&self) -> Choice {
        let ready = self.ready.iter().map(|(_, id)| *id);
        let options = ready.filter(|id| self.possible(*id)).collect();
        Choice { options, next: 0, done: self.done.len() }
    }

    fn perform(&mut self, id: StepId) {
        let step = *self.steps.step(id);
        let slot = self.reader_slot(step.key);
        let before = self.holds[step.key as usize];
        if step.reads != Reads::Nothing {
            self.unread[slot] -= 1;
        }
        if step.writes {
            self.holds[step.key as usize] = Some(id);
        }
        self.set_ready(id, false);
        self.places[step.chain as usize] += 1;
        self.done.push((id, before));
        for at in 0..self.after[id as usize].len() {
            let next = self.after[id as usize][at];
            self.waits[next as usize] -= 1;
            if self.waits[next as usize] == 0 {
                self.set_ready(next, true);
            }
        }
    }

    fn undo(&mut self, id: StepId, before: Option<StepId>) {
        let step = *self.steps.step(id);
        for at in 0..self.after[id as usize].len() {
            let next = self.after[id as usize][at];
            if self.waits[next as usize] == 0 {
                self.set_ready(next, false);
            }
            self.waits[next as usize] += 1;
        }
        self.places[step.chain as usize] -= 1;
        self.holds[step.key as usize] = before;
        if step.reads != Reads::Nothing {
            let slot = self.reader_slot(step.key);
            self.unread[slot] += 1;
        }
        self.set_ready(id, true);
    }

    fn back_to(&mut self, done: usize) {
        while self.done.len() > done
            && let Some((id, before)) = self.done.pop()
        {
            self.undo(id, before);
        }
    }

    /// Does every read whose value is there.
    fn read_all(&mut self) {
        while let Some(id) = self.reads.iter().copied().find(|id| self.fits(*id)) {
            self.perform(id);
        }
    }

    fn fingerprint(&self) -> Box<[u32]> {
        let holds = self.holds.iter().map(|writer| writer.map_or(u32::MAX, |writer| writer));
        self.places.iter().copied().chain(holds).collect()
    }
}
