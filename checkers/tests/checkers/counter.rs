//! Counters.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::counter::Counter;
use schism_core::api::counter::{Call, Counter as Api, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

fn added(span: Range<u64>, amount: i64) -> Did<Api> {
    ok("n1", span, Call::Add(amount), Reply::Added)
}

fn read(span: Range<u64>, value: i64) -> Did<Api> {
    ok("n2", span, Call::Read, Reply::Read(value))
}

fn found(ops: impl IntoIterator<Item = Did<Api>>) -> Finding {
    check(&Counter, ops, &RunFacts::default())
}

#[test]
fn a_read_shows_what_had_returned_and_may_show_what_had_begun() {
    for (value, expected) in [(1, "too-low"), (2, ""), (5, ""), (6, "too-high")] {
        let ops = [added(0..10, 2), read(20..40, value), added(30..50, 3)];
        let finding = found(ops);
        let kind = kinds(&finding).first().copied().unwrap_or_default();
        assert_eq!(kind, expected, "{value}");
    }
}

#[test]
fn what_certainly_failed_never_counts_and_what_is_unknown_may() {
    let ops = |value| {
        [
            fail("n1", 0..10, Call::Add(1)),
            info("n1", 11..12, Call::Add(1)),
            added(13..14, 1),
            read(20..30, value),
        ]
    };
    assert_eq!(found(ops(1)).verdict, Verdict::Valid);
    assert_eq!(found(ops(2)).verdict, Verdict::Valid);
    assert_eq!(kinds(&found(ops(3))), ["too-high"]);
}

#[test]
fn negative_adds_lower_both_bounds() {
    let ops = |value| [added(0..10, 5), info("n1", 20..NEVER, Call::Add(-2)), read(30..40, value)];
    for (value, valid) in [(2, false), (3, true), (5, true), (6, false)] {
        assert_eq!(found(ops(value)).verdict == Verdict::Valid, valid, "{value}");
    }
    assert_eq!(found(ops(3)).details["decided_by"], "bounds");
}

#[test]
fn reads_that_are_within_bounds_may_still_contradict_each_other() {
    let ops = [info("n1", 0..NEVER, Call::Add(1)), read(10..20, 1), read(30..40, 0)];
    assert_eq!(
        only_anomaly(&found(ops)),
        ("non-monotonic-read", "a read at n2 shows 0, after one at n2 had shown 1")
    );
}

#[test]
fn adds_of_two_that_make_three_are_impossible() {
    assert_eq!(
        kinds(&found([added(0..10, 2), added(5..15, 2), read(6..9, 3)])),
        ["not-a-multiple"]
    );
}

/// Operations with their intervals; reads show a plausible value, or a drawn one.
fn histories(amounts: &'static [i64]) -> impl Strategy<Value = History<Api>> {
    let drawn = (0..8_u8, 0..amounts.len(), 0.0..1.0_f64, -2..6_i64, prop::bool::weighted(0.85));
    (spans(1..8), prop::collection::vec(drawn, 8)).prop_map(move |(spans, drawn)| {
        let moment = |at: usize| {
            spans[at].start as f64 + drawn[at].2 * (spans[at].end - spans[at].start) as f64
        };
        let ops = spans.iter().enumerate().map(|(at, span)| {
            let (how, amount, _, value, plausible) = drawn[at];
            match how {
                0 => info("n1", span.start..NEVER, Call::Add(amounts[amount])),
                1..=3 => added(span.clone(), amounts[amount]),
                4 => fail("n1", span.clone(), Call::Add(amounts[amount])),
                _ => {
                    let before = (0..spans.len())
                        .filter(|by| drawn[*by].0 <= 3 && moment(*by) < moment(at))
                        .map(|by| amounts[drawn[by].1]);
                    let shown: i64 = before.sum();
                    read(span.clone(), if plausible { shown } else { value })
                }
            }
        });
        history(ops)
    })
}

/// Tries every order.
fn linearizable(ops: &[Op<Api>]) -> bool {
    fn place(left: &[&Op<Api>], state: i64) -> bool {
        left.iter().all(|op| op.returned().is_none())
            || left.iter().enumerate().any(|(at, op)| {
                let first = left.iter().all(|other| !other.precedes(op));
                let (after, answers) = match (&op.call, op.reply()) {
                    (Call::Add(amount), _) => (state + amount, true),
                    (Call::Read, Some(Reply::Read(value))) => (state, *value == state),
                    (Call::Read, _) => (state, true),
                };
                let mut rest = left.to_vec();
                rest.remove(at);
                first && answers && place(&rest, after)
            })
    }
    let happened: Vec<&Op<Api>> = ops.iter().filter(|op| op.outcome.may_have_happened()).collect();
    place(&happened, 0)
}

fn verdict(history: &History<Api>) -> Finding {
    Counter.check(history, &RunFacts::default(), &Limits::default())
}

fn is_fine(finding: &Finding) -> bool {
    finding.verdict.anomalies().is_empty()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn adds_of_one_size_are_decided_exactly(history in histories(&[1])) {
        let finding = verdict(&history);
        prop_assert_eq!(is_fine(&finding), linearizable(history.ops()), "{:#?}", finding);
    }

    #[test]
    fn so_are_adds_of_one_negative_size(history in histories(&[-1])) {
        let finding = verdict(&history);
        prop_assert_eq!(is_fine(&finding), linearizable(history.ops()), "{:#?}", finding);
    }

    #[test]
    fn bounds_accuse_nobody_falsely(history in histories(&[1, 2, -1])) {
        let finding = verdict(&history);
        prop_assert!(is_fine(&finding) || !linearizable(history.ops()), "{finding:#?}");
    }

    #[test]
    fn neither_do_they_where_nothing_is_taken_away(history in histories(&[1, 2])) {
        let finding = verdict(&history);
        prop_assert!(is_fine(&finding) || !linearizable(history.ops()), "{finding:#?}");
    }
}
