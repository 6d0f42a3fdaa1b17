//! A history of one register with everything numbered: states, kinds of operations, events.

use super::trail::{CRASHED, Step};
use super::uses::Kind;
use crate::linearizable::history::Action;
use crate::linearizable::part::Prefix;
use crate::transactions::ValueId;
use rustc_hash::FxHashMap;
use std::collections::BinaryHeap;

/// A value that the register may hold, by number; 0 is what it holds first.
pub(super) type State = u32;

/// What a write or compare-and-set does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// What has to be there before; `None` for a blind write.
    pub(super) old: Option<State>,
    pub(super) new: State,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    Read(State),
    Change(Kind),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// It begins, and will return.
    Invoke,
    /// It begins, and never returns.
    Crash,
    Return,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) position: u32,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) states: Vec<ValueId>,
    pub(super) changes: Vec<Change>,
    /// By position.
    pub(super) does: Vec<Does>,
    pub(super) events: Vec<Event>,
    /// By position, the event of its return; `u32::MAX` if it never returns.
    pub(super) returns: Vec<u32>,
    /// The most operations that were pending at one time, without those that never return.
    pub(super) widest: u32,
    /// By state, the last event at which it matters whether an operation of unknown fate can bring
    /// it about; 0 if nothing ever observes it.
    pub(super) last_use: Vec<u32>,
    /// The first kind that each of the operations that never return has; by kind, how many.
    pub(super) crashed: Vec<u32>,
}

impl Table {
    pub(super) fn new(ops: Prefix<'_>, first: ValueId) -> Self {
        let mut table = Self {
            states: vec![first],
            changes: Vec::new(),
            does: Vec::with_capacity(ops.len()),
            events: Vec::with_capacity(ops.len() * 2),
            returns: vec![u32::MAX; ops.len()],
            widest: 0,
            last_use: Vec::new(),
            crashed: Vec::new(),
        };
        table.number(ops, first);
        table.put_in_order(ops);
        table.find_last_uses();
        table
    }

    fn number(&mut self, ops: Prefix<'_>, first: ValueId) {
        let mut numbers: FxHashMap<ValueId, State> = FxHashMap::default();
        numbers.insert(first, 0);
        let mut kinds: FxHashMap<Action, Kind> = FxHashMap::default();
        for position in 0..ops.len() {
            let op = ops.op(position);
            let mut state = |value: ValueId| {
                *numbers.entry(value).or_insert_with(|| {
                    self.states.push(value);
                    number(self.states.len() - 1)
                })
            };
            let change = match op.action {
                Action::Read(value) => {
                    self.does.push(Does::Read(state(value)));
                    continue;
                }
                Action::Write(new) => Change { old: None, new: state(new) },
                Action::Cas(old, new) => Change { old: Some(state(old)), new: state(new) },
            };
            let kind = *kinds.entry(op.action).or_insert_with(|| {
                self.changes.push(change);
                self.crashed.push(0);
                number(self.changes.len() - 1)
            });
            self.crashed[kind as usize] += u32::from(!op.completed());
            self.does.push(Does::Change(kind));
        }
    }

    fn put_in_order(&mut self, ops: Prefix<'_>) {
        let mut events: Vec<(u64, Event)> = Vec::with_capacity(ops.len() * 2);
        for (position, op) in ops.ops() {
            let what = if op.completed() { What::Invoke } else { What::Crash };
            events.push((op.start, Event { position, what }));
            if op.completed() {
                events.push((op.end, Event { position, what: What::Return }));
            }
        }
        events.sort_unstable_by_key(|(time, _)| *time);
        let mut live = 0;
        for (at, (_, event)) in events.iter().enumerate() {
            match event.what {
                What::Invoke => live += 1,
                What::Crash => {}
                What::Return => {
                    live -= 1;
                    self.returns[event.position as usize] = number(at);
                }
            }
            self.widest = self.widest.max(live);
        }
        self.events = events.into_iter().map(|(_, event)| event).collect();
    }

    /// An operation of unknown fate is of use only while something that it leads to is still to be
    /// observed: by a read, by a compare-and-set, or by one of unknown fate that is of use itself.
    fn find_last_uses(&mut self) {
        self.last_use = vec![0; self.states.len()];
        let mut leads_to: Vec<Vec<State>> = vec![Vec::new(); self.states.len()];
        for (position, does) in self.does.iter().enumerate() {
            let observed = match does {
                Does::Read(state) => Some(*state),
                Does::Change(kind) => self.changes[*kind as usize].old,
            };
            let end = self.returns[position];
            if let Some(state) = observed.filter(|_| end != u32::MAX) {
                let last = &mut self.last_use[state as usize];
                *last = end.max(*last);
            }
        }
        for (kind, change) in self.changes.iter().enumerate() {
            if let (Some(old), 1..) = (change.old, self.crashed[kind]) {
                leads_to[change.new as usize].push(old);
            }
        }
        let mut open: BinaryHeap<(u32, State)> = self.last_use.iter().copied().zip(0..).collect();
        while let Some((last, state)) = open.pop() {
            if last < self.last_use[state as usize] {
                continue;
            }
            for old in &leads_to[state as usize] {
                if self.last_use[*old as usize] < last {
                    self.last_use[*old as usize] = last;
                    open.push((last, *old));
                }
            }
        }
    }

    /// Of the operations that observe a value that nobody writes, and that isn't there first, the
    /// one that returns first.
    pub(super) fn observes_nothing_written(&self) -> Option<u32> {
        let mut written = vec![false; self.states.len()];
        written[0] = true;
        for change in &self.changes {
            written[change.new as usize] = true;
        }
        let observed = |position: usize| match self.does[position] {
            Does::Read(state) => Some(state),
            Does::Change(kind) => self.changes[kind as usize].old,
        };
        (0..self.does.len())
            .filter(|position| self.returns[*position] != u32::MAX)
            .filter(|position| observed(*position).is_some_and(|state| !written[state as usize]))
            .min_by_key(|position| self.returns[*position])
            .map(number)
    }

    /// The linearization that some steps amount to: positions in the history. Or else the kinds of
    /// which more were used than had begun.
    pub(super) fn replay(&self, steps: &[Step]) -> Result<Vec<u32>, Vec<Kind>> {
        let mut replay = Replay {
            table: self,
            state: 0,
            waiting: vec![Vec::new(); self.states.len()],
            crashed: vec![Vec::new(); self.changes.len()],
            performed: vec![false; self.does.len()],
            segments: vec![(Vec::new(), Vec::new())],
            overused: Vec::new(),
        };
        let mut steps = steps.iter().peekable();
        for (at, event) in (0..).zip(&self.events) {
            while let Some(step) = steps.next_if(|step| step.at <= at) {
                replay.perform(step.by);
            }
            replay.event(*event);
        }
        if replay.overused.is_empty() { Ok(replay.order()) } else { Err(replay.overused) }
    }
}

struct Replay<'t> {
    table: &'t Table,
    state: State,
    /// By state, reads that have begun and not been satisfied.
    waiting: Vec<Vec<u32>>,
    /// By kind, operations of unknown fate that have begun and not been used, the first last.
    crashed: Vec<Vec<u32>>,
    performed: Vec<bool>,
    /// Each begins with a blind write; what hides before that, and what comes after.
    segments: Vec<(Vec<u32>, Vec<u32>)>,
    overused: Vec<Kind>,
}

impl Replay<'_> {
    fn event(&mut self, event: Event) {
        let position = event.position;
        match (event.what, self.table.does[position as usize]) {
            (What::Invoke, Does::Read(state)) => {
                if state == self.state {
                    self.place(position);
                } else {
                    self.waiting[state as usize].push(position);
                }
            }
            (What::Crash, Does::Change(kind)) => self.crashed[kind as usize].push(position),
            (What::Return, Does::Change(_)) if !self.performed[position as usize] => {
                if let Some((hidden, _)) = self.segments.last_mut() {
                    hidden.push(position);
                }
            }
            _ => {}
        }
    }

    fn place(&mut self, position: u32) {
        if let Some((_, placed)) = self.segments.last_mut() {
            placed.push(position);
        }
    }

    fn perform(&mut self, by: u32) {
        let (kind, position) = if by & CRASHED == 0 {
            let Does::Change(kind) = self.table.does[by as usize] else { return };
            (kind, Some(by))
        } else {
            let kind = by & !CRASHED;
            (kind, self.crashed[kind as usize].pop())
        };
        let change = self.table.changes[kind as usize];
        match position {
            None => self.overused.push(kind),
            Some(position) => {
                self.performed[position as usize] = true;
                if change.old.is_none() {
                    self.segments.push((Vec::new(), Vec::new()));
                }
                self.place(position);
            }
        }
        self.state = change.new;
        for read in std::mem::take(&mut self.waiting[change.new as usize]) {
            self.place(read);
        }
    }

    fn order(self) -> Vec<u32> {
        self.segments
            .into_iter()
            .flat_map(|(hidden, placed)| hidden.into_iter().chain(placed))
            .collect()
    }
}

/// A position or number in 32 bits; a history is never longer.
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
