//! Which quorum was available when, worked out from the faults' times.
//!
//! While several faults are in force, two nodes can talk if every one of them lets them; a node
//! that is killed or paused talks to nobody. This says what the faults left possible, not what the
//! system made of it: that is what the counts of answers beside it are for.

use crate::view::RunView;
use schism_core::record::FaultWindow;
use schism_core::time::Nanos;
use serde::Serialize;
use std::sync::Arc;

/// So many stretches are listed.
const LISTED: usize = 60;

/// A stretch of time in which the same faults were in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Stretch {
    pub(super) from: String,
    pub(super) to: String,
    /// The faults' numbers.
    pub(super) faults: Vec<u32>,
    /// The groups that could talk, such as `n1, n2 | n3, n4, n5`.
    pub(super) groups: String,
    /// The group with a majority, if there was one.
    pub(super) majority: Option<String>,
}

type Group = Vec<Arc<str>>;

/// Every stretch with a fault that cut the network or stopped a node. O(faults²).
pub(super) fn stretches(run: &RunView) -> Vec<Stretch> {
    let nodes: Group = run.test.nodes.iter().map(|node| node.as_str().into()).collect();
    let majority = nodes.len() / 2 + 1;
    let telling: Vec<&FaultWindow> =
        run.faults.iter().filter(|window| !window.sides.is_empty() || stops(window)).collect();
    let end = run.end();
    let mut edges: Vec<Nanos> =
        telling.iter().flat_map(|window| [window.start, window.end.unwrap_or(end)]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut out: Vec<Stretch> = Vec::new();
    for pair in edges.windows(2) {
        let inside = |window: &&&FaultWindow| {
            window.start <= pair[0] && window.end.unwrap_or(end) >= pair[1]
        };
        let now: Vec<&FaultWindow> = telling.iter().filter(inside).copied().collect();
        if now.is_empty() {
            continue;
        }
        let groups = groups(&nodes, &now);
        let largest = groups.iter().max_by_key(|group| group.len());
        out.push(Stretch {
            from: pair[0].to_string(),
            to: pair[1].to_string(),
            faults: now.iter().map(|window| window.fault).collect(),
            groups: groups.iter().map(|group| group.join(", ")).collect::<Vec<_>>().join(" | "),
            majority: largest.filter(|group| group.len() >= majority).map(|group| group.join(", ")),
        });
        if out.len() == LISTED {
            break;
        }
    }
    out
}

/// True if the fault stops its nodes' processes.
fn stops(window: &FaultWindow) -> bool {
    window.name.starts_with("kill") || window.name.starts_with("pause")
}

fn groups(nodes: &Group, faults: &[&FaultWindow]) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![nodes.clone()];
    for fault in faults {
        let sides: Vec<Group> = if stops(fault) {
            vec![nodes.iter().filter(|node| !fault.nodes.contains(node)).cloned().collect()]
        } else {
            let alone = nodes.iter().filter(|n| !fault.sides.iter().flatten().any(|m| m == *n));
            fault.sides.iter().cloned().chain(alone.map(|node| vec![node.clone()])).collect()
        };
        let mut finer: Vec<Group> = Vec::new();
        for group in &groups {
            for side in &sides {
                let common: Group = group.iter().filter(|n| side.contains(n)).cloned().collect();
                if !common.is_empty() && !finer.contains(&common) {
                    finer.push(common);
                }
            }
        }
        groups = finer;
    }
    groups
}
