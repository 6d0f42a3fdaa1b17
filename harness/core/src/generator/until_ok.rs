//! Again until it works.

use super::{Act, Context, Emit, Gen, Generator, Next, Thread, ThreadSet};
use crate::api::Api;
use crate::event::{Body, Event};
use crate::op::Outcome;

/// `part`, until one of its calls has ended in `ok`. Calls of its own that are open then still end.
pub(super) fn until_ok<A: Api>(part: Gen<A>) -> Gen<A> {
    Box::new(UntilOk { part, open: ThreadSet::default(), done: false })
}

struct UntilOk<A: Api> {
    part: Gen<A>,
    /// The threads at work on calls of the part.
    open: ThreadSet,
    done: bool,
}

impl<A: Api> Generator<A> for UntilOk<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        if self.done { Next::Done } else { self.part.peek(context) }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.part.take(context);
        if matches!(emit.act, Act::Call(_)) {
            self.open.insert(emit.thread);
        }
        emit
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
        if let Body::Complete { outcome, .. } = &event.body
            && self.open.contains(thread)
        {
            self.open.remove(thread);
            self.done |= matches!(outcome, Outcome::Ok(_));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Request, Simulation};
    use super::super::testing::{TEN, adds, elements};
    use super::super::{GenExt as _, concat, each_thread};
    use crate::api::set::{Call, Reply, Set};
    use crate::op::Outcome;
    use std::time::Duration;

    /// Elements that divide by 5 work; of the others odd ones fail.
    fn fives(request: &Request<'_, Set>) -> (Duration, Outcome<Reply>) {
        let outcome = match request.call {
            Call::Add(element) if element % 5 == 0 => Outcome::Ok(Reply::Added),
            Call::Add(element) if element % 2 == 1 => Outcome::Fail("odd".into()),
            _ => Outcome::Info("even".into()),
        };
        (TEN, outcome)
    }

    #[test]
    fn it_goes_on_until_one_is_ok() {
        let trace = Simulation::new(1).run(adds(1).clients().until_ok(), fives).unwrap();
        assert_eq!(elements(&trace), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_others_do_does_not_count() {
        let mine = adds(11).until_ok().limit(3).on_threads(|thread| thread == 0);
        let theirs = adds(0).limit(3).on_threads(|thread| thread == 1);
        let both = mine.any(theirs, crate::rng::Rng::seeded(1));
        let trace = Simulation::new(2).run(both, fives).unwrap();
        let mut got = elements(&trace);
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 11, 12, 13]);
    }

    #[test]
    fn each_thread_can_have_its_own() {
        let generator = each_thread(|_| concat([adds(4).until_ok(), adds(9).until_ok()]));
        let trace = Simulation::new(2).run(generator.clients(), fives).unwrap();
        let mut got = elements(&trace);
        got.sort_unstable();
        assert_eq!(got, [4, 4, 5, 5, 9, 9, 10, 10]);
    }
}
