//! One thing to do, once: a call, an action of the nemesis, a line for the log, or a rest.

use super::{Act, Context, Emit, Gen, Generator, NOT_PEEKED, NemesisCall, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use std::time::Duration;

/// Does `act` once, on the first free thread.
pub fn one<A: Api>(act: Act<A>) -> Gen<A> {
    Box::new(One { act: Some(act) })
}

/// Asks `call` once.
pub fn call<A: Api>(call: A::Call) -> Gen<A> {
    one(Act::Call(call))
}

/// Asks the nemesis once; only on its own thread.
pub fn nemesis_call<A: Api>(call: NemesisCall) -> Gen<A> {
    super::on_threads::nemesis(one(Act::Nemesis(call)))
}

/// Writes a line into the run's log once.
pub fn log<A: Api>(line: impl Into<String>) -> Gen<A> {
    one(Act::Log(line.into()))
}

/// Keeps one thread busy for so long, once.
pub fn sleep<A: Api>(duration: Duration) -> Gen<A> {
    one(Act::Sleep(duration))
}

struct One<A: Api> {
    act: Option<Act<A>>,
}

impl<A: Api> Generator<A> for One<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let Some(act) = &self.act else { return Next::Done };
        let Some(thread) = context.some_free(0) else { return Next::Pending };
        Next::Op(Emit { time: context.time, thread, act: act.clone() })
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let thread = context.some_free(0).expect(NOT_PEEKED);
        Emit { time: context.time, thread, act: self.act.take().expect(NOT_PEEKED) }
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<A>) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TEN, adds, run, summary};
    use super::super::{Act, GenExt as _, NemesisCall, call, concat, log, nemesis_call, sleep};
    use crate::api::set::{Call, Set};
    use std::time::Duration;

    #[test]
    fn each_comes_once_and_only_calls_are_in_the_history() {
        let trace = run(concat::<Set, _>(vec![
            log("begin"),
            call(Call::Add(1)),
            nemesis_call(NemesisCall::HealAll),
            sleep(Duration::from_nanos(30)),
        ]));
        let acts: Vec<_> = trace.emits.iter().map(|emit| emit.act.clone()).collect();
        let want = [
            Act::Log("begin".to_owned()),
            Act::Call(Call::Add(1)),
            Act::Nemesis(NemesisCall::HealAll),
            Act::Sleep(Duration::from_nanos(30)),
        ];
        assert_eq!(acts, want);
        assert_eq!(trace.events.len(), 4, "two for the call and two for the nemesis");
        assert_eq!(trace.emits[2].thread, 3);
    }

    #[test]
    fn a_sleeping_thread_is_busy() {
        let asleep = sleep::<Set>(Duration::from_nanos(25)).on_threads(|thread| thread == 0);
        let trace = run(concat(vec![asleep, adds(1).on_threads(|thread| thread == 0).limit(1)]));
        assert_eq!(summary(&trace), [(25, 0, 1)]);
        assert_eq!(TEN, Duration::from_nanos(10));
    }
}
