//! Consensus: in every round each node is handed a proposal of its own; at the end each is asked
//! what it has decided in every round.

use crate::common::{general, interval, some_ok};
use crate::learn::learn;
use crate::rounds::rounds;
use crate::used::Used;
use schism_checkers::consensus::Consensus as ConsensusChecker;
use schism_core::api::consensus::{Call, Consensus as Api, ConsensusOp};
use schism_core::checker::Checker;
use schism_core::event::Kind;
use schism_core::generator::Gen;
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};
use std::time::Duration;

/// Proposals that compete, round after round.
#[derive(Clone, Debug, Default)]
pub struct Consensus {
    rounds: Used,
}

/// No proposal is made twice: thousands are the round, units the node.
fn proposal(round: i64, node: usize, nodes: usize) -> i64 {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    round.saturating_mul(number(nodes).max(1000)).saturating_add(number(node))
}

/// A round needs an operation of every node.
pub(crate) fn round_interval(params: &Params) -> Duration {
    interval(params, params.serving_nodes as f64)
}

/// A protocol that never decides violates Termination; only one that could not even be asked shows
/// nothing.
pub(crate) fn was_asked() -> Vec<Coverage> {
    let proposed = Coverage { f: "propose".to_owned(), at_least: 1, kind: Kind::Invoke };
    vec![proposed, some_ok("learn", 1)]
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
        let nodes = params.serving_nodes;
        rounds(nodes, round_interval(params), self.rounds.clone(), move |round, node| Call {
            instance: round,
            op: ConsensusOp::Propose(proposal(round, node, nodes)),
        })
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(learn(params, self.rounds.all()))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> =
            vec![Box::new(ConsensusChecker { termination: true })];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, _: &Params) -> Vec<Coverage> {
        was_asked()
    }
}

#[cfg(test)]
mod tests {
    use super::{Consensus, proposal};
    use crate::testing::{Network, assert_all_nodes_read, calls, params, run};
    use schism_core::api::consensus::{Call, ConsensusOp, Reply};
    use schism_core::time::Nanos;
    use std::collections::{BTreeMap, BTreeSet};

    /// The first proposal of an instance wins, everywhere.
    fn first_wins() -> impl FnMut(usize, Nanos, &Call) -> Option<Reply> {
        let mut decided = BTreeMap::new();
        move |_, _, call| {
            Some(Reply::Decided(match call.op {
                ConsensusOp::Propose(value) => Some(*decided.entry(call.instance).or_insert(value)),
                ConsensusOp::Learn => decided.get(&call.instance).copied(),
            }))
        }
    }

    #[test]
    fn a_correct_protocol_is_valid_and_every_node_learns_everything() {
        let workload = Consensus::default();
        let ran = run(&workload, &params(), 1, Network::Perfect, first_wins());
        ran.assert_valid();
        let rounds = workload.rounds.all();
        assert_eq!(rounds, (0..400).collect::<Vec<_>>(), "five proposals at 200 a second");
        let learns: Vec<Call> =
            rounds.into_iter().map(|instance| Call { instance, op: ConsensusOp::Learn }).collect();
        assert_all_nodes_read(&ran, &learns);
        assert_eq!(ran.final_ops().count(), 5 * 400, "nobody is asked twice");
    }

    #[test]
    fn every_proposal_is_made_once() {
        let mut made = BTreeSet::new();
        for call in calls(&Consensus::default(), &params(), 2) {
            let ConsensusOp::Propose(value) = call.op else { panic!("only proposals") };
            assert_eq!(value / 1000, call.instance);
            assert!(made.insert(value));
        }
        assert_ne!(proposal(1, 0, 5000), proposal(0, 1000, 5000));
    }

    #[test]
    fn two_decisions_and_none_at_all_are_found() {
        let disagrees = |node: usize, _: Nanos, call: &Call| {
            Some(Reply::Decided(match call.op {
                ConsensusOp::Propose(value) => Some(value),
                ConsensusOp::Learn => Some(proposal(call.instance, node, 5)),
            }))
        };
        let ran = run(&Consensus::default(), &params(), 3, Network::Perfect, disagrees);
        assert!(ran.anomalies().contains("agreement"), "{:?}", ran.verdict);

        let mut hanging = first_wins();
        let never = move |node: usize, time: Nanos, call: &Call| match call.op {
            // What the protocol is stuck with is not refused; it just never comes to a decision.
            ConsensusOp::Learn if call.instance >= 100 => Some(Reply::Decided(None)),
            _ => hanging(node, time, call),
        };
        let ran = run(&Consensus::default(), &params(), 3, Network::Lossy, never);
        assert!(ran.anomalies().contains("termination"), "{:?}", ran.verdict);
    }
}
