//! Cycles of dependencies: the shortest of the worst kind in each strongly connected component.

use super::Txn;
use super::graph::{Edge, Graph, Why};
use crate::words::{and, ended};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeFiltered, EdgeRef};
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use std::collections::{HashMap, HashSet, VecDeque};

/// A cycle: each edge begins where the one before ends, the first where the last does.
pub(super) type Cycle<'h> = Vec<Edge<'h>>;

/// From how many starts a short cycle is looked for; it bounds the work, not what is found.
const STARTS: usize = 500;

/// What edges a cycle may have besides those of data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    None,
    Process,
    Realtime,
}

fn order(why: &Why<'_>) -> Order {
    match why {
        Why::Process => Order::Process,
        Why::Realtime => Order::Realtime,
        Why::Ww { .. } | Why::Wr { .. } | Why::Rw { .. } => Order::None,
    }
}

fn is_rw(edge: &Edge<'_>) -> bool {
    matches!(edge.why, Why::Rw { .. })
}

/// One cycle for each strongly connected component. `O(edges)`, and the search within components.
pub(super) fn find<'h>(graph: &Graph<'h>) -> Vec<Cycle<'h>> {
    let components = kosaraju_scc(graph).into_iter().filter(|nodes| nodes.len() > 1);
    components.filter_map(|nodes| worst(graph, &nodes)).collect()
}

/// The first kind of cycle that the component has, from G0 to G2, each without process order and
/// real time before with them.
fn worst<'h>(graph: &Graph<'h>, nodes: &[NodeIndex]) -> Option<Cycle<'h>> {
    let inside: HashSet<NodeIndex> = nodes.iter().copied().collect();
    [Order::None, Order::Process, Order::Realtime].into_iter().find_map(|limit| {
        let is_ww = |edge: &Edge<'_>| !matches!(edge.why, Why::Wr { .. } | Why::Rw { .. });
        let without_rw = |edge: &Edge<'_>| !is_rw(edge);
        let within = |edge: &Edge<'_>| {
            order(&edge.why) <= limit
                && inside.contains(&NodeIndex::new(edge.from))
                && inside.contains(&NodeIndex::new(edge.to))
        };
        shortest(graph, nodes, |edge| within(edge) && is_ww(edge))
            .or_else(|| shortest(graph, nodes, |edge| within(edge) && without_rw(edge)))
            .or_else(|| through_one_rw(graph, nodes, |edge| within(edge) && without_rw(edge)))
            .or_else(|| shortest(graph, nodes, within))
    })
}

/// A short cycle of edges that are `allowed`; none only if there is none.
fn shortest<'h>(
    graph: &Graph<'h>,
    nodes: &[NodeIndex],
    allowed: impl Fn(&Edge<'h>) -> bool,
) -> Option<Cycle<'h>> {
    let part = EdgeFiltered::from_fn(graph, |edge| allowed(edge.weight()));
    let inside: HashSet<NodeIndex> = nodes.iter().copied().collect();
    let cyclic = kosaraju_scc(&part)
        .into_iter()
        .filter(|nodes| nodes.len() > 1 && inside.contains(&nodes[0]))
        .min_by_key(Vec::len)?;
    let starts = cyclic.iter().take(STARTS);
    starts.filter_map(|start| path(graph, *start, *start, &allowed)).min_by_key(Vec::len)
}

/// A cycle of one rw edge and edges that are `allowed`.
fn through_one_rw<'h>(
    graph: &Graph<'h>,
    nodes: &[NodeIndex],
    allowed: impl Fn(&Edge<'h>) -> bool,
) -> Option<Cycle<'h>> {
    let inside: HashSet<NodeIndex> = nodes.iter().copied().collect();
    let edges = nodes.iter().flat_map(|node| graph.edges(*node));
    let rws = edges.filter(|edge| is_rw(edge.weight()) && inside.contains(&edge.target()));
    rws.take(STARTS)
        .filter_map(|rw| {
            let mut cycle = path(graph, rw.target(), rw.source(), &allowed)?;
            cycle.insert(0, *rw.weight());
            Some(cycle)
        })
        .min_by_key(Vec::len)
}

/// The shortest path of at least one edge, by breadth-first search.
fn path<'h>(
    graph: &Graph<'h>,
    from: NodeIndex,
    to: NodeIndex,
    allowed: &impl Fn(&Edge<'h>) -> bool,
) -> Option<Vec<Edge<'h>>> {
    let mut came_by: HashMap<NodeIndex, Edge<'h>> = HashMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        for edge in graph.edges(node).filter(|edge| allowed(edge.weight())) {
            if came_by.contains_key(&edge.target()) {
                continue;
            }
            came_by.insert(edge.target(), *edge.weight());
            if edge.target() != to {
                queue.push_back(edge.target());
                continue;
            }
            let mut path = vec![*edge.weight()];
            while let Some(first) = path.last().filter(|first| first.from != from.index()) {
                path.push(*came_by.get(&NodeIndex::new(first.from))?);
            }
            path.reverse();
            return Some(path);
        }
    }
    None
}

/// The anomaly's name, as Elle names it.
pub(super) fn name(cycle: &Cycle<'_>) -> &'static str {
    let rws = cycle.iter().filter(|edge| is_rw(edge)).count();
    let mut pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
    let in_a_row = pairs.any(|(edge, next)| is_rw(edge) && is_rw(next));
    let base = match rws {
        0 if cycle.iter().any(|edge| matches!(edge.why, Why::Wr { .. })) => 1,
        0 => 0,
        1 => 2,
        _ if in_a_row => 4,
        _ => 3,
    };
    let names = match cycle.iter().map(|edge| order(&edge.why)).max() {
        Some(Order::Realtime) => [
            "G0-realtime",
            "G1c-realtime",
            "G-single-item-realtime",
            "G-nonadjacent-item-realtime",
            "G2-item-realtime",
        ],
        Some(Order::Process) => [
            "G0-process",
            "G1c-process",
            "G-single-item-process",
            "G-nonadjacent-item-process",
            "G2-item-process",
        ],
        _ => ["G0", "G1c", "G-single-item", "G-nonadjacent-item", "G2-item"],
    };
    names[base]
}

/// The cycle edge by edge.
pub(super) fn describe(cycle: &Cycle<'_>, txns: &[Txn<'_>], run: &RunFacts) -> Anomaly {
    let members: Vec<&Txn<'_>> = cycle.iter().map(|edge| &txns[edge.from]).collect();
    let mut labels: Vec<String> = members.iter().map(|txn| txn.label()).collect();
    let from = members.iter().map(|txn| txn.op.invoked.time).min().unwrap_or_default();
    let to = members.iter().map(|txn| ended(txn.op)).max().unwrap_or_default();
    let each = and(&labels);
    labels.extend(labels.first().cloned());
    let kind = name(cycle);
    let mut anomaly = Anomaly::new(
        kind,
        format!(
            "{each} would each have to come before the next: {}{}",
            labels.join(" → "),
            run.faults_in_words(from, to)
        ),
    );
    for edge in cycle {
        anomaly = anomaly.because(justify(edge, txns)).with_op(txns[edge.from].op);
    }
    anomaly.because("so none of them can be first")
}

fn justify(edge: &Edge<'_>, txns: &[Txn<'_>]) -> String {
    let (from, to) = (txns[edge.from].label(), txns[edge.to].label());
    match edge.why {
        Why::Ww { key, first, second } => {
            format!("{to} appended {second} to list {key} after {from} had appended {first}")
        }
        Why::Wr { key, element } => {
            format!("{to} read {element} in list {key}, which {from} had appended")
        }
        Why::Rw { key, element } => {
            format!("{from} read list {key} without {element}, which {to} appended")
        }
        Why::Process => format!("process {} did {from} before {to}", txns[edge.from].op.process),
        Why::Realtime => format!(
            "{from} had ended at {}, before {to} began at {}",
            ended(txns[edge.from].op),
            txns[edge.to].op.invoked.time
        ),
    }
}
