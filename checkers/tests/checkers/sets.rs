//! Growing sets.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, fault, kinds, only_anomaly, run};
use proptest::prelude::*;
use schism_checkers::set_full::SetFull;
use schism_core::api::set::{Call, Reply, Set};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeSet;
use std::ops::Range;

const DURABLE: SetFull = SetFull { linearizable: false };
const STRICT: SetFull = SetFull { linearizable: true };

fn added(node: &'static str, span: Range<u64>, element: i64) -> Did<Set> {
    ok(node, span, Call::Add(element), Reply::Added)
}

fn read(node: &'static str, span: Range<u64>, elements: &[i64]) -> Did<Set> {
    ok(node, span, Call::Read, Reply::Read(elements.to_vec()))
}

#[test]
fn an_acknowledged_element_that_no_final_read_has_is_lost() {
    let faults = vec![fault("partition-one", "n1 was cut off", &["n1"], &[])];
    let finding = check(
        &DURABLE,
        [
            added("n1", 200..300, 1),
            added("n2", 210..310, 2),
            read("n1", 2100..2200, &[2]),
            read("n2", 2100..2200, &[2]),
        ],
        &run(faults),
    );
    assert_eq!(
        only_anomaly(&finding),
        (
            "lost",
            "n1 acknowledged element 1 at 0.300 s, while n1 was cut off; it is in no final read \
             (n1 and n2)"
        )
    );
    assert_eq!(finding.verdict.anomalies()[0].ops, [0, 4, 5]);
}

#[test]
fn replicas_that_differ_at_the_end_have_diverged_unless_they_may_lag() {
    let ops = |at: u64| {
        [added("n1", 200..300, 1), read("n1", at..at + 10, &[1]), read("n2", at..at + 10, &[])]
    };
    assert_eq!(
        only_anomaly(&check(&DURABLE, ops(2100), &run(vec![]))),
        ("diverged", "n1 acknowledged element 1 at 0.300 s; n1 has it and n2 has not")
    );
    let soon = RunFacts { final_phase_at: run(vec![]).healed_at, ..run(vec![]) };
    let finding = check(&DURABLE, ops(1500), &soon);
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.details["missing_but_too_recent"], 1);
}

#[test]
fn what_was_acknowledged_just_before_the_end_is_unknown_if_it_is_nowhere() {
    let ops = [added("n1", 1900..1990, 1), read("n1", 2100..2110, &[])];
    assert!(matches!(check(&DURABLE, ops, &run(vec![])).verdict, Verdict::Unknown(_)));
}

#[test]
fn elements_from_nowhere_and_duplicates_are_found_in_any_read() {
    let ops = [
        added("n1", 0..10, 1),
        fail("n1", 11..12, Call::Add(2)),
        info("n1", 13..14, Call::Add(3)),
        read("n2", 20..30, &[1, 1, 2, 3, 9]),
        read("n2", 40..50, &[1, 3]),
    ];
    let finding = check(&DURABLE, ops, &RunFacts::default());
    assert_eq!(kinds(&finding), ["duplicated", "unexpected", "unexpected"]);
    let sentences: Vec<&str> =
        finding.verdict.anomalies().iter().map(|anomaly| anomaly.summary.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "a read at n2 has element 1 more than once",
            "a read at n2 has element 2, whose add had certainly failed",
            "a read at n2 has element 9, which nobody ever added",
        ]
    );
}

#[test]
fn without_a_final_read_nothing_is_known() {
    let ops = || [added("n1", 200..300, 1), read("n1", 400..410, &[1])];
    assert!(matches!(check(&DURABLE, ops(), &run(vec![])).verdict, Verdict::Unknown(_)));
    let cut = RunFacts { final_phase_at: None, ..run(vec![]) };
    assert!(matches!(check(&DURABLE, ops(), &cut).verdict, Verdict::Unknown(_)));
    assert_eq!(check(&DURABLE, ops(), &RunFacts::default()).verdict, Verdict::Valid);
}

#[test]
fn a_read_without_what_was_acknowledged_before_is_stale_where_that_matters() {
    let ops = || [added("n1", 0..10, 1), read("n2", 20..30, &[]), read("n2", 40..50, &[1])];
    let finding = check(&STRICT, ops(), &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        ("stale-read", "n1 acknowledged element 1 at 0.010 s, and a later read at n2 lacks it")
    );
    let tolerant = check(&DURABLE, ops(), &RunFacts::default());
    assert_eq!(tolerant.verdict, Verdict::Valid);
    assert_eq!(tolerant.details["stale"], 1);
}

#[test]
fn a_read_that_shows_a_later_add_must_show_the_one_acknowledged_before_it() {
    let ops = [added("n1", 5..10, 1), added("n1", 20..30, 2), read("n2", 0..40, &[2])];
    let finding = check(&STRICT, ops, &RunFacts::default());
    assert_eq!(kinds(&finding), ["stale-read"]);
    assert_eq!(
        finding.verdict.anomalies()[0].because[1],
        "the read has an element whose add began only after that, at 0.020 s"
    );
}

#[test]
fn two_reads_that_each_lack_the_others_element_are_a_long_fork() {
    let ops = [
        info("n1", 0..NEVER, Call::Add(1)),
        info("n1", 1..NEVER, Call::Add(2)),
        read("n2", 20..40, &[1]),
        read("n3", 21..41, &[2]),
    ];
    let finding = check(&STRICT, ops, &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        ("long-fork", "a read at n2 has 1 but not 2, and one at n3 has 2 but not 1")
    );
}

#[test]
fn many_lost_elements_are_all_counted_and_ten_are_shown() {
    let mut ops: Vec<Did<Set>> =
        (0..50).map(|at| added("n1", at * 2..at * 2 + 1, i64::try_from(at).unwrap())).collect();
    ops.push(read("n1", 200..210, &[]));
    let finding = check(&DURABLE, ops, &RunFacts::default());
    assert_eq!(finding.verdict.anomalies().len(), 10);
    assert_eq!(finding.details["anomalies"]["lost"], 50);
    assert_eq!(finding.summary, "of 50 acknowledged elements: 50 lost");
}

#[derive(Clone, Debug)]
struct Drawn {
    element: i64,
    read: Vec<bool>,
    how: u8,
    moment: f64,
    plausible: bool,
}

fn histories() -> impl Strategy<Value = History<Set>> {
    let drawn = (
        0..4_i64,
        prop::collection::vec(any::<bool>(), 4),
        0..8_u8,
        0.0..1.0,
        prop::bool::weighted(0.9),
    )
        .prop_map(|(element, read, how, moment, plausible)| Drawn {
            element,
            read,
            how,
            moment,
            plausible,
        });
    (spans(1..7), prop::collection::vec(drawn, 7)).prop_map(|(spans, drawn)| {
        let moment = |at: usize| {
            spans[at].start as f64 + drawn[at].moment * (spans[at].end - spans[at].start) as f64
        };
        let effective = |at: usize| matches!(drawn[at].how, 0 | 2..=3);
        let ops = spans.iter().enumerate().map(|(at, span)| {
            let Drawn { element, read: bits, how, plausible, .. } = &drawn[at];
            let node = ["n1", "n2"][at % 2];
            match how {
                0 | 1 => info(node, span.start..NEVER, Call::Add(*element)),
                2 | 3 => added(node, span.clone(), *element),
                4 => fail(node, span.clone(), Call::Add(*element)),
                _ => {
                    let has = |wanted: i64| {
                        (0..spans.len()).any(|by| {
                            drawn[by].element == wanted && effective(by) && moment(by) < moment(at)
                        })
                    };
                    let contents: Vec<i64> = (0..4)
                        .filter(|wanted| {
                            let index = usize::try_from(*wanted).unwrap_or_default();
                            if *plausible { has(*wanted) } else { bits[index] }
                        })
                        .collect();
                    read(node, span.clone(), &contents)
                }
            }
        });
        history(ops)
    })
}

/// Tries every order.
fn linearizable(ops: &[Op<Set>]) -> bool {
    fn place(left: &[&Op<Set>], state: &BTreeSet<i64>) -> bool {
        if left.iter().all(|op| op.returned().is_none()) {
            return true;
        }
        left.iter().enumerate().any(|(at, op)| {
            let first = left.iter().all(|other| !other.precedes(op));
            let mut after = state.clone();
            let answers = match (&op.call, op.reply()) {
                (Call::Add(element), _) => {
                    after.insert(*element);
                    true
                }
                (Call::Read, Some(Reply::Read(found))) => {
                    found.len() == state.len() && found.iter().all(|value| state.contains(value))
                }
                (Call::Read, _) => true,
            };
            let mut rest = left.to_vec();
            rest.remove(at);
            first && answers && place(&rest, &after)
        })
    }
    let happened: Vec<&Op<Set>> = ops.iter().filter(|op| op.outcome.may_have_happened()).collect();
    place(&happened, &BTreeSet::new())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_linearizable_set_is_what_the_oracle_says_it_is(history in histories()) {
        let truth = linearizable(history.ops());
        let strict = STRICT.check(&history, &RunFacts::default(), &Limits::default());
        match &strict.verdict {
            Verdict::Valid | Verdict::Unknown(_) => prop_assert!(truth, "{strict:#?}"),
            Verdict::Invalid(_) => prop_assert!(!truth, "{strict:#?}"),
        }
        let durable = DURABLE.check(&history, &RunFacts::default(), &Limits::default());
        prop_assert!(!truth || durable.verdict.anomalies().is_empty(), "{durable:#?}");
    }

    /// Element by element, as Jepsen's `set-full` defines them.
    #[test]
    fn fates_of_elements_are_what_they_are_defined_to_be(history in histories()) {
        let finding = DURABLE.check(&history, &RunFacts::default(), &Limits::default());
        let ops = history.ops();
        let reads = || ops.iter().filter_map(|op| match op.reply() {
            Some(Reply::Read(contents)) => Some((op, contents)),
            _ => None,
        });
        let mut fates = [0, 0, 0];
        for element in 0..4 {
            let adds = || ops.iter().filter(|op| op.call == Call::Add(element));
            if !adds().any(|op| op.outcome.may_have_happened()) {
                continue;
            }
            let began = |has: bool| {
                let such = reads().filter(|(_, contents)| contents.contains(&element) == has);
                such.map(|(op, _)| op.invoked.index).max()
            };
            let (present, absent) = (began(true), began(false));
            let shown = reads().filter(|(_, contents)| contents.contains(&element));
            let acks = adds().filter(|op| op.reply().is_some());
            let known = acks.chain(shown.map(|(op, _)| op)).filter_map(Op::returned).min();
            let lost = known.zip(absent).is_some_and(|(known, absent)| known < absent);
            let stable = present.is_some() && absent < present;
            fates[if lost && present < absent { 0 } else if stable { 1 } else { 2 }] += 1;
        }
        let told = ["lost", "stable", "never_read"].map(|fate| finding.details[fate].clone());
        prop_assert_eq!(told, fates, "{:#?}", finding);
    }
}
