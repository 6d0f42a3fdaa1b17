//! Total-order broadcast.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, fault, kinds, only_anomaly, run};
use proptest::prelude::*;
use schism_checkers::total_order::TotalOrder;
use schism_core::api::log::{Call, Log, Reply};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

const PLAIN: TotalOrder = TotalOrder { real_time: false };
const REAL_TIME: TotalOrder = TotalOrder { real_time: true };

fn sent(node: &'static str, span: Range<u64>, message: i64) -> Did<Log> {
    ok(node, span, Call::Broadcast(message), Reply::Sent)
}

fn delivered(node: &'static str, span: Range<u64>, messages: &[i64]) -> Did<Log> {
    ok(node, span, Call::Delivered, Reply::Delivered(messages.to_vec()))
}

#[test]
fn two_orders_are_found_at_the_position_where_they_part() {
    let ops = [
        sent("n1", 0..10, 1),
        sent("n2", 1..11, 2),
        sent("n2", 12..14, 3),
        delivered("n1", 20..30, &[1, 2, 3]),
        delivered("n2", 21..31, &[1, 3, 2]),
    ];
    let finding = check(&PLAIN, ops, &RunFacts::default());
    let (kind, summary) = only_anomaly(&finding);
    assert_eq!(kind, "different-order");
    assert_eq!(summary, "n1 delivered 2 as message 2, where n2 delivered 3");
}

#[test]
fn duplicates_and_messages_from_nowhere_are_found() {
    let ops = [
        sent("n1", 0..10, 1),
        fail("n1", 11..12, Call::Broadcast(2)),
        delivered("n1", 20..30, &[1, 1, 2, 9]),
    ];
    let finding = check(&PLAIN, ops, &RunFacts::default());
    assert_eq!(kinds(&finding), ["duplicated", "unexpected", "unexpected"]);
    assert_eq!(finding.verdict.anomalies()[0].summary, "n1 delivered 1 twice, as message 1 and 2");
}

#[test]
fn an_acknowledged_message_must_be_delivered_everywhere_at_the_end() {
    let ops = || {
        [
            sent("n1", 200..300, 1),
            delivered("n1", 2500..2510, &[1]),
            delivered("n2", 2500..2510, &[]),
        ]
    };
    let finding = check(&PLAIN, ops(), &run(vec![]));
    assert_eq!(
        only_anomaly(&finding),
        ("lost", "n1 acknowledged message 1 at 0.300 s; at the end n2 had not delivered it")
    );
    let no_end = RunFacts { final_phase_at: None, ..run(vec![]) };
    assert!(matches!(check(&PLAIN, ops(), &no_end).verdict, Verdict::Unknown(_)));
}

#[test]
fn a_node_may_not_forget_what_it_delivered_unless_it_was_killed() {
    let ops = || {
        [
            sent("n1", 0..10, 1),
            delivered("n1", 50..60, &[1]),
            delivered("n1", 500..510, &[]),
            delivered("n1", 2500..2510, &[1]),
        ]
    };
    let finding = check(&PLAIN, ops(), &run(vec![]));
    assert_eq!(
        only_anomaly(&finding),
        ("regressed", "n1 had delivered 1 message, and later only 0")
    );
    let killed = run(vec![fault("kill", "n1 was killed", &["n1"], &[])]);
    assert_eq!(check(&PLAIN, ops(), &killed).verdict, Verdict::Valid);
}

#[test]
fn real_time_order_is_asked_for_only_on_request() {
    let ops = || [sent("n1", 0..10, 1), sent("n2", 20..30, 2), delivered("n1", 40..50, &[2, 1])];
    assert_eq!(check(&PLAIN, ops(), &RunFacts::default()).verdict, Verdict::Valid);
    assert_eq!(kinds(&check(&REAL_TIME, ops(), &RunFacts::default())), ["real-time-order"]);
}

#[test]
fn nothing_delivered_at_all_is_unknown() {
    let ops = [info("n1", 0..10, Call::Broadcast(1)), delivered("n1", 20..30, &[])];
    assert!(matches!(check(&PLAIN, ops, &RunFacts::default()).verdict, Verdict::Unknown(_)));
}

#[derive(Clone, Debug)]
struct Drawn {
    how: u8,
    length: usize,
    spoiled: bool,
    other: Vec<i64>,
}

fn histories() -> impl Strategy<Value = History<Log>> {
    let drawn =
        (0..7_u8, 0..5_usize, prop::bool::weighted(0.1), prop::collection::vec(0..5_i64, 0..4))
            .prop_map(|(how, length, spoiled, other)| Drawn { how, length, spoiled, other });
    let order = Just(vec![0, 1, 2, 3]).prop_shuffle();
    (spans(1..8), prop::collection::vec(drawn, 8), order).prop_map(|(spans, drawn, mut order)| {
        // The four messages are those of the first four broadcasts.
        let broadcasts = drawn.iter().take(spans.len()).filter(|d| d.how < 4).count();
        let known = i64::try_from(broadcasts).unwrap_or_default();
        order.retain(|message| *message < known);
        let mut next = 0;
        let ops: Vec<Did<Log>> = spans
            .into_iter()
            .zip(drawn)
            .enumerate()
            .map(|(at, (span, drawn))| {
                let node = ["n1", "n2"][at % 2];
                if drawn.how < 4 {
                    let message = next;
                    next += 1;
                    return match drawn.how {
                        0 => info(node, span.start..NEVER, Call::Broadcast(message)),
                        1 if drawn.spoiled => fail(node, span, Call::Broadcast(message)),
                        _ => sent(node, span, message),
                    };
                }
                let right = &order[..drawn.length.min(order.len())];
                delivered(node, span, if drawn.spoiled { &drawn.other } else { right })
            })
            .collect();
        history(ops)
    })
}

/// Tries every order of every choice of messages that includes the acknowledged ones.
fn oracle(ops: &[Op<Log>], real_time: bool) -> bool {
    let broadcasts: Vec<&Op<Log>> = ops
        .iter()
        .filter(|op| matches!(op.call, Call::Broadcast(_)) && op.outcome.may_have_happened())
        .collect();
    let answers: Vec<(&Op<Log>, &Vec<i64>)> = ops
        .iter()
        .filter_map(|op| match op.reply() {
            Some(Reply::Delivered(list)) => Some((op, list)),
            _ => None,
        })
        .collect();
    orders(&broadcasts).iter().any(|order| fits(order, &broadcasts, &answers, real_time))
        && answers.iter().all(|(later, list)| {
            answers.iter().all(|(earlier, longer)| {
                earlier.node != later.node || !earlier.precedes(later) || longer.len() <= list.len()
            })
        })
        && finals(ops, &answers).iter().all(|(read, list)| {
            broadcasts
                .iter()
                .all(|by| by.reply().is_none() || !by.precedes(read) || list.contains(&message(by)))
        })
}

fn message(op: &Op<Log>) -> i64 {
    match op.call {
        Call::Broadcast(message) => message,
        Call::Delivered => unreachable!("only broadcasts are asked"),
    }
}

fn orders<'h>(left: &[&'h Op<Log>]) -> Vec<Vec<&'h Op<Log>>> {
    let mut all = vec![Vec::new()];
    for (at, op) in left.iter().enumerate() {
        let mut rest = left.to_vec();
        rest.remove(at);
        for mut order in orders(&rest) {
            order.insert(0, *op);
            all.push(order);
        }
    }
    all
}

fn fits(
    order: &[&Op<Log>],
    broadcasts: &[&Op<Log>],
    answers: &[(&Op<Log>, &Vec<i64>)],
    real_time: bool,
) -> bool {
    let complete = broadcasts.iter().all(|op| {
        op.reply().is_none() || order.iter().any(|in_order| message(in_order) == message(op))
    });
    let timely =
        (0..order.len()).all(|late| (0..late).all(|early| !order[late].precedes(order[early])));
    let messages: Vec<i64> = order.iter().map(|op| message(op)).collect();
    let prefixes = answers.iter().all(|(read, list)| {
        messages.starts_with(list) && order.iter().take(list.len()).all(|by| !read.precedes(by))
    });
    complete && prefixes && (timely || !real_time)
}

fn finals<'h>(
    ops: &[Op<Log>],
    answers: &[(&'h Op<Log>, &'h Vec<i64>)],
) -> Vec<(&'h Op<Log>, &'h Vec<i64>)> {
    let quiet = ops
        .iter()
        .filter(|op| matches!(op.call, Call::Broadcast(_)))
        .map(|op| op.completed.map_or(op.invoked.index, |stamp| stamp.index))
        .max();
    ["n1", "n2"]
        .iter()
        .filter_map(|node| {
            let of_node = answers.iter().filter(|(op, _)| op.node.as_deref() == Some(node));
            of_node
                .filter(|(op, _)| quiet.is_none_or(|quiet| op.invoked.index > quiet))
                .max_by_key(|(op, _)| op.invoked.index)
                .copied()
        })
        .collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_checker_agrees_with_the_oracle(history in histories(), real_time in any::<bool>()) {
        let truth = oracle(history.ops(), real_time);
        let (facts, limits) = (RunFacts::default(), Limits::default());
        let finding = TotalOrder { real_time }.check(&history, &facts, &limits);
        match &finding.verdict {
            Verdict::Valid | Verdict::Unknown(_) => prop_assert!(truth, "{finding:#?}"),
            Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
        }
    }
}
