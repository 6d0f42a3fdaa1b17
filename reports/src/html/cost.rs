//! What consensus costs here: latencies as multiples of a round trip between nodes, and who did the
//! work.

use super::quorum::{self, Stretch};
use crate::latency::{Quantiles, count, millis};
use crate::view::{Fate, OpView, RunView};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What the template needs.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    round_trip: Option<String>,
    latencies: Vec<Latency>,
    shares: Vec<Share>,
    leader_share: Option<String>,
    majority: usize,
    nodes: usize,
    quorum: Vec<Stretch>,
}

#[derive(Debug, Serialize)]
struct Latency {
    f: String,
    count: String,
    p50: String,
    p95: String,
    p99: String,
    max: String,
    /// p50 and p99 in round trips.
    p50_trips: Option<String>,
    p99_trips: Option<String>,
}

#[derive(Debug, Serialize)]
struct Share {
    node: String,
    count: String,
    percent: String,
    /// For the bar, 0 to 100.
    width: u32,
}

/// Works out the figures. O(n log n).
pub(super) fn cost(run: &RunView) -> Cost {
    let trip = run.verdict.round_trip_ms.filter(|ms| ms.is_finite() && *ms > 0.0);
    let mut by_f: BTreeMap<&str, Vec<&OpView>> = BTreeMap::new();
    for op in &run.ops {
        by_f.entry(&op.f).or_default().push(op);
    }
    let mut latencies: Vec<Latency> = Vec::new();
    if by_f.len() > 1
        && let Some(all) = Quantiles::of_ok(run.ops.iter())
    {
        latencies.push(latency("all", all, trip));
    }
    latencies.extend(by_f.iter().take(20).filter_map(|(f, ops)| {
        Quantiles::of_ok(ops.iter().copied()).map(|quantiles| latency(f, quantiles, trip))
    }));
    Cost {
        round_trip: trip.map(millis),
        latencies,
        shares: shares(run),
        leader_share: leader_share(run),
        majority: run.test.nodes.len() / 2 + 1,
        nodes: run.test.nodes.len(),
        quorum: quorum::stretches(run),
    }
}

fn latency(f: &str, q: Quantiles, trip: Option<f64>) -> Latency {
    let trips = |ms: f64| trip.map(|trip| format!("{:.1} ×", ms / trip));
    Latency {
        f: f.to_owned(),
        count: count(q.count),
        p50: millis(q.p50),
        p95: millis(q.p95),
        p99: millis(q.p99),
        max: millis(q.max),
        p50_trips: trips(q.p50),
        p99_trips: trips(q.p99),
    }
}

fn shares(run: &RunView) -> Vec<Share> {
    let mut counts: BTreeMap<&str, usize> =
        run.test.nodes.iter().map(|node| (node.as_str(), 0)).collect();
    for op in run.ops.iter().filter(|op| op.fate == Fate::Ok) {
        if let Some(node) = op.node.as_deref() {
            *counts.entry(node).or_default() += 1;
        }
    }
    let total: usize = counts.values().sum();
    if total == 0 {
        return Vec::new();
    }
    counts
        .into_iter()
        .map(|(node, ops)| {
            let percent = ops as f64 * 100.0 / total as f64;
            Share {
                node: node.to_owned(),
                count: count(ops),
                percent: format!("{percent:.1} %"),
                width: u32::try_from(ops * 100 / total).unwrap_or(100),
            }
        })
        .collect()
}

/// The share of answers that came from a node which, when last asked before, held itself for the
/// leader; `None` if nobody was asked.
fn leader_share(run: &RunView) -> Option<String> {
    let mut beliefs: Vec<_> = run.beliefs.iter().collect();
    beliefs.sort_by_key(|belief| belief.time);
    let mut answers: Vec<&OpView> =
        run.ops.iter().filter(|op| op.fate == Fate::Ok && op.node.is_some()).collect();
    answers.sort_by_key(|op| op.end());
    let mut leads: HashMap<&str, bool> = HashMap::new();
    let mut beliefs = beliefs.into_iter().peekable();
    let (mut known, mut by_leader) = (0usize, 0usize);
    for op in answers {
        while let Some(belief) = beliefs.next_if(|belief| belief.time <= op.end()) {
            leads.insert(&belief.node, belief.leader);
        }
        if let Some(leader) = op.node.as_deref().and_then(|node| leads.get(node)) {
            known += 1;
            by_leader += usize::from(*leader);
        }
    }
    let ever = run.beliefs.iter().any(|belief| belief.leader);
    (known > 0 && ever).then(|| format!("{:.1} %", by_leader as f64 * 100.0 / known as f64))
}
