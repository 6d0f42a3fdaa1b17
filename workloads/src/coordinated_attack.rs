//! The coordinated attack: in every round both generals are told to attack, and must do the same.

use crate::common::general;
use crate::consensus::{interval, learn_everything};
use crate::rounds::rounds;
use schism_checkers::coordinated_attack::CoordinatedAttack as Checker_;
use schism_core::api::consensus::{Call, Consensus as Api, ConsensusOp};
use schism_core::checker::Checker;
use schism_core::event::Kind;
use schism_core::generator::Gen;
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};

/// Attack at dawn, round after round.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoordinatedAttack;

/// The value that means attack; 0 means retreat.
const ATTACK: i64 = 1;

impl Workload for CoordinatedAttack {
    type Api = Api;

    fn name(&self) -> &'static str {
        "coordinated-attack"
    }

    fn about(&self) -> &'static str {
        "two generals, told to attack; neither may do so alone"
    }

    fn generator(&self, params: &Params, _: &Rng) -> Gen<Api> {
        rounds(params.serving_nodes, interval(params), |round, _| Call {
            instance: round,
            op: ConsensusOp::Propose(ATTACK),
        })
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(learn_everything(params))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> = vec![Box::new(Checker_::default())];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, _: &Params) -> Vec<Coverage> {
        vec![Coverage { f: "learn".to_owned(), at_least: 1, kind: Kind::Ok }]
    }
}
