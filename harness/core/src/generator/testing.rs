//! What the tests of the combinators share: a generator of counted adds, and runs of 3 clients.

use super::simulate::{Simulation, Trace, perfect};
use super::{Act, Gen, Thread, from_fn};
use crate::api::set::{Call, Reply, Set};
use crate::rng::Rng;
use std::time::Duration;

/// How long an operation takes in [`run`].
pub(super) const TEN: Duration = Duration::from_nanos(10);

/// Adds of `first`, `first + 1`, and so on for ever, on random threads.
pub(super) fn adds(first: i64) -> Gen<Set> {
    from_fn(Rng::seeded(42).fork(&first.to_string()), first, |next, _, _, _| {
        *next += 1;
        Some(Call::Add(*next - 1))
    })
}

fn reply(call: &Call) -> Reply {
    match call {
        Call::Add(_) => Reply::Added,
        Call::Read => Reply::Read(Vec::new()),
    }
}

/// Operations take 10 ns and work, on so many clients.
pub(super) fn run_with(clients: usize, generator: Gen<Set>) -> Trace<Set> {
    Simulation::new(clients).run(generator, perfect(TEN, reply)).unwrap()
}

/// The same on 3 clients.
pub(super) fn run(generator: Gen<Set>) -> Trace<Set> {
    run_with(3, generator)
}

/// Operations take no time, on 3 clients.
pub(super) fn quick(generator: Gen<Set>) -> Trace<Set> {
    Simulation::new(3).run(generator, perfect(Duration::ZERO, reply)).unwrap()
}

/// The threads of what was done, in order.
pub(super) fn threads(trace: &Trace<Set>) -> Vec<Thread> {
    trace.emits.iter().map(|emit| emit.thread).collect()
}

/// The elements added, in order.
pub(super) fn elements(trace: &Trace<Set>) -> Vec<i64> {
    summary(trace).into_iter().map(|(_, _, element)| element).collect()
}

/// Time, thread and element of each add.
pub(super) fn summary(trace: &Trace<Set>) -> Vec<(u64, Thread, i64)> {
    let adds = trace.emits.iter().filter_map(|emit| match emit.act {
        Act::Call(Call::Add(element)) => Some((emit.time.0, emit.thread, element)),
        _ => None,
    });
    adds.collect()
}
