//! `partition-primary`: every node that holds itself for a leader, each alone.
//!
//! Where [`partition-leader`](super::leader) isolates one, this isolates all of them from the other
//! nodes and from each other, as a split brain has several. Clients still reach each, so it can go
//! on acknowledging.

use super::{separate, two_sides};
use crate::kind::{Family, FaultKind};
use crate::view::{everybody, except, leaders};
use crate::words::names;
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-primary",
    about: "cuts every leader off from all other nodes, but not from clients",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-primary"],
    build: |_| Ok(Box::new(PartitionPrimary)),
};

struct PartitionPrimary;

impl Fault for PartitionPrimary {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, _rng: &mut Rng) -> Result<Plan, Skip> {
        super::at_least(view, 2)?;
        let leaders = leaders(view)?;
        let rest = except(&everybody(view), &leaders);
        if leaders.len() == 1 {
            return Ok(two_sides(view.cluster, "the leader ", leaders, rest));
        }
        let summary = format!(
            "the leaders {} were each cut off from every other node",
            names(view.cluster, &leaders)
        );
        let mut sides: Vec<_> = leaders.into_iter().map(|leader| vec![leader]).collect();
        sides.extend((!rest.is_empty()).then_some(rest));
        Ok(separate(view.cluster, sides, summary))
    }
}
