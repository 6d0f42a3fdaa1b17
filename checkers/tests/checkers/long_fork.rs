//! Long forks.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::long_fork::LongFork;
use schism_core::api::Key;
use schism_core::api::long_fork::{Call, LongFork as Api, Reply};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

const ANY: LongFork = LongFork { group_size: None };

fn write(span: Range<u64>, key: i64) -> Did<Api> {
    ok("n1", span, Call::Write(Key::Int(key), 1), Reply::Written)
}

fn read(node: &'static str, span: Range<u64>, found: &[(i64, Option<i64>)]) -> Did<Api> {
    let keys = found.iter().map(|(key, _)| Key::Int(*key)).collect();
    let found = found.iter().map(|(key, value)| (Key::Int(*key), *value)).collect();
    ok(node, span, Call::Read(keys), Reply::Read(found))
}

#[test]
fn two_reads_that_order_two_writes_differently_are_a_long_fork() {
    let ops = [
        write(0..10, 1),
        write(0..11, 2),
        read("n2", 5..30, &[(1, Some(1)), (2, None)]),
        read("n3", 5..31, &[(2, Some(1)), (1, None)]),
    ];
    assert_eq!(
        only_anomaly(&check(&ANY, ops, &RunFacts::default())),
        ("long-fork", "a read at n3 has key 2 but not 1, and one at n2 1 but not 2")
    );
}

#[test]
fn orders_that_go_round_in_a_circle_are_one_too() {
    let ops = [
        write(0..10, 1),
        write(0..11, 2),
        write(0..12, 3),
        read("n2", 5..30, &[(1, Some(1)), (2, None)]),
        read("n2", 5..31, &[(2, Some(1)), (3, None)]),
        read("n2", 5..32, &[(3, Some(1)), (1, None)]),
    ];
    let finding = check(&ANY, ops, &RunFacts::default());
    assert_eq!(only_anomaly(&finding).0, "long-fork");
    assert_eq!(finding.verdict.anomalies()[0].ops.len(), 3);
}

#[test]
fn values_from_nowhere_from_failed_writes_and_from_the_future_are_named() {
    let ops = [
        fail("n1", 0..10, Call::Write(Key::Int(1), 1)),
        read("n2", 20..30, &[(1, Some(1)), (2, Some(1)), (3, Some(9))]),
        write(40..50, 2),
        write(60..70, 3),
    ];
    let finding = check(&ANY, ops, &RunFacts::default());
    assert_eq!(kinds(&finding), ["aborted-read", "future-read", "garbage-read"]);
}

#[test]
fn a_group_of_another_size_or_a_key_written_twice_can_not_be_judged() {
    let ops = || [write(0..10, 1), read("n2", 20..30, &[(1, Some(1)), (2, None)])];
    let threes = LongFork { group_size: Some(3) };
    assert!(matches!(check(&threes, ops(), &RunFacts::default()).verdict, Verdict::Unknown(_)));
    assert_eq!(check(&ANY, ops(), &RunFacts::default()).verdict, Verdict::Valid);
    let twice = ops().into_iter().chain([write(40..50, 1)]);
    assert!(matches!(check(&ANY, twice, &RunFacts::default()).verdict, Verdict::Unknown(_)));
}

fn histories() -> impl Strategy<Value = History<Api>> {
    let seen = prop::collection::vec(prop::option::of(any::<bool>()), 4);
    let drawn = (seen, 0..6_i64, prop::bool::weighted(0.7));
    let order = Just([0_i64, 1, 2, 3]).prop_shuffle();
    (order, spans(8..9), prop::collection::vec(drawn, 4)).prop_map(|(order, spans, drawn)| {
        let writes = (0..4).map(|key| match key {
            3 => info("n1", spans[3].start..NEVER, Call::Write(Key::Int(3), 1)),
            key => {
                let at = usize::try_from(key).unwrap_or_default();
                let end = spans[at].end.max(100);
                write(spans[at].start..end + u64::try_from(key).unwrap_or_default(), key)
            }
        });
        let reads = drawn.iter().enumerate().map(|(at, (seen, prefix, honest))| {
            let found: Vec<(i64, Option<i64>)> = (0..4)
                .zip(seen)
                .filter_map(|(key, seen)| {
                    let place = order.iter().position(|other| *other == key).unwrap_or_default();
                    let there = i64::try_from(place).is_ok_and(|place| place < *prefix);
                    let has = if *honest { there } else { (*seen)? };
                    seen.map(|_| (key, has.then_some(1)))
                })
                .collect();
            read("n2", spans[4 + at].start..200 + spans[4 + at].end, &found)
        });
        history(writes.chain(reads).collect::<Vec<_>>())
    })
}

/// Is there an order of the writes of which every read sees a beginning?
fn has_order(history: &History<Api>) -> bool {
    let sees_beginning = |order: &[i64]| {
        history.ops().iter().all(|op| {
            let Some(Reply::Read(found)) = op.reply() else { return true };
            let found = order.iter().filter_map(|key| {
                found.iter().find(|(other, _)| *other == Key::Int(*key)).map(|(_, value)| value)
            });
            found.skip_while(|value| value.is_some()).all(Option::is_none)
        })
    };
    let mut keys = [0, 1, 2, 3];
    (0..24).any(|mut number: usize| {
        for at in (1..4).rev() {
            keys.swap(at, number % (at + 1));
            number /= at + 1;
        }
        let fits = sees_beginning(&keys);
        keys = [0, 1, 2, 3];
        fits
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_long_fork_is_what_no_order_of_writes_explains(history in histories()) {
        let finding = ANY.check(&history, &RunFacts::default(), &Limits::default());
        let invalid = !finding.verdict.anomalies().is_empty();
        prop_assert_eq!(invalid, !has_order(&history), "{:#?}", finding);
    }
}
