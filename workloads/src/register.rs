//! Registers: reads, writes and compare-and-sets of values that are never written twice, on a few keys
//! at a time; at the end every node is asked for every key that may have been used.
//!
//! Half of the calls are reads, as in Jepsen's linearizable-register test. A key is used for a bounded
//! number of calls and then left alone, so that what happens late in a long run can be told apart
//! from what happened early, and keys can be judged side by side.

use crate::common::{from_every_node, general, modest, paced, some_ok};
use schism_checkers::linearizable::Linearizable;
use schism_core::api::register::{Call, Register as Api, RegisterOp};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, from_fn};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};

/// Registers with values that are written once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

/// How many calls a key gets before it is left alone.
const CALLS_PER_KEY: i64 = 300;

/// Where the calls stand.
#[derive(Clone, Debug, Default)]
struct Progress {
    calls: i64,
    values: i64,
    /// For each key in use, the value that was last tried.
    tried: Vec<i64>,
}

fn next_call(progress: &mut Progress, keys: i64, rng: &mut Rng) -> Call {
    let generation = progress.calls / (keys * CALLS_PER_KEY);
    if progress.calls % (keys * CALLS_PER_KEY) == 0 {
        progress.tried.fill(0);
    }
    progress.calls += 1;
    let slot = rng.below(progress.tried.len());
    let key = generation * keys + i64::try_from(slot).unwrap_or(0);
    let old = progress.tried[slot];
    let choice = rng.unit();
    if choice < 0.5 {
        return Call::keyed(key, RegisterOp::Read);
    }
    progress.values += 1;
    let new = progress.values;
    progress.tried[slot] = new;
    if choice < 0.75 || old == 0 {
        Call::keyed(key, RegisterOp::Write(new))
    } else {
        Call::keyed(key, RegisterOp::Cas(old, new))
    }
}

/// No run can have used more keys than this.
fn keys_at_most(params: &Params) -> i64 {
    let keys = i64::try_from(params.keys).unwrap_or(i64::MAX);
    // Staggered calls come at the rate on average; a tenth more is beyond chance in any run.
    let calls = params.rate * params.time_limit.as_secs_f64() * 1.1 + 100.0;
    #[allow(clippy::cast_possible_truncation, reason = "far below 2^63")]
    let generations = calls as i64 / (keys * CALLS_PER_KEY) + 1;
    generations * keys
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
        let keys = i64::try_from(params.keys).unwrap_or(i64::MAX);
        let start = Progress { tried: vec![0; params.keys], ..Progress::default() };
        let calls = from_fn(rng.fork("calls"), start, move |progress, rng, _, _| {
            Some(next_call(progress, keys, rng))
        });
        paced(calls, params, rng)
    }

    fn final_generator(&self, params: &Params, rng: &Rng) -> Option<Gen<Api>> {
        let keys = keys_at_most(params);
        let rng = rng.clone();
        Some(from_every_node(params, move |_| {
            from_fn(rng.clone(), 0, move |next, _, _, _| {
                *next += 1;
                (*next <= keys).then(|| Call::keyed(*next - 1, RegisterOp::Read))
            })
        }))
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
