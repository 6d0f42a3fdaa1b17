//! The combinators of one generator, as methods that read from left to right.

use super::{
    Act, Context, Gen, Thread, any, concat, concurrency_limit, delay, filter, limit, map,
    on_threads, on_update, process_limit, stagger, synchronize, time_limit, until_ok,
};
use crate::api::Api;
use crate::event::Event;
use crate::rng::Rng;
use std::time::Duration;

/// The combinators that take one generator; each is described in the module of its name. Those
/// that take several, or a way to make fresh ones, are functions beside this trait.
pub trait GenExt<A: Api>: Sized {
    /// At most `count` operations.
    fn limit(self, count: u64) -> Gen<A>;

    /// Only the first operation.
    fn once(self) -> Gen<A> {
        self.limit(1)
    }

    /// Operations of both, whichever comes sooner; ties are broken evenly by chance.
    fn any(self, other: Gen<A>, rng: Rng) -> Gen<A>;

    /// Only on the client threads for which `wanted` is true, and the nemesis' thread likewise.
    fn on_threads(self, wanted: impl Fn(Thread) -> bool + 'static) -> Gen<A>;

    /// Only on client threads.
    fn clients(self) -> Gen<A>;

    /// Only on the nemesis' thread.
    fn nemesis(self) -> Gen<A>;

    /// Nothing at or after this long after the first operation.
    fn time_limit(self, limit: Duration) -> Gen<A>;

    /// One operation every `mean` on average, over all threads together; the intervals are uniform
    /// between nothing and twice as long.
    fn stagger(self, mean: Duration, rng: Rng) -> Gen<A>;

    /// Operations at least `interval` apart, over all threads together.
    fn delay(self, interval: Duration) -> Gen<A>;

    /// Ends before more than `count` processes could have taken part.
    fn process_limit(self, count: usize) -> Gen<A>;

    /// Waits while `count` threads or more are busy.
    fn concurrency_limit(self, count: usize) -> Gen<A>;

    /// Waits until every thread is free before it begins.
    fn synchronize(self) -> Gen<A>;

    /// This, then, once every thread is free, the other.
    fn then(self, next: Gen<A>) -> Gen<A>;

    /// Until one of its calls has ended in `ok`.
    fn until_ok(self) -> Gen<A>;

    /// Leaves out what `keep` refuses.
    fn filter(self, keep: impl Fn(&Act<A>) -> bool + 'static) -> Gen<A>;

    /// Changes what is done.
    fn map(self, change: impl Fn(Act<A>) -> Act<A> + 'static) -> Gen<A>;

    /// Renames the faults that the nemesis is asked for.
    fn f_map(self, rename: impl Fn(&str) -> String + 'static) -> Gen<A>;

    /// Hands each event to `handler` in place of the generator, with the generator to change.
    fn on_update(
        self,
        handler: impl FnMut(&mut Gen<A>, &Context<'_>, Thread, &Event<A>) + 'static,
    ) -> Gen<A>;
}

impl<A: Api> GenExt<A> for Gen<A> {
    fn limit(self, count: u64) -> Gen<A> {
        limit::limit(self, count)
    }

    fn any(self, other: Gen<A>, rng: Rng) -> Gen<A> {
        any::any(vec![self, other], rng)
    }

    fn on_threads(self, wanted: impl Fn(Thread) -> bool + 'static) -> Gen<A> {
        on_threads::on_threads(self, wanted)
    }

    fn clients(self) -> Gen<A> {
        on_threads::clients(self)
    }

    fn nemesis(self) -> Gen<A> {
        on_threads::nemesis(self)
    }

    fn time_limit(self, limit: Duration) -> Gen<A> {
        time_limit::time_limit(self, limit)
    }

    fn stagger(self, mean: Duration, rng: Rng) -> Gen<A> {
        stagger::stagger(self, mean, rng)
    }

    fn delay(self, interval: Duration) -> Gen<A> {
        delay::delay(self, interval)
    }

    fn process_limit(self, count: usize) -> Gen<A> {
        process_limit::process_limit(self, count)
    }

    fn concurrency_limit(self, count: usize) -> Gen<A> {
        concurrency_limit::concurrency_limit(self, count)
    }

    fn synchronize(self) -> Gen<A> {
        synchronize::synchronize(self)
    }

    fn then(self, next: Gen<A>) -> Gen<A> {
        concat::then(self, next)
    }

    fn until_ok(self) -> Gen<A> {
        until_ok::until_ok(self)
    }

    fn filter(self, keep: impl Fn(&Act<A>) -> bool + 'static) -> Gen<A> {
        filter::filter(self, keep)
    }

    fn map(self, change: impl Fn(Act<A>) -> Act<A> + 'static) -> Gen<A> {
        map::map(self, change)
    }

    fn f_map(self, rename: impl Fn(&str) -> String + 'static) -> Gen<A> {
        map::f_map(self, rename)
    }

    fn on_update(
        self,
        handler: impl FnMut(&mut Gen<A>, &Context<'_>, Thread, &Event<A>) + 'static,
    ) -> Gen<A> {
        on_update::on_update(self, handler)
    }
}
