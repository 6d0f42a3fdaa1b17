//! Partitions: who hears whom.
//!
//! Almost every partition is a list of *sides*, groups that can talk within themselves: a node
//! drops what comes from nodes that share no side with it. Sides may overlap (the bridge's node is
//! in both, each node of the ring in several), which makes one function, [`separate`], plan them
//! all. Packets are dropped where they arrive, never where they leave: the sender's process then
//! sees what a broken link looks like, silence, and not an error from its own kernel.

pub(crate) mod bridge;
pub(crate) mod explicit;
pub(crate) mod halves;
pub(crate) mod leader;
pub(crate) mod majority;
pub(crate) mod monitor;
pub(crate) mod one;
pub(crate) mod one_way;
pub(crate) mod primary;
pub(crate) mod ring;

use crate::words::{names, was};
use schism_core::cluster::{Cluster, NodeId};
use schism_core::fault::{Action, ClusterView, Plan, Skip};

/// Refuses clusters that are too small.
pub(crate) fn at_least(view: &ClusterView<'_>, nodes: usize) -> Result<(), Skip> {
    let size = view.cluster.size();
    if size < nodes {
        return Err(Skip(format!(
            "it takes {nodes} nodes, there {} {size}",
            match size {
                1 => "is",
                _ => "are",
            }
        )));
    }
    Ok(())
}

/// The plan by which nodes hear each other only within a side. A node in no side hears nobody.
pub(crate) fn separate(cluster: &Cluster, mut sides: Vec<Vec<NodeId>>, summary: String) -> Plan {
    for side in &mut sides {
        side.sort_unstable();
    }
    let together =
        |a: NodeId, b: NodeId| sides.iter().any(|side| side.contains(&a) && side.contains(&b));
    let cuts = cluster
        .ids()
        .map(|node| {
            let from = cluster.ids().filter(|peer| *peer != node && !together(node, *peer));
            (node, from.collect())
        })
        .collect();
    cut(sides, cuts, summary)
}

/// The plan by which each node drops what comes from the nodes beside it.
pub(crate) fn cut(
    sides: Vec<Vec<NodeId>>,
    cuts: Vec<(NodeId, Vec<NodeId>)>,
    summary: String,
) -> Plan {
    let (mut inject, mut heal) = (Vec::new(), Vec::new());
    for (node, from) in cuts {
        if !from.is_empty() {
            inject.push(Action::Cut { node, from });
            heal.push(Action::Uncut { node });
        }
    }
    Plan { summary, sides, inject, heal }
}

/// The plan that cuts `few` off from `rest`; `what` introduces them, such as `the leader `.
pub(crate) fn two_sides(
    cluster: &Cluster,
    what: &str,
    few: Vec<NodeId>,
    rest: Vec<NodeId>,
) -> Plan {
    let summary = format!(
        "{what}{} {} cut off from {}",
        names(cluster, &few),
        was(&few),
        names(cluster, &rest)
    );
    separate(cluster, vec![few, rest], summary)
}
