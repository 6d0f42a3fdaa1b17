//! `partition-leader`: one of the nodes that hold themselves for a leader, isolated.
//!
//! It goes on believing for a while; what it acknowledges meanwhile is what gets lost.

use super::two_sides;
use crate::kind::{Family, FaultKind};
use crate::target::Target;
use crate::view::{everybody, except};
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-leader",
    about: "cuts a leader off from the others",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-leader"],
    build: |_| Ok(Box::new(PartitionLeader)),
};

struct PartitionLeader;

impl Fault for PartitionLeader {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        super::at_least(view, 2)?;
        let leader = Target::Leader.choose(view, rng)?;
        let rest = except(&everybody(view), &leader);
        Ok(two_sides(view.cluster, "the leader ", leader, rest))
    }
}
