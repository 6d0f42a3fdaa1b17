//! Sets with remove.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, only_anomaly};
use proptest::prelude::*;
use schism_checkers::add_remove_set::AddRemoveSet;
use schism_core::api::Key;
use schism_core::api::mutable_set::{Call, MutableSet, Reply, SetOp};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeSet;
use std::ops::Range;

fn call(op: SetOp, element: i64) -> Call {
    Call { key: None, element: Key::Int(element), op }
}

#[test]
fn each_element_is_in_or_not() {
    let ops = [
        ok("n1", 0..10, call(SetOp::Add, 1), Reply::Said(true)),
        ok("n1", 20..30, call(SetOp::Remove, 1), Reply::Said(true)),
        ok("n1", 40..50, call(SetOp::Remove, 1), Reply::Said(false)),
        ok("n2", 5..25, call(SetOp::Contains, 2), Reply::Said(false)),
        ok("n2", 45..55, call(SetOp::Contains, 1), Reply::Said(true)),
    ];
    assert_eq!(
        only_anomaly(&check(&AddRemoveSet, ops, &RunFacts::default())),
        (
            "not-linearizable",
            "element 1: no order of the operations explains that n2 found it at 0.055 s"
        )
    );
    let ops = [
        fail("n1", 0..10, call(SetOp::Add, 1)),
        ok("n2", 20..30, call(SetOp::Contains, 1), Reply::Said(true)),
    ];
    assert_eq!(
        only_anomaly(&check(&AddRemoveSet, ops, &RunFacts::default())),
        ("garbage-read", "element 1: n2 found it at 0.030 s, although its add failed")
    );
}

/// One operation as it is drawn.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    f: u8,
    element: i64,
    crashed: bool,
    effective: bool,
    moment: f64,
    spoiled: u8,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (0..3_u8, 0..2_i64, prop::bool::weighted(0.2), any::<bool>(), 0.0..1.0, 0..16_u8).prop_map(
        |(f, element, crashed, effective, moment, spoiled)| Drawn {
            f,
            element,
            crashed,
            effective,
            moment,
            spoiled,
        },
    )
}

/// What a set would have answered; some answers are spoiled.
fn executed(spans: &[Range<u64>], drawn: &[Drawn]) -> History<MutableSet> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    let moment = |at: &usize| {
        let (span, drawn) = (&spans[*at], &drawn[*at]);
        let length = if drawn.crashed { 40 } else { span.end - span.start };
        span.start as f64 + length as f64 * drawn.moment
    };
    order.sort_by(|left, right| moment(left).total_cmp(&moment(right)));
    let mut state: BTreeSet<i64> = BTreeSet::new();
    let mut dids: Vec<(usize, Did<MutableSet>)> = Vec::new();
    for at in order {
        let drawn = &drawn[at];
        let happens = !drawn.crashed || drawn.effective;
        let op = [SetOp::Add, SetOp::Remove, SetOp::Contains][usize::from(drawn.f)];
        let said = match op {
            SetOp::Add if happens => state.insert(drawn.element),
            SetOp::Remove if happens => state.remove(&drawn.element),
            _ => state.contains(&drawn.element),
        };
        let reply = match (op, drawn.spoiled) {
            (SetOp::Add | SetOp::Remove, 8..) => Reply::Done,
            (_, 0) => Reply::Said(!said),
            _ => Reply::Said(said),
        };
        let call = call(op, drawn.element);
        dids.push((
            at,
            match (drawn.crashed, drawn.spoiled) {
                (true, _) => info("n1", spans[at].start..NEVER, call),
                (false, 1) => fail("n1", spans[at].clone(), call),
                (false, _) => ok("n1", spans[at].clone(), call, reply),
            },
        ));
    }
    dids.sort_by_key(|(at, _)| *at);
    history(dids.into_iter().map(|(_, did)| did))
}

/// Tries every order.
fn oracle(left: &[&Op<MutableSet>], state: &BTreeSet<Key>) -> bool {
    if left.iter().all(|op| op.returned().is_none()) {
        return true;
    }
    (0..left.len()).any(|at| {
        let op = left[at];
        let mut after = state.clone();
        let said = match op.call.op {
            SetOp::Add => after.insert(op.call.element.clone()),
            SetOp::Remove => after.remove(&op.call.element),
            SetOp::Contains => after.contains(&op.call.element),
        };
        let answers = match op.reply() {
            Some(Reply::Said(answer)) => *answer == said,
            Some(Reply::Done) | None => true,
        };
        let mut rest = left.to_vec();
        rest.remove(at);
        answers && left.iter().all(|other| !other.precedes(op)) && oracle(&rest, &after)
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn sets_with_remove_are_what_the_oracle_says(
        spans in spans(2..9),
        drawn in prop::collection::vec(drawn(), 9),
    ) {
        let history = executed(&spans, &drawn);
        let happened: Vec<&Op<MutableSet>> =
            history.ops().iter().filter(|op| op.outcome.may_have_happened()).collect();
        let truth = oracle(&happened, &BTreeSet::new());
        let finding = AddRemoveSet.check(&history, &RunFacts::default(), &Limits::default());
        match &finding.verdict {
            Verdict::Valid => prop_assert!(truth, "{finding:#?}"),
            Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
            Verdict::Unknown(why) => {
                prop_assert!(truth && why.starts_with("vacuous"), "{finding:#?}");
            }
        }
    }
}
