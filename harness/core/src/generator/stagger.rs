//! Operations at random intervals, so many a second on average.
//!
//! The rate is that of all threads together, and it doesn't depend on how long operations take,
//! unless there are too few threads. Jepsen's: an operation is due a random time after the one
//! before; one that is late is not made up for.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use crate::rng::Rng;
use crate::time::Nanos;
use std::time::Duration;

/// `part` with intervals uniform in `[0, 2 × mean)`.
pub(super) fn stagger<A: Api>(part: Gen<A>, mean: Duration, rng: Rng) -> Gen<A> {
    Box::new(Stagger { part, mean, rng, due: None })
}

struct Stagger<A: Api> {
    part: Gen<A>,
    mean: Duration,
    rng: Rng,
    /// When the next operation is due; at once before the first one.
    due: Option<Nanos>,
}

impl<A: Api> Stagger<A> {
    fn at_due(&self, mut emit: Emit<A>) -> Emit<A> {
        emit.time = emit.time.max(self.due.unwrap_or_default());
        emit
    }
}

impl<A: Api> Generator<A> for Stagger<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        match self.part.peek(context) {
            Next::Op(emit) => Next::Op(self.at_due(emit)),
            nothing => nothing,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.part.take(context);
        let emit = self.at_due(emit);
        self.due = Some(emit.time + self.rng.around(self.mean));
        emit
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::GenExt as _;
    use super::super::testing::{adds, run, run_with, summary};
    use crate::rng::Rng;
    use std::time::Duration;

    #[test]
    fn intervals_are_spread_and_keep_the_rate() {
        let mean = Duration::from_micros(1);
        let trace = run(adds(0).stagger(mean, Rng::seeded(8)).clients().limit(2001));
        let times: Vec<u64> = summary(&trace).into_iter().map(|(time, ..)| time).collect();
        let intervals: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(intervals.iter().all(|interval| *interval <= 2000));
        let below = |limit: u64| intervals.iter().filter(|interval| **interval < limit).count();
        assert!((430..570).contains(&below(500)) && (1430..1570).contains(&below(1500)));
        let average = times[2000] / 2000;
        assert!((960..1040).contains(&average), "{average}");
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        // One thread, 10 ns an operation: the mean of 1 ns can't be kept.
        let trace = run_with(
            1,
            adds(0).stagger(Duration::from_nanos(1), Rng::seeded(8)).clients().limit(9),
        );
        let times: Vec<u64> = summary(&trace).into_iter().map(|(time, ..)| time).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{times:?}");
        assert!(times[8] <= 8 * 12);
    }
}
