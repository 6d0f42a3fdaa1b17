//! Registers with few values: a sweep over the events that keeps every configuration worth keeping.
//!
//! A search must guess an order; a sweep keeps, after each event, the set of things that can be
//! true then. A configuration is: what the register holds; which pending operations can return now
//! (`met`); which pending writes and compare-and-sets have taken effect visibly (`spent`); and how
//! often operations of unknown fate have been used, by kind. Pending means: begun, not returned.
//!
//! Why it is exact:
//! - A read changes nothing, so it may as well be satisfied at the first moment at which it is
//!   pending and its value is held.
//! - Nothing has to take effect before some operation returns. So at the return of an operation,
//!   and only then, all sequences of pending writes that end with it done are tried (the closure).
//!   Of equal pending operations the one that has to end first is taken: swapping two equal ones
//!   changes nothing else. (Any of them may take the place of another that ends later, not the
//!   reverse.) So those of unknown fate, which never end, come last, and are only counted.
//! - A pending blind write that began before the last blind write can *hide*: it can be put
//!   directly before that, where nobody sees it. It can then return, and needs not be performed;
//!   the configurations in which it is performed visibly are kept too.
//! - Configuration A *covers* B, and B is dropped, if whatever B can still do, A can: same state,
//!   what B has met A has met, what A has spent B has spent, and A used no kind more often. What
//!   only B spent has then returned by hiding in A, or will.
//! - Between events A may also be ahead by a blind write that only B has spent, and that leads to
//!   B's state: A can perform it later, with the same effect, and every pending write can hide
//!   under it (*emulation*). Within a closure that is not allowed, for there A itself goes on to
//!   perform it, and what it leads to would be dropped for what led to it.
//! - An operation of unknown fate whose value nothing observes any more can be left out of any
//!   linearization: what follows it until the next blind write observes nothing.
//!
//! A history is possible if a configuration is left at its end; how it was led to gives the order,
//! and a verifier of its own checks that.
//!
//! *Unknown fates.* Hundreds of operations of unknown fate stay pending for ever, and how often
//! each kind was used multiplies the configurations. Two kinds of passes, in turn, with more and
//! more steps:
//! - *narrow*: only so many configurations are kept from event to event, those that have used
//!   fewest, and more with each pass; a valid history hardly needs any. What is found possible is
//!   possible, with an order; to find nothing means something only if none was suspended.
//! - *relaxed*: kinds of unknown fate are as good as unlimited once one has begun, but for those
//!   that are counted: none at first. This allows more than there is, so impossible is impossible.
//!   If it is possible, and the order found uses none more often than there are, it is an order
//!   indeed; else the kinds that were used too often are counted from now on. With all counted it
//!   is exact.
//!
//! So every answer is right whenever it comes, and both passes come to be exact. Without unknown
//! fates the first relaxed pass is.
//!
//! Cost: in practice a few configurations an event, whatever the concurrency; exponential in the
//! worst case, as the problem is NP-complete, hence limits. Memory grows with what configurations
//! that live have done, not with what was tried. Refused: more than 4096 operations pending at one
//! time.

pub(super) mod bits;
mod front;
mod pass;
mod table;
mod trail;
mod uses;

use super::history::NIL;
use super::part::Prefix;
use crate::transactions::ValueId;
use pass::{Ended, Pass, Passed, Rules};
use schism_core::limits::Limits;
use table::Table;

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Swept {
    /// A linearization: positions in the history.
    Linearizable(Vec<u32>),
    /// There is none.
    Impossible {
        /// The operation with whose return it has become impossible.
        last: u32,
        /// Was it possible before that return?
        shortest: bool,
    },
    /// It could not be decided.
    Undecided {
        /// The operation up to whose return it is known to be possible.
        possible_until: Option<u32>,
        /// Why it was given up.
        why: String,
    },
}

/// How much may be spent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget<'l> {
    /// How many comparisons of configurations may be made.
    pub(crate) steps: u64,
    pub(crate) limits: &'l Limits,
}

impl Budget<'_> {
    /// Why something was given up within it.
    pub(crate) fn why(&self) -> String {
        self.limits.exceeded().map_or_else(
            || format!("not decided within the budget of {} steps", self.steps),
            |limit| format!("not decided within {limit}"),
        )
    }
}

/// How many configurations the first narrow pass keeps.
const NARROW: usize = 8;
/// How many steps an event the first passes may take where there are unknown fates.
const EFFORT: u64 = 1_000;

/// Decides within a budget; `first` is what the register holds before anything is written.
pub(crate) fn decide(ops: Prefix<'_>, first: ValueId, budget: Budget<'_>) -> Swept {
    decide_from(ops, first, budget, NARROW)
}

/// The same, with a first narrow pass of that width; without narrow ones, if it is 0.
pub(super) fn decide_from(
    ops: Prefix<'_>,
    first: ValueId,
    budget: Budget<'_>,
    width: usize,
) -> Swept {
    let table = Table::new(ops, first);
    if let Some(last) = table.observes_nothing_written() {
        return Swept::Impossible { last, shortest: false };
    }
    let uncertain = table.crashed.iter().any(|crashed| *crashed > 0);
    Tiers {
        all: vec![true; table.changes.len()],
        counted: vec![false; table.changes.len()],
        table: &table,
        budget,
        spent: 0,
        width,
        furthest: None,
    }
    .decide(uncertain)
}

/// What the register could hold while the operation at `watched` was pending; or more than that,
/// where there are unknown fates. `None` if that takes more than the budget.
pub(crate) fn states_during(
    ops: Prefix<'_>,
    first: ValueId,
    watched: u32,
    budget: Budget<'_>,
) -> Option<Vec<ValueId>> {
    let table = Table::new(ops, first);
    let counted = vec![false; table.changes.len()];
    let rules = Rules {
        counted: &counted,
        width: usize::MAX,
        steps: budget.steps,
        watched: Some(watched),
        limits: budget.limits,
    };
    let passed = pass(&table, rules)?;
    let mut states: Vec<ValueId> =
        passed.seen.iter().map(|state| table.states[*state as usize]).collect();
    states.sort_unstable_by_key(|value| if *value == NIL { (0, *value) } else { (1, *value) });
    (!matches!(passed.ended, Ended::GaveUp(_))).then_some(states)
}

/// One pass, in slots as wide as the concurrency asks for; `None` if it is too wide.
fn pass(table: &Table, rules: Rules<'_>) -> Option<Passed> {
    match table.widest {
        0..=64 => Some(Pass::<1>::new(table, rules).run()),
        65..=128 => Some(Pass::<2>::new(table, rules).run()),
        129..=256 => Some(Pass::<4>::new(table, rules).run()),
        257..=1024 => Some(Pass::<16>::new(table, rules).run()),
        1025..=4096 => Some(Pass::<64>::new(table, rules).run()),
        _ => None,
    }
}

struct Tiers<'t> {
    table: &'t Table,
    budget: Budget<'t>,
    /// Every kind is counted.
    all: Vec<bool>,
    /// The kinds that a relaxed pass counts.
    counted: Vec<bool>,
    spent: u64,
    width: usize,
    /// The last event up to which it is known to be possible.
    furthest: Option<u32>,
}

impl Tiers<'_> {
    fn decide(mut self, uncertain: bool) -> Swept {
        let events = self.table.events.len() as u64 + 1_000;
        let mut effort = 1;
        loop {
            let tiers = [Self::narrow, Self::relaxed];
            for tier in tiers.iter().skip(usize::from(!uncertain)) {
                let steps = if uncertain { effort * events * EFFORT } else { u64::MAX };
                if let Some(swept) = tier(&mut self, steps) {
                    return swept;
                }
                if self.spent >= self.budget.steps || self.budget.limits.are_exceeded() {
                    return self.give_up(self.budget.why());
                }
            }
            effort = effort.saturating_mul(4);
        }
    }

    fn give_up(&self, why: String) -> Swept {
        // The event that could not be taken any more is not known to be possible.
        let events = self.table.events[..self.furthest.unwrap_or(0) as usize].iter().rev();
        let mut returned = events.filter(|event| matches!(event.what, table::What::Return));
        Swept::Undecided { possible_until: returned.next().map(|event| event.position), why }
    }

    fn pass(&mut self, exact: bool, width: usize, steps: u64) -> Result<Passed, Swept> {
        let rules = Rules {
            counted: if exact { &self.all } else { &self.counted },
            width,
            steps: steps.min(self.budget.steps.saturating_sub(self.spent)),
            watched: None,
            limits: self.budget.limits,
        };
        let passed = pass(self.table, rules).ok_or_else(|| {
            let many = self.table.widest;
            self.give_up(format!("not decided: {many} operations were pending at one time"))
        })?;
        self.spent += passed.steps;
        if exact && let Ended::Impossible(at) | Ended::GaveUp(at) = passed.ended {
            self.furthest = self.furthest.max(Some(at));
        }
        Ok(passed)
    }

    fn impossible(&self, at: u32, shortest: bool) -> Swept {
        Swept::Impossible { last: self.table.events[at as usize].position, shortest }
    }

    /// Widens from pass to pass, until that many steps have been made.
    fn narrow(&mut self, steps: u64) -> Option<Swept> {
        let until = self.spent.saturating_add(steps);
        while self.width > 0 && self.spent < until {
            let passed = match self.pass(true, self.width, until - self.spent) {
                Ok(passed) => passed,
                Err(swept) => return Some(swept),
            };
            match passed.ended {
                Ended::Possible(steps) => {
                    return self.table.replay(&steps).ok().map(Swept::Linearizable);
                }
                Ended::Impossible(at) if !passed.suspended => {
                    return Some(self.impossible(at, true));
                }
                Ended::Impossible(_) => self.width = self.width.saturating_mul(4),
                Ended::GaveUp(_) => return None,
            }
        }
        None
    }

    /// Counts more kinds from pass to pass, until that many steps have been made.
    fn relaxed(&mut self, steps: u64) -> Option<Swept> {
        let until = self.spent.saturating_add(steps);
        while self.spent < until {
            let exact = self.counted == self.all;
            let passed = match self.pass(exact, usize::MAX, until - self.spent) {
                Ok(passed) => passed,
                Err(swept) => return Some(swept),
            };
            let steps = match passed.ended {
                Ended::Possible(steps) => steps,
                // What was possible is exact only if every kind that had begun was counted.
                Ended::Impossible(at) => {
                    let uncertain = (0..self.all.len())
                        .any(|kind| self.table.crashed[kind] > 0 && !self.counted[kind]);
                    return Some(self.impossible(at, !uncertain));
                }
                Ended::GaveUp(_) => return None,
            };
            match self.table.replay(&steps) {
                Ok(order) => return Some(Swept::Linearizable(order)),
                Err(overused) => {
                    let before = self.counted.clone();
                    for kind in overused {
                        self.counted[kind as usize] = true;
                    }
                    if self.counted == before {
                        return None;
                    }
                }
            }
        }
        None
    }
}
