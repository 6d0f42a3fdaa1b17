//! What the workloads share: their pace, the final reads, and the checkers that fit every Api.

use schism_checkers::availability::Availability;
use schism_checkers::coverage::Coverage as CoverageChecker;
use schism_checkers::recovery::Recovery;
use schism_checkers::stats::Stats;
use schism_checkers::unhandled_errors::UnhandledErrors;
use schism_core::api::Api;
use schism_core::checker::Checker;
use schism_core::event::Kind;
use schism_core::generator::{Gen, GenExt as _, Thread, always, concat, each_thread};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::Params;
use std::time::Duration;

/// No pace is slower than this, whatever rate is asked for.
const SLOWEST: Duration = Duration::from_hours(1);

/// How long one operation has, at the rate that the user asked for, where `share` of them count.
pub(crate) fn interval(params: &Params, share: f64) -> Duration {
    let interval = Duration::try_from_secs_f64(share / params.rate);
    interval.map_or(SLOWEST, |interval| interval.min(SLOWEST))
}

/// The rate that the user asked for.
pub(crate) fn paced<A: Api>(generator: Gen<A>, params: &Params, rng: &Rng) -> Gen<A> {
    generator.stagger(interval(params, 1.0), rng.fork("pace"))
}

/// How many keys to use at a time; at least one.
pub(crate) fn keys(params: &Params) -> i64 {
    i64::try_from(params.keys.max(1)).unwrap_or(i64::MAX)
}

/// The same for one thread of each node: what `make` makes. Each goes at its own pace.
pub(crate) fn from_every_node<A: Api>(
    params: &Params,
    make: impl Fn(Thread) -> Gen<A> + 'static,
) -> Gen<A> {
    let nodes = params.serving_nodes;
    each_thread(make).on_threads(move |thread| thread < nodes).clients()
}

/// How long to wait before an operation that failed is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// How often one operation is tried.
const TRIES: u64 = 10;
/// How many tries a node has beyond one for each operation, in all: a dead node must not use up the
/// time of the final phase.
const SPARE_TRIES: u64 = 20;

/// Asks each call of every node until it has worked there, with bounded patience.
pub(crate) fn read_back<A: Api>(params: &Params, calls: Vec<A::Call>) -> Gen<A> {
    from_every_node(params, move |_| {
        let tries = calls.len() as u64 + SPARE_TRIES;
        let each = calls.clone().into_iter().map(insist);
        concat(each).limit(tries)
    })
}

/// Asks until it has worked, with pauses, a bounded number of times.
pub(crate) fn insist<A: Api>(call: A::Call) -> Gen<A> {
    always(call).limit(TRIES).delay(PAUSE).until_ok()
}

/// Some operations of that name have to have happened.
pub(crate) fn some_ok(f: &str, at_least: usize) -> Coverage {
    Coverage { f: f.to_owned(), at_least, kind: Kind::Ok }
}

/// A modest share of what the rate allows: a run below it shows nothing.
pub(crate) fn modest(params: &Params, share: f64) -> usize {
    let expected = params.rate * params.time_limit.as_secs_f64() * share;
    // Truncation is meant, and what is asked of a run stays small.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 50")]
    let count = (expected * 0.05).clamp(1.0, 50.0) as usize;
    count
}

/// The checkers that judge a run of any Api: did it recover, was it meaningful; and three that only
/// count.
pub(crate) fn general<A: Api>() -> Vec<Box<dyn Checker<A>>> {
    vec![
        Box::new(Recovery { judge: true }),
        Box::new(CoverageChecker),
        Box::new(Availability),
        Box::new(Stats),
        Box::<UnhandledErrors>::default(),
    ]
}
