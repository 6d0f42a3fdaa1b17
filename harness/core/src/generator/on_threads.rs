//! Only on some threads.
//!
//! The part sees a context of these threads only, and only what happens on them. Which they are is
//! computed once, when it is first asked. Of no threads at all it is done.

use super::{Context, Emit, Gen, Generator, Next, Thread, ThreadSet};
use crate::api::Api;
use crate::event::Event;
use std::cell::OnceCell;

/// `part` on the threads for which `wanted` is true.
pub(super) fn on_threads<A: Api>(
    part: Gen<A>,
    wanted: impl Fn(Thread) -> bool + 'static,
) -> Gen<A> {
    restrict(part, move |thread, _| wanted(thread))
}

/// `part` on client threads.
pub(super) fn clients<A: Api>(part: Gen<A>) -> Gen<A> {
    restrict(part, |thread, context| thread != context.nemesis())
}

/// `part` on the nemesis' thread.
pub(super) fn nemesis<A: Api>(part: Gen<A>) -> Gen<A> {
    restrict(part, |thread, context| thread == context.nemesis())
}

fn restrict<A: Api>(
    part: Gen<A>,
    wanted: impl Fn(Thread, &Context<'_>) -> bool + 'static,
) -> Gen<A> {
    Box::new(OnThreads { part, wanted, threads: OnceCell::new() })
}

struct OnThreads<A: Api, F> {
    part: Gen<A>,
    wanted: F,
    threads: OnceCell<ThreadSet>,
}

impl<A: Api, F: Fn(Thread, &Context<'_>) -> bool> OnThreads<A, F> {
    fn threads(&self, context: &Context<'_>) -> &ThreadSet {
        self.threads.get_or_init(|| {
            context.threads().iter().filter(|thread| (self.wanted)(*thread, context)).collect()
        })
    }
}

impl<A: Api, F: Fn(Thread, &Context<'_>) -> bool> Generator<A> for OnThreads<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let threads = self.threads(context);
        if threads.is_empty() { Next::Done } else { self.part.peek(&context.restricted(threads)) }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.threads(context);
        let Self { part, threads, .. } = self;
        // It was filled by the line before, in one place for all.
        let threads = threads.get_or_init(ThreadSet::default);
        part.take(&context.restricted(threads))
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.threads(context);
        let Self { part, threads, .. } = self;
        let threads = threads.get_or_init(ThreadSet::default);
        if threads.contains(thread) {
            part.update(&context.restricted(threads), thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, quick, threads};
    use super::super::{GenExt as _, Thread};

    fn used(trace: &super::super::simulate::Trace<crate::api::set::Set>) -> Vec<Thread> {
        let mut used = threads(trace);
        used.sort_unstable();
        used.dedup();
        used
    }

    #[test]
    fn the_part_runs_on_its_threads_only() {
        assert_eq!(used(&quick(adds(1).limit(50))), [0, 1, 2, 3]);
        assert_eq!(used(&quick(adds(1).limit(50).clients())), [0, 1, 2]);
        assert_eq!(used(&quick(adds(1).limit(50).nemesis())), [3]);
        assert_eq!(used(&quick(adds(1).limit(50).on_threads(|thread| thread % 2 == 1))), [1, 3]);
    }

    #[test]
    fn restrictions_add_up() {
        let odd_clients = adds(1).limit(50).on_threads(|thread| thread % 2 == 1).clients();
        assert_eq!(used(&quick(odd_clients)), [1]);
        assert!(quick(adds(1).clients().nemesis()).emits.is_empty());
    }
}
