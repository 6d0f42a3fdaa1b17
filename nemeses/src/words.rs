//! Lists of nodes as people write them.

use schism_core::cluster::{Cluster, NodeId};

/// `n1, n2 and n3`.
pub(crate) fn names(cluster: &Cluster, nodes: &[NodeId]) -> String {
    let names: Vec<&str> = nodes.iter().map(|id| cluster.name(*id).as_ref()).collect();
    match names.as_slice() {
        [] => "nobody".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `was` for one node, `were` for several.
pub(crate) fn was(nodes: &[NodeId]) -> &'static str {
    if nodes.len() == 1 { "was" } else { "were" }
}
