//! Operations at least so far apart.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use crate::time::Nanos;
use std::time::Duration;

/// `part`, each operation `interval` after the one before, or later if no thread is free then.
pub(super) fn delay<A: Api>(part: Gen<A>, interval: Duration) -> Gen<A> {
    Box::new(Delay { part, interval, due: Nanos::ZERO })
}

struct Delay<A: Api> {
    part: Gen<A>,
    interval: Duration,
    due: Nanos,
}

impl<A: Api> Generator<A> for Delay<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        match self.part.peek(context) {
            Next::Op(emit) => Next::Op(Emit { time: emit.time.max(self.due), ..emit }),
            nothing => nothing,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.part.take(context);
        let emit = Emit { time: emit.time.max(self.due), ..emit };
        self.due = emit.time + self.interval;
        emit
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::GenExt as _;
    use super::super::testing::{adds, run_with, summary};
    use std::time::Duration;

    #[test]
    fn operations_are_apart_and_wait_for_threads() {
        let times = |clients, interval| -> Vec<u64> {
            let generator = adds(0).delay(Duration::from_nanos(interval)).clients().limit(4);
            summary(&run_with(clients, generator)).into_iter().map(|(time, ..)| time).collect()
        };
        assert_eq!(times(2, 7), [0, 7, 14, 21]);
        assert_eq!(times(1, 7), [0, 10, 20, 30]);
        // Of two threads that are busy for 10 ns each, one is free every 5 ns on average.
        assert_eq!(times(2, 3), [0, 3, 10, 13]);
    }
}
