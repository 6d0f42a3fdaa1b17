//! Process faults: nodes that die, and nodes that only seem to.

pub(crate) mod kill;
pub(crate) mod pause;

use crate::target::Target;
use crate::words::{names, was};
use schism_core::cluster::NodeId;
use schism_core::fault::{Action, ClusterView, Plan, Skip};
use schism_core::rng::Rng;

/// What is done to a node.
type ToNode = fn(NodeId) -> Action;

/// The plan that does `inject` to the target's nodes, and `heal` to them later.
fn plan(
    target: &Target,
    done: &str,
    (inject, heal): (ToNode, ToNode),
    view: &ClusterView<'_>,
    rng: &mut Rng,
) -> Result<Plan, Skip> {
    let nodes = target.choose(view, rng)?;
    let what = if *target == Target::Leader { "the leader " } else { "" };
    Ok(Plan {
        summary: format!("{what}{} {} {done}", names(view.cluster, &nodes), was(&nodes)),
        sides: Vec::new(),
        inject: nodes.iter().copied().map(inject).collect(),
        heal: nodes.iter().copied().map(heal).collect(),
    })
}
