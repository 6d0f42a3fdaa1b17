//! `partition-one`: any one node hears nobody and is heard by nobody.

use super::two_sides;
use crate::kind::{Family, FaultKind};
use crate::target::Target;
use crate::view::{everybody, except};
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-one",
    about: "cuts any one node off from the others",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-one"],
    build: |_| Ok(Box::new(PartitionOne)),
};

struct PartitionOne;

impl Fault for PartitionOne {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        super::at_least(view, 2)?;
        let one = Target::One.choose(view, rng)?;
        let rest = except(&everybody(view), &one);
        Ok(two_sides(view.cluster, "", one, rest))
    }
}
