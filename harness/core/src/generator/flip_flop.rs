//! One from here, one from there, in turn.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// An operation of `first`, one of `second`, and so on. Done as soon as the one whose turn it is is
/// done. The parts don't see events.
pub fn flip_flop<A: Api>(first: Gen<A>, second: Gen<A>) -> Gen<A> {
    Box::new(FlipFlop { parts: [first, second], at: 0 })
}

struct FlipFlop<A: Api> {
    parts: [Gen<A>; 2],
    at: usize,
}

impl<A: Api> Generator<A> for FlipFlop<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        self.parts[self.at].peek(context)
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.parts[self.at].take(context);
        self.at = 1 - self.at;
        emit
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<A>) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick};
    use super::super::{GenExt as _, flip_flop};

    #[test]
    fn both_take_turns_until_one_has_nothing() {
        let got = elements(&quick(flip_flop(adds(0), adds(100).limit(2))));
        assert_eq!(got, [0, 100, 1, 101, 2]);
    }
}
