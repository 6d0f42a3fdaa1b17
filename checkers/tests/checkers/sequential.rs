//! Sequential consistency, against every order.

use crate::build::cases;
use crate::session_guarantees::Do::{Cas, R, W};
use crate::session_guarantees::{Do, done, histories};
use crate::{check, kinds};
use proptest::prelude::*;
use schism_checkers::sequential::Sequential;
use schism_core::api::Key;
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeMap;

fn found(ops: impl IntoIterator<Item = (u64, Do)>) -> Finding {
    check(&Sequential::default(), done(ops), &RunFacts::default())
}

#[test]
fn stale_reads_of_another_process_are_sequential() {
    let ops = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, None)), (1, R(1, Some(1))), (0, Cas(1, 2, 3))];
    assert_eq!(found(ops).verdict, Verdict::Valid);
}

#[test]
fn two_that_each_miss_what_the_other_wrote_before_are_not() {
    let ops = [(0, W(1, 1)), (1, W(2, 2)), (0, R(2, None)), (1, R(1, None))];
    let finding = found(ops);
    assert_eq!(kinds(&finding), ["not-sequential"]);
    assert_eq!(finding.details["decided_by"], "forced");
}

#[test]
fn two_that_see_two_writes_in_opposite_orders_break_what_they_break() {
    let ops = [
        (0, W(1, 1)),
        (1, W(1, 2)),
        (2, R(1, Some(1))),
        (2, R(1, Some(2))),
        (3, R(1, Some(2))),
        (3, R(1, Some(1))),
    ];
    assert_eq!(kinds(&found(ops)), ["monotonic-reads"]);
}

#[test]
fn a_budget_that_is_too_small_leaves_it_unknown() {
    let judge = Sequential { step_budget: 1 };
    let ops = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, None)), (1, R(1, Some(1)))];
    let finding = check(&judge, done(ops), &RunFacts::default());
    assert!(matches!(finding.verdict, Verdict::Unknown(_)));
}

#[test]
fn a_long_history_of_a_store_that_has_one_order_needs_little_search() {
    let ops = (0..3000_i64).map(|at| {
        let process = u64::try_from(at % 7).unwrap_or_default();
        (process, if at % 3 == 0 { W(at % 2, at) } else { R(at % 2, last_write(at)) })
    });
    let finding = check(&Sequential { step_budget: 5000 }, done(ops), &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
}

/// What the key of operation `at` holds by then: every third operation writes its own number.
fn last_write(at: i64) -> Option<i64> {
    (0..at).rev().find(|by| by % 3 == 0 && by % 2 == at % 2)
}

/// Tries every order.
fn has_order(ops: &[Op<Register>]) -> bool {
    fn place(left: &[&Op<Register>], registers: &BTreeMap<Option<Key>, i64>) -> bool {
        left.iter().all(|op| op.returned().is_none())
            || left.iter().enumerate().any(|(at, op)| {
                let first = left[..at]
                    .iter()
                    .all(|other| other.process != op.process || other.returned().is_none());
                let key = op.call.key.clone();
                let holds = registers.get(&key).copied();
                let mut after = registers.clone();
                let fits = match (op.call.op, op.reply()) {
                    (RegisterOp::Read, Some(Reply::Read(value))) => *value == holds,
                    (RegisterOp::Read, _) => true,
                    (RegisterOp::Write(new), _) => {
                        after.insert(key, new);
                        true
                    }
                    (RegisterOp::Cas(old, new), _) => {
                        after.insert(key, new);
                        holds == Some(old)
                    }
                };
                let mut rest = left.to_vec();
                rest.remove(at);
                first && fits && place(&rest, &after)
            })
    }
    let happened = ops.iter().filter(|op| !matches!(op.outcome, Outcome::Fail(_)));
    place(&happened.collect::<Vec<_>>(), &BTreeMap::new())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_history_is_sequential_exactly_if_some_order_is(history in histories()) {
        let judge = Sequential::default();
        let finding = judge.check(&history, &RunFacts::default(), &Limits::default());
        match &finding.verdict {
            Verdict::Unknown(why) => prop_assert!(why.starts_with("vacuous"), "{why}"),
            Verdict::Valid => prop_assert!(has_order(history.ops()), "{finding:#?}"),
            Verdict::Invalid(_) if !kinds(&finding).contains(&"future-read") => {
                prop_assert!(!has_order(history.ops()), "{finding:#?}");
            }
            Verdict::Invalid(_) => {}
        }
    }
}
