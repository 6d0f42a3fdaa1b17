//! Watchers.

use crate::build::{Did, NEVER, cases, fail, info, ok};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::watch::Watch;
use schism_core::api::Key;
use schism_core::api::watch::{Call, Event, Reply, Response, Watch as Api};
use schism_core::checker::Finding;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

fn write(keys: &[(i64, i64)]) -> Call {
    Call::Write(keys.iter().map(|(key, value)| (Key::Int(*key), Some(Key::Int(*value)))).collect())
}

fn wrote(span: Range<u64>, keys: &[(i64, i64)], revision: i64) -> Did<Api> {
    ok("n1", span, write(keys), Reply::Written(Some(revision)))
}

fn event(revision: i64, key: i64, value: i64) -> Event {
    Event { revision, key: Key::Int(key), value: Some(Key::Int(value)) }
}

fn whole(events: &[(i64, i64, i64)]) -> Response {
    let events = events.iter().map(|(revision, key, value)| event(*revision, *key, *value));
    Response::Events { events: events.collect(), whole: true }
}

fn watched(
    span: Range<u64>,
    key: Option<i64>,
    from: Option<i64>,
    responses: &[Response],
) -> Did<Api> {
    let call = Call::Watch { key: key.map(Key::Int), from };
    ok("n2", span, call, Reply::Watched(responses.to_vec()))
}

fn found(ops: impl IntoIterator<Item = Did<Api>>) -> Finding {
    check(&Watch, ops, &RunFacts::default())
}

/// Three writes, and a watcher of all keys.
fn told(responses: &[Response]) -> Vec<Did<Api>> {
    vec![
        wrote(0..10, &[(1, 11)], 2),
        wrote(20..30, &[(1, 12), (2, 22)], 3),
        wrote(40..50, &[(2, 23)], 4),
        watched(5..90, None, Some(1), responses),
    ]
}

#[test]
fn a_watcher_that_is_told_everything_once_in_order_and_whole_is_fine() {
    let all =
        [whole(&[(2, 1, 11)]), Response::Bookmark(2), whole(&[(3, 1, 12), (3, 2, 22), (4, 2, 23)])];
    assert_eq!(found(told(&all)).verdict, Verdict::Valid);
    assert_eq!(found(told(&all[..1])).verdict, Verdict::Valid);
}

#[test]
fn each_broken_promise_has_its_name() {
    let first = || whole(&[(2, 1, 11)]);
    let second = || whole(&[(3, 1, 12), (3, 2, 22)]);
    let cases = [
        (vec![second(), first()], "unordered"),
        (vec![first(), first()], "torn repeated"),
        (vec![second()], "missed"),
        (vec![first(), Response::Bookmark(3)], "missed missed"),
        (vec![first(), whole(&[(3, 1, 12)]), whole(&[(3, 2, 22)])], "torn"),
        (vec![first(), Response::Bookmark(3), second()], "after-bookmark after-bookmark"),
        (vec![first(), whole(&[(3, 1, 99), (3, 2, 22)])], "inconsistent garbage-event"),
    ];
    for (responses, expected) in cases {
        assert_eq!(kinds(&found(told(&responses))).join(" "), expected, "{responses:?}");
    }
    let one_key = [watched(5..90, Some(1), Some(3), &[first(), second()])];
    let mut ops = told(&[]);
    ops.extend(one_key);
    assert_eq!(kinds(&found(ops)), ["too-early", "not-asked"]);
}

#[test]
fn what_is_lost_to_a_compaction_has_to_be_told() {
    let compact = || ok("n1", 52..54, Call::Compact(4), Reply::Compacted);
    let resumed = |responses: &[Response]| {
        let mut ops = told(&[]);
        ops.extend([compact(), watched(60..90, None, Some(2), responses)]);
        found(ops)
    };
    assert_eq!(resumed(&[Response::Compacted(4)]).verdict, Verdict::Valid);
    let gap = resumed(&[whole(&[(4, 2, 23)])]);
    assert_eq!(kinds(&gap), ["missed", "missed", "missed"]);
    let gap = resumed(&[whole(&[(3, 1, 12), (3, 2, 22)]), Response::Compacted(4)]);
    assert_eq!(kinds(&gap), ["missed"]);
    let begun = resumed(&[whole(&[(2, 1, 11)]), Response::Compacted(4)]);
    assert_eq!(begun.verdict, Verdict::Valid);
    let on = resumed(&[Response::Compacted(4), whole(&[(4, 2, 23)])]);
    assert!(kinds(&on).contains(&"after-compaction"), "{on:#?}");
}

#[test]
fn what_is_missed_is_said_with_who_knew_of_it() {
    let finding = found(told(&[whole(&[(3, 1, 12), (3, 2, 22)])]));
    assert_eq!(
        only_anomaly(&finding),
        (
            "missed",
            "a watcher of all keys at n2 was told of everything up to revision 3, but not of 11 in \
             2 of key 1"
        )
    );
}

#[test]
fn a_write_of_unknown_fate_counts_only_if_it_was_told() {
    let ops = |responses: &[Response]| {
        [
            info("n1", 0..NEVER, write(&[(1, 11)])),
            fail("n1", 1..2, write(&[(1, 12)])),
            wrote(10..20, &[(1, 13)], 5),
            watched(5..90, None, Some(1), responses),
        ]
    };
    assert_eq!(found(ops(&[whole(&[(5, 1, 13)])])).verdict, Verdict::Valid);
    assert_eq!(found(ops(&[whole(&[(2, 1, 11), (5, 1, 13)])])).verdict, Verdict::Valid);
    let failed = found(ops(&[whole(&[(2, 1, 12), (5, 1, 13)])]));
    assert_eq!(kinds(&failed), ["garbage-event"]);
}

#[test]
fn revisions_grow_in_real_time() {
    let ops = [
        wrote(0..10, &[(1, 11)], 3),
        wrote(20..30, &[(1, 12)], 2),
        watched(31..90, None, None, &[]),
    ];
    assert_eq!(kinds(&found(ops)), ["nonmonotonic-revision"]);
}

proptest! {
    #![proptest_config(cases())]

    /// A log of revisions, and a watcher of it with one thing done to what it was told.
    #[test]
    fn a_watcher_is_told_wrongly_exactly_if_something_was_done_to_it(
        writes in prop::collection::vec((0..2_i64, any::<bool>()), 3..8),
        cuts in prop::collection::vec(any::<bool>(), 8),
        key in prop::option::of(0..2_i64),
        from in prop::option::of(1..5_i64),
        upto in 0..10_i64,
        compacted in any::<bool>(),
        wrong in prop::option::of((0..3_u8, 0..8_usize)),
    ) {
        let log: Vec<(i64, Vec<(i64, i64)>)> = (2..).zip(&writes).map(|(revision, (key, both))| {
            let mut keys = vec![(if *both { 0 } else { *key }, revision * 10)];
            keys.extend(both.then_some((1, revision * 10 + 1)));
            (revision, keys)
        }).collect();
        let mut ops: Vec<Did<Api>> = (0_u64..).zip(&log).map(|(at, (revision, keys))| {
            wrote(at * 10..at * 10 + 5, keys, *revision)
        }).collect();
        let mut told: Vec<Vec<(i64, i64, i64)>> = Vec::new();
        for ((revision, keys), cut) in log.iter().zip(cuts.iter().cycle()) {
            if from.is_some_and(|from| *revision < from) || *revision > upto {
                continue;
            }
            let watched = keys.iter().filter(|(of, _)| key.is_none_or(|key| key == *of));
            let events: Vec<_> = watched.map(|(of, value)| (*revision, *of, *value)).collect();
            match told.last_mut() {
                Some(last) if !*cut => last.extend(events),
                _ if events.is_empty() => {}
                _ => told.push(events),
            }
        }
        let count: usize = told.iter().map(Vec::len).sum();
        let mut done = false;
        if let Some((what, at)) = wrong && count > 1 {
            // Of the first and of the last revision something may be told elsewhere.
            let flat: Vec<(i64, i64, i64)> = told.concat();
            let at = at % count;
            let behind = from.is_some() || flat[at].0 > flat[0].0;
            let inner = flat[at].0 < flat[count - 1].0 && behind;
            match what {
                0 if inner => {
                    for events in &mut told {
                        events.retain(|event| *event != flat[at]);
                    }
                    done = true;
                }
                1 => {
                    told.push(vec![flat[at]]);
                    done = true;
                }
                2 if flat[0].0 < flat[count - 1].0 => {
                    told = vec![flat.iter().rev().copied().collect()];
                    done = true;
                }
                _ => {}
            }
        }
        let mut responses: Vec<Response> =
            told.iter().filter(|events| !events.is_empty()).map(|events| whole(events)).collect();
        responses.extend(compacted.then_some(Response::Compacted(9)));
        ops.push(watched(200..300, key, from, &responses));
        let finding = found(ops);
        prop_assert_eq!(finding.verdict != Verdict::Valid, done, "{:#?}", finding);
    }
}
