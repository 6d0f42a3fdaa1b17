//! Registers with few values: a sweep over the events that keeps every configuration worth keeping.
//!
//! A search must guess an order; a sweep keeps, after each event, the set of things that can be
//! true then. A configuration is: what the register holds (`state`); when the last blind write took
//! effect (`tau`); which pending reads have been satisfied (`reads`); which pending writes and
//! compare-and-sets have taken effect (`consumed`). Pending means: begun, not returned. Operations
//! of unknown fate stay pending for ever.
//!
//! Why it is exact:
//! - A read changes nothing, so it may as well be satisfied at the first moment at which it is
//!   pending and its value is held.
//! - Nothing has to take effect before some operation returns. So at the return of an operation,
//!   and only then, all sequences of pending writes that end with it done are tried (the closure).
//!   Of equal pending operations the one that has to end first is taken: swapping two equal ones
//!   changes nothing else. (Any of them may take the place of another that ends later, not the
//!   reverse.)
//! - A pending blind write that began before `tau` can *hide*: it can be put directly before the
//!   last blind write, where nobody sees it. At its return it is therefore done for free; the
//!   configurations in which it is consumed visibly are kept too.
//! - Configuration A *dominates* B, and B is dropped, if whatever B can still do, A can: same
//!   state, A's satisfied reads include B's, A's consumed are among B's, what only B consumed never
//!   returns or can hide in A, and A's tau is not smaller (a larger tau hides more). Between events
//!   tau may be smaller if a write of this very state's value is among what only B consumed: A can
//!   perform that write later, with the same effect as a larger tau. Within a closure that is not
//!   allowed, because there the write would be counted twice.
//!
//! A history is possible if a configuration is left at its end. Each keeps the trail of what it
//! did, which makes the certificate: a hidden write stands before the last blind write at the time
//! of its return. The frontier stays small as long as few operations stay pending; hence the
//! budget.

use super::register::{Action, actions};
use super::timed::{Answer, NEVER, Timed};
use schism_core::api::register::Register;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

/// What a register can hold.
type State = Option<i64>;

/// Decides within `budget` steps; a step is a comparison of two configurations.
pub(crate) fn decide(ops: &[Timed<'_, Register>], budget: u64) -> Answer {
    Sweep::new(ops, budget, None).run()
}

/// What the register could hold while the operation at `watched` was pending; `None` if that takes
/// more than `budget` steps.
pub(crate) fn states_during(
    ops: &[Timed<'_, Register>],
    watched: usize,
    budget: u64,
) -> Option<BTreeSet<State>> {
    let mut sweep = Sweep::new(ops, budget, Some(watched));
    (sweep.run() != Answer::Exhausted).then_some(sweep.seen)
}

#[derive(Clone, Debug)]
struct Config {
    state: State,
    tau: u64,
    /// Sorted, as is `consumed`.
    reads: Vec<usize>,
    consumed: Vec<usize>,
    /// Where its trail ends.
    trail: usize,
}

#[derive(Clone, Copy)]
enum Step {
    Start,
    /// Takes effect after everything so far.
    Place(usize),
    /// Takes effect directly before the last blind write.
    Hide(usize),
}

struct Sweep<'o, 'h> {
    ops: &'o [Timed<'h, Register>],
    actions: Vec<Action>,
    /// Begun, not returned, by position.
    pending: BTreeSet<usize>,
    /// Each step with the one before it.
    trails: Vec<(usize, Step)>,
    front: Vec<Config>,
    budget: u64,
    watched: Option<usize>,
    /// The states that were possible while the watched operation was pending.
    seen: BTreeSet<State>,
}

/// Configurations of which none dominates another.
#[derive(Default)]
struct Kept {
    configs: Vec<Option<Config>>,
    by_state: HashMap<State, Vec<usize>>,
}

struct OverBudget;

impl<'o, 'h> Sweep<'o, 'h> {
    fn new(ops: &'o [Timed<'h, Register>], budget: u64, watched: Option<usize>) -> Self {
        let start =
            Config { state: None, tau: 0, reads: Vec::new(), consumed: Vec::new(), trail: 0 };
        Self {
            ops,
            actions: actions(ops),
            pending: BTreeSet::new(),
            trails: vec![(0, Step::Start)],
            front: vec![start],
            budget,
            watched,
            seen: BTreeSet::new(),
        }
    }

    fn run(&mut self) -> Answer {
        let written: std::collections::HashSet<i64> =
            self.actions.iter().filter_map(|action| action.written()).collect();
        let from_nowhere = self
            .actions
            .iter()
            .any(|action| matches!(action, Action::Read(Some(value)) if !written.contains(value)));
        if from_nowhere && self.watched.is_none() {
            return Answer::Impossible;
        }
        for (at, position, is_return) in events(self.ops) {
            if !is_return {
                self.invoke(position);
                continue;
            }
            match self.settle(at, position) {
                Ok(()) if self.front.is_empty() => return Answer::Impossible,
                Ok(()) => {}
                Err(OverBudget) => return Answer::Exhausted,
            }
        }
        match self.front.first() {
            Some(config) => Answer::Linearizable(self.order(config.trail)),
            None => Answer::Impossible,
        }
    }

    fn invoke(&mut self, position: usize) {
        self.pending.insert(position);
        let Action::Read(value) = self.actions[position] else { return };
        for config in &mut self.front {
            if config.state == value {
                // Positions are in the order of invocation, so this one is the largest.
                config.reads.push(position);
                self.trails.push((config.trail, Step::Place(position)));
                config.trail = self.trails.len() - 1;
            }
        }
    }

    /// Takes the return of the operation at `position`: keeps what has it done by now.
    fn settle(&mut self, at: u64, position: usize) -> Result<(), OverBudget> {
        let mut good = Kept::default();
        let mut open = Kept::default();
        let mut queue = BinaryHeap::new();
        for config in std::mem::take(&mut self.front) {
            self.keep_if_done(&mut good, &config, position)?;
            if !self.is_done(&config, position) {
                self.keep_open(&mut open, &mut queue, config)?;
            }
        }
        let kinds = self.kinds();
        while let Some((_, Reverse(id))) = queue.pop() {
            let Some(config) = open.configs[id].clone() else { continue };
            for (action, candidates) in &kinds {
                if matches!(action, Action::Cas(old, _) if config.state != Some(*old)) {
                    continue;
                }
                let next = candidates
                    .iter()
                    .find(|candidate| config.consumed.binary_search(candidate).is_err());
                let Some(next) = next else { continue };
                let after = self.perform(&config, at, *next);
                self.keep_if_done(&mut good, &after, position)?;
                if !self.is_done(&after, position) {
                    self.keep_open(&mut open, &mut queue, after)?;
                }
            }
        }
        if self.watched.is_some_and(|watched| self.pending.contains(&watched)) {
            let all = open.configs.iter().chain(&good.configs).flatten();
            self.seen.extend(all.map(|config| config.state));
        }
        self.pending.remove(&position);
        let mut survivors: Vec<Config> = good.configs.into_iter().flatten().collect();
        survivors.sort_by_key(|config| {
            (config.consumed.len(), Reverse(config.reads.len()), Reverse(config.tau))
        });
        let mut front = Kept::default();
        for config in survivors {
            self.insert(&mut front, config, true)?;
        }
        self.front = front.configs.into_iter().flatten().collect();
        Ok(())
    }

    /// Was the operation performed in this configuration, visibly?
    fn is_done(&self, config: &Config, position: usize) -> bool {
        let done = match self.actions[position] {
            Action::Read(_) => &config.reads,
            Action::Write(_) | Action::Cas(..) => &config.consumed,
        };
        done.binary_search(&position).is_ok()
    }

    /// Keeps the configuration as it is after the return, if the operation is done in it or can
    /// hide.
    fn keep_if_done(
        &mut self,
        good: &mut Kept,
        config: &Config,
        position: usize,
    ) -> Result<(), OverBudget> {
        let mut after = config.clone();
        if self.is_done(config, position) {
            after.reads.retain(|read| *read != position);
            after.consumed.retain(|write| *write != position);
        } else if self.can_hide(config.tau, position) {
            self.trails.push((config.trail, Step::Hide(position)));
            after.trail = self.trails.len() - 1;
        } else {
            return Ok(());
        }
        self.insert(good, after, true)?;
        Ok(())
    }

    fn keep_open(
        &mut self,
        open: &mut Kept,
        queue: &mut BinaryHeap<(Reverse<usize>, Reverse<usize>)>,
        config: Config,
    ) -> Result<(), OverBudget> {
        let consumed = config.consumed.len();
        if let Some(id) = self.insert(open, config, false)? {
            queue.push((Reverse(consumed), Reverse(id)));
        }
        Ok(())
    }

    fn can_hide(&self, tau: u64, position: usize) -> bool {
        matches!(self.actions[position], Action::Write(_)) && self.ops[position].start < tau
    }

    /// The pending writes and compare-and-sets by what they do, those that end first in front.
    fn kinds(&self) -> Vec<(Action, Vec<usize>)> {
        let mut kinds: Vec<(Action, Vec<usize>)> = Vec::new();
        let mut places: HashMap<Action, usize> = HashMap::new();
        for position in &self.pending {
            let action = self.actions[*position];
            if action.written().is_none() {
                continue;
            }
            let place = *places.entry(action).or_insert_with(|| {
                kinds.push((action, Vec::new()));
                kinds.len() - 1
            });
            kinds[place].1.push(*position);
        }
        for (_, candidates) in &mut kinds {
            candidates.sort_by_key(|position| (self.ops[*position].end, *position));
        }
        kinds
    }

    fn perform(&mut self, config: &Config, at: u64, position: usize) -> Config {
        let mut after = config.clone();
        let action = self.actions[position];
        after.state = action.written();
        if matches!(action, Action::Write(_)) {
            after.tau = at;
        }
        if let Err(place) = after.consumed.binary_search(&position) {
            after.consumed.insert(place, position);
        }
        self.trails.push((config.trail, Step::Place(position)));
        after.trail = self.trails.len() - 1;
        for read in &self.pending {
            if self.actions[*read] == Action::Read(after.state)
                && let Err(place) = after.reads.binary_search(read)
            {
                after.reads.insert(place, *read);
                self.trails.push((after.trail, Step::Place(*read)));
                after.trail = self.trails.len() - 1;
            }
        }
        after
    }

    /// Keeps a configuration unless one that is kept dominates it, and drops those it dominates.
    fn insert(
        &mut self,
        kept: &mut Kept,
        config: Config,
        between_events: bool,
    ) -> Result<Option<usize>, OverBudget> {
        let Kept { configs, by_state } = kept;
        let ids = by_state.entry(config.state).or_default();
        self.budget = self.budget.checked_sub(1 + 2 * ids.len() as u64).ok_or(OverBudget)?;
        let others = || ids.iter().filter_map(|id| configs[*id].as_ref());
        if others().any(|other| self.dominates(other, &config, between_events)) {
            return Ok(None);
        }
        ids.retain(|id| {
            let dominated = configs[*id]
                .as_ref()
                .is_none_or(|other| self.dominates(&config, other, between_events));
            if dominated {
                configs[*id] = None;
            }
            !dominated
        });
        ids.push(configs.len());
        configs.push(Some(config));
        Ok(Some(configs.len() - 1))
    }

    /// Whatever `worse` can still do, `better` can; both hold the same state.
    fn dominates(&self, better: &Config, worse: &Config, between_events: bool) -> bool {
        if !includes(&better.reads, &worse.reads) || !includes(&worse.consumed, &better.consumed) {
            return false;
        }
        let only = || {
            worse.consumed.iter().filter(|op| better.consumed.binary_search(op).is_err()).copied()
        };
        let can_repeat = between_events
            && only().any(|op| {
                matches!(self.actions[op], Action::Write(value) if Some(value) == better.state)
            });
        if better.tau < worse.tau && !can_repeat {
            return false;
        }
        only().all(|op| {
            self.ops[op].end == NEVER
                || (matches!(self.actions[op], Action::Write(_))
                    && (can_repeat || self.ops[op].start < better.tau))
        })
    }

    /// The linearization that a trail tells of.
    fn order(&self, mut trail: usize) -> Vec<usize> {
        let mut steps = Vec::new();
        while trail != 0 {
            let (before, step) = self.trails[trail];
            steps.push(step);
            trail = before;
        }
        // What hides before a blind write is collected with it, to avoid inserting in the middle.
        let mut segments: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default()];
        for step in steps.into_iter().rev() {
            match step {
                Step::Place(op) if matches!(self.actions[op], Action::Write(_)) => {
                    segments.push((Vec::new(), vec![op]));
                }
                Step::Place(op) => {
                    if let Some((_, placed)) = segments.last_mut() {
                        placed.push(op);
                    }
                }
                Step::Hide(op) => {
                    if let Some((hidden, _)) = segments.last_mut() {
                        hidden.push(op);
                    }
                }
                Step::Start => {}
            }
        }
        segments.into_iter().flat_map(|(hidden, placed)| hidden.into_iter().chain(placed)).collect()
    }
}

/// Invocations and returns in order: index, position, whether it is a return.
fn events(ops: &[Timed<'_, Register>]) -> Vec<(u64, usize, bool)> {
    let mut events = Vec::with_capacity(ops.len() * 2);
    for (position, op) in ops.iter().enumerate() {
        events.push((op.start, position, false));
        if op.completed() {
            events.push((op.end, position, true));
        }
    }
    events.sort_unstable();
    events
}

/// Does one sorted list include another?
fn includes(all: &[usize], some: &[usize]) -> bool {
    let mut all = all.iter();
    some.iter().all(|wanted| all.by_ref().find(|have| *have >= wanted) == Some(wanted))
}
