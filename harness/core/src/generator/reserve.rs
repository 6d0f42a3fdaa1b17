//! So many threads for this, so many for that, and the rest for something else.
//!
//! Two kinds of operations then always have a chance to run at once: where writes block, reads go
//! on. Threads are counted within the context, so that a reserve may stand within another one.

use super::soonest::Soonest;
use super::{Context, Emit, Gen, Generator, NOT_PEEKED, Next, Thread, ThreadSet};
use crate::api::Api;
use crate::event::Event;
use crate::rng::Rng;
use std::cell::{Cell, OnceCell};

/// The first threads of the context for the first part, as many as it says, and so on; the threads
/// that are left are for `rest`. Ties are broken in proportion to the numbers of threads, and each
/// part sees only what happens on its own threads.
pub fn reserve<A: Api>(parts: Vec<(usize, Gen<A>)>, rest: Gen<A>, rng: Rng) -> Gen<A> {
    let (counts, mut parts): (Vec<usize>, Vec<Gen<A>>) = parts.into_iter().unzip();
    parts.push(rest);
    Box::new(Reserve { counts, parts, rng, shares: OnceCell::new(), chosen: Cell::new(None) })
}

struct Reserve<A: Api> {
    counts: Vec<usize>,
    /// The rest comes last.
    parts: Vec<Gen<A>>,
    rng: Rng,
    shares: OnceCell<Vec<Share>>,
    /// What the last `peek` chose.
    chosen: Cell<Option<usize>>,
}

struct Share {
    threads: ThreadSet,
    count: usize,
}

fn divide(counts: &[usize], context: &Context<'_>) -> Vec<Share> {
    let mut threads = context.threads().iter();
    let mut shares: Vec<ThreadSet> =
        counts.iter().map(|count| threads.by_ref().take(*count).collect()).collect();
    shares.push(threads.collect());
    shares.into_iter().map(|threads| Share { count: threads.len(), threads }).collect()
}

impl<A: Api> Generator<A> for Reserve<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let shares = self.shares.get_or_init(|| divide(&self.counts, context));
        let mut rng = self.rng.clone();
        let mut soonest = Soonest::new();
        for (at, (part, share)) in self.parts.iter().zip(shares).enumerate() {
            if share.count > 0 {
                let next = part.peek(&context.restricted(&share.threads));
                soonest.offer(at, share.count, next, &mut rng);
            }
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
        let shares = self.shares.get_or_init(|| divide(&self.counts, context));
        self.parts[at].take(&context.restricted(&shares[at].threads))
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        let shares = self.shares.get_or_init(|| divide(&self.counts, context));
        let at = shares.iter().position(|share| share.threads.contains(thread));
        if let Some(at) = at {
            self.parts[at].update(&context.restricted(&shares[at].threads), thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, quick, run_with, summary};
    use super::super::{GenExt as _, reserve};
    use crate::rng::Rng;

    #[test]
    fn each_part_has_its_threads() {
        let parts = vec![(2, adds(0)), (3, adds(1000))];
        let generator = reserve(parts, adds(2000), Rng::seeded(1)).clients().limit(600);
        let trace = run_with(10, generator);
        let mut counts = [0; 3];
        for (_, thread, element) in summary(&trace) {
            let part = match element {
                0..1000 => 0,
                1000..2000 => 1,
                _ => 2,
            };
            let threads = [0..2, 2..5, 5..10];
            assert!(threads[part].contains(&thread), "{element} on {thread}");
            counts[part] += 1;
        }
        assert_eq!(counts, [120, 180, 300], "every thread is busy all the time");
    }

    #[test]
    fn within_another_reserve_threads_count_from_its_first() {
        let inner = reserve(vec![(1, adds(100))], adds(200), Rng::seeded(2));
        let outer = reserve(vec![(1, adds(0))], inner, Rng::seeded(3)).clients().limit(30);
        for (_, thread, element) in summary(&quick(outer)) {
            assert_eq!(thread, usize::try_from(element / 100).unwrap());
        }
    }

    #[test]
    fn a_part_without_threads_does_not_hold_up_the_end() {
        let parts = vec![(9, adds(0).limit(5)), (9, adds(100))];
        assert_eq!(quick(reserve(parts, adds(200), Rng::seeded(1))).emits.len(), 5);
    }
}
