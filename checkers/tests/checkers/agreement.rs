//! Consensus and the coordinated attack.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, fault, kinds, only_anomaly, run};
use proptest::prelude::*;
use schism_checkers::consensus::Consensus;
use schism_checkers::coordinated_attack::CoordinatedAttack;
use schism_core::api::consensus::{Call, Consensus as Api, ConsensusOp, Reply};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

const SAFETY: Consensus = Consensus { termination: false };
const ALL: Consensus = Consensus { termination: true };
const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn propose(instance: i64, value: i64) -> Call {
    Call { instance, op: ConsensusOp::Propose(value) }
}

fn proposed(node: &'static str, span: Range<u64>, value: i64, decided: i64) -> Did<Api> {
    ok(node, span, propose(4, value), Reply::Decided(Some(decided)))
}

fn learned(node: &'static str, span: Range<u64>, decided: Option<i64>) -> Did<Api> {
    ok(node, span, Call { instance: 4, op: ConsensusOp::Learn }, Reply::Decided(decided))
}

#[test]
fn two_decisions_in_one_instance_break_agreement() {
    let faults = vec![fault("delay", "links were slow", &["n1"], &[])];
    let finding = check(
        &SAFETY,
        [proposed("n1", 200..300, 41, 41), proposed("n2", 210..320, 42, 42)],
        &run(faults),
    );
    assert_eq!(
        only_anomaly(&finding),
        ("agreement", "n1 decided 41 and n2 decided 42 in instance 4, while links were slow")
    );
    assert_eq!(finding.verdict.anomalies()[0].ops, [0, 1]);
}

#[test]
fn a_decision_that_nobody_proposed_breaks_validity_and_an_open_proposal_counts() {
    let finding = check(&SAFETY, [proposed("n1", 0..10, 41, 99)], &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        ("validity", "n1 decided 99 in instance 4, which nobody proposed")
    );
    let failed = [fail("n2", 0..5, propose(4, 99)), proposed("n1", 6..10, 41, 99)];
    assert_eq!(kinds(&check(&SAFETY, failed, &RunFacts::default())), ["validity"]);
    let open = [info("n2", 0..5, propose(4, 99)), proposed("n1", 6..10, 41, 99)];
    assert_eq!(check(&SAFETY, open, &RunFacts::default()).verdict, Verdict::Valid);
    let later = [proposed("n1", 0..10, 41, 99), info("n2", 20..30, propose(4, 99))];
    assert_eq!(kinds(&check(&SAFETY, later, &RunFacts::default())), ["validity"]);
}

#[test]
fn a_node_that_changes_its_mind_breaks_integrity_only() {
    let ops = [
        proposed("n1", 0..10, 41, 41),
        info("n2", 0..10, propose(4, 42)),
        learned("n1", 20..30, Some(42)),
    ];
    let finding = check(&SAFETY, ops, &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        ("integrity", "n1 decided twice in instance 4: 41, then 42")
    );
}

#[test]
fn nobody_decided_anything_is_unknown() {
    let ops = [info("n1", 0..10, propose(4, 41)), learned("n2", 20..30, None)];
    assert!(matches!(check(&SAFETY, ops, &RunFacts::default()).verdict, Verdict::Unknown(_)));
}

/// n1 decided, n2 still has not at the end; asked at this time, in milliseconds.
fn undecided_at(asked: u64) -> [Did<Api>; 4] {
    [
        proposed("n1", 200..300, 41, 41),
        info("n2", 200..400, propose(4, 42)),
        learned("n1", 2500..2510, Some(41)),
        learned("n2", asked..asked + 10, None),
    ]
}

#[test]
fn a_correct_node_that_never_decides_breaks_termination_after_the_deadline_only() {
    let finding = check(&ALL, undecided_at(6100), &run(vec![]));
    assert_eq!(
        only_anomaly(&finding),
        ("termination", "n2 still has not decided instance 4, 5.1 s after everything was healed")
    );
    let early = check(&ALL, undecided_at(5900), &run(vec![]));
    assert!(matches!(early.verdict, Verdict::Unknown(why) if why.contains("n2 in instance 4")));
    assert_eq!(check(&SAFETY, undecided_at(6100), &run(vec![])).verdict, Verdict::Valid);
}

#[test]
fn a_node_that_was_killed_need_not_decide() {
    let killed = run(vec![fault("kill", "n2 was killed", &["n2"], &[])]);
    assert_eq!(check(&ALL, undecided_at(6100), &killed).verdict, Verdict::Valid);
}

#[test]
fn an_instance_of_which_a_correct_node_may_not_have_heard_obliges_nobody() {
    let ops = || {
        [
            info("n1", 200..300, propose(4, 41)),
            info("n2", 200..300, propose(4, 42)),
            learned("n1", 6200..6210, None),
            learned("n2", 6200..6210, None),
        ]
    };
    let paused = run(vec![fault("pause", "n1 was paused", &["n1"], &[])]);
    let finding = check(&ALL, ops(), &paused);
    assert!(finding.verdict.anomalies().is_empty(), "{finding:#?}");
    let alone = [info("n1", 200..300, propose(4, 41)), learned("n2", 6200..6210, None)];
    let finding = check(&ALL, alone, &run(vec![]));
    assert!(finding.verdict.anomalies().is_empty(), "{finding:#?}");
    assert_eq!(kinds(&check(&ALL, ops(), &run(vec![]))), ["termination"]);
    let killed = run(vec![fault("kill", "n1 was killed", &["n1"], &[])]);
    assert_eq!(
        only_anomaly(&check(&ALL, ops(), &killed)),
        ("termination", "n2 still has not decided instance 4, 5.2 s after everything was healed")
    );
}

#[test]
fn a_run_that_was_cut_short_says_nothing_about_termination() {
    let facts = RunFacts { final_phase_at: None, ..run(vec![]) };
    assert!(matches!(check(&ALL, undecided_at(6100), &facts).verdict, Verdict::Unknown(_)));
}

#[test]
fn one_general_attacks_alone() {
    let together = [proposed("n1", 0..10, 1, 1), proposed("n2", 1..11, 1, 1)];
    let finding = check(&CoordinatedAttack, together, &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    let alone = [proposed("n1", 0..10, 1, 1), proposed("n2", 1..11, 1, 0)];
    assert_eq!(
        only_anomaly(&check(&CoordinatedAttack, alone, &RunFacts::default())),
        ("attacks-alone", "n1 attacked alone in battle 4: n2 retreated")
    );
    let never = [proposed("n1", 0..10, 1, 1), learned("n2", 6100..6110, None)];
    assert_eq!(
        only_anomaly(&check(&CoordinatedAttack, never, &run(vec![]))),
        ("attacks-alone", "n1 attacked alone in battle 4: n2 never decided")
    );
    let nobody = [proposed("n1", 0..10, 1, 0)];
    let finding = check(&CoordinatedAttack, nobody, &RunFacts::default());
    assert!(matches!(finding.verdict, Verdict::Unknown(_)));
    let unasked = [proposed("n1", 0..10, 0, 1)];
    assert_eq!(kinds(&check(&CoordinatedAttack, unasked, &RunFacts::default())), ["validity"]);
}

fn histories() -> impl Strategy<Value = History<Api>> {
    let drawn = (1..4_i64, 1..4_i64, 0..3_usize, 0..6_u8, any::<bool>());
    (spans(1..7), prop::collection::vec(drawn, 7)).prop_map(|(spans, drawn)| {
        history(spans.into_iter().zip(drawn).map(|(span, (one, two, node, how, plain))| {
            // Mostly the value 1 is decided, so that many histories are right.
            let (one, two): (i64, i64) = if plain { (1, 1) } else { (one, two) };
            match how {
                0 => info(NODES[node], span.start..NEVER, propose(4, one)),
                1 => fail(NODES[node], span, propose(4, one)),
                2 => learned(NODES[node], span, None),
                3 => learned(NODES[node], span, Some(two)),
                _ => proposed(NODES[node], span, one, two),
            }
        }))
    })
}

/// From the definition, pair by pair.
fn is_safe(ops: &[Op<Api>]) -> bool {
    let answer = |op: &Op<Api>| op.reply().and_then(|Reply::Decided(value)| *value);
    let valid = ops.iter().filter_map(|op| Some((op, answer(op)?))).all(|(op, value)| {
        ops.iter().any(|by| {
            by.call.op == ConsensusOp::Propose(value)
                && by.outcome.may_have_happened()
                && !op.precedes(by)
        })
    });
    let one = ops.iter().all(|a| {
        ops.iter().all(|b| answer(a).is_none() || answer(b).is_none() || answer(a) == answer(b))
    });
    valid && one
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn safety_agrees_with_the_definition(history in histories()) {
        let finding = SAFETY.check(&history, &RunFacts::default(), &Limits::default());
        let decided = history.ops().iter().any(|op| {
            matches!(op.reply(), Some(Reply::Decided(Some(_))))
        });
        match finding.verdict {
            Verdict::Valid => prop_assert!(decided && is_safe(history.ops())),
            Verdict::Unknown(_) => prop_assert!(!decided),
            Verdict::Invalid(_) => prop_assert!(!is_safe(history.ops())),
        }
    }
}
