//! The journal of faults: what was planned, done, seen to work, undone, and seen to be gone.

use crate::view::RunView;
use schism_core::fault::{Action, Plan};
use schism_core::record::{FaultRecord, FaultStage};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the template needs of one fault.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    fault: u32,
    name: String,
    summary: String,
    nodes: Vec<String>,
    verdict: &'static str,
    /// `valid`, `invalid` or `unknown`: the style of the verdict.
    class: &'static str,
    sign: &'static str,
    steps: Vec<Step>,
    /// Each action of the plan, in order.
    plan: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Step {
    time: String,
    what: &'static str,
    sign: &'static str,
    evidence: Vec<String>,
    note: String,
}

/// One entry for each fault, in the order of their numbers.
pub(super) fn journal(run: &RunView) -> Vec<Entry> {
    let mut faults: BTreeMap<u32, Vec<&FaultRecord>> = BTreeMap::new();
    for record in &run.journal {
        faults.entry(record.fault).or_default().push(record);
    }
    faults.into_iter().map(|(fault, records)| entry(run, fault, &records)).collect()
}

fn entry(run: &RunView, fault: u32, records: &[&FaultRecord]) -> Entry {
    let plan = records.iter().find_map(|record| record.plan.as_ref());
    let window = run.faults.iter().find(|window| window.fault == fault);
    let (verdict, class, sign) = judge(records);
    Entry {
        fault,
        name: records.first().map(|record| record.name.clone()).unwrap_or_default(),
        summary: plan.map(|plan| plan.summary.clone()).unwrap_or_default(),
        nodes: window
            .map(|window| window.nodes.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        verdict,
        class,
        sign,
        steps: records.iter().map(|record| step(record)).collect(),
        plan: plan.map(actions).unwrap_or_default(),
    }
}

fn actions(plan: &Plan) -> Vec<String> {
    let lines = |what: &str, actions: &[Action]| -> Vec<String> {
        let json = |action| serde_json::to_string(action).unwrap_or_default();
        actions.iter().map(|action| format!("{what} {}", json(action))).collect()
    };
    let mut all = lines("inject", &plan.inject);
    all.extend(lines("heal  ", &plan.heal));
    all
}

/// In words, what the records say of the fault as a whole.
fn judge(records: &[&FaultRecord]) -> (&'static str, &'static str, &'static str) {
    let has = |stage| records.iter().any(|record| record.stage == stage);
    let ok = |stage| records.iter().rfind(|record| record.stage == stage).and_then(|r| r.ok);
    if has(FaultStage::Skipped) {
        ("skipped", "unknown", "–")
    } else if has(FaultStage::Failed) {
        ("something went wrong", "invalid", "✗")
    } else if ok(FaultStage::Verified) == Some(false) {
        ("it did not take effect", "invalid", "✗")
    } else if !has(FaultStage::Healed) {
        ("never healed", "unknown", "?")
    } else if ok(FaultStage::HealVerified) == Some(false) {
        ("took effect, but was not gone after the heal", "invalid", "✗")
    } else if ok(FaultStage::Verified) == Some(true) && ok(FaultStage::HealVerified) == Some(true) {
        ("seen to take effect, seen to be gone", "valid", "✓")
    } else {
        ("injected and healed; not all of it could be probed", "unknown", "?")
    }
}

fn step(record: &FaultRecord) -> Step {
    let sign = match (record.stage, record.ok) {
        (FaultStage::Failed, _) | (_, Some(false)) => "✗",
        (_, Some(true)) => "✓",
        (FaultStage::Verified | FaultStage::HealVerified, None) => "?",
        _ => "",
    };
    Step {
        time: record.time.to_string(),
        what: match record.stage {
            FaultStage::Planned => "planned",
            FaultStage::Skipped => "skipped",
            FaultStage::Injected => "injected",
            FaultStage::Verified => match record.ok {
                Some(true) => "probed: in force",
                Some(false) => "probed: not in force",
                None => "probed: cannot be told",
            },
            FaultStage::Healed => "healed",
            FaultStage::HealVerified => match record.ok {
                Some(true) => "probed: gone",
                Some(false) => "probed: still there",
                None => "probed: cannot be told",
            },
            FaultStage::Failed => "failed",
        },
        sign,
        evidence: record.evidence.clone(),
        note: record.note.clone(),
    }
}
