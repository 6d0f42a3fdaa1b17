//! One pass of the sweep over a history.

use super::bits::Bits;
use super::front::{Config, Kept, Pending, price};
use super::table::{Does, Event, State, Table, What, number};
use super::trail::{CRASHED, Step, Trails};
use super::uses::{Kind, Uses};
use schism_core::limits::Limits;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How a pass goes about it.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    /// By kind: is it counted how often operations of unknown fate are used? Else, once one has
    /// begun, there are as many as anyone needs.
    pub(super) counted: &'r [bool],
    /// How many configurations are kept from one event to the next; the others are suspended.
    pub(super) width: usize,
    /// How many comparisons of configurations may be made.
    pub(super) steps: u64,
    /// Collect the states that were possible while this operation was pending.
    pub(super) watched: Option<u32>,
    pub(super) limits: &'r Limits,
}

/// How a pass ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Something can be true at the end; it was led to by these steps.
    Possible(Vec<Step>),
    /// Nothing can be true after this event.
    Impossible(u32),
    /// Too many steps, too much memory, or a limit was exceeded, at this event.
    GaveUp(u32),
}

/// What a pass found.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) ended: Ended,
    /// Were configurations suspended, so that impossible means nothing?
    pub(super) suspended: bool,
    pub(super) steps: u64,
    /// The states that were possible while the watched operation was pending.
    pub(super) seen: Vec<State>,
}

/// What may be kept in memory, in bytes.
const MEMORY: usize = 256 << 20;

/// How often, in events, operations of unknown fate of no more use are looked for.
const EXPIRE_EVERY: u32 = if cfg!(test) { 1 } else { 64 };
/// How large the uses may grow, in bytes, before those that nobody needs are dropped.
const USES: usize = if cfg!(test) { 1 << 10 } else { MEMORY / 4 };

/// No place.
const NONE: u32 = u32::MAX;

/// How a configuration within a closure came about: from which, by what.
#[derive(Clone, Copy)]
struct Origin {
    from: u32,
    by: u32,
}

pub(super) struct Pass<'t, const N: usize> {
    table: &'t Table,
    rules: Rules<'t>,
    /// Slots in use.
    taken: Bits<N>,
    /// By position, the slot while it is pending.
    slots: Vec<u16>,
    /// By kind, pending changes that return: when, slot and position, those that return first in
    /// front.
    live: Vec<Vec<(u32, u32, u32)>>,
    /// By kind, how many of unknown fate have begun.
    crashed: Vec<u32>,
    /// Kinds of which something is pending.
    active: Vec<Kind>,
    is_active: Vec<bool>,
    writes: Bits<N>,
    writes_of: Vec<Bits<N>>,
    reads_of: Vec<Bits<N>>,
    /// By state, the kind of blind writes of it of unknown fate, once one has begun.
    crashed_of: Vec<Option<(Kind, bool)>>,
    front: Vec<Config<N>>,
    uses: Uses,
    trails: Trails,
    /// Within a closure: what has the returning operation done, and what has not yet.
    good: Kept<N>,
    open: Kept<N>,
    good_from: Vec<Origin>,
    open_from: Vec<Origin>,
    queue: BinaryHeap<(Reverse<u64>, Reverse<u32>)>,
    steps: u64,
    polled: u64,
    suspended: bool,
    /// Is the watched operation pending?
    watching: bool,
    seen: Vec<bool>,
}

struct OverBudget;

impl<'t, const N: usize> Pass<'t, N> {
    pub(super) fn new(table: &'t Table, rules: Rules<'t>) -> Self {
        let (states, kinds) = (table.states.len(), table.changes.len());
        let start =
            Config { met: Bits::EMPTY, spent: Bits::EMPTY, state: 0, uses: 0, cost: 0, trail: 0 };
        Self {
            table,
            rules,
            taken: Bits::EMPTY,
            slots: vec![0; table.does.len()],
            live: vec![Vec::new(); kinds],
            crashed: vec![0; kinds],
            active: Vec::new(),
            is_active: vec![false; kinds],
            writes: Bits::EMPTY,
            writes_of: vec![Bits::EMPTY; states],
            reads_of: vec![Bits::EMPTY; states],
            crashed_of: vec![None; states],
            front: vec![start],
            uses: Uses::default(),
            trails: Trails::default(),
            good: Kept::new(states),
            open: Kept::new(states),
            good_from: Vec::new(),
            open_from: Vec::new(),
            queue: BinaryHeap::new(),
            steps: 0,
            polled: 0,
            suspended: false,
            watching: false,
            seen: vec![false; states],
        }
    }

    pub(super) fn run(mut self) -> Passed {
        let mut ended = None;
        for (at, event) in (0..).zip(&self.table.events) {
            let position = event.position as usize;
            self.watching |= self.rules.watched == Some(event.position);
            match (event.what, self.table.does[position]) {
                (What::Invoke, Does::Read(state)) => self.invoke_read(position, state),
                (What::Invoke, Does::Change(kind)) => self.invoke_change(*event, kind),
                (What::Crash, Does::Change(kind)) => self.crash(at, kind),
                (What::Crash, Does::Read(_)) => {}
                (What::Return, _) => {
                    if self.settle(at, *event).is_err() {
                        ended = Some(Ended::GaveUp(at));
                    } else if self.front.is_empty() {
                        ended = Some(Ended::Impossible(at));
                    }
                }
            }
            if ended.is_some() {
                break;
            }
        }
        let ended = ended.unwrap_or_else(|| {
            let best = self.front.iter().min_by_key(|config| config.promise());
            Ended::Possible(best.map_or(Vec::new(), |config| self.trails.steps(config.trail)))
        });
        let seen = (0..).zip(&self.seen).filter(|(_, seen)| **seen).map(|(state, _)| state);
        Passed { ended, suspended: self.suspended, steps: self.steps, seen: seen.collect() }
    }

    fn slot(&mut self, position: usize) -> u32 {
        // As many are free as are ever pending at one time.
        let slot = self.taken.first_free().unwrap_or(0);
        self.taken.set(slot);
        self.slots[position] = u16::try_from(slot).unwrap_or(0);
        slot
    }

    fn invoke_read(&mut self, position: usize, state: State) {
        let slot = self.slot(position);
        self.reads_of[state as usize].set(slot);
        for config in &mut self.front {
            if config.state == state {
                config.met.set(slot);
            }
        }
    }

    fn invoke_change(&mut self, event: Event, kind: Kind) {
        let position = event.position as usize;
        let slot = self.slot(position);
        let entry = (self.table.returns[position], slot, event.position);
        let live = &mut self.live[kind as usize];
        let place = live.partition_point(|other| other.0 < entry.0);
        live.insert(place, entry);
        self.activate(kind);
        let change = self.table.changes[kind as usize];
        if change.old.is_none() {
            self.writes.set(slot);
            self.writes_of[change.new as usize].set(slot);
        }
    }

    fn crash(&mut self, at: u32, kind: Kind) {
        let change = self.table.changes[kind as usize];
        if self.table.last_use[change.new as usize] <= at {
            return;
        }
        self.crashed[kind as usize] += 1;
        self.activate(kind);
        if change.old.is_none() {
            let counted = self.rules.counted[kind as usize];
            self.crashed_of[change.new as usize] = Some((kind, counted));
        }
    }

    fn activate(&mut self, kind: Kind) {
        if !std::mem::replace(&mut self.is_active[kind as usize], true) {
            self.active.push(kind);
        }
    }

    /// Takes the return of an operation: keeps what has it done by now.
    fn settle(&mut self, at: u32, event: Event) -> Result<(), OverBudget> {
        let slot = u32::from(self.slots[event.position as usize]);
        let does = self.table.does[event.position as usize];
        let is_done = |config: &Config<N>| match does {
            Does::Read(_) => config.met.has(slot),
            Does::Change(_) => config.spent.has(slot),
        };
        if self.front.iter().all(is_done) && !self.watching {
            self.forget(event.position, slot);
            for config in &mut self.front {
                config.met.clear(slot);
                config.spent.clear(slot);
            }
            self.prune()?;
            return self.collect(at);
        }
        self.begin_closure();
        let front = std::mem::take(&mut self.front);
        for (place, config) in (0..).zip(&front) {
            let origin = Origin { from: place, by: NONE };
            if config.met.has(slot) {
                self.keep_good(*config, slot, origin);
            }
            if !is_done(config) {
                self.keep_open(*config, origin);
            }
        }
        self.close(slot, is_done)?;
        if self.watching {
            self.note_states();
        }
        self.watching &= self.rules.watched != Some(event.position);
        self.forget(event.position, slot);
        self.take_good(at, &front);
        self.prune()?;
        self.collect(at)
    }

    fn begin_closure(&mut self) {
        self.good.clear();
        self.open.clear();
        self.good_from.clear();
        self.open_from.clear();
        self.queue.clear();
        let (crashed, live, is_active) = (&self.crashed, &self.live, &mut self.is_active);
        self.active.retain(|kind| {
            let pending = !live[*kind as usize].is_empty() || crashed[*kind as usize] > 0;
            is_active[*kind as usize] = pending;
            pending
        });
    }

    /// Keeps a configuration as it is after the return.
    fn keep_good(&mut self, mut config: Config<N>, slot: u32, origin: Origin) {
        config.met.clear(slot);
        config.spent.clear(slot);
        if self.good.insert(config, &self.uses, &mut self.steps).is_some() {
            self.good_from.push(origin);
        }
    }

    fn keep_open(&mut self, config: Config<N>, origin: Origin) {
        if let Some(place) = self.open.insert(config, &self.uses, &mut self.steps) {
            self.open_from.push(origin);
            self.queue.push((Reverse(config.promise()), Reverse(number(place))));
        }
    }

    /// Tries all sequences of pending changes that end with the returning operation done.
    fn close(&mut self, slot: u32, is_done: impl Fn(&Config<N>) -> bool) -> Result<(), OverBudget> {
        let mut expanded = 0_usize;
        while let Some((_, Reverse(place))) = self.queue.pop() {
            let Some(config) = self.open.get(place as usize).copied() else { continue };
            if self.enough(expanded, config.cost) {
                self.suspended = true;
                return Ok(());
            }
            expanded += 1;
            for at in 0..self.active.len() {
                self.steps += 1;
                let kind = self.active[at];
                let Some((after, by)) = self.perform(&config, kind) else { continue };
                let origin = Origin { from: place, by };
                if after.met.has(slot) {
                    self.keep_good(after, slot, origin);
                }
                if !is_done(&after) {
                    self.keep_open(after, origin);
                }
            }
            self.within_budget()?;
        }
        Ok(())
    }

    /// Where the width is limited: has enough been tried for one event? What is tried from here on
    /// costs at least `cost`.
    fn enough(&self, expanded: usize, cost: u32) -> bool {
        let width = self.rules.width;
        if width == usize::MAX || self.good.len() == 0 {
            return false;
        }
        let cheap = (0..self.good.len()).filter(|at| self.good.any(*at).cost <= cost).count();
        cheap >= width || expanded >= width * 4
    }

    fn within_budget(&mut self) -> Result<(), OverBudget> {
        if self.steps < self.polled {
            return Ok(());
        }
        self.polled = (self.steps + 4096).min(self.rules.steps.saturating_add(1));
        let configs = self.open.len() + self.good.len() + self.front.len();
        let bytes = self.trails.bytes()
            + self.uses.bytes()
            + configs * (size_of::<Config<N>>() + 2 * size_of::<Origin>() + 32);
        let over = self.steps > self.rules.steps || bytes > MEMORY;
        if over || self.rules.limits.are_exceeded() { Err(OverBudget) } else { Ok(()) }
    }

    /// What is true after an operation of this kind took effect, and which one that was: of those
    /// that are left, the one that has to return first. Nothing, if that is impossible.
    fn perform(&mut self, config: &Config<N>, kind: Kind) -> Option<(Config<N>, u32)> {
        let change = self.table.changes[kind as usize];
        if change.old.is_some_and(|old| old != config.state) {
            return None;
        }
        let mut after = *config;
        let left = self.live[kind as usize].iter().find(|(_, slot, _)| !config.spent.has(*slot));
        let by = if let Some((_, slot, position)) = left {
            after.spent.set(*slot);
            after.met.set(*slot);
            *position
        } else {
            let begun = self.crashed[kind as usize];
            let mut left = begun;
            if self.rules.counted[kind as usize] {
                left -= self.uses.count(config.uses, kind).min(begun);
                after.uses = if left > 0 { self.uses.add(config.uses, kind) } else { 0 };
            }
            if left == 0 {
                return None;
            }
            after.cost = after.cost.saturating_add(price(change.old.is_none(), left));
            CRASHED | kind
        };
        after.state = change.new;
        after.met = after.met.or(&self.reads_of[change.new as usize]);
        if change.old.is_none() {
            after.met = after.met.or(&self.writes);
        }
        Some((after, by))
    }

    /// Notes the states that were possible before this return.
    fn note_states(&mut self) {
        for place in 0..self.open.len() {
            self.seen[self.open.any(place).state as usize] = true;
        }
        for place in 0..self.good.len() {
            self.seen[self.good.any(place).state as usize] = true;
        }
    }

    /// The operation has returned: its slot is free.
    fn forget(&mut self, position: u32, slot: u32) {
        self.taken.clear(slot);
        match self.table.does[position as usize] {
            Does::Read(state) => self.reads_of[state as usize].clear(slot),
            Does::Change(kind) => {
                self.live[kind as usize].retain(|(_, other, _)| *other != slot);
                self.writes.clear(slot);
                let new = self.table.changes[kind as usize].new;
                self.writes_of[new as usize].clear(slot);
            }
        }
    }

    /// Makes the front of what has the returned operation done, each with its trail.
    fn take_good(&mut self, at: u32, front: &[Config<N>]) {
        let mut path = Vec::new();
        for place in 0..self.good.len() {
            let Some(config) = self.good.get(place) else { continue };
            let mut config = *config;
            let mut origin = self.good_from[place];
            path.clear();
            while origin.by != NONE {
                path.push(origin.by);
                origin = self.open_from[origin.from as usize];
            }
            config.trail = front[origin.from as usize].trail;
            for by in path.iter().rev() {
                config.trail = self.trails.push(config.trail, Step { by: *by, at });
            }
            self.front.push(config);
        }
    }

    /// Drops what another configuration can do as well, if need be by a blind write that it has
    /// still to perform; and the rest above the width.
    fn prune(&mut self) -> Result<(), OverBudget> {
        let uses = &self.uses;
        self.front.sort_by_cached_key(|config| config.rank(uses));
        let pending = Pending {
            writes: self.writes,
            writes_of: &self.writes_of,
            reads_of: &self.reads_of,
            crashed_of: &self.crashed_of,
        };
        let mut kept = 0;
        for at in 0..self.front.len() {
            let config = self.front[at];
            let state = config.state as usize;
            let replaceable = pending.crashed_of[state].is_some()
                || config.spent.meets(&pending.writes_of[state]);
            let covered = self.front[..kept].iter().any(|other| {
                (other.state == config.state && other.covers(&config, uses))
                    || (replaceable && pending.emulates(other, &config, uses))
            });
            self.steps += kept as u64;
            if !covered {
                self.front[kept] = config;
                kept += 1;
            }
        }
        self.front.truncate(kept);
        if kept > self.rules.width {
            self.front.sort_by_cached_key(Config::promise);
            self.front.truncate(self.rules.width);
            self.suspended = true;
        }
        self.within_budget()
    }

    /// Forgets what no configuration needs any more.
    fn collect(&mut self, at: u32) -> Result<(), OverBudget> {
        if self.trails.is_full() {
            self.trails.keep(self.front.iter_mut().map(|config| &mut config.trail));
        }
        if self.uses.bytes() > USES {
            self.uses.keep(self.front.iter_mut().map(|config| &mut config.uses));
        }
        if at.is_multiple_of(EXPIRE_EVERY) {
            self.expire(at);
        }
        self.within_budget()
    }

    /// Drops operations of unknown fate that can lead to nothing that is still to be observed.
    fn expire(&mut self, at: u32) {
        let (table, crashed) = (self.table, &mut self.crashed);
        let mut gone = Vec::new();
        for kind in &self.active {
            let new = table.changes[*kind as usize].new as usize;
            if crashed[*kind as usize] > 0 && table.last_use[new] <= at {
                crashed[*kind as usize] = 0;
                gone.push(*kind);
                if table.changes[*kind as usize].old.is_none() {
                    self.crashed_of[new] = None;
                }
            }
        }
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable();
        for config in &mut self.front {
            config.uses = self.uses.without(config.uses, |kind| gone.binary_search(&kind).is_ok());
        }
    }
}
