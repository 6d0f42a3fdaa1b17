//! A random mixture.
//!
//! Before each operation one part is chosen, and it alone is asked until it has given one; so the
//! shares are those of the weights, whatever the parts' own pace is. An exhausted part is dropped.
//! A part that waits keeps the others waiting. Parts don't see events.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use crate::rng::Rng;
use std::cell::RefCell;

/// A mixture in equal shares.
pub fn mix<A: Api>(parts: Vec<Gen<A>>, rng: Rng) -> Gen<A> {
    mix_weighted(parts.into_iter().map(|part| (1, part)).collect(), rng)
}

/// A mixture in which a part's share is its weight by the sum of all.
pub fn mix_weighted<A: Api>(parts: Vec<(usize, Gen<A>)>, rng: Rng) -> Gen<A> {
    let mut state = State { at: 0, parts, rng };
    state.choose();
    Box::new(Mix { state: RefCell::new(state) })
}

struct Mix<A: Api> {
    /// Behind a cell because `peek` drops what it finds exhausted.
    state: RefCell<State<A>>,
}

struct State<A: Api> {
    parts: Vec<(usize, Gen<A>)>,
    at: usize,
    rng: Rng,
}

impl<A: Api> State<A> {
    fn choose(&mut self) {
        let sum = self.parts.iter().map(|(weight, _)| weight).sum();
        let mut point = self.rng.below(sum);
        let reaches = |(weight, _): &(usize, Gen<A>)| match point.checked_sub(*weight) {
            None => true,
            Some(rest) => {
                point = rest;
                false
            }
        };
        self.at = self.parts.iter().position(reaches).unwrap_or(0);
    }
}

impl<A: Api> Generator<A> for Mix<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let mut state = self.state.borrow_mut();
        loop {
            let at = state.at;
            let Some((_, part)) = state.parts.get(at) else { return Next::Done };
            match part.peek(context) {
                Next::Done => {
                    state.parts.remove(at);
                    state.choose();
                }
                next => return next,
            }
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let state = self.state.get_mut();
        let emit = state.parts[state.at].1.take(context);
        state.choose();
        emit
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<A>) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick};
    use super::super::{GenExt as _, mix, mix_weighted};
    use crate::rng::Rng;

    #[test]
    fn exhausted_parts_are_dropped_and_the_others_go_on() {
        let parts = vec![adds(1).limit(5), adds(101).limit(10), adds(201).limit(0)];
        let got = elements(&quick(mix(parts, Rng::seeded(3))));
        let (first, second): (Vec<i64>, Vec<i64>) = got.iter().partition(|element| **element < 100);
        assert_eq!(first, (1..=5).collect::<Vec<_>>());
        assert_eq!(second, (101..=110).collect::<Vec<_>>());
        assert_ne!(got[..5], first[..], "they are mixed");
    }

    #[test]
    fn shares_follow_the_weights() {
        let parts = vec![(1, adds(0)), (2, adds(1_000_000)), (0, adds(2_000_000))];
        let got = elements(&quick(mix_weighted(parts, Rng::seeded(4)).limit(3000)));
        let second = got.iter().filter(|element| **element >= 1_000_000).count();
        assert!((1880..2120).contains(&second), "{second}");
        assert!(got.iter().all(|element| *element < 2_000_000));
    }

    #[test]
    fn of_nothing_it_is_done() {
        assert!(quick(mix(vec![], Rng::seeded(1))).emits.is_empty());
    }
}
