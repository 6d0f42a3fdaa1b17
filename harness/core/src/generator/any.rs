//! Whichever of several generators comes sooner.

use super::soonest::Soonest;
use super::{Context, Emit, Gen, Generator, NOT_PEEKED, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use crate::rng::Rng;
use std::cell::Cell;

/// Operations of all `parts`, the soonest first; each is as likely as the others in a tie. All of
/// them see every event.
pub fn any<A: Api>(parts: Vec<Gen<A>>, rng: Rng) -> Gen<A> {
    any_weighted(parts.into_iter().map(|part| (1, part)).collect(), rng)
}

/// The same; in a tie a part wins in proportion to its weight.
pub fn any_weighted<A: Api>(parts: Vec<(usize, Gen<A>)>, rng: Rng) -> Gen<A> {
    Box::new(Any { parts, rng, chosen: Cell::new(None) })
}

struct Any<A: Api> {
    parts: Vec<(usize, Gen<A>)>,
    rng: Rng,
    /// What the last `peek` chose.
    chosen: Cell<Option<usize>>,
}

impl<A: Api> Generator<A> for Any<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let mut rng = self.rng.clone();
        let mut soonest = Soonest::new();
        for (at, (weight, part)) in self.parts.iter().enumerate() {
            soonest.offer(at, *weight, part.peek(context), &mut rng);
        }
        match soonest.choice() {
            Ok((at, emit)) => {
                self.chosen.set(Some(at));
                Next::Op(emit)
            }
            Err(nothing) => nothing,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let at = self.chosen.take().expect(NOT_PEEKED);
        self.rng.bits();
        self.parts[at].1.take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        for (_, part) in &mut self.parts {
            part.update(context, thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick, run, summary};
    use super::super::{GenExt as _, any, any_weighted};
    use crate::rng::Rng;
    use std::time::Duration;

    #[test]
    fn the_sooner_one_comes_first() {
        let slow = adds(100).limit(2).delay(Duration::from_nanos(30)).clients();
        let fast = adds(1).limit(5).delay(Duration::from_nanos(12)).clients();
        let trace = run(slow.any(fast, Rng::seeded(1)));
        let times: Vec<_> = summary(&trace).iter().map(|(time, _, add)| (*time, *add)).collect();
        let mut want = vec![(0, 1), (0, 100), (12, 2), (24, 3), (30, 101), (36, 4), (48, 5)];
        assert_eq!(times.len(), want.len());
        if times[0].1 == 100 {
            want.swap(0, 1);
        }
        assert_eq!(times, want);
    }

    #[test]
    fn ties_are_broken_by_weight() {
        let parts = vec![(1, adds(0)), (3, adds(1_000_000))];
        let trace = quick(any_weighted(parts, Rng::seeded(5)).limit(4000).clients());
        let second = elements(&trace).iter().filter(|element| **element >= 1_000_000).count();
        assert!((2800..3200).contains(&second), "{second}");
    }

    #[test]
    fn none_of_nothing_is_done() {
        assert!(quick(any(vec![], Rng::seeded(1))).emits.is_empty());
        assert_eq!(elements(&quick(any(vec![adds(1).limit(2)], Rng::seeded(1)))), [1, 2]);
    }
}
