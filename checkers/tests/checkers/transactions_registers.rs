//! Transactions over registers, through the model that reads files.

use schism_checkers::models::{self, Judged, Options};
use schism_core::api::Asked;
use schism_core::event::{Kind, RawEvent};
use schism_core::form::{Shape, Tape};
use schism_core::limits::Limits;
use schism_core::op::Process;
use schism_core::time::Nanos;

/// One transaction: its process, when it was invoked and completed, how, and `wx1 ry2 rz_`.
#[derive(Clone, Debug)]
pub(crate) struct Txn {
    pub(crate) process: u64,
    pub(crate) invoked: u64,
    pub(crate) completed: u64,
    pub(crate) kind: Kind,
    pub(crate) mops: Vec<(char, char, Option<i64>)>,
}

pub(crate) fn txn(process: u64, invoked: u64, completed: u64, mops: &str) -> Txn {
    let mop = |word: &str| {
        let mut letters = word.chars();
        let (f, key) = letters.next().zip(letters.next()).expect("like wx1");
        (f, key, letters.as_str().parse().ok())
    };
    let mops = mops.split_whitespace().map(mop).collect();
    Txn { process, invoked, completed, kind: Kind::Ok, mops }
}

impl Txn {
    pub(crate) fn ending(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

pub(crate) fn push(judge: &mut dyn models::Judge, event: (u64, Kind), txn: &Txn) {
    let mut tape = Tape::default();
    let all = tape.open(0, Shape::List);
    for (f, key, value) in &txn.mops {
        let one = tape.open(0, Shape::List);
        tape.word(0, if *f == 'w' { "w" } else { "r" });
        tape.word(0, key.encode_utf8(&mut [0; 4]));
        match value.filter(|_| *f == 'w' || event.1 == Kind::Ok) {
            None => tape.nil(0),
            Some(value) => tape.int(0, value),
        }
        tape.close(&one);
    }
    tape.close(&all);
    let raw = RawEvent {
        index: Some(event.0),
        time: Some(Nanos(event.0)),
        kind: event.1,
        process: Process::Client(txn.process),
        asked: Asked { f: "txn", key: None, value: tape.root() },
        node: None,
        error: None,
    };
    judge.event(&raw).expect("an event of a transaction");
}

/// Judged as registers.
pub(crate) fn judged(txns: &[Txn], options: &Options) -> Judged {
    let mut judge = models::find("rw-register").expect("a model").make(options).expect("options");
    let mut events: Vec<(u64, Kind, &Txn)> = Vec::new();
    for txn in txns {
        events.push((txn.invoked, Kind::Invoke, txn));
        if txn.kind != Kind::Invoke {
            events.push((txn.completed, txn.kind, txn));
        }
    }
    events.sort_by_key(|(at, kind, _)| (*at, *kind != Kind::Invoke));
    for (index, (_, kind, txn)) in (0..).zip(events) {
        push(&mut *judge, (index, kind), txn);
    }
    judge.judge(&Limits::default())
}

pub(crate) fn models_of(names: &[&str]) -> Options {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Options { consistency_models: Some(names), ..Options::default() }
}

pub(crate) fn types(judged: &Judged) -> Vec<&str> {
    let types = judged.findings[0].details["anomaly-types"].as_array().expect("a list");
    let types = types.iter().map(|kind| kind.as_str().expect("a name"));
    types.filter(|kind| *kind != "empty-transaction-graph").collect()
}

fn found(txns: &[Txn]) -> Vec<String> {
    let judged = judged(txns, &Options::default());
    types(&judged).into_iter().map(str::to_owned).collect()
}

#[test]
fn reads_that_cannot_be_are_named() {
    assert_eq!(found(&[txn(0, 0, 9, "rx1 rx2"), txn(1, 0, 9, "wx1 wx2")]), ["G1b", "internal"]);
    assert_eq!(found(&[txn(0, 0, 9, "rx_ rx1"), txn(1, 0, 9, "wx1")]), ["internal"]);
    let failed = txn(0, 0, 5, "wx1").ending(Kind::Fail);
    assert_eq!(found(&[failed, txn(1, 6, 9, "rx1")]), ["G1a"]);
    assert_eq!(found(&[txn(0, 0, 5, "rx1 wx1"), txn(1, 6, 9, "rx1")]), ["future-read"]);
    let phantom = [txn(0, 0, 5, "wx1"), txn(1, 6, 9, "rx2"), txn(1, 10, 11, "ry_")];
    assert_eq!(found(&phantom), ["garbage-read"]);
}

#[test]
fn what_nobody_wrote_may_have_been_there_from_the_beginning_but_only_one_value() {
    let judged = judged(&[txn(0, 0, 5, "rx7"), txn(1, 3, 9, "wx1")], &Options::default());
    assert_eq!(types(&judged), [""; 0]);
    assert_eq!(judged.findings[0].details["values-held-at-the-beginning"], 1);
    assert_eq!(found(&[txn(0, 0, 5, "rx7"), txn(1, 0, 9, "rx8")]), ["garbage-read"]);
}

#[test]
fn cycles_have_their_names() {
    let g1c = [txn(0, 0, 9, "wx1 ry1"), txn(1, 0, 9, "wy1 rx1")];
    assert_eq!(found(&g1c), ["G1c"]);
    let skew = [txn(0, 0, 9, "rx_ ry1"), txn(1, 0, 9, "wx1 wy1")];
    assert_eq!(found(&skew), ["G-single-item"]);
    let write_skew = [txn(0, 0, 9, "rx_ wy1"), txn(1, 0, 9, "ry_ wx1")];
    assert_eq!(found(&write_skew), ["G2-item"]);
    let stale = [txn(0, 0, 1, "wx1"), txn(1, 2, 3, "rx_")];
    assert_eq!(found(&stale), ["G-single-item-realtime"]);
    let lost = [txn(0, 0, 9, "rx1 wx2"), txn(1, 0, 9, "rx1 wx3"), txn(2, 0, 9, "wx1")];
    assert_eq!(found(&lost), ["lost-update"]);
}

#[test]
fn what_is_assumed_of_keys_orders_their_versions() {
    let txns = [txn(0, 0, 9, "wx1"), txn(1, 0, 9, "rx1 wx2 wy1"), txn(2, 0, 9, "rx1 ry1")];
    let plain = models_of(&["snapshot-isolation"]);
    assert_eq!(types(&judged(&txns, &plain)), ["non-snapshot-isolation"]);
    let wfr = Options { wfr_keys: true, ..plain.clone() };
    assert_eq!(types(&judged(&txns, &wfr)), ["G-single-item"]);
    let back = [txn(0, 0, 1, "wx1"), txn(1, 2, 3, "wx2"), txn(2, 4, 5, "rx1")];
    assert_eq!(types(&judged(&back, &plain)), [""; 0]);
    let linearizable = Options { linearizable_keys: true, ..plain.clone() };
    assert_eq!(types(&judged(&back, &linearizable)), ["cyclic-versions"]);
    let sequential = Options { sequential_keys: true, ..plain };
    assert_eq!(types(&judged(&back, &sequential)), [""; 0]);
    let one = back.map(|txn| Txn { process: 0, ..txn });
    assert_eq!(types(&judged(&one, &sequential)), ["cyclic-versions"]);
}

#[test]
fn a_process_with_two_open_transactions_has_two() {
    let txns = [txn(0, 0, 5, "rx_ ry1"), txn(0, 1, 3, "wy1 wx2")];
    assert_eq!(types(&judged(&txns, &models_of(&["serializable"]))), ["G-single-item"]);
}

#[test]
fn a_value_written_twice_is_unknown() {
    let txns = [txn(0, 0, 5, "wx1"), txn(1, 1, 3, "wx1")];
    let judged = judged(&txns, &Options::default());
    assert_eq!(judged.verdict.word(), "unknown");
    assert!(judged.findings[0].summary.contains("both write 1 to x"), "{judged:#?}");
    let failed = [txn(0, 0, 5, "wx1").ending(Kind::Fail), txn(1, 6, 7, "wx1"), txn(1, 8, 9, "rx1")];
    assert_eq!(found(&failed), [""; 0]);
}

#[test]
fn a_write_of_unknown_fate_that_was_read_happened_as_a_whole() {
    let crashed = txn(0, 0, 1, "wx1 wy1").ending(Kind::Info);
    let txns = |second| [crashed.clone(), txn(1, 2, 3, "rx1"), txn(2, 4, 5, second)];
    assert_eq!(found(&txns("ry_")), ["G-single-item-realtime"]);
    assert_eq!(found(&txns("ry1")), [""; 0]);
}
