//! A generator of its own for every thread.

use super::soonest::spread;
use super::{Context, Emit, Gen, Generator, NOT_PEEKED, Next, Thread, ThreadSet};
use crate::api::Api;
use crate::event::Event;
use std::cell::{Cell, OnceCell};

/// What `fresh` makes for each thread of the context, on that thread alone; each sees only what
/// happens there. `fresh` is called for every thread when the first operation is asked for.
///
/// Free threads take turns. `O(free threads)` while none has an operation at once.
pub fn each_thread<A: Api>(fresh: impl Fn(Thread) -> Gen<A> + 'static) -> Gen<A> {
    Box::new(EachThread { fresh, parts: OnceCell::new(), count: 0, chosen: Cell::new(None) })
}

struct EachThread<A: Api, F> {
    fresh: F,
    /// By thread.
    parts: OnceCell<Vec<Option<Part<A>>>>,
    /// Operations so far.
    count: u64,
    /// What the last `peek` chose.
    chosen: Cell<Option<Thread>>,
}

struct Part<A: Api> {
    generator: Gen<A>,
    alone: ThreadSet,
    done: Cell<bool>,
}

impl<A: Api, F: Fn(Thread) -> Gen<A>> EachThread<A, F> {
    fn parts(&self, context: &Context<'_>) -> &[Option<Part<A>>] {
        self.parts.get_or_init(|| {
            let mut parts: Vec<Option<Part<A>>> = Vec::new();
            for thread in context.threads().iter() {
                parts.resize_with(thread, || None);
                parts.push(Some(Part {
                    generator: (self.fresh)(thread),
                    alone: ThreadSet::from_iter([thread]),
                    done: Cell::new(false),
                }));
            }
            parts
        })
    }

    fn part(&mut self, context: &Context<'_>, thread: Thread) -> Option<&mut Part<A>> {
        self.parts(context);
        self.parts.get_mut()?.get_mut(thread)?.as_mut()
    }
}

impl<A: Api, F: Fn(Thread) -> Gen<A>> Generator<A> for EachThread<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let parts = self.parts(context);
        let mut best: Option<Emit<A>> = None;
        let mut pending = false;
        for thread in context.free_from(spread(self.count)) {
            let Some(Some(part)) = parts.get(thread) else { continue };
            if part.done.get() {
                continue;
            }
            match part.generator.peek(&context.restricted(&part.alone)) {
                Next::Op(emit) if best.as_ref().is_none_or(|best| emit.time < best.time) => {
                    // Nothing can be sooner than now, and whose turn it is was chosen fairly.
                    let now = emit.time <= context.time;
                    self.chosen.set(Some(thread));
                    best = Some(emit);
                    if now {
                        break;
                    }
                }
                Next::Op(_) => {}
                Next::Pending => pending = true,
                Next::Done => part.done.set(true),
            }
        }
        match best {
            Some(emit) => Next::Op(emit),
            // A busy thread may go on once it is free.
            None if pending || !context.all_free() => Next::Pending,
            None => Next::Done,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let thread = self.chosen.take().expect(NOT_PEEKED);
        self.count += 1;
        let part = self.part(context, thread).expect(NOT_PEEKED);
        part.generator.take(&context.restricted(&part.alone))
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        if let Some(part) = self.part(context, thread) {
            part.generator.update(&context.restricted(&part.alone), thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, quick, run, summary};
    use super::super::{GenExt as _, each_thread};
    use std::time::Duration;

    #[test]
    fn every_thread_has_its_own_copy() {
        let trace = quick(each_thread(|_| adds(100).limit(3)));
        let mut got: Vec<_> = summary(&trace).into_iter().map(|(_, t, e)| (t, e)).collect();
        got.sort_unstable();
        let want: Vec<_> =
            (0..4).flat_map(|t| (100..103).map(move |element| (t, element))).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn delays_count_for_each_thread_alone() {
        let delayed = || adds(0).delay(Duration::from_nanos(40)).limit(2);
        let trace = run(each_thread(move |_| delayed()).clients());
        let times: Vec<_> = summary(&trace).into_iter().map(|(time, ..)| time).collect();
        assert_eq!(times, [0, 0, 0, 40, 40, 40]);
    }
}
