//! Total-order broadcast: distinct messages are sent, and every node is asked what it delivered.

use crate::common::{from_every_node, general, modest, paced, some_ok};
use schism_checkers::total_order::TotalOrder as Checker_;
use schism_core::api::log::{Call, Log};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, GenExt as _, always, from_fn};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};
use std::time::Duration;

/// The same messages in the same order, everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct TotalOrder;

/// An answer carries the whole order, so it is asked for rarely.
const DELIVERED: f64 = 0.02;
/// The final deliveries are asked for so often: a node may still be catching up the first time.
const TRIES: u64 = 5;
const PAUSE: Duration = Duration::from_millis(300);

impl Workload for TotalOrder {
    type Api = Log;

    fn name(&self) -> &'static str {
        "total-order"
    }

    fn about(&self) -> &'static str {
        "broadcasts; every node delivers the same messages in the same order"
    }

    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Log> {
        let calls = from_fn(rng.fork("calls"), 0, |next, rng, _, _| {
            if rng.chance(DELIVERED) {
                return Some(Call::Delivered);
            }
            *next += 1;
            Some(Call::Broadcast(*next - 1))
        });
        paced(calls, params, rng)
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Log>> {
        Some(from_every_node(params, |_| always(Call::Delivered).limit(TRIES).delay(PAUSE)))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Log>>> {
        let mut checkers: Vec<Box<dyn Checker<Log>>> = vec![Box::new(Checker_::default())];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("broadcast", modest(params, 1.0)), some_ok("delivered", 1)]
    }
}
