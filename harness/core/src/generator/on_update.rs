//! A generator that reacts to events.

use super::{Context, Emit, Gen, Generator, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// `part`; each event goes to `handler` in its place. The handler may pass it on, change the
/// generator, or put another one into its place.
pub(super) fn on_update<A: Api>(
    part: Gen<A>,
    handler: impl FnMut(&mut Gen<A>, &Context<'_>, Thread, &Event<A>) + 'static,
) -> Gen<A> {
    Box::new(OnUpdate { part, handler })
}

struct OnUpdate<A: Api, F> {
    part: Gen<A>,
    handler: F,
}

impl<A, F> Generator<A> for OnUpdate<A, F>
where
    A: Api,
    F: FnMut(&mut Gen<A>, &Context<'_>, Thread, &Event<A>),
{
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        self.part.peek(context)
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        self.part.take(context)
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        (self.handler)(&mut self.part, context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::GenExt as _;
    use super::super::testing::{adds, elements, run_with};
    use crate::api::set::Call;
    use crate::event::Body;

    #[test]
    fn a_handler_may_put_another_generator_into_its_place() {
        let generator = adds(1).clients().on_update(|part, _, _, event| {
            if let Body::Complete { call: Call::Add(3), .. } = event.body {
                *part = adds(100).limit(2).clients();
            }
        });
        assert_eq!(elements(&run_with(1, generator)), [1, 2, 3, 100, 101]);
    }
}
