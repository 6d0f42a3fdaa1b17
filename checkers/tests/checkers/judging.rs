//! Several checkers together.

use crate::build::{history, ok};
use schism_checkers::judge;
use schism_checkers::set_full::SetFull;
use schism_checkers::stats::Stats;
use schism_core::api::set::{Call, Reply, Set};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;

struct Broken;

impl Checker<Set> for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn check(&self, history: &History<Set>, _: &RunFacts, _: &Limits) -> Finding {
        panic!("{} operations are too many", history.ops().len())
    }
}

fn lossy() -> History<Set> {
    history([
        ok("n1", 0..10, Call::Add(1), Reply::Added),
        ok("n1", 20..30, Call::Read, Reply::Read(vec![])),
    ])
}

#[test]
fn a_checker_that_panics_costs_only_its_own_answer() {
    let facts = RunFacts::default();
    let checkers: [Box<dyn Checker<Set>>; 2] = [Box::new(Broken), Box::new(Stats)];
    let (verdict, findings) = judge(&checkers, &lossy(), &facts, &Limits::default());
    let why = "checker broken failed: 2 operations are too many";
    assert_eq!(verdict, Verdict::Unknown(why.to_owned()));
    assert_eq!(findings[1].verdict, Verdict::Valid);
    let checkers: [Box<dyn Checker<Set>>; 2] =
        [Box::new(Broken), Box::new(SetFull { linearizable: false })];
    let (verdict, findings) = judge(&checkers, &lossy(), &facts, &Limits::default());
    assert_eq!(verdict.anomalies()[0].kind, "lost");
    assert_eq!(findings.len(), 2);
}

#[test]
fn without_checkers_nothing_is_valid() {
    assert!(matches!(
        judge(&[], &lossy(), &RunFacts::default(), &Limits::default()).0,
        Verdict::Unknown(_)
    ));
}

#[test]
fn every_checker_is_listed_under_its_own_name() {
    let names: Vec<&str> = schism_checkers::CHECKERS.iter().map(|(name, _)| *name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    assert!(names.contains(&Checker::<Set>::name(&Stats)));
}
