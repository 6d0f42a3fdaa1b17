//! `partition-one-way`: one random group doesn't hear the other, which still hears it.
//!
//! No TCP connection survives that, but whoever sends datagrams, or judges a peer dead because it
//! hears nothing while it is heard itself, meets a network that isn't symmetric.

use super::cut;
use crate::kind::{Family, FaultKind};
use crate::view::{everybody, except, some};
use crate::words::names;
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition-one-way",
    about: "one random group doesn't hear the other, which still hears it",
    family: Family::Partition,
    value: None,
    targets: &[],
    examples: &["partition-one-way"],
    build: |_| Ok(Box::new(PartitionOneWay)),
};

struct PartitionOneWay;

impl Fault for PartitionOneWay {
    fn name(&self) -> String {
        KIND.name.to_owned()
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        super::at_least(view, 2)?;
        let all = everybody(view);
        let size = 1 + rng.below(all.len() - 1);
        let deaf = some(all.clone(), size, rng);
        let heard = except(&all, &deaf);
        let summary = format!(
            "{} heard nothing from {}, but not the other way round",
            names(view.cluster, &deaf),
            names(view.cluster, &heard)
        );
        let cuts = deaf.iter().map(|node| (*node, heard.clone())).collect();
        Ok(cut(vec![deaf, heard], cuts, summary))
    }
}
