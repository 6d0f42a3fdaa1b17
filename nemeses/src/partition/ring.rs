//! `partition-ring`: every node sees a majority, and no two see the same one.
//!
//! The nodes stand in a ring, in random order, and each hears the `k` nearest on either side, with
//! `k` the least that makes `2k + 1` a majority. The fault is Jepsen's "majorities ring"; Jepsen's
//! own ring is one-way for some numbers of nodes, and since a TCP connection needs both ways, this
//! one hears in both. With 5, 9, 13… nodes each sees exactly a majority; with others one more may
//! be needed for that. Three nodes make a chain, where the two ends don't hear each other.

use super::separate;
use crate::kind::{Family, FaultKind};
use crate::view::{everybody, except, serving};
use schism_core::cluster::NodeId;
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-ring",
    about: "every node sees a majority, no two of them the same",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-ring"],
    build: |_| Ok(Box::new(PartitionRing)),
};

struct PartitionRing;

impl Fault for PartitionRing {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        let mut circle = serving(view);
        if circle.len() < 3 {
            return Err(Skip(format!("a ring needs 3 nodes, there are {}", circle.len())));
        }
        rng.shuffle(&mut circle);
        let named = |node: &NodeId| view.cluster.name(*node).as_ref();
        let order: Vec<&str> = circle.iter().map(named).collect();
        let shape = if circle.len() == 3 { "chain" } else { "ring" };
        let summary =
            format!("every node heard only its neighbours in the {shape} {}", order.join("-"));
        // Nodes with a role are no part of the ring: they hear everybody.
        let roles = except(&everybody(view), &circle);
        let sides = windows(&circle)
            .into_iter()
            .map(|window| window.into_iter().chain(roles.iter().copied()).collect())
            .collect();
        Ok(separate(view.cluster, sides, summary))
    }
}

/// Runs of neighbours so long that two nodes share one exactly if they hear each other.
fn windows(circle: &[NodeId]) -> Vec<Vec<NodeId>> {
    let size = circle.len();
    if size == 3 {
        return vec![circle[..2].to_vec(), circle[1..].to_vec()];
    }
    let others_in_majority = size / 2;
    let reach = others_in_majority.div_ceil(2);
    (0..size).map(|start| (start..=start + reach).map(|at| circle[at % size]).collect()).collect()
}
