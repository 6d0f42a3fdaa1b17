//! At most so many operations.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// At most `count` operations of `part`.
pub(super) fn limit<A: Api>(part: Gen<A>, count: u64) -> Gen<A> {
    Box::new(Limit { part, remaining: count })
}

struct Limit<A: Api> {
    part: Gen<A>,
    remaining: u64,
}

impl<A: Api> Generator<A> for Limit<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        if self.remaining == 0 { Next::Done } else { self.part.peek(context) }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.remaining -= 1;
        self.part.take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::GenExt as _;
    use super::super::testing::{adds, elements, quick};

    #[test]
    fn it_is_exact() {
        assert_eq!(elements(&quick(adds(1).limit(4))), [1, 2, 3, 4]);
        assert_eq!(elements(&quick(adds(1).once())), [1]);
        assert!(quick(adds(1).limit(0)).emits.is_empty());
    }

    #[test]
    fn a_shorter_generator_ends_earlier() {
        assert_eq!(elements(&quick(adds(1).limit(2).limit(5))), [1, 2]);
    }
}
