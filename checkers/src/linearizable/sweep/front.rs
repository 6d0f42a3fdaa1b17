//! Configurations, and which of them are worth keeping.

use super::bits::Bits;
use super::table::State;
use super::trail::TrailId;
use super::uses::{Kind, Uses, UsesId};
use std::cmp::Reverse;

/// What can be true at some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config<const N: usize> {
    /// Pending operations that can return now: reads that have been satisfied, changes that took
    /// effect, and blind writes that began before the last blind write and so can hide under it.
    pub(super) met: Bits<N>,
    /// Pending changes that took effect visibly: they can't do so again.
    pub(super) spent: Bits<N>,
    /// What the register holds.
    pub(super) state: State,
    /// How often operations of unknown fate were used, of the kinds that are counted.
    pub(super) uses: UsesId,
    /// What operations of unknown fate cost so far: see [`price`].
    pub(super) cost: u32,
    /// What led here.
    pub(super) trail: TrailId,
}

impl<const N: usize> Config<N> {
    /// Those that used fewer operations of unknown fate come first; then those that spent less,
    /// then those that have met more. None covers or can emulate one that comes before it, but for
    /// equal ones.
    pub(super) fn rank(&self, uses: &Uses) -> (u32, u32, Reverse<u32>, u32) {
        (uses.total(self.uses), self.spent.count(), Reverse(self.met.count()), self.cost)
    }

    /// The smaller, the more is left for later.
    pub(super) fn promise(&self) -> u64 {
        u64::from(self.cost) << 32 | u64::from(self.spent.count())
    }

    /// Can this do whatever the other, of the same state, can?
    pub(super) fn covers(&self, other: &Self, uses: &Uses) -> bool {
        other.spent.includes(&self.spent)
            && self.met.includes(&other.met)
            && uses.at_most(self.uses, other.uses)
    }
}

/// What it costs to use one of `left` operations of unknown fate. Blind writes are good for more
/// than compare-and-sets, and few are dearer than many. Only a guide: it decides nothing.
pub(super) fn price(is_blind: bool, left: u32) -> u32 {
    16 + if is_blind { 8 } else { 0 } + 32 / left.max(1)
}

/// What is pending between two events, as far as blind writes may be performed any time.
pub(super) struct Pending<'p, const N: usize> {
    /// Blind writes.
    pub(super) writes: Bits<N>,
    /// By state: blind writes of it, reads of it, and the kind of those of unknown fate, and
    /// whether it is counted.
    pub(super) writes_of: &'p [Bits<N>],
    pub(super) reads_of: &'p [Bits<N>],
    pub(super) crashed_of: &'p [Option<(Kind, bool)>],
}

impl<const N: usize> Pending<'_, N> {
    /// Could `one` still perform one blind write that `other` has performed, and then do whatever
    /// `other` can?
    pub(super) fn emulates(&self, one: &Config<N>, other: &Config<N>, uses: &Uses) -> bool {
        let state = other.state as usize;
        if !other.spent.includes(&one.spent)
            || !one.met.or(&self.writes).or(&self.reads_of[state]).includes(&other.met)
        {
            return false;
        }
        let live = other.spent.without(&one.spent).meets(&self.writes_of[state]);
        let with = |more| uses.at_most_with(one.uses, more, other.uses);
        (live && with(None))
            || self.crashed_of[state].is_some_and(|(kind, counted)| with(counted.then_some(kind)))
    }
}

/// An entry of a list: its configuration, and the next entry of the same state.
struct Entry<const N: usize> {
    config: Config<N>,
    next: u32,
    dropped: bool,
}

const END: u32 = u32::MAX;

/// Configurations none of which covers another of the same state.
pub(super) struct Kept<const N: usize> {
    entries: Vec<Entry<N>>,
    /// By state, the entry that came last.
    heads: Vec<u32>,
}

impl<const N: usize> Kept<N> {
    pub(super) fn new(states: usize) -> Self {
        Self { entries: Vec::new(), heads: vec![END; states] }
    }

    pub(super) fn clear(&mut self) {
        for entry in self.entries.drain(..) {
            self.heads[entry.config.state as usize] = END;
        }
    }

    /// How many were put in, whether or not they were kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The configuration put in at that place, unless one that covers it came later.
    pub(super) fn get(&self, at: usize) -> Option<&Config<N>> {
        let entry = &self.entries[at];
        (!entry.dropped).then_some(&entry.config)
    }

    /// What was put in there, whether or not it is covered.
    pub(super) fn any(&self, at: usize) -> &Config<N> {
        &self.entries[at].config
    }

    /// Keeps a configuration unless one that is kept covers it, and drops those it covers. Its
    /// place, if it is kept; `steps` counts what it was compared with.
    pub(super) fn insert(
        &mut self,
        config: Config<N>,
        uses: &Uses,
        steps: &mut u64,
    ) -> Option<usize> {
        let head = self.heads[config.state as usize];
        let (mut at, mut before) = (head, END);
        while at != END {
            *steps += 1;
            let entry = &self.entries[at as usize];
            if entry.config.covers(&config, uses)
                && (entry.config.cost <= config.cost || !config.covers(&entry.config, uses))
            {
                return None;
            }
            let next = entry.next;
            if config.covers(&entry.config, uses) {
                self.entries[at as usize].dropped = true;
                if before == END {
                    self.heads[config.state as usize] = next;
                } else {
                    self.entries[before as usize].next = next;
                }
            } else {
                before = at;
            }
            at = next;
        }
        let place = self.entries.len();
        let next = self.heads[config.state as usize];
        self.entries.push(Entry { config, next, dropped: false });
        self.heads[config.state as usize] = super::table::number(place);
        Some(place)
    }
}
