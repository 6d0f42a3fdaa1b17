//! A generator of its own for every process.
//!
//! A thread whose operation stayed indeterminate goes on as a new process, and that begins anew.

use super::soonest::spread;
use super::{Context, Emit, Gen, Generator, NOT_PEEKED, Next, Thread, ThreadSet};
use crate::api::Api;
use crate::event::Event;
use std::cell::{Cell, RefCell};

/// What `fresh` makes for each process, on its thread alone; each sees only what happens there.
/// `fresh` gets the thread and the process, which is `u64::MAX` for the nemesis.
///
/// Free threads take turns. `O(free threads)` while none has an operation at once.
pub fn each_process<A: Api>(fresh: impl Fn(Thread, u64) -> Gen<A> + 'static) -> Gen<A> {
    let (parts, chosen) = (RefCell::new(Vec::new()), Cell::new(None));
    Box::new(EachProcess { fresh, parts, count: 0, chosen })
}

struct EachProcess<A: Api, F> {
    fresh: F,
    /// By thread; behind a cell because `peek` begins anew where it meets a new process.
    parts: RefCell<Vec<Option<Part<A>>>>,
    /// Operations so far.
    count: u64,
    /// What the last `peek` chose.
    chosen: Cell<Option<Thread>>,
}

struct Part<A: Api> {
    process: u64,
    generator: Gen<A>,
    alone: ThreadSet,
}

impl<A: Api, F: Fn(Thread, u64) -> Gen<A>> EachProcess<A, F> {
    fn part<'a>(
        &self,
        parts: &'a mut Vec<Option<Part<A>>>,
        context: &Context<'_>,
        thread: Thread,
    ) -> &'a mut Part<A> {
        if parts.len() <= thread {
            parts.resize_with(thread + 1, || None);
        }
        let process = context.process(thread);
        let part = &mut parts[thread];
        if part.as_ref().is_none_or(|part| part.process != process) {
            let alone = ThreadSet::from_iter([thread]);
            *part = Some(Part { process, generator: (self.fresh)(thread, process), alone });
        }
        part.as_mut().expect("filled above")
    }
}

impl<A: Api, F: Fn(Thread, u64) -> Gen<A>> Generator<A> for EachProcess<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let mut parts = self.parts.borrow_mut();
        let mut best: Option<Emit<A>> = None;
        let mut pending = false;
        for thread in context.free_from(spread(self.count)) {
            let part = self.part(&mut parts, context, thread);
            match part.generator.peek(&context.restricted(&part.alone)) {
                Next::Op(emit) if best.as_ref().is_none_or(|best| emit.time < best.time) => {
                    let now = emit.time <= context.time;
                    self.chosen.set(Some(thread));
                    best = Some(emit);
                    if now {
                        break;
                    }
                }
                Next::Op(_) | Next::Done => {}
                Next::Pending => pending = true,
            }
        }
        match best {
            Some(emit) => Next::Op(emit),
            // A busy thread may go on once it is free, perhaps as a new process.
            None if pending || !context.all_free() => Next::Pending,
            None => Next::Done,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let thread = self.chosen.take().expect(NOT_PEEKED);
        self.count += 1;
        let part = self.parts.get_mut()[thread].as_mut().expect(NOT_PEEKED);
        part.generator.take(&context.restricted(&part.alone))
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        if let Some(Some(part)) = self.parts.get_mut().get_mut(thread) {
            part.generator.update(&context.restricted(&part.alone), thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::Simulation;
    use super::super::testing::{TEN, adds, summary};
    use super::super::{GenExt as _, each_process};
    use crate::op::Outcome;

    #[test]
    fn a_new_process_begins_anew() {
        let generator =
            each_process(|_, process| adds(100 * i64::try_from(process).unwrap()).once());
        let crash_twice = |request: &super::super::simulate::Request<'_, _>| {
            let outcome = if request.process < 4 {
                Outcome::Info("no answer".into())
            } else {
                Outcome::Ok(crate::api::set::Reply::Added)
            };
            (TEN, outcome)
        };
        let trace = Simulation::new(2).run(generator.clients(), crash_twice).unwrap();
        let mut got: Vec<_> = summary(&trace).into_iter().map(|(_, t, e)| (t, e)).collect();
        got.sort_unstable();
        assert_eq!(got, [(0, 0), (0, 200), (0, 400), (1, 100), (1, 300), (1, 500)]);
    }
}
