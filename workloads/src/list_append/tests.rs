//! What its transactions are, and that broken stores are found.

use super::{APPENDS_PER_LIST, LONGEST, ListAppend, reads};
use crate::testing::{Network, assert_all_nodes_read, calls, params, run};
use schism_core::api::Key;
use schism_core::api::list_append::{Mop, Txn};
use schism_core::time::Nanos;
use std::collections::{BTreeMap, HashMap};

type Lists = HashMap<Key, Vec<i64>>;

fn apply(lists: &mut Lists, txn: &Txn) -> Txn {
    let each = txn.iter().map(|mop| match mop {
        Mop::Append(key, element) => {
            lists.entry(key.clone()).or_default().push(*element);
            mop.clone()
        }
        Mop::Read(key, _) => {
            Mop::Read(key.clone(), Some(lists.get(key).cloned().unwrap_or_default()))
        }
    });
    each.collect()
}

#[test]
fn a_correct_store_is_valid_and_every_node_is_read() {
    for network in [Network::Perfect, Network::Lossy] {
        let mut lists = Lists::new();
        let store = move |_: usize, _: Nanos, txn: &Txn| Some(apply(&mut lists, txn));
        let workload = ListAppend::default();
        let ran = run(&workload, &params(), 1, network, store);
        ran.assert_valid();
        assert_all_nodes_read(&ran, &reads(&workload.lists.all()));
    }
}

#[test]
fn elements_are_unique_and_grow_lists_are_bounded_and_some_are_hot() {
    let mut last = 0;
    let mut appends: BTreeMap<String, i64> = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    for txn in calls(&ListAppend::default(), &params(), 3) {
        *lengths.entry(txn.len()).or_insert(0) += 1;
        for mop in txn {
            if let Mop::Append(list, element) = mop {
                assert!(element > last);
                last = element;
                *appends.entry(list.to_string()).or_default() += 1;
            }
        }
    }
    assert_eq!(lengths.keys().copied().collect::<Vec<_>>(), (1..=LONGEST).collect::<Vec<_>>());
    assert!(appends.values().all(|count| *count <= APPENDS_PER_LIST));
    let full = appends.values().filter(|count| **count == APPENDS_PER_LIST).count();
    assert!(full + 5 >= appends.len() && full > 20, "{appends:?}");
    // The last of the lists that were there at the start takes longest to fill.
    assert!(appends["0"] == APPENDS_PER_LIST);
}

#[test]
fn lost_appends_and_torn_reads_are_found() {
    let (mut lists, mut turn) = (Lists::new(), 0);
    let loses = move |_: usize, _: Nanos, txn: &Txn| {
        turn += 1;
        let before = (turn % 100 == 50).then(|| lists.clone());
        let reply = apply(&mut lists, txn);
        if let Some(before) = before {
            lists = before;
        }
        Some(reply)
    };
    let ran = run(&ListAppend::default(), &params(), 1, Network::Perfect, loses);
    assert_eq!(ran.verdict.word(), "invalid");

    // Node 2 reads from a copy that is always a little old.
    let (mut lists, mut old, mut turn) = (Lists::new(), Lists::new(), 0);
    let stale = move |node: usize, _: Nanos, txn: &Txn| {
        turn += 1;
        if turn % 10 == 0 {
            old.clone_from(&lists);
        }
        let only_reads = txn.iter().all(|mop| matches!(mop, Mop::Read(..)));
        Some(apply(if node == 2 && only_reads { &mut old } else { &mut lists }, txn))
    };
    let ran = run(&ListAppend::default(), &params(), 1, Network::Perfect, stale);
    assert!(ran.anomalies().iter().any(|kind| kind.ends_with("realtime")), "{:?}", ran.verdict);
}
