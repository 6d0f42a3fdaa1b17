//! Faults at fixed times: what replays a schedule, and what shows one failure on purpose.

use schism_core::api::Api;
use schism_core::event::Event;
use schism_core::generator::{Act, Context, Emit, Gen, Generator, NemesisCall, Next, Thread};
use schism_core::time::Nanos;
use std::collections::VecDeque;

/// Does each step at its time, or as soon after it as the nemesis is free; then it is done. Steps
/// with equal times keep their order.
///
/// ```
/// use schism_core::api::register::Register;
/// use schism_core::generator::NemesisCall;
/// use schism_core::time::Nanos;
/// let steps = vec![
///     (Nanos::from_secs(2), NemesisCall::Inject("partition-leader".to_owned())),
///     (Nanos::from_secs(9), NemesisCall::HealAll),
/// ];
/// let generator = schism_nemeses::script::<Register>(steps);
/// # let _ = generator;
/// ```
pub fn script<A: Api>(mut steps: Vec<(Nanos, NemesisCall)>) -> Gen<A> {
    steps.sort_by_key(|(time, _)| *time);
    Box::new(Script { steps: steps.into() })
}

struct Script {
    steps: VecDeque<(Nanos, NemesisCall)>,
}

impl<A: Api> Generator<A> for Script {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let Some((time, call)) = self.steps.front() else { return Next::Done };
        let thread = context.nemesis();
        if !context.is_free(thread) {
            return Next::Pending;
        }
        let time = (*time).max(context.time);
        Next::Op(Emit { time, thread, act: Act::Nemesis(call.clone()) })
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let Next::Op(emit) = self.peek(context) else {
            unreachable!("take is called only where peek answers an operation")
        };
        self.steps.pop_front();
        emit
    }

    fn update(&mut self, _context: &Context<'_>, _thread: Thread, _event: &Event<A>) {}
}

#[cfg(test)]
mod tests {
    use super::script;
    use schism_core::api::register::Register;
    use schism_core::generator::{Act, Context, NemesisCall, Next, ThreadSet};
    use schism_core::time::Nanos;

    #[test]
    fn steps_come_in_order_and_then_it_is_done() {
        let kill = NemesisCall::Inject("kill:one".to_owned());
        let steps = vec![(Nanos(70), NemesisCall::HealAll), (Nanos(20), kill.clone())];
        let mut generator = script::<Register>(steps);
        let (all, none, processes) = (ThreadSet::from_range(0..3), ThreadSet::default(), [0, 1]);
        let busy = Context::new(Nanos(30), &none, &all, &processes);
        assert_eq!(generator.peek(&busy), Next::Pending);
        let mut got = Vec::new();
        for now in [0, 90, 95] {
            let context = Context::new(Nanos(now), &all, &all, &processes);
            if let Next::Op(_) = generator.peek(&context) {
                let emit = generator.take(&context);
                assert_eq!(emit.thread, 2);
                got.push((emit.time, emit.act));
            }
        }
        let want =
            [(Nanos(20), Act::Nemesis(kill)), (Nanos(90), Act::Nemesis(NemesisCall::HealAll))];
        assert_eq!(got, want);
    }
}
