//! Leader election: every node is asked all the time how it sees itself, and now and then one is
//! told to run for leader.

use crate::common::{from_every_node, general, insist, modest, paced, some_ok};
use schism_checkers::leader_election::LeaderElection as LeaderElectionChecker;
use schism_core::api::leadership::{Call, Leadership};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, concat, from_fn};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};

/// Who leads? With `EXCLUSIVE`, two may not lead at one time, whatever their terms: what a system
/// without leases or fencing cannot promise, and the chapter's first election claims.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaderElection<const EXCLUSIVE: bool>;

/// The share of calls that are campaigns.
const CAMPAIGNS: f64 = 0.04;
/// How often each node is looked at in the end.
const FINAL_LOOKS: usize = 3;

impl<const EXCLUSIVE: bool> Workload for LeaderElection<EXCLUSIVE> {
    type Api = Leadership;

    fn name(&self) -> &'static str {
        "leader-election"
    }

    fn about(&self) -> &'static str {
        "nodes run for leader; at most one may lead a term"
    }

    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Leadership> {
        let calls = from_fn(rng.fork("calls"), (), |(), rng, _, _| {
            Some(if rng.chance(CAMPAIGNS) { Call::Campaign } else { Call::Observe })
        });
        paced(calls, params, rng)
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Leadership>> {
        Some(from_every_node(params, |_| concat([Call::Observe; FINAL_LOOKS].map(insist))))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Leadership>>> {
        let mut checkers: Vec<Box<dyn Checker<Leadership>>> =
            vec![Box::new(LeaderElectionChecker { exclusive_in_time: EXCLUSIVE })];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("observe", modest(params, 1.0))]
    }
}

#[cfg(test)]
mod tests {
    use super::LeaderElection;
    use crate::testing::{Network, assert_all_nodes_read, calls, params, run};
    use schism_core::api::leadership::{Call, Reply};
    use schism_core::time::Nanos;

    /// Whoever campaigns leads the next term; with `late`, a leader hears of its successor only
    /// when it is itself asked for the third time.
    fn elections(late: bool) -> impl FnMut(usize, Nanos, &Call) -> Option<Reply> {
        let mut nodes = [Reply { term: 0, leader: false, reign: 0, boot: 1 }; 5];
        let mut term = 0;
        let mut looks = [0; 5];
        move |node, _, call| {
            looks[node] += 1;
            if *call == Call::Campaign {
                term += 1;
                let reign = nodes[node].reign + 1;
                nodes[node] = Reply { term, leader: true, reign, boot: 1 };
                looks[node] = 0;
            } else if nodes[node].term != term && (!late || looks[node] % 3 == 0) {
                nodes[node] = Reply { term, leader: false, ..nodes[node] };
            }
            Some(nodes[node])
        }
    }

    #[test]
    fn one_leader_a_term_is_valid_and_every_node_is_seen() {
        for network in [Network::Perfect, Network::Lossy] {
            let ran = run(&LeaderElection::<false>, &params(), 1, network, elections(true));
            ran.assert_valid();
            assert_all_nodes_read(&ran, &[Call::Observe]);
        }
        run(&LeaderElection::<true>, &params(), 1, Network::Perfect, elections(false))
            .assert_valid();
    }

    #[test]
    fn campaigns_are_rare_and_made_by_many() {
        let calls = calls(&LeaderElection::<false>, &params(), 2);
        let campaigns = calls.iter().filter(|call| **call == Call::Campaign).count();
        assert!((30..150).contains(&campaigns), "{campaigns} of {}", calls.len());
    }

    #[test]
    fn two_leaders_at_once_and_in_one_term_are_found() {
        let ran = run(&LeaderElection::<true>, &params(), 3, Network::Perfect, elections(true));
        assert!(ran.anomalies().contains("two-leaders-at-once"), "{:?}", ran.verdict);

        let all_lead =
            |_: usize, _: Nanos, _: &Call| Some(Reply { term: 4, leader: true, reign: 1, boot: 1 });
        let ran = run(&LeaderElection::<false>, &params(), 3, Network::Perfect, all_lead);
        assert!(ran.anomalies().contains("two-leaders-one-term"), "{:?}", ran.verdict);
    }
}
