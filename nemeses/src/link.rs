//! Link faults: packets that come late, in another order, twice or not at all.
//!
//! Every link that touches a target has the shape, in both directions, and each end shapes what it
//! receives. On the sending side a delay would fill the sender's own queues, and TCP, which watches
//! these, would slow down far more than a slow network makes it.

pub(crate) mod delay;
pub(crate) mod duplicate;
pub(crate) mod loss;
pub(crate) mod reorder;
pub(crate) mod value;

use crate::target::Target;
use crate::view::everybody;
use crate::words::names;
use schism_core::cluster::NodeId;
use schism_core::fault::{Action, ClusterView, Fault, LinkShape, Plan, Skip};
use schism_core::rng::Rng;

/// A shape on the links of some nodes.
pub(crate) struct LinkFault {
    /// The name without its target, such as `delay=250ms`.
    pub(crate) name: String,
    pub(crate) shape: LinkShape,
    pub(crate) target: Target,
}

impl Fault for LinkFault {
    fn name(&self) -> String {
        format!("{}:{}", self.name, self.target)
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        if view.cluster.size() < 2 {
            return Err(Skip("a single node has no links".to_owned()));
        }
        let targets = self.target.choose(view, rng)?;
        let summary = if self.target == Target::All {
            format!("every link was impaired ({})", self.shape)
        } else {
            format!("every link of {} was impaired ({})", names(view.cluster, &targets), self.shape)
        };
        let (mut inject, mut heal) = (Vec::new(), Vec::new());
        for node in everybody(view) {
            let touched = |peer: &NodeId| targets.contains(&node) || targets.contains(peer);
            let from: Vec<NodeId> =
                view.cluster.ids().filter(|peer| *peer != node).filter(touched).collect();
            if !from.is_empty() {
                inject.push(Action::Shape { node, from, link: self.shape });
                heal.push(Action::Unshape { node });
            }
        }
        Ok(Plan { summary, sides: Vec::new(), inject, heal })
    }
}

/// The name as it is written back: the default value is left out.
pub(crate) fn name(kind: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{kind}={value}"),
        None => kind.to_owned(),
    }
}
