//! The simulator keeps to the interpreter's rules, and catches generators that break theirs.

use super::super::testing::{adds, run_with};
use super::super::{Act, Context, Emit, Gen, GenExt as _, Generator, Next, Thread, always};
use super::{Fault, Simulation, imperfect, perfect};
use crate::api::set::{Call, Reply, Set};
use crate::event::{Body, Event};
use crate::history::History;
use crate::rng::Rng;
use crate::time::Nanos;
use std::time::Duration;

fn added(_: &Call) -> Reply {
    Reply::Added
}

/// What a faulty generator answers and takes.
struct Faulty(Answers);

/// Time, thread, the element shown and the one taken.
type Answers = fn(&Context<'_>) -> (Nanos, Thread, i64, i64);

impl Generator<Set> for Faulty {
    fn peek(&self, context: &Context<'_>) -> Next<Set> {
        let (time, thread, shown, _) = (self.0)(context);
        Next::Op(Emit { time, thread, act: Act::Call(Call::Add(shown)) })
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<Set> {
        let (time, thread, _, taken) = (self.0)(context);
        Emit { time, thread, act: Act::Call(Call::Add(taken)) }
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<Set>) {}
}

#[test]
fn a_breach_of_the_contract_is_found() {
    let breaches: [(&str, Answers); 4] = [
        ("isn't free", |context| (context.time, 0, 1, 1)),
        ("isn't free", |context| (context.time, 77, 1, 1)),
        ("as it showed", |context| (context.time, context.some_free(0).unwrap_or(9), 1, 2)),
        ("is over", |context| {
            let late = Nanos(if context.is_free(1) { 5 } else { 0 });
            (late, context.some_free(0).unwrap_or(9), 1, 1)
        }),
    ];
    for (what, answers) in breaches {
        let faulty: Gen<Set> = Box::new(Faulty(answers));
        let fault = Simulation::new(3).run(faulty, perfect(Duration::from_nanos(3), added));
        assert!(fault.as_ref().is_err_and(|f| f.to_string().contains(what)), "{what}: {fault:?}");
    }
}

#[test]
fn what_never_ends_is_stopped() {
    let endless = |generator: Gen<Set>| {
        let simulation = Simulation::new(2).max_steps(500);
        simulation.run(generator, perfect(Duration::from_nanos(10), added))
    };
    assert!(matches!(endless(adds(0)), Err(Fault::Endless { steps: 500, .. })));
    assert!(matches!(endless(adds(0).filter(|_| false)), Err(Fault::Endless { .. })));
}

#[test]
fn crashed_threads_go_on_as_new_processes_and_the_history_is_well_formed() {
    let rng = Rng::seeded(2);
    let generator = adds(0).limit(300).clients();
    let completions = imperfect(Duration::from_millis(2), rng, added);
    let trace = Simulation::new(3).nodes(2).run(generator, completions).unwrap();
    for event in &trace.events {
        if let Body::Invoke { process, node, .. } = &event.body {
            let thread = process % 3;
            assert_eq!(node.as_deref(), Some(if thread == 1 { "n2" } else { "n1" }));
        }
    }
    assert!(trace.events.windows(2).all(|pair| pair[0].time <= pair[1].time));
    let history = History::<Set>::from_events(trace.events).unwrap();
    assert_eq!(history.ops().len(), 300);
    assert!(history.ops().iter().any(|op| op.process >= 30), "some crash again and again");
}

#[test]
fn completions_come_before_anything_new() {
    let trace = run_with(1, always(Call::Add(1)).limit(2).clients());
    let kinds: Vec<bool> =
        trace.events.iter().map(|event| matches!(event.body, Body::Invoke { .. })).collect();
    assert_eq!(kinds, [true, false, true, false]);
    assert_eq!(trace.end, Nanos(20));
}
