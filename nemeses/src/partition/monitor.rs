//! `partition-monitor`: the node with the role `monitor` and a leader don't hear each other.
//!
//! Everything else is intact: the monitor alone believes the leader dead and promotes another,
//! which is how an outside judge makes two primaries.

use super::separate;
use crate::kind::{Family, FaultKind};
use crate::view::{everybody, except, leaders};
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-monitor",
    about: "cuts the outside monitor off from the leader, and nobody else",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-monitor"],
    build: |_| Ok(Box::new(PartitionMonitor)),
};

struct PartitionMonitor;

impl Fault for PartitionMonitor {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        let has_role = |node: &_| view.roles.iter().any(|(r, n)| r == "monitor" && n == node);
        let Some(monitor) = view.cluster.ids().find(has_role) else {
            return Err(Skip("no node has the role of a monitor".to_owned()));
        };
        let leaders = leaders(view)?;
        let leader = rng.pick(&leaders).copied().unwrap_or(leaders[0]);
        let summary = format!(
            "the monitor {} was cut off from the leader {}",
            view.cluster.name(monitor),
            view.cluster.name(leader)
        );
        let others = except(&everybody(view), &[monitor, leader]);
        let sides = [monitor, leader].map(|end| [others.clone(), vec![end]].concat()).to_vec();
        Ok(separate(view.cluster, sides, summary))
    }
}
