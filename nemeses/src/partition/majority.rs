//! `partition-majority`: a random minority, of random size, cut off from the majority.
//!
//! A store that claims to survive a minority has to go on at the majority's side.

use super::two_sides;
use crate::kind::{Family, FaultKind};
use crate::view::{everybody, except, minority};
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-majority",
    about: "cuts a random minority off from the majority",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-majority"],
    build: |_| Ok(Box::new(PartitionMajority)),
};

struct PartitionMajority;

impl Fault for PartitionMajority {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        let few = minority(view, rng)?;
        let rest = except(&everybody(view), &few);
        Ok(two_sides(view.cluster, "", few, rest))
    }
}
