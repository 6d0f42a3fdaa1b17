//! Nothing from a certain time on, counted from the first operation.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use crate::time::Nanos;
use std::time::Duration;

/// The operations of `part` whose time is less than `limit` after that of its first one.
pub(super) fn time_limit<A: Api>(part: Gen<A>, limit: Duration) -> Gen<A> {
    Box::new(TimeLimit { part, limit, end: None })
}

struct TimeLimit<A: Api> {
    part: Gen<A>,
    limit: Duration,
    /// Known since the first operation.
    end: Option<Nanos>,
}

impl<A: Api> Generator<A> for TimeLimit<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        if self.limit.is_zero() || self.end.is_some_and(|end| context.time >= end) {
            return Next::Done;
        }
        match self.part.peek(context) {
            Next::Op(emit) if self.end.is_some_and(|end| emit.time >= end) => {
                // While a thread is busy this is only what is soonest now: the part may have
                // something sooner once that thread is free.
                if context.all_free() { Next::Done } else { Next::Pending }
            }
            next => next,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.part.take(context);
        self.end.get_or_insert(emit.time + self.limit);
        emit
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, run, summary};
    use super::super::{Gen, GenExt as _, concat, sleep};
    use crate::api::set::Set;
    use crate::rng::Rng;
    use std::time::Duration;

    fn times(generator: Gen<Set>) -> Vec<u64> {
        summary(&run(generator)).into_iter().map(|(time, ..)| time).collect()
    }

    #[test]
    fn operations_at_the_limit_are_cut() {
        let nanos = Duration::from_nanos;
        let every_ten = || adds(0).delay(nanos(10)).clients();
        assert_eq!(times(every_ten().time_limit(nanos(30))), [0, 10, 20]);
        assert_eq!(times(every_ten().time_limit(nanos(31))), [0, 10, 20, 30]);
        assert!(times(every_ten().time_limit(nanos(0))).is_empty());
    }

    #[test]
    fn it_counts_from_the_first_operation() {
        let nanos = Duration::from_nanos;
        let late = adds(0).delay(nanos(10)).clients().time_limit(nanos(25));
        let after_sleep = concat(vec![sleep(nanos(100)).clients(), late.synchronize()]);
        assert_eq!(times(after_sleep), [100, 110, 120]);
    }

    #[test]
    fn something_late_does_not_end_it_while_a_thread_is_busy() {
        let nanos = Duration::from_nanos;
        let rare = adds(1000).delay(nanos(500)).nemesis();
        let generator = adds(0).clients().any(rare, Rng::seeded(1)).time_limit(nanos(100));
        let (often, rare): (Vec<_>, Vec<_>) =
            summary(&run(generator)).into_iter().partition(|(_, _, element)| *element < 1000);
        assert_eq!(rare.len(), 1);
        assert_eq!(often.len(), 30, "three threads, 10 ns each, for 100 ns");
    }
}
