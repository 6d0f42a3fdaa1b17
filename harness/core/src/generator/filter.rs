//! Leaves operations out.
//!
//! What is left out counts as taken for the part: a limit inside counts it, one outside doesn't.

use super::{Act, Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use std::cell::RefCell;

/// How many operations are left out before it waits a moment.
const AT_ONCE: usize = 1000;

/// The operations of `part` that `keep` accepts; it has to be a pure function. Where very many in
/// turn are refused, it waits for a moment in between.
pub(super) fn filter<A: Api>(part: Gen<A>, keep: impl Fn(&Act<A>) -> bool + 'static) -> Gen<A> {
    Box::new(Filter { part: RefCell::new(part), keep })
}

struct Filter<A: Api, F> {
    /// Behind a cell because `peek` takes what is left out away.
    part: RefCell<Gen<A>>,
    keep: F,
}

impl<A: Api, F: Fn(&Act<A>) -> bool> Generator<A> for Filter<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let mut part = self.part.borrow_mut();
        for _ in 0..AT_ONCE {
            match part.peek(context) {
                Next::Op(emit) if !(self.keep)(&emit.act) => {
                    part.take(context);
                }
                next => return next,
            }
        }
        Next::Pending
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.part.get_mut().take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.get_mut().update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick};
    use super::super::{Act, GenExt as _};
    use crate::api::set::{Call, Set};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that filter wants")]
    fn even(act: &Act<Set>) -> bool {
        matches!(act, Act::Call(Call::Add(element)) if element % 2 == 0)
    }

    #[test]
    fn only_what_is_kept_comes() {
        assert_eq!(elements(&quick(adds(1).limit(7).filter(even))), [2, 4, 6]);
        assert_eq!(elements(&quick(adds(1).filter(even).limit(3))), [2, 4, 6]);
        assert!(quick(adds(1).limit(9).filter(|_| false)).emits.is_empty());
    }

    #[test]
    fn a_very_long_run_of_refusals_is_no_end() {
        let far = |act: &Act<Set>| matches!(act, Act::Call(Call::Add(element)) if *element > 2500);
        assert_eq!(elements(&quick(adds(1).filter(far).limit(1))), [2501]);
    }
}
