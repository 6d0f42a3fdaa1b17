//! What the workloads share: their pace, the final reads, and the checkers that fit every Api.

use schism_checkers::availability::Availability;
use schism_checkers::coverage::Coverage as CoverageChecker;
use schism_checkers::recovery::Recovery;
use schism_checkers::stats::Stats;
use schism_core::api::Api;
use schism_core::checker::Checker;
use schism_core::event::Kind;
use schism_core::generator::{Gen, GenExt as _, each_thread};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::Params;
use std::time::Duration;

/// The rate that the user asked for.
pub(crate) fn paced<A: Api>(generator: Gen<A>, params: &Params, rng: &Rng) -> Gen<A> {
    generator.stagger(Duration::from_secs_f64(1.0 / params.rate), rng.fork("pace"))
}

/// The same for one thread of each node: what `make` makes.
pub(crate) fn from_every_node<A: Api>(
    params: &Params,
    make: impl Fn(usize) -> Gen<A> + 'static,
) -> Gen<A> {
    let nodes = params.serving_nodes;
    each_thread(make).on_threads(move |thread| thread < nodes).clients()
}

/// Some operations of that name have to have happened.
pub(crate) fn some_ok(f: &str, at_least: usize) -> Coverage {
    Coverage { f: f.to_owned(), at_least, kind: Kind::Ok }
}

/// A modest share of what the rate allows: a run below it shows nothing.
pub(crate) fn modest(params: &Params, share: f64) -> usize {
    let expected = params.rate * params.time_limit.as_secs_f64() * share;
    // Truncation is meant, and what is asked of a run stays small.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 50")]
    let count = (expected * 0.05).clamp(1.0, 50.0) as usize;
    count
}

/// The checkers that judge a run of any Api: did it recover, was it meaningful; and two that only
/// count.
pub(crate) fn general<A: Api>() -> Vec<Box<dyn Checker<A>>> {
    vec![
        Box::new(Recovery { judge: true }),
        Box::new(CoverageChecker),
        Box::new(Availability),
        Box::new(Stats),
    ]
}
