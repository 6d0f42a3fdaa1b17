//! Calls from a function: the leaf that most workloads are made of.
//!
//! The function sees a state of its own, chance, and who will ask; it changes the first two. `peek`
//! calls it on copies, so the function has to be pure otherwise, and its state cheap to copy: the
//! copy goes into a buffer that is used again, so that a `Vec` costs no allocation.

use super::soonest::spread;
use super::{Act, Context, Emit, Gen, Generator, NOT_PEEKED, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use crate::rng::Rng;
use std::cell::RefCell;

/// Calls that `next` makes out of a state and chance, on some free thread, as soon as there is one.
/// When it answers `None` there will never be more.
///
/// ```
/// use schism_core::api::set::{Call, Set};
/// use schism_core::generator::{Gen, from_fn};
/// use schism_core::rng::Rng;
/// let adds: Gen<Set> = from_fn(Rng::seeded(1), 0, |next, _rng, _context, _thread| {
///     *next += 1;
///     (*next <= 100).then_some(Call::Add(*next))
/// });
/// # drop(adds);
/// ```
pub fn from_fn<A, S, F>(rng: Rng, state: S, next: F) -> Gen<A>
where
    A: Api,
    S: Clone + 'static,
    F: Fn(&mut S, &mut Rng, &Context<'_>, Thread) -> Option<A::Call> + 'static,
{
    Box::new(FromFn { rng, copy: RefCell::new(state.clone()), state, next })
}

/// The same call for ever, on the free threads in turn.
pub fn always<A: Api>(call: A::Call) -> Gen<A> {
    Box::new(Always { call, count: 0 })
}

struct FromFn<S, F> {
    rng: Rng,
    state: S,
    /// Where `peek` works.
    copy: RefCell<S>,
    next: F,
}

impl<A, S, F> Generator<A> for FromFn<S, F>
where
    A: Api,
    S: Clone,
    F: Fn(&mut S, &mut Rng, &Context<'_>, Thread) -> Option<A::Call>,
{
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let mut rng = self.rng.clone();
        let Some(thread) = context.some_free(rng.bits()) else { return Next::Pending };
        let mut copy = self.copy.borrow_mut();
        copy.clone_from(&self.state);
        match (self.next)(&mut copy, &mut rng, context, thread) {
            Some(call) => Next::Op(Emit { time: context.time, thread, act: Act::Call(call) }),
            None => Next::Done,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let thread = context.some_free(self.rng.bits()).expect(NOT_PEEKED);
        let call = (self.next)(&mut self.state, &mut self.rng, context, thread);
        Emit { time: context.time, thread, act: Act::Call(call.expect(NOT_PEEKED)) }
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<A>) {}
}

struct Always<A: Api> {
    call: A::Call,
    count: u64,
}

impl<A: Api> Generator<A> for Always<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let Some(thread) = context.some_free(spread(self.count)) else { return Next::Pending };
        Next::Op(Emit { time: context.time, thread, act: Act::Call(self.call.clone()) })
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let thread = context.some_free(spread(self.count)).expect(NOT_PEEKED);
        self.count += 1;
        Emit { time: context.time, thread, act: Act::Call(self.call.clone()) }
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<A>) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick, threads};
    use super::super::{GenExt as _, always, from_fn};
    use crate::api::set::{Call, Set};
    use crate::rng::Rng;

    #[test]
    fn a_function_is_called_until_it_answers_none() {
        let counted = from_fn::<Set, _, _>(Rng::seeded(1), 0, |next, _, _, _| {
            *next += 1;
            (*next <= 3).then_some(Call::Add(*next))
        });
        assert_eq!(elements(&quick(counted)), [1, 2, 3]);
    }

    #[test]
    fn every_thread_gets_its_share() {
        for generator in [adds(9), always(Call::Read)] {
            let mut counts = [0_usize; 3];
            for thread in threads(&quick(generator.limit(3000).clients())) {
                counts[thread] += 1;
            }
            assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        }
    }
}
