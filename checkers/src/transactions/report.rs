//! From edges and anomalies to a verdict, whatever the transactions are over.
//!
//! A checker hands in the anomalies that it found in reads, its edges, and a [`Dependencies`] that
//! can say why an edge is there. Here the order edges are added as the expected models need them,
//! cycles are found, each is checked edge by edge against the history, and what was found is
//! weighed as Elle weighs it: an anomaly that the expected models prohibit makes the verdict
//! invalid; others are only counted in what is ruled out; a graph without any edge is unknown.

use super::complete::{self, Target};
use super::cycles::{self, Cycle};
use super::graph::{Dependencies, Edge, Edges, Graph, Kind, Realtime};
use super::history::{Shape, TxnHistory, TxnId};
use super::models::{self, Options, UNKNOWN};
use super::part::{Part, Places};
use super::scc;
use super::verify;
use super::words::{ended, labels, show, with_txn};
use crate::tally::Tally;
use crate::words::count;
use schism_core::checker::Finding;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is judged, and by which measure.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The checker's name.
    pub name: &'a str,
    /// The transactions.
    pub history: &'a TxnHistory,
    /// What is expected of them.
    pub options: &'a Options,
    /// When to give up.
    pub limits: &'a Limits,
    /// What was going on meanwhile, for the explanations.
    pub run: Option<&'a RunFacts>,
}

/// Anomalies that are no cycles.
#[derive(Debug, Default)]
pub(crate) struct Anomalies {
    /// Named before cycles.
    pub(crate) first: Tally,
    /// Named after cycles.
    pub(crate) last: Tally,
}

/// Finds the cycles and weighs everything.
pub(crate) fn judge(
    case: Case<'_>,
    anomalies: Anomalies,
    dependencies: &dyn Dependencies,
    mut edges: Edges,
) -> Finding {
    let Case { history, options, limits, .. } = case;
    let (process, realtime) = options.orders();
    if process {
        edges.add_process_order(history);
    }
    let empty = edges.is_empty() && !(realtime && any_real_time(history));
    let graph = Graph::new(edges, realtime.then(|| Realtime::new(history)));
    let Anomalies { first: mut tally, last } = anomalies;
    let others = tally.kinds().chain(last.kinds());
    let ruled_out = models::impossible(others);
    let mut stopped = limits.are_exceeded();
    let mut rejected = 0;
    let mut places = Places::default();
    let components = if stopped { Vec::new() } else { graph.components() };
    let cyclic = components.len();
    let mut largest = 0;
    for nodes in components {
        let part = Part::new(&graph, history, nodes, &mut places);
        largest = largest.max(part.txns());
        let mut found = Vec::new();
        stopped |= cycles::find(&part, &ruled_out, limits, &mut found).is_err();
        for (kind, cycle) in found {
            match certify(case, dependencies, &cycle) {
                Some(steps) => tally.add(kind, || describe(case, kind, &cycle, steps)),
                None => rejected += 1,
            }
        }
        if stopped {
            break;
        }
    }
    tally.append(last);
    let undecided = if stopped {
        Some(limits.exceeded().unwrap_or("a limit").to_owned())
    } else {
        (rejected > 0)
            .then(|| "the certificate of a cycle was rejected: please report this".to_owned())
    };
    let figures = json!({
        "transactions": history.len(),
        "succeeded": history.returns().len(),
        "operations": history.mop_count(),
        "keys": history.keys().len(),
        "dependencies": graph.edge_count(),
        "components": cyclic,
        "largest-component": largest,
    });
    let mut finding = weigh(case, tally, empty, undecided, figures);
    if history.shape() == Shape::Lists && cyclic == 0 && finding.verdict == Verdict::Valid {
        prove_lists(case, dependencies, &graph, &mut finding);
    }
    finding
}

/// Without a cycle, a history of lists has an order that explains it: makes one, executes it, and
/// says what that proves.
fn prove_lists(
    case: Case<'_>,
    dependencies: &dyn Dependencies,
    graph: &Graph,
    finding: &mut Finding,
) {
    let targets = case.options.consistency_models.iter();
    let targets = targets.filter_map(|model| Some((*model, Target::of(*model)?)));
    let mut order: Vec<TxnId> = Vec::new();
    for (place, (model, target)) in targets.enumerate() {
        if place == 0 {
            let (numbers, _) = scc::numbered(graph);
            order.extend(case.history.txns().filter(|txn| dependencies.happened(*txn)));
            order.sort_unstable_by_key(|txn| std::cmp::Reverse(numbers[*txn as usize]));
        }
        if complete::list_order_explains(case.history, target.order, &order) {
            add_proved(finding, models::implied([model]));
        } else {
            let why = "the certificate of an order was rejected: please report this";
            finding.summary = format!("undecided: {why}");
            finding.verdict = Verdict::Unknown(why.to_owned());
        }
    }
}

/// Had any transaction ended before another began that completed later?
fn any_real_time(history: &TxnHistory) -> bool {
    let Some(first) = history.returns().first() else { return false };
    let later = history.txns().rev().take_while(|txn| {
        history.invoked(*txn).index > history.returned(*first).unwrap_or(u64::MAX)
    });
    later.into_iter().any(|txn| history.began(txn) && history.completed(txn).is_some())
}

/// Each edge in words, if each holds.
fn certify(case: Case<'_>, dependencies: &dyn Dependencies, cycle: &Cycle) -> Option<Vec<String>> {
    let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
    if !pairs.into_iter().all(|(edge, next)| edge.to == next.from) {
        return None;
    }
    cycle.iter().map(|edge| justify(case.history, dependencies, edge)).collect()
}

fn justify(history: &TxnHistory, dependencies: &dyn Dependencies, edge: &Edge) -> Option<String> {
    let (from, to) = (labels(history, &[edge.from]), labels(history, &[edge.to]));
    if matches!(edge.kind, Kind::Process | Kind::Realtime) {
        return verify::order_edge(history, edge).then(|| match edge.kind {
            Kind::Process => {
                format!("process {} did {from} before {to}", history.process(edge.from))
            }
            _ => format!(
                "{from} had ended at {}, before {to} began at {}",
                ended(history, edge.from),
                history.invoked(edge.to).time
            ),
        });
    }
    let reason = dependencies.reason(edge)?;
    if !dependencies.holds(edge, &reason) {
        return None;
    }
    let key = history.key(reason.key);
    let later = show(history, reason.later);
    let earlier = reason.earlier.map(|value| show(history, value));
    let lists = history.shape() == Shape::Lists;
    let words = match (edge.kind, earlier) {
        (Kind::Ww, Some(earlier)) if lists => {
            format!("{to} appended {later} to list {key} after {from} had appended {earlier}")
        }
        (Kind::Ww, earlier) => {
            let earlier = earlier.unwrap_or_else(|| "nil".to_owned());
            format!("{to} wrote {later} to {key} after {from} had written {earlier}")
        }
        (Kind::Wr, _) if lists => {
            format!("{to} read {later} in list {key}, which {from} had appended")
        }
        (Kind::Wr, _) => format!("{to} read {later} from {key}, which {from} had written"),
        (_, _) if lists => format!("{from} read list {key} without {later}, which {to} appended"),
        (_, earlier) => {
            let earlier = earlier.unwrap_or_else(|| "nil".to_owned());
            format!("{from} read {earlier} from {key}, which {to} overwrote with {later}")
        }
    };
    Some(match reason.note {
        None => words,
        Some(note) => format!("{words} ({note})"),
    })
}

/// A cycle, step by step.
fn describe(case: Case<'_>, kind: &'static str, cycle: &Cycle, steps: Vec<String>) -> Anomaly {
    let history = case.history;
    let mut members: Vec<TxnId> = cycle.iter().map(|edge| edge.from).collect();
    let from = members.iter().map(|txn| history.invoked(*txn).time).min().unwrap_or_default();
    let to = members.iter().map(|txn| ended(history, *txn)).max().unwrap_or_default();
    let each = labels(history, &members);
    members.extend(members.first().copied());
    let path: Vec<String> = members.iter().map(|txn| labels(history, &[*txn])).collect();
    let faults = case.run.map(|run| run.faults_in_words(from, to)).unwrap_or_default();
    let text =
        format!("{each} would each have to come before the next: {}{faults}", path.join(" → "));
    let mut anomaly = Anomaly::new(kind, text);
    for (edge, step) in cycle.iter().zip(steps) {
        anomaly = with_txn(history, anomaly.because(step), edge.from);
    }
    anomaly.because("so none of them can be first")
}

/// The verdict on what was found.
fn weigh(
    case: Case<'_>,
    tally: Tally,
    empty: bool,
    undecided: Option<String>,
    figures: Value,
) -> Finding {
    let Case { name, history, options, .. } = case;
    let prohibited = options.prohibited();
    let found: BTreeSet<&'static str> = tally.kinds().collect();
    let bad: BTreeSet<&'static str> =
        found.iter().copied().filter(|kind| prohibited.contains(kind)).collect();
    let bad = without_redundant(bad);
    let mut types: Vec<&str> = bad.iter().copied().collect();
    if empty {
        types.push(UNKNOWN[0]);
    }
    types.sort_unstable();
    let boundary =
        if types.is_empty() { models::Boundary::default() } else { models::boundary(found) };
    let mut details = figures;
    if let Value::Object(details) = &mut details {
        details.insert("anomaly-types".to_owned(), json!(types));
        details.insert("not".to_owned(), json!(boundary.not));
        details.insert("also_not".to_owned(), json!(boundary.also_not));
        details.insert("anomalies".to_owned(), tally.to_json());
        let models: Vec<&str> =
            options.consistency_models.iter().map(|model| model.friendly()).collect();
        details.insert("consistency-models".to_owned(), json!(models));
    }
    let objects = match history.shape() {
        Shape::Lists => count(history.keys().len(), "list", "lists"),
        Shape::Registers => count(history.keys().len(), "register", "registers"),
    };
    let succeeded = count(history.returns().len(), "transaction", "transactions");
    let work = format!("{succeeded} on {objects}");
    let (verdict, summary) = if !bad.is_empty() {
        let tally = tally.only(&bad);
        let summary = format!("{work}: {}", tally.in_words());
        (tally.into_verdict(), summary)
    } else if let Some(why) = undecided {
        (Verdict::Unknown(why.clone()), format!("{work}: undecided: {why}"))
    } else if empty {
        let why = "vacuous: no transaction depends on another";
        (Verdict::Unknown(why.to_owned()), format!("{work}: {why}"))
    } else {
        let names: Vec<&str> = options.consistency_models.iter().map(|m| m.friendly()).collect();
        let summary = if names.is_empty() {
            format!("{work}: none of the anomalies asked for")
        } else {
            format!("{work} are {}", names.join(" and "))
        };
        (Verdict::Valid, summary)
    };
    Finding::new(name, verdict, summary).with_details(details)
}

/// Makes a finding invalid that was not: this was found after all.
pub(super) fn refute(finding: &mut Finding, kind: &'static str, anomaly: Anomaly) {
    let details = &mut finding.details;
    let list = |value: &Value| -> Vec<String> {
        let names = value.as_array().into_iter().flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let mut types = list(&details["anomaly-types"]);
    types.push(kind.to_owned());
    types.sort_unstable();
    types.dedup();
    details["anomaly-types"] = json!(types);
    details["anomalies"][kind] = json!(1);
    let counted = details["anomalies"].as_object().into_iter().flatten();
    let boundary = models::boundary(counted.map(|(kind, _)| kind.as_str()));
    details["not"] = json!(boundary.not);
    details["also_not"] = json!(boundary.also_not);
    finding.summary.clone_from(&anomaly.summary);
    let found = Verdict::Invalid(vec![anomaly]);
    let before = std::mem::replace(&mut finding.verdict, Verdict::Valid);
    finding.verdict = before.merge(found);
}

/// Adds models that have been proved to hold, by their names.
pub(super) fn add_proved(finding: &mut Finding, names: impl IntoIterator<Item = &'static str>) {
    let known = finding.details["proved"].as_array().into_iter().flatten();
    let mut all: BTreeSet<String> =
        known.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    all.extend(names.into_iter().map(str::to_owned));
    if !all.is_empty() {
        finding.details["proved"] = json!(all);
    }
}

/// Leaves out that a cycle exists somewhere, where something else shows as much.
fn without_redundant(mut kinds: BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    const SUFFIX: &str = "-cycle-exists";
    let others = kinds.iter().copied().filter(|kind| !kind.ends_with(SUFFIX));
    let impossible = models::impossible(others);
    kinds.retain(|kind| kind.strip_suffix(SUFFIX).is_none_or(|model| !impossible.contains(model)));
    kinds
}
