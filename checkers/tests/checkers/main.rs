//! Every checker against histories built by hand, golden files and brute-force oracles.

mod agreement;
mod at_rest;
mod availability;
mod bank;
mod build;
mod collections;
mod convergence;
mod counter;
mod goldens;
mod judging;
mod kv;
mod leaders;
mod locks;
mod logs;
mod long_fork;
mod measures;
mod multi_registers;
mod mutable_sets;
mod partitioned_log;
mod sequential;
mod session_guarantees;
mod sets;
mod strongest_model;
mod total_orders;
mod total_queue;
mod transactions;
mod transactions_changes;
mod transactions_complete;
mod transactions_random;
mod transactions_registers;
mod transactions_verdicts;
mod transactions_weak;
mod unique_ids;
mod watch;

use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::limits::Limits;
use schism_core::record::{FaultWindow, RunFacts};
use schism_core::time::Nanos;
use std::time::Duration;

/// What a checker finds in these operations.
fn check<A: Api>(
    checker: &impl Checker<A>,
    ops: impl IntoIterator<Item = build::Did<A>>,
    run: &RunFacts,
) -> Finding {
    checker.check(&build::history(ops), run, &Limits::default())
}

/// The kind and the sentence of the only anomaly.
fn only_anomaly(finding: &Finding) -> (&str, &str) {
    let [anomaly] = finding.verdict.anomalies() else { panic!("one anomaly in {finding:#?}") };
    (&anomaly.kind, &anomaly.summary)
}

/// The kinds of all anomalies.
fn kinds(finding: &Finding) -> Vec<&str> {
    finding.verdict.anomalies().iter().map(|anomaly| anomaly.kind.as_str()).collect()
}

/// A run of three nodes that healed at 1 s, had recovered at 2 s, and has a limit of 5 s.
fn run(faults: Vec<FaultWindow>) -> RunFacts {
    RunFacts {
        nodes: ["n1", "n2", "n3"].map(Into::into).to_vec(),
        faults,
        healed_at: Some(Nanos::from_secs(1)),
        recovered_at: Some(Nanos::from_secs(2)),
        final_phase_at: Some(Nanos::from_secs(2)),
        recovery_limit: Duration::from_secs(5),
        coverage: Vec::new(),
    }
}

/// A fault from 0.1 s to 1 s.
fn fault(name: &str, summary: &str, nodes: &[&str], sides: &[&[&str]]) -> FaultWindow {
    FaultWindow {
        fault: 1,
        name: name.to_owned(),
        summary: summary.to_owned(),
        nodes: nodes.iter().map(|name| (*name).into()).collect(),
        sides: sides.iter().map(|side| side.iter().map(|name| (*name).into()).collect()).collect(),
        start: Nanos::from_millis(100),
        end: Some(Nanos::from_secs(1)),
        verified: Some(true),
        heal_verified: Some(true),
        evidence: Vec::new(),
    }
}
