//! What was found: each anomaly with its argument, its operations, its picture, and what the nodes
//! believed meanwhile.

use super::cycle::cycle;
use super::picture::{letter, picture, stretches};
use crate::latency::millis;
use crate::view::{OpView, RunView};
use schism_core::time::Nanos;
use schism_core::verdict::Anomaly;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// So many anomalies are shown with everything, the others with their sentence.
const IN_FULL: usize = 10;
/// The other sentences, at most.
const BRIEFLY: usize = 200;
/// Operations in an anomaly's table.
const ROWS: usize = 40;
/// Changes of mind listed for a node.
const CHANGES: usize = 12;

/// What the template needs.
#[derive(Debug, Serialize)]
pub(super) struct Anomalies {
    total: usize,
    kinds: Vec<(String, usize)>,
    full: Vec<Shown>,
    brief: Vec<Brief>,
    unlisted: usize,
}

#[derive(Debug, Serialize)]
struct Shown {
    number: usize,
    kind: String,
    checker: String,
    summary: String,
    because: Vec<String>,
    nodes: Vec<String>,
    ops: Vec<Row>,
    ops_left_out: usize,
    picture_svg: Option<String>,
    cycle_svg: Option<String>,
    beliefs: Vec<BeliefRow>,
}

#[derive(Debug, Serialize)]
struct Brief {
    kind: String,
    summary: String,
}

#[derive(Debug, Serialize)]
struct Row {
    letter: Option<char>,
    index: u64,
    process: Option<u64>,
    node: String,
    key: String,
    asked: String,
    fate: &'static str,
    result: String,
    from: String,
    took: String,
}

#[derive(Debug, Serialize)]
struct BeliefRow {
    node: String,
    said: Vec<Said>,
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Said {
    from: String,
    to: String,
    leader: bool,
    says: String,
}

/// Puts the anomalies of all checkers together.
pub(super) fn anomalies(run: &RunView) -> Anomalies {
    let by_index: HashMap<u64, &OpView> = run.ops.iter().map(|op| (op.invoked.index, op)).collect();
    let all: Vec<(&str, &Anomaly)> = run
        .verdict
        .checkers
        .iter()
        .flat_map(|finding| finding.anomalies.iter().map(|a| (finding.checker.as_str(), a)))
        .collect();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, anomaly) in &all {
        *kinds.entry(&anomaly.kind).or_default() += 1;
    }
    let mut kinds: Vec<(String, usize)> =
        kinds.into_iter().map(|(kind, times)| (kind.to_owned(), times)).collect();
    kinds.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let full = all
        .iter()
        .take(IN_FULL)
        .enumerate()
        .map(|(position, (checker, anomaly))| show(run, &by_index, position + 1, checker, anomaly))
        .collect();
    let brief = all
        .iter()
        .skip(IN_FULL)
        .take(BRIEFLY)
        .map(|(_, anomaly)| Brief { kind: anomaly.kind.clone(), summary: anomaly.summary.clone() });
    Anomalies {
        total: all.len(),
        kinds,
        full,
        brief: brief.collect(),
        unlisted: all.len().saturating_sub(IN_FULL + BRIEFLY),
    }
}

fn show(
    run: &RunView,
    by_index: &HashMap<u64, &OpView>,
    number: usize,
    checker: &str,
    anomaly: &Anomaly,
) -> Shown {
    let culprits: Vec<&OpView> =
        anomaly.ops.iter().filter_map(|index| by_index.get(index).copied()).collect();
    // The picture letters the operations that exist; rows of missing ones have no letter.
    let mut lettered = 0;
    let rows = anomaly.ops.iter().take(ROWS).map(|index| match by_index.get(index) {
        None => missing(*index),
        Some(op) => {
            lettered += 1;
            row(op, letter(lettered - 1))
        }
    });
    Shown {
        number,
        kind: anomaly.kind.clone(),
        checker: checker.to_owned(),
        summary: anomaly.summary.clone(),
        because: anomaly.because.clone(),
        nodes: anomaly.nodes.iter().map(ToString::to_string).collect(),
        ops: rows.collect(),
        ops_left_out: anomaly.ops.len().saturating_sub(ROWS),
        picture_svg: picture(run, anomaly, &culprits),
        cycle_svg: cycle(anomaly, &culprits),
        beliefs: beliefs(run, &culprits),
    }
}

fn missing(index: u64) -> Row {
    Row {
        letter: None,
        index,
        process: None,
        node: String::new(),
        key: String::new(),
        asked: "not among the run's operations".to_owned(),
        fate: "info",
        result: String::new(),
        from: String::new(),
        took: String::new(),
    }
}

fn row(op: &OpView, letter: Option<char>) -> Row {
    let reason = op.error.as_deref().unwrap_or_default();
    let result = match op.fate {
        crate::view::Fate::Ok => match op.reply.as_deref() {
            Some("null") => "nothing".to_owned(),
            Some(reply) if reply != op.call => reply.to_owned(),
            Some(_) | None => "ok".to_owned(),
        },
        crate::view::Fate::Fail => format!("failed: {reason}"),
        crate::view::Fate::Info => format!("unknown: {reason}"),
    };
    Row {
        letter,
        index: op.invoked.index,
        process: Some(op.process),
        node: op.node.as_deref().unwrap_or_default().to_owned(),
        key: op.key.clone().unwrap_or_default(),
        asked: op.asked(),
        fate: op.fate.word(),
        result,
        from: op.invoked.time.to_string(),
        took: op.completed.map_or("never ended".to_owned(), |stamp| {
            millis(stamp.time.since(op.invoked.time).as_secs_f64() * 1e3)
        }),
    }
}

/// What every node said of itself from two seconds before the first operation of an anomaly to two
/// seconds after the last.
fn beliefs(run: &RunView, culprits: &[&OpView]) -> Vec<BeliefRow> {
    const MARGIN: Duration = Duration::from_secs(2);
    let Some(first) = culprits.iter().map(|op| op.invoked.time).min() else { return Vec::new() };
    let last = culprits.iter().map(|op| op.end()).max().unwrap_or(first) + MARGIN;
    let first = Nanos::from(first.since(Nanos::from(MARGIN)));
    run.test
        .nodes
        .iter()
        .filter_map(|node| {
            let all = stretches(&run.beliefs, node, first, last);
            let said = all.iter().take(CHANGES).map(|stretch| Said {
                from: stretch.from.to_string(),
                to: stretch.to.to_string(),
                leader: stretch.leader,
                says: stretch.says.clone(),
            });
            let row = BeliefRow {
                node: node.clone(),
                said: said.collect(),
                left_out: all.len().saturating_sub(CHANGES),
            };
            (!all.is_empty()).then_some(row)
        })
        .collect()
}
