//! Replicas of registers at rest.

use crate::build::{Did, NEVER, info, ok};
use crate::{check, only_anomaly, run};
use schism_checkers::convergence::Convergence;
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

fn wrote(node: &'static str, span: Range<u64>, value: i64) -> Did<Register> {
    ok(node, span, Call::keyed(3, RegisterOp::Write(value)), Reply::Written)
}

fn read(node: &'static str, span: Range<u64>, value: Option<i64>) -> Did<Register> {
    ok(node, span, Call::keyed(3, RegisterOp::Read), Reply::Read(value))
}

#[test]
fn replicas_that_hold_different_values_at_rest_have_diverged() {
    let ops = [
        wrote("n1", 200..300, 17),
        wrote("n2", 200..300, 23),
        read("n1", 2100..2110, Some(17)),
        read("n2", 2200..2210, Some(23)),
        read("n3", 2100..2110, Some(23)),
    ];
    assert_eq!(
        only_anomaly(&check(&Convergence, ops, &run(vec![]))),
        ("diverged", "key 3: after everything had healed, n1 holds 17 and n2 and n3 hold 23")
    );
}

#[test]
fn a_write_that_may_still_take_effect_and_a_replica_that_may_lag_are_excused() {
    let open = [
        wrote("n1", 200..300, 17),
        info("n2", 200..NEVER, Call::keyed(3, RegisterOp::Write(23))),
        read("n1", 2100..2110, Some(17)),
        read("n2", 2200..2210, Some(23)),
    ];
    assert_eq!(check(&Convergence, open, &run(vec![])).verdict, Verdict::Valid);
    let recent = [
        wrote("n1", 200..300, 17),
        wrote("n1", 1900..1990, 23),
        read("n1", 2100..2110, Some(23)),
        read("n2", 2200..2210, Some(17)),
    ];
    assert_eq!(check(&Convergence, recent, &run(vec![])).verdict, Verdict::Valid);
}

#[test]
fn a_single_node_cannot_be_compared() {
    let ops = [wrote("n1", 0..10, 17), read("n1", 20..30, Some(17))];
    let finding = check(&Convergence, ops, &RunFacts::default());
    assert!(matches!(finding.verdict, Verdict::Unknown(_)));
}
