//! Availability.

use crate::build::{Did, NEVER, fail, info, ok};
use crate::{check, fault, run};
use schism_checkers::availability::Availability;
use schism_core::api::set::{Call, Reply, Set};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

fn added(node: &'static str, span: Range<u64>) -> Did<Set> {
    ok(node, span, Call::Add(1), Reply::Added)
}

fn split() -> RunFacts {
    let summary = "the network was split n1 | n2,n3";
    run(vec![fault("partition-halves", summary, &["n1", "n2", "n3"], &[&["n1"], &["n2", "n3"]])])
}

#[test]
fn the_side_that_goes_on_is_told_from_the_one_that_does_not() {
    let ops = [
        added("n1", 110..115),
        info("n1", 400..NEVER, Call::Read),
        fail("n1", 500..510, Call::Read),
        added("n2", 500..510),
        added("n3", 600..610),
        added("n1", 900..1100),
        added("n1", 1200..1210),
    ];
    let finding = check(&Availability, ops, &split());
    assert_eq!(finding.verdict, Verdict::Valid);
    let window = &finding.details["windows"][0];
    assert_eq!(
        window["per_node"]["n1"],
        serde_json::json!({ "ok": 1, "fail": 1, "info": 1, "waited": 1 })
    );
    assert_eq!(window["sides"][0]["progressed"], false);
    assert_eq!(window["sides"][1]["progressed"], true);
    assert_eq!(window["sides"][1]["ok_per_s"], 2.2);
    assert_eq!(window["majority_side_available"], true);
    assert_eq!(window["neither_side_progressed"], false);
}

#[test]
fn a_split_in_which_neither_side_goes_on_is_put_into_words() {
    let ops = [info::<Set>("n1", 400..NEVER, Call::Read), info("n2", 500..NEVER, Call::Read)];
    let finding = check(&Availability, ops, &split());
    assert_eq!(
        finding.summary,
        "while the network was split n1 | n2,n3 neither side completed an operation"
    );
    assert_eq!(finding.details["windows"][0]["neither_side_progressed"], true);
}

#[test]
fn a_window_in_which_nobody_asked_says_nothing() {
    let finding = check(&Availability, [added("n1", 1200..1210)], &split());
    assert_eq!(finding.details["windows"][0]["neither_side_progressed"], false);
    assert!(finding.details["windows"][0]["majority_side_available"].is_null());
}
