//! A set: distinct elements are added, it is read now and then, and at the end every node is read.

use crate::common::{from_every_node, general, modest, paced, some_ok};
use schism_checkers::set_full::SetFull;
use schism_core::api::set::{Call, Set as Api};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, GenExt as _, always, from_fn};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};
use std::time::Duration;

/// Adds that must not be lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Set;

/// A read carries the whole set, so there are few.
const READS: f64 = 0.02;
/// A final read is tried so often, so far apart.
const TRIES: u64 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl Workload for Set {
    type Api = Api;

    fn name(&self) -> &'static str {
        "set"
    }

    fn about(&self) -> &'static str {
        "adds to a set; nothing acknowledged may be lost"
    }

    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Api> {
        let calls = from_fn(rng.fork("calls"), 0, |next, rng, _, _| {
            if rng.chance(READS) {
                return Some(Call::Read);
            }
            *next += 1;
            Some(Call::Add(*next - 1))
        });
        paced(calls, params, rng)
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(from_every_node(params, |_| {
            always(Call::Read).limit(TRIES).delay(PAUSE).until_ok()
        }))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> =
            vec![Box::new(SetFull { linearizable: false })];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("add", modest(params, 1.0)), some_ok("read", 1)]
    }
}
