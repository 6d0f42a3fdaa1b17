//! Recovery, stats, coverage.

use crate::build::{Did, NEVER, fail, info, ok};
use crate::{check, fault, kinds, run};
use schism_checkers::coverage::Coverage;
use schism_checkers::recovery::Recovery;
use schism_checkers::stats::Stats;
use schism_core::api::set::{Call, Reply, Set};
use schism_core::event::Kind;
use schism_core::record::{Coverage as Goal, FaultWindow, RunFacts};
use schism_core::verdict::Verdict;
use std::ops::Range;

const JUDGE: Recovery = Recovery { judge: true };

fn added(node: &'static str, span: Range<u64>) -> Did<Set> {
    ok(node, span, Call::Add(1), Reply::Added)
}

#[test]
fn recovery_is_measured_from_the_heal_at_each_node() {
    let ops = [added("n1", 500..510), added("n1", 1100..1250), added("n2", 1500..1600)];
    let finding = check(&JUDGE, ops, &run(vec![]));
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.details["first_ok_after_s"], 0.25);
    assert_eq!(finding.details["first_ok_after_s_by_node"]["n2"], 0.6);
    assert_eq!(
        finding.summary,
        "the first operation succeeded 0.250 s after everything was healed"
    );
}

#[test]
fn a_system_that_never_works_again_is_accused_only_on_request() {
    let ops = || [added("n1", 500..510), info("n1", 6500..7500, Call::Read)];
    assert_eq!(kinds(&check(&JUDGE, ops(), &run(vec![]))), ["no-recovery"]);
    let lenient = Recovery { judge: false };
    assert_eq!(check(&lenient, ops(), &run(vec![])).verdict, Verdict::Valid);
    let never_ready = RunFacts { recovered_at: None, ..run(vec![]) };
    let finding = check(&JUDGE, [added("n1", 6500..6510)], &never_ready);
    assert_eq!(kinds(&finding), ["no-recovery"]);
}

#[test]
fn a_run_that_ended_before_the_limit_is_not_accused() {
    let cut = RunFacts { recovered_at: None, final_phase_at: None, ..run(vec![]) };
    let ops = || [info::<Set>("n1", 1500..NEVER, Call::Read)];
    assert_eq!(check(&JUDGE, ops(), &cut).verdict, Verdict::Valid);
    let unhealed = RunFacts { healed_at: None, ..cut };
    assert!(matches!(check(&JUDGE, ops(), &unhealed).verdict, Verdict::Unknown(_)));
}

#[test]
fn stats_count_and_never_judge() {
    let ops = [
        added("n1", 0..10),
        added("n1", 20..50),
        fail("n1", 60..61, Call::Read),
        info("n1", 70..71, Call::Read),
    ];
    let finding = check(&Stats, ops, &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(
        finding.summary,
        "4 operations: 2 ok, 1 failed, 1 indeterminate; latency 10.0 ms median, 30.0 ms p99"
    );
    assert_eq!(finding.details["by_f"]["add"]["latency_ms"]["max"], 30.0);
    assert_eq!(finding.details["by_f"]["read"]["ok_rate"], 0.0);
    assert_eq!(finding.details["errors"].as_array().map(Vec::len), Some(2));
}

fn goal(f: &str, kind: Kind, at_least: usize) -> Goal {
    Goal { f: f.to_owned(), at_least, kind }
}

#[test]
fn a_run_that_did_too_little_is_unknown() {
    let facts = RunFacts { coverage: vec![goal("add", Kind::Ok, 2)], ..run(vec![]) };
    let finding = check(&Coverage, [added("n1", 0..10)], &facts);
    let why = "vacuous: only 1 of at least 2 add operations succeeded";
    assert_eq!(finding.verdict, Verdict::Unknown(why.to_owned()));
    let twice = [added("n1", 0..10), added("n1", 20..30)];
    assert_eq!(check(&Coverage, twice, &facts).verdict, Verdict::Valid);
    let asked = RunFacts { coverage: vec![goal("read", Kind::Invoke, 1)], ..run(vec![]) };
    let ops = [info::<Set>("n1", 0..10, Call::Read)];
    assert_eq!(check(&Coverage, ops, &asked).verdict, Verdict::Valid);
}

#[test]
fn a_fault_without_effect_makes_a_run_vacuous() {
    let idle =
        FaultWindow { verified: Some(false), ..fault("kill", "n1 was killed", &["n1"], &[]) };
    let finding = check(&Coverage, [added("n1", 0..10)], &run(vec![idle]));
    let why = "vacuous: fault 1 never took effect: n1 was killed";
    assert_eq!(finding.verdict, Verdict::Unknown(why.to_owned()));
}
