//! Weak levels of registers against their axioms, tried on every order of commits.

use crate::build::cases;
use crate::transactions_random::{history_of, registers};
use crate::transactions_registers::{Txn, judged, models_of, txn, types};
use proptest::prelude::*;
use schism_core::event::Kind;
use std::collections::BTreeMap;

/// A transaction that happened: its reads of others by key, in order, and what it left written.
struct Did<'t> {
    txn: &'t Txn,
    reads: Vec<(char, Option<usize>)>,
    writes: Vec<char>,
}

/// Is there a value that can't have been read, whatever the order?
fn implausible(txns: &[Txn]) -> bool {
    let writer = |key: char, value: i64| {
        txns.iter().position(|txn| txn.mops.contains(&('w', key, Some(value))))
    };
    txns.iter().enumerate().filter(|(_, txn)| txn.kind == Kind::Ok).any(|(at, txn)| {
        let mut own: BTreeMap<char, i64> = BTreeMap::new();
        txn.mops.iter().any(|(f, key, value)| {
            let Some(value) = *value else { return own.contains_key(key) };
            if *f == 'w' {
                own.insert(*key, value);
                return false;
            }
            if let Some(own) = own.get(key) {
                return *own != value;
            }
            let Some(from) = writer(*key, value) else { return true };
            let last = |mop: &&(char, char, Option<i64>)| (mop.0, mop.1) == ('w', *key);
            let left = txns[from].mops.iter().rfind(last).and_then(|mop| mop.2);
            from == at || txns[from].kind == Kind::Fail || left != Some(value)
        })
    })
}

fn happened(txns: &[Txn]) -> Vec<Did<'_>> {
    let read = |txn: &Txn| {
        txns.iter().filter(|other| other.kind == Kind::Ok).any(|other| {
            other.mops.iter().any(|mop| mop.0 == 'r' && txn.mops.contains(&('w', mop.1, mop.2)))
        })
    };
    let members: Vec<&Txn> = txns
        .iter()
        .filter(|txn| txn.kind == Kind::Ok || txn.kind != Kind::Fail && read(txn))
        .collect();
    let place = |key: char, value: i64| {
        members.iter().position(|txn| txn.mops.contains(&('w', key, Some(value))))
    };
    let did = |(at, txn): (usize, &&'_ Txn)| {
        let reads = txn.mops.iter().filter(|mop| mop.0 == 'r' && txn.kind == Kind::Ok);
        let reads = reads.map(|(_, key, value)| (*key, value.and_then(|value| place(*key, value))));
        let reads = reads.filter(|(_, from)| *from != Some(at)).collect();
        let writes = txn.mops.iter().filter(|mop| mop.0 == 'w').map(|mop| mop.1).collect();
        (reads, writes)
    };
    let parts: Vec<_> = members.iter().enumerate().map(did).collect();
    members
        .into_iter()
        .zip(parts)
        .map(|(txn, (reads, writes))| Did { txn, reads, writes })
        .collect()
}

fn in_session(first: &Txn, second: &Txn) -> bool {
    first.process == second.process && first.kind == Kind::Ok && first.completed < second.invoked
}

/// Do the level's axioms hold of this order?
fn fits(dids: &[Did<'_>], order: &[usize], level: &str) -> bool {
    let mut place = vec![0; dids.len()];
    for (at, did) in (1..).zip(order) {
        place[*did] = at;
    }
    let at = |from: Option<usize>| from.map_or(0, |from| place[from]);
    let count = dids.len();
    let mut leads = vec![vec![false; count]; count];
    for second in 0..count {
        for first in 0..count {
            let read = dids[second].reads.iter().any(|(_, from)| *from == Some(first));
            let session = level != "read-atomic" && in_session(dids[first].txn, dids[second].txn);
            leads[first][second] = read || session;
            if leads[first][second] && place[first] >= place[second] {
                return false;
            }
        }
    }
    let direct = leads.clone();
    for via in 0..count {
        for first in 0..count {
            for second in 0..count {
                leads[first][second] |= leads[first][via] && leads[via][second];
            }
        }
    }
    (0..count).all(|reader| {
        let reads = &dids[reader].reads;
        reads.iter().enumerate().all(|(nth, (key, from))| {
            (0..count).all(|other| {
                let sees = match level {
                    "axiomatic-read-committed" => {
                        reads[..nth].iter().any(|(_, from)| *from == Some(other))
                    }
                    "axiomatic-read-atomic" | "read-atomic" => direct[other][reader],
                    _ => leads[other][reader],
                };
                let misses = sees && dids[other].writes.contains(key) && *from != Some(other);
                !misses || place[other] < at(*from)
            })
        })
    })
}

fn permutations(count: usize, found: &mut impl FnMut(&[usize]) -> bool) -> bool {
    fn go(order: &mut Vec<usize>, at: usize, found: &mut impl FnMut(&[usize]) -> bool) -> bool {
        if at == order.len() {
            return found(order);
        }
        for next in at..order.len() {
            order.swap(at, next);
            if go(order, at + 1, found) {
                return true;
            }
            order.swap(at, next);
        }
        false
    }
    go(&mut (0..count).collect(), 0, found)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn weak_levels_are_what_their_axioms_say(drawn in registers(1..6)) {
        let txns = history_of(&drawn);
        let dids = happened(&txns);
        let exact =
            ["axiomatic-read-committed", "read-atomic", "axiomatic-read-atomic", "causal"];
        for level in exact {
            let truth = !implausible(&txns)
                && permutations(dids.len(), &mut |order| fits(&dids, order, level));
            let found = judged(&txns, &models_of(&[level]));
            let finding = &found.findings[0];
            prop_assert!(!finding.summary.contains("report this"), "{finding:#?}");
            if truth {
                prop_assert_ne!(found.verdict.word(), "invalid", "{} {:#?}", level, finding);
                let proved = finding.details["proved"].to_string();
                prop_assert!(proved.contains(level), "{level} {finding:#?}");
            } else {
                prop_assert_eq!(found.verdict.word(), "invalid", "{} {:#?}", level, txns);
            }
        }
    }
}

#[test]
fn levels_are_told_apart() {
    let verdicts = |txns: &[Txn]| {
        ["read-committed", "axiomatic-read-committed", "read-atomic", "causal"]
            .map(|level| judged(txns, &models_of(&[level])).verdict.word())
    };
    let fractured = [txn(0, 0, 9, "wx1 wy1"), txn(1, 1, 8, "rx_ ry1")];
    assert_eq!(verdicts(&fractured), ["valid", "valid", "invalid", "invalid"]);
    let backwards = [txn(0, 0, 9, "wx1 wy1"), txn(1, 1, 8, "ry1 rx_")];
    assert_eq!(verdicts(&backwards), ["valid", "invalid", "invalid", "invalid"]);
    let uncaused =
        [txn(0, 0, 1, "wx1"), txn(1, 2, 3, "rx1 wy1"), txn(2, 4, 5, "ry1"), txn(2, 6, 7, "rx_")];
    assert_eq!(verdicts(&uncaused), ["valid", "valid", "valid", "invalid"]);
}

#[test]
fn a_cycle_without_sessions_rules_out_models_without_sessions() {
    let backwards = [txn(0, 0, 9, "wx1 wy1"), txn(1, 1, 8, "ry1 rx_")];
    let found = judged(&backwards, &models_of(&["axiomatic-read-committed"]));
    assert_eq!(types(&found), ["read-committed-cycle"]);
    assert_eq!(
        found.verdict.anomalies()[0].summary,
        "T1 saw T0, which wrote x, and yet read x from the initial state"
    );
    let monotonic =
        [txn(0, 0, 1, "wx1"), txn(0, 2, 3, "wx2"), txn(1, 4, 5, "rx2"), txn(1, 6, 7, "rx1")];
    let found = judged(&monotonic, &models_of(&["causal"]));
    assert_eq!(types(&found), ["causal-cycle-process"]);
    assert_eq!(found.findings[0].details["not"][0], "strong-session-snapshot-isolation");
}

/// Adya's read committed lets a transaction go back to older states, forget its session, and find
/// two versions of a key; Cerone's read atomic lets it forget its session.
#[test]
fn a_store_that_is_read_committed_by_adya_is_not_accused() {
    let verdict =
        |txns: &[Txn], level: &str| judged(txns, &models_of(&[level])).verdict.word().to_owned();
    let backwards = vec![txn(0, 0, 9, "wx1 wy1"), txn(1, 1, 8, "ry1 rx_")];
    let forgetful = vec![
        txn(0, 0, 1, "wx1"),
        txn(1, 2, 3, "rx1 wx2"),
        txn(1, 4, 5, "rx1"),
        txn(2, 6, 7, "rx2"),
    ];
    let unrepeatable = vec![txn(0, 0, 9, "wx1"), txn(1, 1, 8, "rx1 wx2"), txn(2, 2, 7, "rx2 rx1")];
    for txns in [&backwards, &forgetful, &unrepeatable] {
        assert_eq!(verdict(txns, "read-committed"), "valid", "{txns:?}");
        assert_eq!(verdict(txns, "PL-2"), "valid", "{txns:?}");
    }
    assert_eq!(verdict(&backwards, "axiomatic-read-committed"), "invalid");
    assert_eq!(verdict(&forgetful, "read-atomic"), "valid");
    assert_eq!(verdict(&forgetful, "axiomatic-read-committed"), "valid");
    assert_eq!(verdict(&forgetful, "axiomatic-read-atomic"), "invalid");
    assert_eq!(verdict(&unrepeatable, "read-atomic"), "invalid");
}
