//! Durability of registers, values that only grow, and inserts that are seen in reverse.

use crate::build::{Did, NEVER, cases, fail, info, ok, spans};
use crate::session_guarantees::Do::{Crash, R, W};
use crate::session_guarantees::{done, histories};
use crate::{check, kinds, only_anomaly, run};
use proptest::prelude::*;
use schism_checkers::causal_reverse::CausalReverse;
use schism_checkers::durability::Durability;
use schism_checkers::linearizable::Linearizable;
use schism_checkers::monotonic::Monotonic;
use schism_core::api::register::{
    Call as RegisterCall, Register, RegisterOp, Reply as RegisterReply,
};
use schism_core::api::set::{Call, Reply, Set};
use schism_core::checker::Checker;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

const STRICT: Monotonic = Monotonic { real_time: true };

fn wrote(node: &'static str, span: Range<u64>, value: i64) -> Did<Register> {
    ok(node, span, RegisterCall::unkeyed(RegisterOp::Write(value)), RegisterReply::Written)
}

fn read(node: &'static str, span: Range<u64>, value: Option<i64>) -> Did<Register> {
    ok(node, span, RegisterCall::unkeyed(RegisterOp::Read), RegisterReply::Read(value))
}

#[test]
fn a_final_read_of_what_was_replaced_lost_a_write() {
    let ops = [wrote("n1", 200..300, 1), wrote("n2", 400..500, 2), read("n3", 2600..2700, Some(1))];
    assert_eq!(
        only_anomaly(&check(&Durability, ops, &run(vec![]))),
        ("lost-write", "n2 acknowledged 2 at 0.500 s, and the final read at n3 shows 1")
    );
}

#[test]
fn a_write_that_may_come_later_explains_any_final_read() {
    let ops = |again: Did<Register>| {
        [wrote("n1", 200..300, 1), wrote("n2", 400..500, 2), again, read("n3", 2600..2700, Some(1))]
    };
    let late = info("n1", 100..NEVER, RegisterCall::unkeyed(RegisterOp::Write(1)));
    assert_eq!(check(&Durability, ops(late), &run(vec![])).verdict, Verdict::Valid);
    let overlapping = wrote("n1", 350..450, 1);
    assert_eq!(check(&Durability, ops(overlapping), &run(vec![])).verdict, Verdict::Valid);
    let failed = fail("n1", 350..450, RegisterCall::unkeyed(RegisterOp::Write(1)));
    assert_eq!(kinds(&check(&Durability, ops(failed), &run(vec![]))), ["lost-write"]);
}

#[test]
fn a_replica_may_lag_and_without_a_final_read_nothing_is_known() {
    let lag =
        [wrote("n1", 200..300, 1), wrote("n2", 1500..1900, 2), read("n3", 2100..2200, Some(1))];
    assert_eq!(check(&Durability, lag, &run(vec![])).verdict, Verdict::Valid);
    let early = [wrote("n1", 200..300, 1), read("n3", 400..500, None)];
    assert!(matches!(check(&Durability, early, &run(vec![])).verdict, Verdict::Unknown(_)));
}

#[test]
fn a_process_that_reads_less_than_before_is_told() {
    let ops = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, Some(2))), (1, R(1, Some(1)))];
    assert_eq!(
        only_anomaly(&check(&Monotonic::default(), done(ops), &RunFacts::default())),
        ("non-monotonic-read", "key 1: process 1 read 1, after process 1 had read 2")
    );
    let between = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, Some(2))), (2, R(1, Some(1)))];
    let lenient = check(&Monotonic::default(), done(between), &RunFacts::default());
    assert_eq!(lenient.verdict, Verdict::Valid);
    let strict = check(&STRICT, done(between), &RunFacts::default());
    assert_eq!(kinds(&strict), ["non-monotonic-realtime"]);
}

#[test]
fn a_lesser_value_that_may_have_been_written_later_is_no_fault() {
    let ops = [(2, Crash(1, 1)), (0, W(1, 2)), (1, R(1, Some(2))), (1, R(1, Some(1)))];
    assert_eq!(check(&STRICT, done(ops), &RunFacts::default()).verdict, Verdict::Valid);
}

fn inserted(span: Range<u64>, element: i64) -> Did<Set> {
    ok("n1", span, Call::Add(element), Reply::Added)
}

fn saw(span: Range<u64>, elements: &[i64]) -> Did<Set> {
    ok("n2", span, Call::Read, Reply::Read(elements.to_vec()))
}

#[test]
fn who_sees_the_later_insert_sees_the_earlier_one() {
    let ops = |elements: &'static [i64]| {
        [inserted(0..10, 1), inserted(20..30, 2), inserted(25..35, 3), saw(0..50, elements)]
    };
    let finding = check(&CausalReverse, ops(&[2]), &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        ("causal-reverse", "a read at n2 has 2 but not 1, which was there before 2 was inserted")
    );
    for fine in [&[][..], &[1], &[1, 2], &[1, 3]] {
        assert_eq!(check(&CausalReverse, ops(fine), &RunFacts::default()).verdict, Verdict::Valid);
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_linearizable_lost_nothing_and_never_shrinks(history in histories()) {
        let ask = |checker: &dyn Checker<Register>| {
            checker.check(&history, &RunFacts::default(), &Limits::default()).verdict
        };
        if ask(&Linearizable::default()) == Verdict::Valid {
            prop_assert!(ask(&Durability).anomalies().is_empty());
            // Here later operations write greater values, and some overlap.
            prop_assert!(ask(&STRICT).anomalies().is_empty());
        }
    }

    /// Three inserts and a read, by the definition.
    #[test]
    fn a_causal_reverse_is_what_it_is_defined_to_be(
        spans in spans(4..5),
        has in prop::array::uniform3(any::<bool>()),
    ) {
        let elements: Vec<i64> = (0..3).zip(has).filter(|(_, has)| *has).map(|(e, _)| e).collect();
        let read_end = spans[3].end.max(100);
        let inserts = (0..3).map(|at| inserted(spans[at].clone(), i64::try_from(at).unwrap_or(0)));
        let ops = inserts.chain([saw(spans[3].start..read_end, &elements)]);
        let reversed = (0..3).any(|d| {
            has[d] && (0..3).any(|e| !has[e] && spans[e].end < spans[d].start)
        });
        let finding = check(&CausalReverse, ops.collect::<Vec<_>>(), &RunFacts::default());
        prop_assert_eq!(!finding.verdict.anomalies().is_empty(), reversed, "{:#?}", finding);
    }
}
