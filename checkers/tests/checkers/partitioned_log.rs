//! Logs in partitions.

use crate::build::{Did, NEVER, cases, fail, info, ok};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::partitioned_log::PartitionedLog;
use schism_core::api::Key;
use schism_core::api::partitioned_log::{Call, Done, Mop, PartitionedLog as Api, Reply};
use schism_core::checker::Finding;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

fn sent(span: Range<u64>, process: u64, offset: i64, message: i64) -> Did<Api> {
    let call = Call::Txn(vec![Mop::Send(Key::Int(0), Key::Int(message))]);
    let done = Done::Sent(Key::Int(0), Some(offset), Key::Int(message));
    ok("n1", span, call, Reply::Txn(vec![done])).by(process)
}

fn polled(span: Range<u64>, process: u64, all: &[(i64, i64)]) -> Did<Api> {
    let all = all.iter().map(|(offset, message)| (*offset, Key::Int(*message))).collect();
    let done = Done::Polled(vec![(Key::Int(0), all)]);
    ok("n2", span, Call::Txn(vec![Mop::Poll]), Reply::Txn(vec![done])).by(process)
}

fn found(ops: impl IntoIterator<Item = Did<Api>>) -> Finding {
    check(&PartitionedLog, ops, &RunFacts::default())
}

#[test]
fn an_acknowledged_message_that_everybody_passes_is_lost() {
    let ops = [sent(0..10, 0, 0, 7), sent(20..30, 0, 1, 8), polled(40..50, 1, &[(1, 8)])];
    assert_eq!(
        only_anomaly(&found(ops)),
        (
            "lost-write",
            "n1 acknowledged message 7 of partition 0 at offset 0 at 0.010 s; nobody polled it, \
             though offset 1 was"
        )
    );
}

#[test]
fn a_poll_of_unknown_fate_may_have_taken_it() {
    let ops = [
        sent(0..10, 0, 0, 7),
        sent(20..30, 0, 1, 8),
        info("n2", 35..NEVER, Call::Txn(vec![Mop::Poll])),
        polled(40..50, 1, &[(1, 8)]),
    ];
    let finding = found(ops);
    assert!(matches!(finding.verdict, Verdict::Unknown(_)));
    assert_eq!(finding.details["missing"], 1);
}

#[test]
fn a_client_that_assigns_itself_is_shown_everything_in_order() {
    let sends = || {
        (0..4_i64).map(|at| {
            let start = u64::try_from(at).unwrap_or_default() * 10;
            sent(start..start + 5, 0, at, at)
        })
    };
    let all = || polled(100..110, 9, &[(0, 0), (1, 1), (2, 2), (3, 3)]);
    let polls = |first: &[(i64, i64)], second: &[(i64, i64)]| {
        let ops = sends().chain([all(), polled(120..130, 1, first), polled(140..150, 1, second)]);
        kinds(&found(ops)).join(" ")
    };
    assert_eq!(polls(&[(0, 0), (1, 1)], &[(2, 2)]), "");
    assert_eq!(polls(&[(0, 0), (2, 2)], &[(3, 3)]), "int-poll-skip");
    assert_eq!(polls(&[(0, 0), (1, 1)], &[(3, 3)]), "poll-skip");
    assert_eq!(polls(&[(1, 1), (0, 0)], &[(1, 1)]), "int-nonmonotonic-poll");
    assert_eq!(polls(&[(0, 0), (1, 1)], &[(1, 1)]), "nonmonotonic-poll");
}

#[test]
fn under_subscribe_a_partition_may_be_taken_away_and_given_back() {
    let subscribe = Call::Subscribe(vec![Key::Int(0)]);
    let ops = [
        sent(0..10, 0, 0, 7),
        ok("n2", 11..12, subscribe, Reply::Assigned).by(1),
        polled(20..30, 1, &[(0, 7)]),
        polled(40..50, 1, &[(0, 7)]),
    ];
    assert_eq!(found(ops).verdict, Verdict::Valid);
}

#[test]
fn offsets_and_messages_that_contradict_each_other_are_named() {
    let ops = [
        sent(0..10, 0, 1, 7),
        sent(20..30, 0, 0, 8),
        polled(40..50, 1, &[(1, 9), (2, 7), (3, 4)]),
        fail("n1", 60..70, Call::Txn(vec![Mop::Send(Key::Int(0), Key::Int(4))])),
        info("n1", 80..NEVER, Call::Txn(vec![Mop::Send(Key::Int(0), Key::Int(9))])),
    ];
    let mut kinds: Vec<String> = kinds(&found(ops)).into_iter().map(str::to_owned).collect();
    kinds.sort();
    let all = ["aborted-read", "duplicate", "future-read", "inconsistent-offsets", "lost-write"];
    assert_eq!(kinds, [&all[..], &["nonmonotonic-send"]].concat());
}

#[test]
fn a_transaction_does_not_poll_what_it_sends() {
    let call = Call::Txn(vec![Mop::Send(Key::Int(0), Key::Int(7)), Mop::Poll]);
    let done = vec![
        Done::Sent(Key::Int(0), Some(0), Key::Int(7)),
        Done::Polled(vec![(Key::Int(0), vec![(0, Key::Int(7))])]),
    ];
    assert_eq!(kinds(&found([ok("n1", 0..10, call, Reply::Txn(done))])), ["precommitted-read"]);
}

/// What is done to a log whose operations come one after the other.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// An acknowledged message vanishes.
    Lose(usize),
    /// Two messages change places after they were acknowledged.
    Swap(usize),
    /// A message is at a second place, too.
    Double(usize),
}

fn wrong() -> impl Strategy<Value = Option<Wrong>> {
    let one = prop_oneof![
        (0..6_usize).prop_map(Wrong::Lose),
        (0..5_usize).prop_map(Wrong::Swap),
        (0..6_usize).prop_map(Wrong::Double),
    ];
    prop::option::of(one)
}

proptest! {
    #![proptest_config(cases())]

    /// Six messages by two clients, with gaps between offsets, and two readers in steps of any
    /// size.
    #[test]
    fn a_log_is_faultless_exactly_if_nothing_was_done_to_it(
        gaps in prop::collection::vec(1..3_i64, 6),
        steps in prop::collection::vec(0..4_usize, 12),
        wrong in wrong(),
    ) {
        let mut offset = -1;
        let mut log: Vec<(i64, i64)> = (0..).zip(&gaps).map(|(message, gap)| {
            offset += gap;
            (offset, message)
        }).collect();
        let mut ops: Vec<Did<Api>> = (0_u64..).zip(&log).map(|(at, (offset, message))| {
            sent(at * 10..at * 10 + 5, at % 2, *offset, *message)
        }).collect();
        match wrong {
            None => {}
            // The last one may be on its way.
            Some(Wrong::Lose(at)) => { log.remove(at.min(4)); }
            Some(Wrong::Swap(at)) => {
                (log[at].1, log[at + 1].1) = (log[at + 1].1, log[at].1);
            }
            Some(Wrong::Double(at)) => log.push((offset + 1, log[at].1)),
        }
        let mut time = 100;
        for (reader, steps) in [(7_u64, &steps[..6]), (8, &steps[6..])] {
            let mut rest = log.as_slice();
            for step in steps.iter().copied().chain([usize::MAX]) {
                let (now, later) = rest.split_at(step.min(rest.len()));
                ops.push(polled(time..time + 5, reader, now));
                time += 10;
                rest = later;
            }
        }
        let finding = found(ops);
        prop_assert_eq!(finding.verdict == Verdict::Valid, wrong.is_none(), "{:#?}", finding);
    }
}
