//! A bound on how many threads are busy at once.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// `part`, which waits while `count` threads of the context or more are busy, with whatever. Of a
/// count of 0 it is done.
pub(super) fn concurrency_limit<A: Api>(part: Gen<A>, count: usize) -> Gen<A> {
    Box::new(ConcurrencyLimit { part, limit: count })
}

struct ConcurrencyLimit<A: Api> {
    part: Gen<A>,
    limit: usize,
}

impl<A: Api> Generator<A> for ConcurrencyLimit<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        match self.limit {
            0 => Next::Done,
            limit if context.busy() >= limit => Next::Pending,
            _ => self.part.peek(context),
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.part.take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::GenExt as _;
    use super::super::testing::{adds, run_with, summary};

    #[test]
    fn no_more_than_the_limit_are_busy() {
        let trace = run_with(5, adds(0).clients().concurrency_limit(2).limit(6));
        let times: Vec<u64> = summary(&trace).into_iter().map(|(time, ..)| time).collect();
        assert_eq!(times, [0, 0, 10, 10, 20, 20]);
        assert!(run_with(5, adds(0).concurrency_limit(0)).emits.is_empty());
    }
}
