//! What its calls are, and that broken stores are found.

use super::{Register, reads};
use crate::testing::{Network, assert_all_nodes_read, calls, params, run};
use schism_core::api::Key;
use schism_core::api::register::{Call, RegisterOp, Reply};
use schism_core::op::Outcome;
use schism_core::time::Nanos;
use schism_core::workload::{Params, Workload as _};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Registers as there were one copy.
fn one_copy() -> impl FnMut(usize, Nanos, &Call) -> Option<Reply> {
    let mut values: HashMap<Option<Key>, i64> = HashMap::new();
    move |_, _, call| apply(&mut values, call)
}

fn apply(values: &mut HashMap<Option<Key>, i64>, call: &Call) -> Option<Reply> {
    let now = values.get(&call.key).copied();
    match call.op {
        RegisterOp::Read => Some(Reply::Read(now)),
        RegisterOp::Cas(old, _) if now != Some(old) => None,
        RegisterOp::Write(new) | RegisterOp::Cas(_, new) => {
            values.insert(call.key.clone(), new);
            Some(Reply::Written)
        }
    }
}

#[test]
fn a_correct_store_is_valid_and_every_node_is_read() {
    for (seed, network) in [(1, Network::Perfect), (1, Network::Lossy), (2, Network::Lossy)] {
        let workload = Register::default();
        let ran = run(&workload, &params(), seed, network, one_copy());
        ran.assert_valid();
        let used = workload.keys.all();
        // Ten seconds at 200 a second, five keys, about 300 calls a key.
        assert!((6..=12).contains(&used.len()), "{used:?}");
        assert_all_nodes_read(&ran, &reads(&used));
    }
}

#[test]
fn values_are_unique_and_grow_and_keys_are_bounded() {
    let long = Params { rate: 2000.0, ..params() };
    let mut last = 0;
    let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls(&Register::default(), &long, 3) {
        *by_key.entry(call.key.unwrap().to_string()).or_default() += 1;
        match call.op {
            RegisterOp::Write(value) | RegisterOp::Cas(_, value) => {
                assert!(value > last);
                last = value;
            }
            RegisterOp::Read => {}
        }
    }
    assert!(by_key.values().all(|calls| *calls <= 330), "{by_key:?}");
    assert!(by_key.len() > 50, "{by_key:?}");
}

#[test]
fn half_of_the_threads_only_read_and_compare_and_sets_often_succeed() {
    let ran = run(&Register::default(), &params(), 2, Network::Perfect, one_copy());
    let from = ran.facts.final_phase_at.unwrap();
    let mut reads = BTreeSet::new();
    let mut others = BTreeSet::new();
    let (mut tried, mut worked) = (0, 0);
    for op in ran.history.ops().iter().filter(|op| op.invoked.time < from) {
        let threads = if op.call.op == RegisterOp::Read { &mut reads } else { &mut others };
        threads.insert(op.process % 10);
        if matches!(op.call.op, RegisterOp::Cas(..)) {
            tried += 1;
            worked += usize::from(matches!(op.outcome, Outcome::Ok(_)));
        }
    }
    assert_eq!(reads, (0..5).collect());
    assert_eq!(others, (5..10).collect());
    assert!(tried > 200 && worked * 3 > tried, "{worked} of {tried}");
}

#[test]
fn few_threads_do_both() {
    let few = Params { concurrency: 5, ..params() };
    let ran = run(&Register::default(), &few, 2, Network::Perfect, one_copy());
    ran.assert_valid();
    for thread in 0..5 {
        let of_thread = ran.history.ops().iter().filter(|op| op.process == thread);
        let (reads, others): (Vec<_>, Vec<_>) =
            of_thread.partition(|op| op.call.op == RegisterOp::Read);
        assert!(reads.len() > 50 && others.len() > 50);
    }
}

#[test]
fn stale_reads_and_forgotten_writes_are_found() {
    // Node 4 answers from a copy that it takes now and then.
    let (mut values, mut stale) = (HashMap::new(), HashMap::new());
    let mut asked = 0;
    let lagging = move |node: usize, _: Nanos, call: &Call| {
        asked += 1;
        if asked % 20 == 0 {
            stale.clone_from(&values);
        }
        match call.op {
            RegisterOp::Read if node == 4 => Some(Reply::Read(stale.get(&call.key).copied())),
            _ => apply(&mut values, call),
        }
    };
    let ran = run(&Register::default(), &params(), 5, Network::Perfect, lagging);
    assert!(ran.anomalies().contains("stale-read"), "{:?}", ran.verdict);

    // Five seconds in, everything is gone.
    let mut values = HashMap::new();
    let mut wiped = false;
    let forgetful = move |_: usize, time: Nanos, call: &Call| {
        if time > Nanos::from_secs(5) && !wiped {
            wiped = true;
            values.clear();
        }
        apply(&mut values, call)
    };
    let ran = run(&Register::default(), &params(), 6, Network::Lossy, forgetful);
    assert_eq!(ran.verdict.word(), "invalid");
}

#[test]
fn no_keys_and_no_rate_are_no_reason_to_panic() {
    let odd = Params { keys: 0, rate: 0.0, serving_nodes: 1, concurrency: 1, ..params() };
    let ran = run(&Register::default(), &odd, 1, Network::Perfect, one_copy());
    assert!(ran.history.ops().len() <= 2, "one operation, and its key is read back");
    assert!(Register::default().final_generator(&odd, &schism_core::rng::Rng::seeded(1)).is_some());
}
