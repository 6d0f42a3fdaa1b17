//! When faults happen: a generator for the nemesis' thread.
//!
//! One cycle is: inject a fault, hold it for about `interval`, heal it, be quiet for about `quiet`.
//! "About" is uniform between half and one and a half times as much, so that faults don't fall into
//! step with a store's own timers, and none is too short to matter. The first fault comes after
//! half an interval, so that a short run sees one. In up to a fifth of the cycles two faults of
//! different [families](crate::kind::Family) overlap, as in real outages one thing follows from
//! another.
//!
//! Faults are drawn like cards: none comes again before each has come once. It never ends; the
//! run's time limit cuts it, and the runner heals what is in force then.
//!
//! Where an injection ends in an error, because there was nothing to do just then, its heal is left
//! out, and the next cycle comes soon.

use crate::kind::Family;
use crate::spec;
use schism_core::api::Api;
use schism_core::event::{Body, Event};
use schism_core::generator::{Act, Context, Emit, Gen, Generator, NemesisCall, Next, Thread};
use schism_core::rng::Rng;
use schism_core::time::Nanos;
use std::collections::VecDeque;
use std::time::Duration;

const OVERLAP: f64 = 0.2;

/// Injects and heals these faults for ever; see the [module](self). Without faults it is done at
/// once.
///
/// `interval` is how long a fault is held on average and `quiet` the pause after it. Times count
/// from the start of the run's clock.
pub fn schedule<A: Api>(
    faults: &[String],
    interval: Duration,
    quiet: Duration,
    rng: &Rng,
) -> Gen<A> {
    Box::new(Schedule::new(faults, interval, quiet, rng))
}

struct Schedule {
    faults: Vec<String>,
    interval: Duration,
    quiet: Duration,
    rng: Rng,
    /// Faults that have not come since the cards were shuffled.
    cards: Vec<String>,
    /// What is left of this cycle, each with the wait before it.
    steps: VecDeque<(Duration, NemesisCall)>,
    /// When the nemesis last began or finished something.
    last: Nanos,
    injecting: Option<String>,
}

impl Schedule {
    fn new(faults: &[String], interval: Duration, quiet: Duration, rng: &Rng) -> Self {
        let mut schedule = Self {
            faults: faults.to_vec(),
            interval,
            quiet,
            rng: rng.fork("schedule"),
            cards: Vec::new(),
            steps: VecDeque::new(),
            last: Nanos::ZERO,
            injecting: None,
        };
        schedule.plan_cycle(interval / 2);
        schedule
    }

    fn plan_cycle(&mut self, wait: Duration) {
        if self.cards.is_empty() {
            self.cards.clone_from(&self.faults);
            self.rng.shuffle(&mut self.cards);
        }
        let Some(first) = self.cards.pop() else { return };
        let second = if self.rng.chance(OVERLAP) { self.draw_beside(&first) } else { None };
        let (inject, heal) = (NemesisCall::Inject, NemesisCall::Heal);
        let hold = self.about(self.interval);
        self.steps.push_back((wait, inject(first.clone())));
        let Some(second) = second else {
            self.steps.push_back((hold, heal(first)));
            return;
        };
        let (before, after) = (self.about(self.interval / 2), self.about(self.interval / 2));
        self.steps.push_back((before, inject(second.clone())));
        let (one, other) = if self.rng.chance(0.5) { (first, second) } else { (second, first) };
        self.steps.push_back((hold, heal(one)));
        self.steps.push_back((after, heal(other)));
    }

    /// The next card of another family, if there is one left.
    fn draw_beside(&mut self, first: &str) -> Option<String> {
        let at = self.cards.iter().rposition(|card| family(card) != family(first))?;
        Some(self.cards.remove(at))
    }

    fn about(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(0.5 + self.rng.unit())
    }

    /// The fault of this name is not in force after all.
    fn forget(&mut self, name: &str) {
        self.steps.retain(|(_, call)| !matches!(call, NemesisCall::Heal(fault) if fault == name));
        if !self.steps.iter().any(|(_, call)| matches!(call, NemesisCall::Heal(_))) {
            self.steps.clear();
            self.plan_cycle(self.quiet / 4);
        }
    }
}

/// Names that can't be read count as a family of their own: the runner says what is wrong.
fn family(name: &str) -> Option<Family> {
    spec::kind(name).ok().map(|kind| kind.family)
}

impl<A: Api> Generator<A> for Schedule {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let Some((wait, call)) = self.steps.front() else { return Next::Done };
        let thread = context.nemesis();
        if !context.is_free(thread) {
            return Next::Pending;
        }
        let time = (self.last + *wait).max(context.time);
        Next::Op(Emit { time, thread, act: Act::Nemesis(call.clone()) })
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let Next::Op(emit) = self.peek(context) else {
            unreachable!("take is called only where peek answers an operation")
        };
        let call = self.steps.pop_front().map(|(_, call)| call);
        self.injecting = match call {
            Some(NemesisCall::Inject(name)) => Some(name),
            _ => None,
        };
        self.last = emit.time;
        if self.steps.is_empty() {
            let quiet = self.about(self.quiet);
            self.plan_cycle(quiet);
        }
        emit
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        if thread != context.nemesis() {
            return;
        }
        self.last = self.last.max(event.time);
        if let Body::Nemesis(nemesis) = &event.body
            && nemesis.error.is_some()
            && let Some(name) = self.injecting.take()
        {
            self.forget(&name);
        }
    }
}

#[cfg(test)]
mod tests;
