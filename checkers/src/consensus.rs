//! Consensus: no two nodes decide differently, and whoever should decide does.
//!
//! The four promises of the source chapter ("The Problem of Agreement"), each for every instance:
//!
//! - *Agreement*: no two nodes decide different values.
//! - *Validity*: a decided value was proposed by somebody. A proposal whose fate is unknown counts;
//!   one that certainly failed, or was made only after the decision was known, does not.
//! - *Integrity*: one node names one value, always, also after a restart. (A node that restarted
//!   and forgot what it decided, and says that it has not decided, is counted as `forgot` in the
//!   details and not accused.)
//! - *Termination*, on request and with a bound, because no finite history can break the promise
//!   that something happens eventually: an instance in which every correct node was handed a
//!   proposal is decided at each of them by the *deadline*, which is the recovery limit after the
//!   last heal, or the begin of the final phase if that is later.
//!
//! Termination in detail. A node is *correct* if it was never killed (the crash-stop model: a
//! killed node may have forgotten everything). It was *handed* a proposal if one was answered, or
//! was left open while the node was neither killed nor paused. An instance in which some correct
//! node may have had none obliges nobody. In any other each correct node is asked: one that
//! answers, to a question put after the deadline, that it has not decided, breaks the promise. One
//! that gave no such answer and never named a decision leaves it unknown.
//!
//! What it refuses: a history in which nobody decided anything says nothing about Agreement. That
//! is unknown, unless Termination was broken.
//!
//! `O(n log n)`.

use crate::decisions::{Instance, Unproposed, nodes_differ};
use crate::latency::Latencies;
use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{and, asked, count, ended, some};
use schism_core::api::consensus::{Consensus as Api, ConsensusOp};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::time::Nanos;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The checker's name.
pub const NAME: &str = "consensus";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: "consensus",
    about: "Agreement, Validity and Integrity of decisions",
    page: "\
Operations: {f: propose, value: 3, then what the node decided}, {f: learn, value: nil, then what
the node has decided, or nil}; with a `key`, each key is an instance of its own. The `node` says
who decides.
Finds: agreement (two nodes decided differently), validity (nobody had proposed what was decided),
integrity (a node changed its decision). Termination needs a run's deadline, so it is judged in
runs only.
A history in which nobody decided is unknown.
Decided in O(n log n).",
    make: |options| {
        options.only("consensus", &[])?;
        Ok(typed(Consensus { termination: false }))
    },
};

/// Judges Agreement, Validity and Integrity, and Termination on request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consensus {
    /// Judge Termination too.
    pub termination: bool,
}

impl Checker<Api> for Consensus {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, run: &RunFacts, _: &Limits) -> Finding {
        let instances = Instance::gather(history);
        let mut tally = Tally::default();
        for (number, instance) in &instances {
            agreement(*number, instance, run, &mut tally);
            validity(*number, instance, &mut tally);
            integrity("instance", *number, instance, &mut tally);
        }
        let (decided, forgot, latency) = figures(history, &instances);
        let mut details = json!({
            "instances": instances.len(),
            "decided": decided,
            "forgot": forgot,
            "latency_ms": latency,
        });
        let mut open = None;
        if self.termination {
            open = termination(history, &instances, run, &mut tally, &mut details);
        }
        details["anomalies"] = tally.to_json();
        let instances_in_words = count(instances.len(), "instance", "instances");
        let (verdict, summary) = if !tally.is_empty() {
            let summary = format!("{instances_in_words}, {decided} decided: {}", tally.in_words());
            (tally.into_verdict(), summary)
        } else if let Some(why) = open {
            (Verdict::Unknown(why.clone()), why)
        } else if decided == 0 {
            let why = format!("vacuous: no node decided anything in {instances_in_words}");
            (Verdict::Unknown(why.clone()), why)
        } else {
            let summary = format!(
                "{instances_in_words}, {decided} decided, and no two nodes differ in any of them"
            );
            (Verdict::Valid, summary)
        };
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn agreement(number: i64, instance: &Instance<'_>, run: &RunFacts, tally: &mut Tally) {
    let values = instance.by_value();
    if !nodes_differ(&values) {
        return;
    }
    tally.add("agreement", || {
        let camps: Vec<String> = values
            .iter()
            .map(|(value, nodes)| {
                let names: Vec<&str> = nodes.iter().map(|(node, _)| *node).collect();
                format!("{} decided {value}", and(&names))
            })
            .collect();
        let witnesses = values.values().flatten().map(|(_, op)| *op);
        let from = witnesses.clone().map(|op| op.invoked.time).min().unwrap_or_default();
        let to = witnesses.map(ended).max().unwrap_or_default();
        let mut anomaly = Anomaly::new(
            "agreement",
            format!("{} in instance {number}{}", and(&camps), run.faults_in_words(from, to)),
        );
        for (value, nodes) in &values {
            for (node, op) in nodes {
                anomaly = anomaly
                    .because(format!("{node} answered at {} that it decided {value}", ended(op)))
                    .with_op(op);
            }
        }
        anomaly.because("an instance may have one decision only")
    });
}

/// Values that were decided but that nobody can have proposed by then.
fn validity(number: i64, instance: &Instance<'_>, tally: &mut Tally) {
    for Unproposed { value, node, op, later } in instance.unproposed() {
        tally.add("validity", || {
            let fault = match later {
                None => "nobody proposed".to_owned(),
                Some(by) => format!("was proposed only later, at {}", by.invoked.time),
            };
            let proposed: Vec<i64> = instance.proposals.iter().map(|(value, _)| *value).collect();
            let anomaly = Anomaly::new(
                "validity",
                format!("{node} decided {value} in instance {number}, which {fault}"),
            )
            .because(format!("{node} answered at {} that it decided {value}", ended(op)))
            .because(format!("proposed in instance {number} were: {}", some(&proposed)))
            .with_op(op);
            later.into_iter().fold(anomaly, Anomaly::with_op)
        });
    }
}

/// Nodes that named two decisions.
pub(crate) fn integrity(what: &str, number: i64, instance: &Instance<'_>, tally: &mut Tally) {
    for (node, [(first, before), (second, after)]) in instance.changes_of_mind() {
        tally.add("integrity", || {
            Anomaly::new(
                "integrity",
                format!("{node} decided twice in {what} {number}: {first}, then {second}"),
            )
            .because(format!("{node} answered at {} that it decided {first}", ended(before)))
            .because(format!("{node} answered at {} that it decided {second}", ended(after)))
            .with_op(before)
            .with_op(after)
        });
    }
}

/// How many instances were decided, how often a node forgot its decision, and how long proposals
/// took.
fn figures(
    history: &History<Api>,
    instances: &BTreeMap<i64, Instance<'_>>,
) -> (usize, usize, Value) {
    let decided = instances.values().filter(|instance| !instance.decisions.is_empty()).count();
    let forgot = instances.values().flat_map(forgetful).count();
    let mut latencies = Latencies::default();
    for op in history.ops() {
        if let (ConsensusOp::Propose(_), Outcome::Ok(_)) = (&op.call.op, &op.outcome) {
            latencies.add(ended(op).since(op.invoked.time));
        }
    }
    (decided, forgot, latencies.sorted().to_json())
}

/// Nodes that named a decision, and later said that they had none.
fn forgetful<'i>(instance: &'i Instance<'_>) -> impl Iterator<Item = &'i str> {
    instance.decisions.iter().filter_map(|(node, answers)| {
        let later = instance.undecided.get(node)?;
        let (_, first) = answers.first()?;
        later.iter().any(|op| first.precedes(op)).then_some(node.as_str())
    })
}

/// When every decision has to be known: `None` if the run never came so far.
pub(crate) fn deadline(run: &RunFacts) -> Option<Nanos> {
    Some((run.healed_at? + run.recovery_limit).max(run.final_phase_at?))
}

/// Was this node killed at some moment of the run?
pub(crate) fn was_killed(run: &RunFacts, node: &str) -> bool {
    run.faults.iter().any(|fault| {
        fault.name.starts_with("kill") && fault.nodes.iter().any(|name| name.as_ref() == node)
    })
}

/// Did the node run all the time from `from` to `to`?
fn ran(run: &RunFacts, node: &str, from: Nanos, to: Nanos) -> bool {
    !run.faults_during(from, to).any(|fault| {
        (fault.name.starts_with("kill") || fault.name.starts_with("pause"))
            && fault.nodes.iter().any(|name| name.as_ref() == node)
    })
}

/// A proposal that is sure to have reached its node, for each of the correct ones; `None` if one of
/// them may have had none. Termination is a promise to processes that propose: a node that waits
/// for a proposal which nobody made breaks nothing.
fn handed_over<'h>(
    instance: &Instance<'h>,
    correct: &[&str],
    run: &RunFacts,
) -> Option<Vec<&'h Op<Api>>> {
    let reached = |node: &&str| {
        instance.proposals.iter().map(|(_, op)| *op).find(|op| {
            asked(op) == *node
                && (op.reply().is_some() || ran(run, node, op.invoked.time, ended(op)))
        })
    };
    correct.iter().map(reached).collect()
}

/// Accuses nodes that still have not decided; answers why it can't be told, if it can't.
fn termination(
    history: &History<Api>,
    instances: &BTreeMap<i64, Instance<'_>>,
    run: &RunFacts,
    tally: &mut Tally,
    details: &mut Value,
) -> Option<String> {
    let (Some(deadline), Some(healed)) = (deadline(run), run.healed_at) else {
        return Some("Termination can't be told: the run did not reach its final phase".to_owned());
    };
    details["deadline"] = json!(deadline);
    let serving: BTreeSet<&str> =
        history.ops().iter().filter_map(|op| op.node.as_deref()).collect();
    let correct: Vec<&str> = serving.into_iter().filter(|node| !was_killed(run, node)).collect();
    details["correct_nodes"] = json!(correct);
    let mut silent = Vec::new();
    for (number, instance) in instances {
        let Some(proposals) = handed_over(instance, &correct, run) else { continue };
        let mut late: Vec<(&str, &Op<Api>)> = Vec::new();
        for node in &correct {
            let asked_late = instance.undecided.get(*node).into_iter().flatten();
            match asked_late.rev().find(|op| op.invoked.time >= deadline) {
                Some(op) => late.push((node, op)),
                None if instance.decisions.contains_key(*node) => {}
                None => silent.push(format!("{node} in instance {number}")),
            }
        }
        if !late.is_empty() {
            tally.add("termination", || undecided(*number, &proposals, &late, healed));
        }
    }
    details["silent"] = json!(silent.len());
    (!silent.is_empty()).then(|| {
        format!(
            "Termination can't be told: nobody knows after {deadline} whether these decided: {}",
            some(&silent)
        )
    })
}

fn undecided(
    number: i64,
    proposals: &[&Op<Api>],
    late: &[(&str, &Op<Api>)],
    healed: Nanos,
) -> Anomaly {
    let names: Vec<&str> = late.iter().map(|(node, _)| *node).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    let asked_at = late.iter().map(|(_, op)| op.invoked.time).max().unwrap_or_default();
    let mut anomaly = Anomaly::new(
        "termination",
        format!(
            "{} still {have} not decided instance {number}, {:.1} s after everything was healed",
            and(&names),
            asked_at.since(healed).as_secs_f64()
        ),
    );
    let proposers: Vec<String> = proposals.iter().map(|op| asked(op)).collect();
    let proposers: Vec<&str> = proposers.iter().map(String::as_str).collect();
    let last = proposals.iter().map(|op| op.invoked.time).max().unwrap_or_default();
    anomaly = anomaly.because(format!(
        "{}, never killed, had each been handed a proposal by {last}",
        and(&proposers)
    ));
    for op in proposals {
        anomaly = anomaly.with_op(op);
    }
    for (node, op) in late {
        anomaly = anomaly
            .because(format!("{node}, never killed, answered at {} that it has not", ended(op)))
            .with_op(op);
    }
    anomaly
}
