//! Registers: reads, writes and compare-and-sets of values that are never written twice, on a few
//! keys at a time; at the end every node is asked for every key that was used.
//!
//! What exactly is asked is in `register/traffic.rs`.

mod traffic;

use crate::common::{general, keys, modest, paced, read_back, some_ok};
use crate::used::Used;
use schism_checkers::linearizable::Linearizable;
use schism_core::api::register::{Call, Register as Api, RegisterOp};
use schism_core::checker::Checker;
use schism_core::generator::Gen;
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};

/// Registers with values that are written once.
#[derive(Clone, Debug, Default)]
pub struct Register {
    keys: Used,
}

impl Workload for Register {
    type Api = Api;

    fn name(&self) -> &'static str {
        "register"
    }

    fn about(&self) -> &'static str {
        "reads, writes and compare-and-sets on registers; must be linearizable"
    }

    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Api> {
        let calls = traffic::traffic(params.serving_nodes, keys(params), self.keys.clone(), rng);
        paced(calls, params, rng)
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(read_back(params, reads(&self.keys.all())))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> = vec![Box::new(Linearizable::default())];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("read", modest(params, 0.5)), some_ok("write", modest(params, 0.25))]
    }
}

fn reads(keys: &[i64]) -> Vec<Call> {
    keys.iter().map(|key| Call::keyed(*key, RegisterOp::Read)).collect()
}

#[cfg(test)]
mod tests;
