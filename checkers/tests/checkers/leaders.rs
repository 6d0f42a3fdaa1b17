//! Leader election.

use crate::build::{Did, cases, history, ok, spans};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::leader_election::LeaderElection;
use schism_core::api::leadership::{Call, Leadership, Reply};
use schism_core::checker::Checker;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

const BY_TERM: LeaderElection = LeaderElection { exclusive_in_time: false };
const IN_TIME: LeaderElection = LeaderElection { exclusive_in_time: true };

fn leads(node: &'static str, span: Range<u64>, term: u64, reign: u64) -> Did<Leadership> {
    ok(node, span, Call::Observe, Reply { term, leader: true, reign, boot: 1 })
}

fn follows(node: &'static str, span: Range<u64>, term: u64) -> Did<Leadership> {
    ok(node, span, Call::Observe, Reply { term, leader: false, reign: 0, boot: 1 })
}

#[test]
fn two_leaders_of_one_term_are_found_whenever_they_led() {
    let ops = [leads("n1", 0..10, 4, 1), leads("n1", 12..14, 4, 1), leads("n3", 500..510, 4, 1)];
    assert_eq!(
        only_anomaly(&check(&BY_TERM, ops, &RunFacts::default())),
        ("two-leaders-one-term", "n1 and n3 both held themselves for the leader of term 4")
    );
}

#[test]
fn a_leader_within_the_reign_of_another_is_one_too_many_at_one_time() {
    let ops = || [leads("n1", 0..10, 4, 1), leads("n3", 20..30, 5, 1), leads("n1", 40..50, 4, 1)];
    let finding = check(&IN_TIME, ops(), &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        ("two-leaders-at-once", "n1 (term 4) and n3 (term 5) both led between 0.020 s and 0.030 s")
    );
    assert_eq!(finding.verdict.anomalies()[0].ops, [0, 2, 4]);
    let tolerant = check(&BY_TERM, ops(), &RunFacts::default());
    assert_eq!(tolerant.verdict, Verdict::Valid);
    assert_eq!(tolerant.details["two_leaders_at_once"], 1);
}

#[test]
fn reigns_that_certainly_overlap_are_found_though_no_sample_lies_within() {
    let ops = [
        leads("n1", 0..10, 4, 1),
        leads("n1", 40..70, 4, 1),
        leads("n3", 5..20, 5, 1),
        leads("n3", 50..80, 5, 1),
    ];
    assert_eq!(kinds(&check(&IN_TIME, ops, &RunFacts::default())), ["two-leaders-at-once"]);
}

#[test]
fn what_may_have_been_one_after_the_other_is_not_accused() {
    let overlapping = [leads("n1", 0..30, 4, 1), leads("n3", 10..20, 5, 1)];
    let again = [leads("n1", 0..10, 4, 1), leads("n3", 20..30, 5, 1), leads("n1", 40..50, 6, 2)];
    let ends_within =
        [leads("n1", 0..10, 4, 1), leads("n3", 20..45, 5, 1), leads("n1", 40..50, 4, 1)];
    for ops in [overlapping.to_vec(), again.to_vec(), ends_within.to_vec()] {
        assert_eq!(check(&IN_TIME, ops, &RunFacts::default()).verdict, Verdict::Valid);
    }
}

#[test]
fn no_leader_at_all_and_unnamed_nodes_are_unknown() {
    let finding = check(&BY_TERM, [follows("n1", 0..10, 4)], &RunFacts::default());
    assert!(matches!(finding.verdict, Verdict::Unknown(_)));
    let unnamed = [leads("n1", 0..10, 4, 1).anywhere(), leads("n1", 20..30, 4, 1).anywhere()];
    let finding = check(&BY_TERM, unnamed, &RunFacts::default());
    assert!(matches!(finding.verdict, Verdict::Unknown(_)));
}

proptest! {
    #![proptest_config(cases())]

    /// A schedule in which leaders follow each other never looks like two at once, and one with two
    /// leaders is accused only if it has them.
    #[test]
    fn leaders_in_turn_are_never_accused(
        spans in spans(1..9),
        lengths in prop::collection::vec((1..9_u64, 0..3_usize), 1..6),
        moments in prop::collection::vec((0.0..1.0, 0..3_usize), 9),
    ) {
        const NODES: [&str; 3] = ["n1", "n2", "n3"];
        let reign_at = |moment: f64| {
            let mut end = 0;
            (1..).zip(&lengths).find(|(_, (length, _))| {
                end += length;
                moment < end as f64
            })
        };
        let ops = spans.into_iter().zip(moments).map(|(span, (at, node))| {
            let moment = span.start as f64 + at * (span.end - span.start) as f64;
            match reign_at(moment) {
                Some((reign, (_, leader))) if *leader == node => {
                    leads(NODES[node], span, reign, reign)
                }
                _ => follows(NODES[node], span, 0),
            }
        });
        let finding = IN_TIME.check(&history(ops), &RunFacts::default(), &Limits::default());
        prop_assert!(finding.verdict.anomalies().is_empty(), "{finding:#?}");
    }
}
