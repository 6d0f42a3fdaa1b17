//! `partition-bridge`: two halves, and one node that both hear.
//!
//! Each half with the bridge may be a majority, so both may go on electing, through a node that
//! has to keep its word to both.

use super::separate;
use crate::kind::{Family, FaultKind};
use crate::view::{everybody, except, healthy, some};
use crate::words::names;
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-bridge",
    about: "two halves that only one node connects",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-bridge"],
    build: |_| Ok(Box::new(PartitionBridge)),
};

struct PartitionBridge;

impl Fault for PartitionBridge {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        super::at_least(view, 3)?;
        let Some(bridge) = rng.pick(&healthy(view)).copied() else {
            return Err(Skip("no node is up that could be the bridge".to_owned()));
        };
        let others = except(&everybody(view), &[bridge]);
        let left = some(others.clone(), others.len() / 2, rng);
        let right = except(&others, &left);
        let summary = format!(
            "only {} connected {} with {}",
            view.cluster.name(bridge),
            names(view.cluster, &left),
            names(view.cluster, &right)
        );
        let sides = [left, right].map(|side| [side, vec![bridge]].concat()).to_vec();
        Ok(separate(view.cluster, sides, summary))
    }
}
