//! One generator after the other.

use super::synchronize::synchronize;
use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use std::cell::RefCell;

/// All of the first, then all of the next, and so on. Threads don't wait for each other: the next
/// begins while operations of the one before are still open. Each is made when its turn has come,
/// and sees events from then on.
pub fn concat<A, I>(parts: I) -> Gen<A>
where
    A: Api,
    I: IntoIterator<Item = Gen<A>>,
    I::IntoIter: 'static,
{
    let mut rest = parts.into_iter();
    Box::new(Concat { state: RefCell::new(State { current: rest.next(), rest }) })
}

/// The same, but each begins only when every thread is free.
pub fn phases<A, I>(parts: I) -> Gen<A>
where
    A: Api,
    I: IntoIterator<Item = Gen<A>>,
    I::IntoIter: 'static,
{
    concat(parts.into_iter().map(synchronize))
}

/// `first`, then, once every thread is free, `second`.
pub(super) fn then<A: Api>(first: Gen<A>, second: Gen<A>) -> Gen<A> {
    concat([first, synchronize(second)])
}

struct Concat<A: Api, I> {
    /// Behind a cell because `peek` goes on where it finds one exhausted.
    state: RefCell<State<A, I>>,
}

struct State<A: Api, I> {
    current: Option<Gen<A>>,
    rest: I,
}

impl<A: Api, I: Iterator<Item = Gen<A>>> Generator<A> for Concat<A, I> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let mut state = self.state.borrow_mut();
        while let Some(current) = &state.current {
            let next = current.peek(context);
            if next != Next::Done {
                return next;
            }
            state.current = state.rest.next();
        }
        Next::Done
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.state.get_mut().current.as_mut().expect(super::NOT_PEEKED).take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        if let Some(current) = &mut self.state.get_mut().current {
            current.update(context, thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, run, summary};
    use super::super::{Gen, GenExt as _, concat, phases};
    use crate::api::set::Set;

    fn times(generator: Gen<Set>) -> Vec<(u64, i64)> {
        let trace = run(generator.clients());
        summary(&trace).into_iter().map(|(time, _, element)| (time, element)).collect()
    }

    #[test]
    fn one_comes_after_the_other_without_waiting() {
        let parts = vec![adds(0).limit(1), adds(5).limit(0), adds(10).limit(3)];
        assert_eq!(times(concat(parts)), [(0, 0), (0, 10), (0, 11), (10, 12)]);
        assert!(times(concat([])).is_empty());
    }

    #[test]
    fn phases_wait_for_each_other() {
        let parts = vec![adds(0).limit(1), adds(10).limit(4)];
        assert_eq!(times(phases(parts)), [(0, 0), (10, 10), (10, 11), (10, 12), (20, 13)]);
        let then = adds(0).limit(2).then(adds(10).limit(1));
        assert_eq!(times(then), [(0, 0), (0, 1), (10, 10)]);
    }
}
