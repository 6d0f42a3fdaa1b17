//! Who comes into question when a fault is planned.

use schism_core::cluster::NodeId;
use schism_core::fault::{ClusterView, Skip};
use schism_core::rng::Rng;

/// Every node, those with a role too.
pub(crate) fn everybody(view: &ClusterView<'_>) -> Vec<NodeId> {
    view.cluster.ids().collect()
}

/// The nodes without a role of their own, dead ones too.
pub(crate) fn serving(view: &ClusterView<'_>) -> Vec<NodeId> {
    view.cluster.ids().filter(|id| !view.roles.iter().any(|(_, node)| node == id)).collect()
}

/// The serving nodes that are neither dead nor paused.
pub(crate) fn healthy(view: &ClusterView<'_>) -> Vec<NodeId> {
    let mut nodes = serving(view);
    nodes.retain(|id| !view.impaired.contains(id));
    nodes
}

/// The healthy nodes that hold themselves for a leader, in order; never empty.
pub(crate) fn leaders(view: &ClusterView<'_>) -> Result<Vec<NodeId>, Skip> {
    let mut nodes = healthy(view);
    nodes.retain(|id| view.leaders.contains(id));
    if nodes.is_empty() {
        return Err(Skip("no node holds itself for a leader".to_owned()));
    }
    Ok(nodes)
}

/// How many nodes are dead or paused.
pub(crate) fn impaired(view: &ClusterView<'_>) -> usize {
    view.cluster.ids().filter(|id| view.impaired.contains(id)).count()
}

/// How many more nodes may be taken so that a majority of all nodes is left.
pub(crate) fn spare(view: &ClusterView<'_>) -> usize {
    let minority = view.cluster.size() - view.cluster.majority();
    minority.saturating_sub(impaired(view))
}

/// Refuses to take one more node where others are down already and no majority would be left. The
/// first one may always be taken, in a cluster of two also.
pub(crate) fn spare_one(view: &ClusterView<'_>) -> Result<(), Skip> {
    let down = impaired(view);
    if down > 0 && spare(view) == 0 {
        return Err(Skip(format!(
            "{down} of {} nodes {} down already; one more would leave no majority",
            view.cluster.size(),
            if down == 1 { "is" } else { "are" },
        )));
    }
    Ok(())
}

/// Between one and all that [`spare`] allows, of the healthy nodes, in order.
pub(crate) fn minority(view: &ClusterView<'_>, rng: &mut Rng) -> Result<Vec<NodeId>, Skip> {
    let candidates = healthy(view);
    let most = spare(view).min(candidates.len());
    if most == 0 {
        return Err(Skip(match impaired(view) {
            0 => format!("{} nodes have no minority that could be taken", view.cluster.size()),
            down => format!(
                "{down} of {} nodes down already is as many as a minority can be",
                view.cluster.size()
            ),
        }));
    }
    let size = 1 + rng.below(most);
    Ok(some(candidates, size, rng))
}

/// `size` of `nodes` at random, in order.
pub(crate) fn some(mut nodes: Vec<NodeId>, size: usize, rng: &mut Rng) -> Vec<NodeId> {
    rng.shuffle(&mut nodes);
    nodes.truncate(size);
    nodes.sort_unstable();
    nodes
}

/// Those of `nodes` that are not in `without`.
pub(crate) fn except(nodes: &[NodeId], without: &[NodeId]) -> Vec<NodeId> {
    nodes.iter().copied().filter(|id| !without.contains(id)).collect()
}
