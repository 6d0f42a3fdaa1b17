//! A barrier: it begins when every thread is free.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// `part`, once every thread of the context is free; from its first operation on, without waiting.
pub(super) fn synchronize<A: Api>(part: Gen<A>) -> Gen<A> {
    Box::new(Synchronize { part, begun: false })
}

struct Synchronize<A: Api> {
    part: Gen<A>,
    begun: bool,
}

impl<A: Api> Generator<A> for Synchronize<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        if self.begun || context.all_free() { self.part.peek(context) } else { Next::Pending }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.begun = true;
        self.part.take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, run, summary};
    use super::super::{GenExt as _, concat};
    use std::time::Duration;

    #[test]
    fn it_waits_for_every_thread_once() {
        let first = adds(0).limit(2).delay(Duration::from_nanos(4)).clients();
        let second = adds(100).limit(4).clients();
        let trace = run(concat(vec![first, second.synchronize()]));
        let got: Vec<_> = summary(&trace).into_iter().map(|(time, _, e)| (time, e)).collect();
        assert_eq!(got, [(0, 0), (4, 1), (14, 100), (14, 101), (14, 102), (24, 103)]);
    }
}
