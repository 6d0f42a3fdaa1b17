//! Runs several checkers and merges their verdicts.

use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Asks every checker; the verdict is the worst of theirs, the findings are in their order.
///
/// A checker that panics is unknown with the panic's message, and the others' answers are kept.
/// Without any checker the verdict is unknown: nothing was judged.
pub fn judge<A: Api>(
    checkers: &[Box<dyn Checker<A>>],
    history: &History<A>,
    facts: &RunFacts,
    limits: &Limits,
) -> (Verdict, Vec<Finding>) {
    if checkers.is_empty() {
        return (Verdict::Unknown("no checker was asked".to_owned()), Vec::new());
    }
    let findings: Vec<Finding> =
        checkers.iter().map(|checker| ask(checker.as_ref(), history, facts, limits)).collect();
    let verdict =
        findings.iter().map(|finding| finding.verdict.clone()).fold(Verdict::Valid, Verdict::merge);
    (verdict, findings)
}

fn ask<A: Api>(
    checker: &dyn Checker<A>,
    history: &History<A>,
    facts: &RunFacts,
    limits: &Limits,
) -> Finding {
    // Nothing is seen again that a panic could have left half done: history and facts are shared
    // without interior mutability, and the checker's own work is dropped.
    let answer = catch_unwind(AssertUnwindSafe(|| checker.check(history, facts, limits)));
    answer.unwrap_or_else(|panic| {
        let why = format!("checker {} failed: {}", checker.name(), message(panic.as_ref()));
        Finding::new(checker.name(), Verdict::Unknown(why.clone()), why)
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "it panicked without a message"
    }
}
