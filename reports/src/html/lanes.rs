//! Which process is drawn in which lane of the timeline.
//!
//! After an indeterminate operation a worker goes on as a new process, so a long run has thousands
//! of processes of which few live at a time. Those of one node that don't overlap share a lane:
//! greedy colouring of an interval graph by start, which needs the fewest lanes there can be.

use crate::view::RunView;
use schism_core::time::Nanos;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lane {
    /// The node that its processes talked to.
    pub(super) node: Option<Arc<str>>,
    /// Its processes, in the order of time.
    pub(super) processes: Vec<u64>,
    /// Its operations, as positions in [`RunView::ops`], in the order of time.
    pub(super) ops: Vec<usize>,
}

struct Span {
    node: Option<Arc<str>>,
    process: u64,
    first: Nanos,
    last: Nanos,
}

/// Lanes for these operations, node by node. O(n log n + processes × lanes).
pub(super) fn lanes(run: &RunView, ops: &[usize]) -> Vec<Lane> {
    let mut spans: HashMap<u64, Span> = HashMap::new();
    for op in ops.iter().map(|position| &run.ops[*position]) {
        let span = spans.entry(op.process).or_insert_with(|| Span {
            node: op.node.clone(),
            process: op.process,
            first: op.invoked.time,
            last: op.invoked.time,
        });
        span.first = span.first.min(op.invoked.time);
        span.last = span.last.max(op.end());
    }
    let mut nodes: BTreeMap<(usize, Option<Arc<str>>), Vec<Span>> = BTreeMap::new();
    for span in spans.into_values() {
        let rank = node_rank(run, span.node.as_deref());
        nodes.entry((rank, span.node.clone())).or_default().push(span);
    }
    let mut lanes: Vec<Lane> = Vec::new();
    let mut lane_of: HashMap<u64, usize> = HashMap::new();
    for ((_, node), mut spans) in nodes {
        spans.sort_by_key(|span| (span.first, span.process));
        let base = lanes.len();
        let mut ends: Vec<Nanos> = Vec::new();
        for span in spans {
            let free = ends.iter().position(|end| *end <= span.first).unwrap_or(ends.len());
            if free == ends.len() {
                ends.push(span.last);
                lanes.push(Lane { node: node.clone(), processes: Vec::new(), ops: Vec::new() });
            }
            ends[free] = span.last;
            lanes[base + free].processes.push(span.process);
            lane_of.insert(span.process, base + free);
        }
    }
    for position in ops {
        lanes[lane_of[&run.ops[*position].process]].ops.push(*position);
    }
    for lane in &mut lanes {
        lane.ops.sort_by_key(|position| run.ops[*position].invoked.time);
    }
    lanes
}

/// Where a node stands in the run's list; nodes outside of it come after, operations without a node
/// last.
pub(super) fn node_rank(run: &RunView, node: Option<&str>) -> usize {
    let Some(node) = node else { return usize::MAX };
    run.test.nodes.iter().position(|name| name == node).unwrap_or(usize::MAX - 1)
}
