//! The coordinated attack: in every round both generals are told to attack, and must do the same.

use crate::common::general;
use crate::consensus::{round_interval, was_asked};
use crate::learn::learn;
use crate::rounds::rounds;
use crate::used::Used;
use schism_checkers::coordinated_attack::CoordinatedAttack as CoordinatedAttackChecker;
use schism_core::api::consensus::{Call, Consensus as Api, ConsensusOp};
use schism_core::checker::Checker;
use schism_core::generator::Gen;
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};

/// Attack at dawn, round after round.
#[derive(Clone, Debug, Default)]
pub struct CoordinatedAttack {
    rounds: Used,
}

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
        let (generals, interval) = (params.serving_nodes, round_interval(params));
        rounds(generals, interval, self.rounds.clone(), |round, _| Call {
            instance: round,
            op: ConsensusOp::Propose(ATTACK),
        })
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(learn(params, self.rounds.all()))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> = vec![Box::new(CoordinatedAttackChecker)];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, _: &Params) -> Vec<Coverage> {
        was_asked()
    }
}

#[cfg(test)]
mod tests {
    use super::CoordinatedAttack;
    use crate::testing::{Network, params, run};
    use schism_core::api::consensus::{Call, ConsensusOp, Reply};
    use schism_core::time::Nanos;
    use schism_core::workload::Params;
    use std::collections::BTreeSet;

    /// A battle that either general was told of is decided, by `attacks(battle, general)`.
    fn decided_by(
        attacks: impl Fn(i64, usize) -> bool,
    ) -> impl FnMut(usize, Nanos, &Call) -> Option<Reply> {
        let mut told = BTreeSet::new();
        move |general, _, call| {
            if call.op != ConsensusOp::Learn {
                told.insert(call.instance);
            }
            let decision = i64::from(attacks(call.instance, general));
            Some(Reply::Decided(told.contains(&call.instance).then_some(decision)))
        }
    }

    #[test]
    fn whoever_attacks_alone_is_found_and_nobody_else() {
        let two = Params { serving_nodes: 2, concurrency: 2, ..params() };
        let together = decided_by(|battle, _| battle % 3 != 0);
        run(&CoordinatedAttack::default(), &two, 1, Network::Lossy, together).assert_valid();

        let alone = decided_by(|battle, general| general == 0 || battle != 17);
        let ran = run(&CoordinatedAttack::default(), &two, 1, Network::Lossy, alone);
        assert_eq!(ran.anomalies().into_iter().collect::<Vec<_>>(), ["attacks-alone"]);
        assert_eq!(ran.verdict.anomalies().len(), 1, "{:?}", ran.verdict);
    }
}
