//! `partition-halves`: two random halves that don't hear each other.
//!
//! With an even number of nodes neither half is a majority, which is where a store that counts
//! wrongly goes on in both, and a right one in neither.

use super::two_sides;
use crate::kind::{Family, FaultKind};
use crate::view::{everybody, except, some};
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-halves",
    about: "splits the nodes into two random halves; with an even number neither is a majority",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-halves"],
    build: |_| Ok(Box::new(PartitionHalves)),
};

struct PartitionHalves;

impl Fault for PartitionHalves {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        super::at_least(view, 2)?;
        let all = everybody(view);
        let few = some(all.clone(), all.len() / 2, rng);
        let rest = except(&all, &few);
        Ok(two_sides(view.cluster, "", few, rest))
    }
}
