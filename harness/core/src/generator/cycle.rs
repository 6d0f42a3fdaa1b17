//! Again from the start, as soon as it is done.
//!
//! A generator can't be copied, so it comes as a factory.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use std::cell::RefCell;

/// All of what `fresh` makes, then all of a fresh copy, for ever; done if a fresh copy is done at
/// once.
pub fn cycle<A: Api>(fresh: impl FnMut() -> Gen<A> + 'static) -> Gen<A> {
    cycle_n(u64::MAX, fresh)
}

/// The same, `count` copies in all.
pub fn cycle_n<A: Api>(count: u64, mut fresh: impl FnMut() -> Gen<A> + 'static) -> Gen<A> {
    Box::new(Cycle { state: RefCell::new(State { remaining: count, current: fresh(), fresh }) })
}

struct Cycle<A: Api, F> {
    /// Behind a cell because `peek` goes on to the next copy where it finds one exhausted.
    state: RefCell<State<A, F>>,
}

struct State<A: Api, F> {
    /// Copies to come, the current one included.
    remaining: u64,
    current: Gen<A>,
    fresh: F,
}

impl<A: Api, F: FnMut() -> Gen<A>> Generator<A> for Cycle<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let mut state = self.state.borrow_mut();
        if state.remaining == 0 {
            return Next::Done;
        }
        let next = state.current.peek(context);
        if next != Next::Done {
            return next;
        }
        state.remaining -= 1;
        if state.remaining == 0 {
            return Next::Done;
        }
        state.current = (state.fresh)();
        let next = state.current.peek(context);
        if next == Next::Done {
            state.remaining = 0;
        }
        next
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.state.get_mut().current.take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.state.get_mut().current.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick};
    use super::super::{GenExt as _, cycle, cycle_n};

    #[test]
    fn it_begins_again() {
        assert_eq!(elements(&quick(cycle(|| adds(1).limit(3)).limit(7))), [1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(elements(&quick(cycle_n(2, || adds(1).limit(2)))), [1, 2, 1, 2]);
        assert!(quick(cycle_n(0, || adds(1))).emits.is_empty());
    }

    #[test]
    fn empty_copies_end_it() {
        assert!(quick(cycle(|| adds(1).limit(0))).emits.is_empty());
    }
}
