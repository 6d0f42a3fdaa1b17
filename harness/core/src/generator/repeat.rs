//! The first operation of a fresh copy, again and again: the inverse of `once`.
//!
//! A generator can't be copied, so it comes as a factory. For one call [`super::always`] does the
//! same and allocates nothing.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// The first operation of what `fresh` makes, for ever; done as soon as a fresh copy is.
pub fn repeat<A: Api>(fresh: impl FnMut() -> Gen<A> + 'static) -> Gen<A> {
    repeat_n(u64::MAX, fresh)
}

/// The same, `count` times at most.
pub fn repeat_n<A: Api>(count: u64, mut fresh: impl FnMut() -> Gen<A> + 'static) -> Gen<A> {
    Box::new(Repeat { remaining: count, current: fresh(), fresh })
}

struct Repeat<A: Api, F> {
    remaining: u64,
    current: Gen<A>,
    fresh: F,
}

impl<A: Api, F: FnMut() -> Gen<A>> Generator<A> for Repeat<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        if self.remaining == 0 { Next::Done } else { self.current.peek(context) }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.current.take(context);
        self.remaining -= 1;
        self.current = (self.fresh)();
        emit
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.current.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick};
    use super::super::{GenExt as _, repeat, repeat_n};

    #[test]
    fn only_the_first_of_each_copy_comes() {
        assert_eq!(elements(&quick(repeat(|| adds(1)).limit(3))), [1, 1, 1]);
        assert_eq!(elements(&quick(repeat_n(2, || adds(5)))), [5, 5]);
        assert!(elements(&quick(repeat_n(0, || adds(5)))).is_empty());
    }

    #[test]
    fn an_empty_copy_ends_it() {
        assert!(quick(repeat(|| adds(1).limit(0))).emits.is_empty());
    }
}
