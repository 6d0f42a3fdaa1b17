//! Serializability and snapshot isolation of registers against every execution.

use crate::build::cases;
use crate::transactions_random::{history_of, registers};
use crate::transactions_registers::{Txn, judged, models_of, txn, types};
use proptest::prelude::*;
use schism_core::event::Kind;
use std::collections::BTreeMap;

/// What is tried: whole transactions or snapshots, and which order they keep.
#[derive(Clone, Copy)]
struct Model {
    name: &'static str,
    snapshots: bool,
    keeps: fn(&Txn, &Txn) -> bool,
}

fn real(first: &Txn, second: &Txn) -> bool {
    first.kind == Kind::Ok && first.completed < second.invoked
}

fn session(first: &Txn, second: &Txn) -> bool {
    first.process == second.process && real(first, second)
}

const MODELS: [Model; 6] = [
    Model { name: "serializable", snapshots: false, keeps: |_, _| false },
    Model { name: "strong-session-serializable", snapshots: false, keeps: session },
    Model { name: "strict-serializable", snapshots: false, keeps: real },
    Model { name: "snapshot-isolation", snapshots: true, keeps: |_, _| false },
    Model { name: "strong-session-snapshot-isolation", snapshots: true, keeps: session },
    Model { name: "strong-snapshot-isolation", snapshots: true, keeps: real },
];

type Store = BTreeMap<char, i64>;

/// Executes what a transaction did, if its reads are what is there.
fn executed(txn: &Txn, store: &Store) -> Option<Store> {
    let mut after = store.clone();
    for (f, key, value) in &txn.mops {
        if *f == 'w' {
            after.insert(*key, (*value)?);
        } else if txn.kind == Kind::Ok && after.get(key).copied() != *value {
            return None;
        }
    }
    Some(after)
}

fn writes(txn: &Txn) -> impl Iterator<Item = char> + '_ {
    txn.mops.iter().filter(|mop| mop.0 == 'w').map(|mop| mop.1)
}

/// Is there an execution? `left` have not started, `open` have not committed.
fn explained(left: &[&Txn], open: &[&Txn], store: &Store, model: Model) -> bool {
    if open.is_empty() && left.iter().all(|txn| txn.kind != Kind::Ok) {
        return true;
    }
    let without = |txns: &[&Txn], at: usize| {
        let mut rest = txns.to_vec();
        let one = rest.remove(at);
        let rest: Vec<Txn> = rest.into_iter().cloned().collect();
        (one.clone(), rest)
    };
    let starts = (0..left.len()).any(|at| {
        let (one, rest) = without(left, at);
        let rest: Vec<&Txn> = rest.iter().collect();
        let waits = rest.iter().chain(open).any(|other| (model.keeps)(other, &one));
        let held = open.iter().any(|other| writes(other).any(|key| writes(&one).any(|k| k == key)));
        let Some(after) = executed(&one, store).filter(|_| !waits && !held) else { return false };
        if model.snapshots {
            let mut open = open.to_vec();
            open.push(&one);
            explained(&rest, &open, store, model)
        } else {
            explained(&rest, open, &after, model)
        }
    });
    starts
        || (0..open.len()).any(|at| {
            let (one, rest) = without(open, at);
            let rest: Vec<&Txn> = rest.iter().collect();
            let mut after = store.clone();
            for (f, key, value) in &one.mops {
                if let Some(value) = value.filter(|_| *f == 'w') {
                    after.insert(*key, value);
                }
            }
            explained(left, &rest, &after, model)
        })
}

proptest! {
    #![proptest_config(cases())]

    /// Both directions: there is an execution exactly if the verdict is valid, and then it is said
    /// to be proved.
    #[test]
    fn serializability_and_snapshot_isolation_are_decided(
        drawn in registers(1..6),
        which in 0..6_usize,
    ) {
        let txns = history_of(&drawn);
        let model = MODELS[which];
        let left: Vec<&Txn> = txns.iter().filter(|txn| txn.kind != Kind::Fail).collect();
        let truth = explained(&left, &[], &Store::new(), model);
        let found = judged(&txns, &models_of(&[model.name]));
        let finding = &found.findings[0];
        let said = format!("{} {txns:?} {finding:#?}", model.name);
        match found.verdict.word() {
            "invalid" => prop_assert!(!truth, "{said}"),
            "unknown" => prop_assert!(truth && finding.summary.contains("vacuous"), "{said}"),
            _ => {
                prop_assert!(truth, "{said}");
                prop_assert!(finding.details["proved"].to_string().contains(model.name), "{said}");
            }
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    /// What was read and never written is what a key began as; and nil is no other beginning.
    #[test]
    fn what_keys_began_as_is_told_from_reads(
        drawn in registers(1..6),
        began in prop::collection::vec(any::<bool>(), 3),
        which in 0..6_usize,
    ) {
        let mut txns = history_of(&drawn);
        let mut store = Store::new();
        for (key, began) in ('x'..).zip(began) {
            let nil_reads = txns.iter_mut().flat_map(|txn| &mut txn.mops).filter(|mop| {
                began && **mop == ('r', key, None)
            });
            for mop in nil_reads {
                mop.2 = Some(900);
                store.insert(key, 900);
            }
        }
        let model = MODELS[which];
        let left: Vec<&Txn> = txns.iter().filter(|txn| txn.kind != Kind::Fail).collect();
        let truth = explained(&left, &[], &store, model);
        let found = judged(&txns, &models_of(&[model.name]));
        let finding = &found.findings[0];
        let said = format!("{} {txns:?} {finding:#?}", model.name);
        match found.verdict.word() {
            // Nobody can have read that so late, if time counts, which not all models say.
            "invalid" if types(&found).contains(&"garbage-read") => {
                prop_assert!(!truth || model.name != "strict-serializable", "{said}");
            }
            "invalid" => prop_assert!(!truth, "{said}"),
            "unknown" => prop_assert!(finding.summary.contains("vacuous"), "{said}"),
            _ => {
                prop_assert!(truth, "{said}");
                prop_assert!(finding.details["proved"].to_string().contains(model.name), "{said}");
            }
        }
    }
}

#[test]
fn what_no_cycle_shows_is_refuted_all_the_same() {
    // Who wrote x last is open, and neither order will do.
    let txns = [txn(0, 0, 99, "wx1 wy1"), txn(1, 0, 99, "wx2 wy2"), txn(2, 0, 99, "rx1 ry2")];
    let found = judged(&txns, &models_of(&["serializable"]));
    assert_eq!(types(&found), ["non-serializable"]);
    let details = &found.findings[0].details;
    assert_eq!(details["not"], serde_json::json!(["serializable"]));
    assert_eq!(details["complete"], "serializable: refuted by search, with 0 choices");
    let found = judged(&txns, &models_of(&["strict-serializable"]));
    assert_eq!(types(&found), ["non-serializable"]);
}

#[test]
fn what_a_key_began_as_is_overwritten_for_good() {
    let txns = [txn(0, 0, 9, "ry1 wx1 wy2"), txn(1, 0, 9, "rx1 ry1")];
    let found = judged(&txns, &models_of(&["serializable"]));
    assert_eq!(types(&found), ["non-serializable"]);
    let schism_core::verdict::Verdict::Invalid(anomalies) = &found.verdict else { panic!() };
    assert!(anomalies[0].because.iter().any(|why| why.contains("at the beginning")));
    let txns = [txn(0, 0, 9, "ry1 wx1 wy2"), txn(1, 0, 9, "rx_ ry1")];
    let found = judged(&txns, &models_of(&["serializable"]));
    assert_eq!(found.findings[0].details["complete"], "serializable: proved by an order");
    let both = [txn(0, 0, 9, "ry1 wx1"), txn(1, 0, 9, "rx1 ry_")];
    let found = judged(&both, &models_of(&["serializable"]));
    assert!(found.findings[0].summary.contains("as far as was found"), "{found:#?}");
}

#[test]
fn what_is_proved_is_said() {
    let txns = [txn(0, 0, 1, "wx1"), txn(1, 2, 3, "wx2"), txn(2, 4, 5, "rx2")];
    let found = judged(&txns, &models_of(&["strict-serializable"]));
    let details = &found.findings[0].details;
    assert_eq!(details["complete"], "strict-serializable: proved by an order");
    assert!(details["proved"].to_string().contains("\"snapshot-isolation\""), "{details:#}");
}

#[test]
fn snapshots_allow_write_skew_and_no_lost_update() {
    let skew = [txn(0, 0, 9, "wx1 wy1"), txn(1, 10, 20, "rx1 wy2"), txn(2, 11, 21, "ry1 wx2")];
    let snapshots = models_of(&["strong-snapshot-isolation"]);
    assert_eq!(types(&judged(&skew, &snapshots)), [""; 0]);
    let strict = models_of(&["strict-serializable"]);
    assert_eq!(types(&judged(&skew, &strict)), ["non-serializable"]);
    let lost = [txn(0, 0, 9, "wx1"), txn(1, 10, 20, "rx1 wx2"), txn(2, 11, 21, "rx1 wx3")];
    assert_eq!(types(&judged(&lost, &models_of(&["snapshot-isolation"]))), ["lost-update"]);
}
