//! Leader election: every node is asked all the time how it sees itself, and now and then one is told
//! to run for leader.

use crate::common::{from_every_node, general, modest, paced, some_ok};
use schism_checkers::leader_election::LeaderElection as Checker_;
use schism_core::api::leadership::{Call, Leadership};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, GenExt as _, always, from_fn};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};

/// Who leads? With `EXCLUSIVE`, two may not lead at one time, whatever their terms: what a system
/// without leases or fencing cannot promise, and the chapter's first election claims.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaderElection<const EXCLUSIVE: bool>;

/// The share of calls that are campaigns.
const CAMPAIGNS: f64 = 0.04;

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
        Some(from_every_node(params, |_| always(Call::Observe).limit(3)))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Leadership>>> {
        let mut checkers: Vec<Box<dyn Checker<Leadership>>> =
            vec![Box::new(Checker_ { exclusive_in_time: EXCLUSIVE })];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("observe", modest(params, 1.0))]
    }
}
