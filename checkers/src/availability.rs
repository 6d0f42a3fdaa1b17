//! Availability: who answered during each fault, by node and by side. It judges nothing.
//!
//! For each fault window the operations invoked in it are counted by node and by what became of
//! them before the window ended; one that was answered only after the heal counts as `waited`. A
//! side's rate is its successful operations by second. A fault takes a moment to bite (the nodes
//! have to notice), so a side has *progressed* only if an operation succeeded that was invoked
//! after a grace time of one second, or a quarter of the window if that is shorter.
//!
//! Operations of nodes that no side names count for the window only. `O(operations × faults)`.

use crate::words::{and, asked, count, ended};
use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::{FaultWindow, RunFacts};
use schism_core::time::Nanos;
use schism_core::verdict::Verdict;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The checker's name.
pub const NAME: &str = "availability";

/// How long a fault may take to bite.
const GRACE: Duration = Duration::from_secs(1);

/// Measures who answers during faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Availability;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    ok: usize,
    fail: usize,
    info: usize,
    waited: usize,
    progressed: bool,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.ok += other.ok;
        self.fail += other.fail;
        self.info += other.info;
        self.waited += other.waited;
        self.progressed |= other.progressed;
    }

    fn asked(self) -> bool {
        self.ok + self.fail + self.info + self.waited > 0
    }

    fn to_json(self) -> Value {
        json!({ "ok": self.ok, "fail": self.fail, "info": self.info, "waited": self.waited })
    }
}

impl<A: Api> Checker<A> for Availability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<A>, run: &RunFacts, _: &Limits) -> Finding {
        let mut sentences = Vec::new();
        let mut windows = Vec::new();
        for fault in &run.faults {
            let (window, sentence) = measure(history, fault, run);
            windows.push(window);
            sentences.extend(sentence);
        }
        let summary = match sentences.as_slice() {
            [] if run.faults.is_empty() => "no fault was injected".to_owned(),
            [] => {
                format!("during {} operations went on", count(run.faults.len(), "fault", "faults"))
            }
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} (and {} more such times)", rest.len()),
        };
        Finding::new(NAME, Verdict::Valid, summary).with_details(json!({ "windows": windows }))
    }
}

/// The figures of one fault, and a sentence if somebody could not go on.
fn measure<A: Api>(
    history: &History<A>,
    fault: &FaultWindow,
    run: &RunFacts,
) -> (Value, Option<String>) {
    let end = fault.end.unwrap_or(history.end()).max(fault.start);
    let length = end.since(fault.start);
    let bites = fault.start + GRACE.min(length / 4);
    let mut nodes: BTreeMap<String, Counts> = BTreeMap::new();
    for op in history.ops() {
        if (fault.start..=end).contains(&op.invoked.time) {
            nodes.entry(asked(op)).or_default().add(one(op, bites, end));
        }
    }
    let mut total = Counts::default();
    for counts in nodes.values() {
        total.add(*counts);
    }
    let majority = run.nodes.len() / 2 + 1;
    let mut majority_available = None;
    let mut progressed = Vec::new();
    let mut sides = Vec::new();
    for side in &fault.sides {
        let mut counts = Counts::default();
        for node in side {
            counts.add(nodes.get(node.as_ref()).copied().unwrap_or_default());
        }
        let is_majority = !run.nodes.is_empty() && side.len() >= majority;
        if is_majority && counts.asked() {
            majority_available = Some(majority_available == Some(true) || counts.progressed);
        }
        progressed.push(counts.progressed);
        sides.push(json!({
            "nodes": side,
            "majority": is_majority,
            "ok": counts.ok, "fail": counts.fail, "info": counts.info, "waited": counts.waited,
            "ok_per_s": per_second(counts.ok, length),
            "progressed": counts.progressed,
        }));
    }
    let asked_at_all = total.asked();
    let nobody = asked_at_all && !progressed.is_empty() && progressed.iter().all(|p| !p);
    let per_node: BTreeMap<_, _> =
        nodes.iter().map(|(node, counts)| (node, counts.to_json())).collect();
    let window = json!({
        "fault": fault.fault,
        "name": fault.name,
        "summary": fault.summary,
        "start": fault.start,
        "end": fault.end,
        "seconds": length.as_secs_f64(),
        "per_node": per_node,
        "ok": total.ok,
        "ok_per_s": per_second(total.ok, length),
        "progressed": total.progressed,
        "sides": sides,
        "majority_side_available": majority_available,
        "neither_side_progressed": nobody,
    });
    let sentence = sentence(fault, nobody, asked_at_all && !total.progressed, majority_available);
    (window, sentence)
}

fn one<A: Api>(op: &Op<A>, bites: Nanos, end: Nanos) -> Counts {
    let mut counts = Counts::default();
    match op.outcome {
        Outcome::Ok(_) | Outcome::Fail(_) if ended(op) > end => counts.waited = 1,
        Outcome::Ok(_) => {
            counts.ok = 1;
            counts.progressed = op.invoked.time >= bites;
        }
        Outcome::Fail(_) => counts.fail = 1,
        Outcome::Info(_) => counts.info = 1,
    }
    counts
}

fn per_second(count: usize, length: Duration) -> Option<f64> {
    let seconds = length.as_secs_f64();
    (seconds > 0.0).then(|| (count as f64 / seconds * 10.0).round() / 10.0)
}

fn sentence(
    fault: &FaultWindow,
    nobody: bool,
    stalled: bool,
    majority_available: Option<bool>,
) -> Option<String> {
    let side = |side: &Vec<Arc<str>>| side.join(",");
    if nobody {
        let who = if fault.sides.len() == 2 { "neither" } else { "no" };
        let sides: Vec<String> = fault.sides.iter().map(side).collect();
        Some(format!(
            "while the network was split {} {who} side completed an operation",
            sides.join(" | ")
        ))
    } else if majority_available == Some(false) {
        Some(format!("while {} the side with a majority completed no operation", fault.summary))
    } else if stalled {
        let nodes: Vec<&str> = fault.nodes.iter().map(AsRef::as_ref).collect();
        Some(format!("while {} ({}) no operation completed", fault.summary, and(&nodes)))
    } else {
        None
    }
}
