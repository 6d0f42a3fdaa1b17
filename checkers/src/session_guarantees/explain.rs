//! A broken guarantee in words: the circle of writes, each step with what proves it.

use super::graph::{Graph, NodeId};
use super::recheck::{Link, Proof};
use super::sessions::{Part, PartId, Sessions, What, narrow};
use super::visible::Orders;
use super::{Broken, Guarantees};
use crate::words::{asked, value};
use rustc_hash::FxHashMap;
use schism_core::api::register::{RegisterOp, Reply};
use schism_core::verdict::Anomaly;

/// How many circles are compared to find a short one.
const TRIED: usize = 16;

/// A circle in the graph with these edges, whose order could not be completed. The last node leads
/// to the first.
///
/// Whatever is missing in the order has a predecessor that is missing, too; so going back from one
/// to the next must come round. From some nodes of that circle the shortest ways back to themselves
/// are compared. `O(nodes + edges)`.
pub(crate) fn circle(graph: &Graph, order: &[NodeId], edges: &[(NodeId, NodeId)]) -> Vec<NodeId> {
    let mut missing = vec![true; graph.len()];
    for node in order {
        missing[*node as usize] = false;
    }
    let mut back: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    for (older, newer) in edges.iter().filter(|(older, _)| missing[*older as usize]) {
        back.entry(*newer).or_insert(*older);
    }
    let before = |node: NodeId| {
        let mut own = graph.predecessors(node).iter().copied();
        own.find(|from| missing[*from as usize]).or_else(|| back.get(&node).copied())
    };
    let Some(mut at) = (0..narrow(graph.len())).find(|node| missing[*node as usize]) else {
        return Vec::new();
    };
    let mut walked: FxHashMap<NodeId, usize> = FxHashMap::default();
    let mut path: Vec<NodeId> = Vec::new();
    while walked.insert(at, path.len()).is_none() {
        path.push(at);
        let Some(previous) = before(at) else { return Vec::new() };
        at = previous;
    }
    let from = path.iter().position(|node| *node == at).unwrap_or_default();
    let round = &path[from..];
    let ways = round.iter().step_by(round.len().div_ceil(TRIED)).map(|node| {
        let mut way = graph.path(*node, *node, edges);
        way.pop();
        way
    });
    let shortest = ways.filter(|way| !way.is_empty()).min_by_key(Vec::len);
    shortest.unwrap_or_else(|| round.iter().rev().copied().collect())
}

/// The proof for `recheck`: as paths of reads and writes, carriers left out.
pub(super) fn proof(sessions: &Sessions<'_>, keeps: Guarantees, broken: &Broken) -> Proof {
    let graph = Graph::new(sessions, keeps);
    let (circle, orders) = match broken {
        Broken::Initial { read, write } => {
            let way = graph.path(*write, *read, &[]);
            return Proof::Initial(parts_of(&graph, way));
        }
        Broken::Circle(circle, orders) => (circle, orders),
    };
    let mut links: Vec<Link> = Vec::new();
    // From the last part on; carriers have none of their own.
    let mut way: Vec<PartId> = Vec::new();
    let begin = circle.iter().position(|node| *node < graph.parts).unwrap_or_default();
    for at in begin..begin + circle.len() {
        let [from, to] = [at, at + 1].map(|at| circle[at % circle.len()]);
        way.extend(Some(from).filter(|node| *node < graph.parts));
        if graph.predecessors(to).contains(&from) {
            continue;
        }
        let edge = orders.edges.iter().position(|edge| *edge == (from, to));
        if let Some(read) = edge.and_then(|edge| orders.reads.get(edge)) {
            links.extend((way.len() > 1).then(|| Link::Leads(way.clone())));
            links.push(Link::Older(parts_of(&graph, graph.path(from, *read, &[]))));
            way.clear();
        }
    }
    if !way.is_empty() {
        way.extend(circle.get(begin));
        links.push(Link::Leads(way));
    }
    Proof::Circle(links)
}

fn parts_of(graph: &Graph, mut way: Vec<NodeId>) -> Vec<PartId> {
    way.retain(|node| *node < graph.parts);
    way
}

/// The reads and writes that show it, with all that is on the way between them.
pub(super) fn parts(sessions: &Sessions<'_>, keeps: Guarantees, broken: &Broken) -> Vec<PartId> {
    let graph = Graph::new(sessions, keeps);
    let mut nodes: Vec<NodeId> = Vec::new();
    match broken {
        Broken::Initial { read, write } => nodes.extend(graph.path(*write, *read, &[])),
        Broken::Circle(circle, orders) => {
            for (at, from) in circle.iter().enumerate() {
                let to = circle[(at + 1) % circle.len()];
                nodes.push(*from);
                let edge = orders.edges.iter().position(|edge| *edge == (*from, to));
                let direct = graph.predecessors(to).contains(from);
                if let Some(edge) = edge.filter(|_| !direct) {
                    nodes.extend(graph.path(*from, orders.reads[edge], &[]));
                }
            }
        }
    }
    nodes.retain(|node| *node < graph.parts);
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// What is broken, in words.
pub(super) fn anomaly(sessions: &Sessions<'_>, keeps: Guarantees, broken: &Broken) -> Anomaly {
    let graph = Graph::new(sessions, keeps);
    let name = keeps.name();
    match broken {
        Broken::Initial { read, write } => {
            let (reader, writer) = (sessions.part(*read), sessions.part(*write));
            let summary = format!(
                "{} read nothing{}, where under {name} it sees that {}",
                asked(reader.op),
                of_key(sessions, reader),
                said(sessions, writer)
            );
            let steps = steps(sessions, &graph.path(*write, *read, &[]));
            finish(Anomaly::new(name, summary), sessions, &steps)
        }
        Broken::Circle(circle, orders) => in_a_circle(sessions, &graph, name, circle, orders),
    }
}

fn in_a_circle(
    sessions: &Sessions<'_>,
    graph: &Graph,
    name: String,
    circle: &[NodeId],
    orders: &Orders,
) -> Anomaly {
    let mut writes: Vec<String> = Vec::new();
    let mut lines: Vec<(String, Vec<PartId>)> = Vec::new();
    for (at, from) in circle.iter().enumerate() {
        let to = circle[(at + 1) % circle.len()];
        let is_part = |node: &NodeId| *node < graph.parts;
        if is_part(from) && sessions.part(*from).is_write() {
            writes.push(said(sessions, sessions.part(*from)));
        }
        if graph.predecessors(to).contains(from) {
            lines.extend(steps(sessions, &[*from, to]));
            continue;
        }
        let edge = orders.edges.iter().position(|edge| *edge == (*from, to));
        let Some(read) = edge.and_then(|edge| orders.reads.get(edge)) else { continue };
        lines.extend(steps(sessions, &graph.path(*from, *read, &[])));
        let reader = sessions.part(*read);
        lines.push((
            format!("but {}, so this is the newer one", said(sessions, reader)),
            vec![*from, to, *read],
        ));
    }
    let summary =
        format!("{} can't be put into an order under {name}", crate::words::some(&writes));
    finish(Anomaly::new(name, summary), sessions, &lines)
}

fn finish(anomaly: Anomaly, sessions: &Sessions<'_>, lines: &[(String, Vec<PartId>)]) -> Anomaly {
    let mut named: Vec<u64> = Vec::new();
    lines.iter().fold(anomaly, |anomaly, (line, parts)| {
        let anomaly = anomaly.because(line.clone());
        parts.iter().fold(anomaly, |anomaly, part| {
            let op = sessions.part(*part).op;
            if named.contains(&op.invoked.index) {
                return anomaly;
            }
            named.push(op.invoked.index);
            anomaly.with_op(op)
        })
    })
}

/// One sentence for each step of a path; carriers are passed over.
fn steps(sessions: &Sessions<'_>, path: &[NodeId]) -> Vec<(String, Vec<PartId>)> {
    let parts = narrow(sessions.parts.len());
    let path: Vec<PartId> = path.iter().copied().filter(|node| *node < parts).collect();
    path.windows(2)
        .map(|pair| {
            let [from, to] = [pair[0], pair[1]].map(|id| sessions.part(id));
            let read_from = matches!(to.what, What::Read(Some(source)) if source == pair[0]);
            let (from, to) = (said(sessions, from), said(sessions, to));
            let line = if read_from {
                format!("{from}, and {to}")
            } else {
                format!("{from}, and after that {to}")
            };
            (line, pair.to_vec())
        })
        .collect()
}

fn of_key(sessions: &Sessions<'_>, part: &Part<'_>) -> String {
    let key = sessions.keys.get(part.key as usize).copied().flatten();
    key.map_or_else(String::new, |key| format!(" of key {key}"))
}

/// `process 3 wrote 7 to key x`
fn said(sessions: &Sessions<'_>, part: &Part<'_>) -> String {
    let key = sessions.keys.get(part.key as usize).copied().flatten();
    let (to, of) = match key {
        Some(key) => (format!(" to key {key}"), format!(" from key {key}")),
        None => (String::new(), String::new()),
    };
    let who = format!("process {}", part.op.process);
    match (part.is_write(), part.op.call.op, part.op.reply()) {
        (true, RegisterOp::Write(new) | RegisterOp::Cas(_, new), _) => {
            format!("{who} wrote {new}{to}")
        }
        (_, RegisterOp::Cas(old, _), _) => format!("{who} found {old}{of}"),
        (_, _, Some(Reply::Read(found))) => format!("{who} read {}{of}", value(*found)),
        _ => format!("{who} read{of}"),
    }
}
