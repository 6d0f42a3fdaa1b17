//! What holds for every generator that the combinators can make: random trees of them, run against
//! a cluster that is slow and fails. The simulation itself checks that peeking is pure, that `take`
//! keeps its word, that nothing goes to a busy or foreign thread or into the past, and that nothing
//! comes after the end.

use super::simulate::{Fault, Simulation, Trace, imperfect};
use super::testing::adds;
use super::{
    Act, Gen, GenExt as _, NemesisCall, always, any, call, concat, cycle, cycle_times,
    each_process, each_thread, flip_flop, log, mix, nemesis_call, per_key, phases, repeat, reserve,
    sleep,
};
use crate::api::set::{Call, Reply, Set};
use crate::history::History;
use crate::rng::Rng;
use proptest::prelude::*;
use std::time::Duration;

/// A generator as data, so that fresh copies can be made of it.
#[derive(Clone, Debug)]
enum Tree {
    Adds,
    Always,
    Once,
    Sleep,
    Log,
    Heal,
    Wrapped(Wrap, u64, Box<Tree>),
    Joined(Join, u64, Vec<Tree>),
}

#[derive(Clone, Copy, Debug)]
enum Wrap {
    Limit,
    Stagger,
    Delay,
    TimeLimit,
    Clients,
    OddThreads,
    ProcessLimit,
    ConcurrencyLimit,
    Synchronize,
    UntilOk,
    Filter,
    Map,
    Cycle,
    Repeat,
    EachThread,
    EachProcess,
    PerKey,
}

#[derive(Clone, Copy, Debug)]
enum Join {
    Any,
    Mix,
    Reserve,
    Concat,
    Phases,
    FlipFlop,
    CycleTimes,
}

const WRAPS: [Wrap; 17] = [
    Wrap::Limit,
    Wrap::Stagger,
    Wrap::Delay,
    Wrap::TimeLimit,
    Wrap::Clients,
    Wrap::OddThreads,
    Wrap::ProcessLimit,
    Wrap::ConcurrencyLimit,
    Wrap::Synchronize,
    Wrap::UntilOk,
    Wrap::Filter,
    Wrap::Map,
    Wrap::Cycle,
    Wrap::Repeat,
    Wrap::EachThread,
    Wrap::EachProcess,
    Wrap::PerKey,
];

const JOINS: [Join; 7] = [
    Join::Any,
    Join::Mix,
    Join::Reserve,
    Join::Concat,
    Join::Phases,
    Join::FlipFlop,
    Join::CycleTimes,
];

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => Just(Tree::Adds),
        2 => Just(Tree::Always),
        2 => Just(Tree::Once),
        1 => Just(Tree::Sleep),
        1 => Just(Tree::Log),
        1 => Just(Tree::Heal),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        let wrap = proptest::sample::select(&WRAPS[..]);
        let join = proptest::sample::select(&JOINS[..]);
        prop_oneof![
            2 => (wrap, 1_u64..40, inner.clone())
                .prop_map(|(wrap, n, tree)| Tree::Wrapped(wrap, n, Box::new(tree))),
            1 => (join, 1_u64..40, proptest::collection::vec(inner, 2..4))
                .prop_map(|(join, n, trees)| Tree::Joined(join, n, trees)),
        ]
    })
}

fn build(tree: &Tree, seed: u64) -> Gen<Set> {
    match tree {
        Tree::Adds => adds(0),
        Tree::Always => always(Call::Read),
        Tree::Once => call(Call::Add(-1)),
        Tree::Sleep => sleep(Duration::from_nanos(35)),
        Tree::Log => log("here"),
        Tree::Heal => nemesis_call(NemesisCall::HealAll),
        Tree::Wrapped(wrap, n, tree) => build_wrapped(*wrap, *n, tree, seed),
        Tree::Joined(join, n, trees) => {
            let parts: Vec<Gen<Set>> = trees.iter().map(|tree| build(tree, seed)).collect();
            build_joined(*join, *n, parts, Rng::seeded(seed).fork("join"))
        }
    }
}

fn build_wrapped(wrap: Wrap, n: u64, tree: &Tree, seed: u64) -> Gen<Set> {
    let nanos = Duration::from_nanos(n * 5);
    let count = usize::try_from(n).unwrap();
    let fresh = {
        let tree = tree.clone();
        move || build(&tree, seed)
    };
    match wrap {
        Wrap::Limit => fresh().limit(n),
        Wrap::Stagger => fresh().stagger(nanos, Rng::seeded(seed).fork("stagger")),
        Wrap::Delay => fresh().delay(nanos),
        Wrap::TimeLimit => fresh().time_limit(nanos * 5),
        Wrap::Clients => fresh().clients(),
        Wrap::OddThreads => fresh().on_threads(|thread| thread % 2 == 1),
        Wrap::ProcessLimit => fresh().process_limit(count),
        Wrap::ConcurrencyLimit => fresh().concurrency_limit(count),
        Wrap::Synchronize => fresh().synchronize(),
        Wrap::UntilOk => fresh().until_ok(),
        Wrap::Filter => fresh().filter(|act| !matches!(act, Act::Call(Call::Add(n)) if n % 3 == 0)),
        Wrap::Map => fresh().map(|act| match act {
            Act::Call(Call::Add(element)) => Act::Call(Call::Add(element + 1)),
            other => other,
        }),
        Wrap::Cycle => cycle(fresh),
        Wrap::Repeat => repeat(fresh),
        Wrap::EachThread => each_thread(move |_| fresh()),
        Wrap::EachProcess => each_process(move |_, _| fresh()),
        Wrap::PerKey => per_key(count % 4, 0..n, move |_| fresh().limit(5)),
    }
}

fn build_joined(join: Join, n: u64, mut parts: Vec<Gen<Set>>, rng: Rng) -> Gen<Set> {
    match join {
        Join::Any => any(parts, rng),
        Join::Mix => mix(parts, rng),
        Join::Reserve => {
            let rest = parts.remove(0);
            reserve(parts.into_iter().map(|part| (2, part)).collect(), rest, rng)
        }
        Join::Concat => concat(parts),
        Join::Phases => phases(parts),
        Join::FlipFlop => flip_flop(parts.remove(0), parts.remove(0)),
        Join::CycleTimes => {
            let turn = Duration::from_nanos(n * 7);
            cycle_times(parts.into_iter().map(|part| (turn, part)).collect())
        }
    }
}

const LIMIT: u64 = 150;

/// What a generator does, or nothing if it waits for ever: that may be right, such as where
/// everything is filtered out.
fn run(generator: Gen<Set>, seed: u64) -> Option<Trace<Set>> {
    let reply = |call: &Call| match call {
        Call::Add(_) => Reply::Added,
        Call::Read => Reply::Read(Vec::new()),
    };
    let completions = imperfect(Duration::from_nanos(20), Rng::seeded(seed), reply);
    match Simulation::new(5).max_steps(1500).run(generator, completions) {
        Ok(trace) => Some(trace),
        Err(Fault::Endless { .. }) => None,
        Err(fault) => panic!("{fault}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_generator_keeps_the_contract_and_its_limit(tree in trees(), seed in 0_u64..1000) {
        let Some(trace) = run(build(&tree, seed).limit(LIMIT), seed) else { return Ok(()) };
        prop_assert!(trace.emits.len() as u64 <= LIMIT);
        prop_assert!(trace.emits.windows(2).all(|pair| pair[0].time <= pair[1].time));
        prop_assert!(History::<Set>::from_events(trace.events).is_ok());
    }

    #[test]
    fn one_seed_is_one_run(tree in trees(), seed in 0_u64..1000) {
        let first = run(build(&tree, seed).limit(LIMIT), seed);
        let second = run(build(&tree, seed).limit(LIMIT), seed);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn a_limit_on_an_endless_generator_is_exact(count in 0_u64..300, seed in 0_u64..1000) {
        let endless = adds(0).stagger(Duration::from_nanos(9), Rng::seeded(seed)).clients();
        let trace = run(endless.limit(count), seed);
        prop_assert_eq!(trace.map(|trace| trace.emits.len() as u64), Some(count));
    }
}
