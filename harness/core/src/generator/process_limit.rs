//! A bound on how many processes take part.
//!
//! Each indeterminate operation makes a new process, and an operation that never returned stays
//! open in the search for a linearization for ever; a bound on processes is a bound on those.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// `part`, until more than `count` processes could have done its operations.
///
/// What counts is every process that a client thread of the context ran as when an operation was
/// taken, not only the ones that were given one: otherwise the end would trickle, with fewer and
/// fewer threads at work. A peek costs `O(threads)`.
pub(super) fn process_limit<A: Api>(part: Gen<A>, count: usize) -> Gen<A> {
    Box::new(ProcessLimit { part, limit: count, seen: 0, latest: Vec::new() })
}

struct ProcessLimit<A: Api> {
    part: Gen<A>,
    limit: usize,
    /// How many processes have been counted.
    seen: usize,
    /// The last one counted of each thread; a thread's processes never come back.
    latest: Vec<Option<u64>>,
}

impl<A: Api> ProcessLimit<A> {
    fn is_new(&self, context: &Context<'_>, thread: Thread) -> bool {
        thread != context.nemesis()
            && self.latest.get(thread).copied().flatten() != Some(context.process(thread))
    }
}

impl<A: Api> Generator<A> for ProcessLimit<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let next = self.part.peek(context);
        if !matches!(next, Next::Op(_)) {
            return next;
        }
        let new = context.threads().iter().filter(|thread| self.is_new(context, *thread)).count();
        if self.seen + new <= self.limit { next } else { Next::Done }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        for thread in context.threads().iter() {
            if self.is_new(context, thread) {
                if self.latest.len() <= thread {
                    self.latest.resize(thread + 1, None);
                }
                self.latest[thread] = Some(context.process(thread));
                self.seen += 1;
            }
        }
        self.part.take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::GenExt as _;
    use super::super::simulate::{Request, Simulation};
    use super::super::testing::{TEN, adds};
    use crate::api::set::{Reply, Set};
    use crate::event::Body;
    use crate::op::Outcome;
    use std::collections::BTreeSet;

    fn processes(limit: usize, crash: bool) -> (usize, usize) {
        let generator = adds(0).limit(100).clients().process_limit(limit);
        let completions = move |_: &Request<'_, Set>| {
            (TEN, if crash { Outcome::Info("?".into()) } else { Outcome::Ok(Reply::Added) })
        };
        let trace = Simulation::new(3).run(generator, completions).unwrap();
        let used: BTreeSet<u64> = trace
            .events
            .iter()
            .filter_map(|event| match event.body {
                Body::Invoke { process, .. } => Some(process),
                _ => None,
            })
            .collect();
        (trace.emits.len(), used.len())
    }

    #[test]
    fn processes_that_live_on_are_counted_once() {
        assert_eq!(processes(3, false), (100, 3));
        assert_eq!(processes(2, false), (0, 0), "three could take part from the start");
    }

    #[test]
    fn crashed_ones_use_the_limit_up() {
        assert_eq!(processes(9, true), (9, 9));
        assert_eq!(processes(8, true), (6, 6), "the third round could be one too many");
    }
}
