//! Consensus: in every round each node is handed a proposal of its own; at the end each is asked what
//! it has decided in every round.

use crate::common::general;
use crate::learning::learning;
use crate::rounds::{count, rounds};
use schism_checkers::consensus::Consensus as ConsensusChecker;
use schism_core::api::consensus::{Call, Consensus as Api, ConsensusOp};
use schism_core::checker::Checker;
use schism_core::event::Kind;
use schism_core::generator::{Gen, GenExt as _};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};
use std::time::Duration;

/// Proposals that compete, round after round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consensus;

/// No proposal is made twice: thousands are the round, units the node.
fn proposal(round: i64, node: usize) -> i64 {
    round * 1000 + i64::try_from(node).unwrap_or(0)
}

/// A round needs an operation of every node.
pub(crate) fn interval(params: &Params) -> Duration {
    Duration::from_secs_f64(params.serving_nodes as f64 / params.rate)
}

/// Every node is asked what it decided in every round.
pub(crate) fn learn_everything(params: &Params) -> Gen<Api> {
    let instances = count(interval(params), params.time_limit);
    learning(params.serving_nodes, instances, params.recovery_limit).clients()
}

impl Workload for Consensus {
    type Api = Api;

    fn name(&self) -> &'static str {
        "consensus"
    }

    fn about(&self) -> &'static str {
        "every node proposes, round after round; all must decide, and alike"
    }

    fn generator(&self, params: &Params, _: &Rng) -> Gen<Api> {
        rounds(params.serving_nodes, interval(params), |round, node| Call {
            instance: round,
            op: ConsensusOp::Propose(proposal(round, node)),
        })
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(learn_everything(params))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> =
            vec![Box::new(ConsensusChecker { termination: true })];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, _: &Params) -> Vec<Coverage> {
        // A protocol that never decides violates Termination; only one that could not even be asked
        // shows nothing.
        vec![Coverage { f: "learn".to_owned(), at_least: 1, kind: Kind::Ok }]
    }
}
