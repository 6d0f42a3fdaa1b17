//! Faults as plans: pure data that can be printed, journaled, replayed and edited.
//!
//! A [`Fault`] looks at a [`ClusterView`] and answers with a [`Plan`]: what to do, and how to undo
//! it. Nothing here touches a cluster. The harness performs the actions in one place, probes that
//! each took effect, and probes again after the heal.
//!
//! An [`Action`] names its undoing by the fault's number (`fault`), so that two faults that overlap
//! on one link don't heal each other, and a heal may be repeated.

use crate::cluster::{Cluster, NodeId};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of fault, with its targets.
pub trait Fault: Send + Sync {
    /// Its full name with target, such as `partition-leader` or `kill:follower`.
    fn name(&self) -> String;

    /// What to do to this cluster now, or why there is nothing to do. Pure: the same view and
    /// chance give the same plan.
    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip>;
}

/// Why a fault is not injected now, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a fault may know when it is planned.
#[derive(Clone, Debug)]
pub struct ClusterView<'a> {
    /// The nodes.
    pub cluster: &'a Cluster,
    /// Which nodes hold themselves for a leader or primary now; often one, none during an election,
    /// two in a split brain.
    pub leaders: Vec<NodeId>,
    /// Nodes with a part of their own, such as `monitor`.
    pub roles: Vec<(String, NodeId)>,
    /// Nodes whose process is dead or paused now.
    pub impaired: Vec<NodeId>,
}

/// What to do, and how to undo it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// One line for a person, with node names.
    pub summary: String,
    /// The groups that can still talk within themselves, by node; empty if the network is whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<Vec<NodeId>>,
    /// In this order.
    pub inject: Vec<Action>,
    /// In this order; each may be repeated without harm.
    pub heal: Vec<Action>,
}

/// One thing done to one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// `node` drops whatever arrives from `from`.
    Cut {
        /// Who drops.
        node: NodeId,
        /// Whose packets.
        from: Vec<NodeId>,
    },
    /// `node` takes packets from everybody again: undoes this fault's `Cut`.
    Uncut {
        /// Who dropped.
        node: NodeId,
    },
    /// What arrives at `node` from `from` is delayed, lost, duplicated or reordered.
    Shape {
        /// Who receives.
        node: NodeId,
        /// Whose packets.
        from: Vec<NodeId>,
        /// How.
        link: LinkShape,
    },
    /// Undoes this fault's `Shape`.
    Unshape {
        /// Who received.
        node: NodeId,
    },
    /// SIGKILL to every process of the node.
    Kill {
        /// Whom.
        node: NodeId,
    },
    /// Starts the node's process again unless it runs.
    Start {
        /// Whom.
        node: NodeId,
    },
    /// SIGSTOP to every process of the node.
    Pause {
        /// Whom.
        node: NodeId,
    },
    /// SIGCONT to every process of the node.
    Resume {
        /// Whom.
        node: NodeId,
    },
}

impl Action {
    /// The node that it is done to.
    pub fn node(&self) -> NodeId {
        match self {
            Self::Cut { node, .. }
            | Self::Uncut { node }
            | Self::Shape { node, .. }
            | Self::Unshape { node }
            | Self::Kill { node }
            | Self::Start { node }
            | Self::Pause { node }
            | Self::Resume { node } => *node,
        }
    }
}

/// What a shaped link does to packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkShape {
    /// Every packet arrives this much later, in milliseconds.
    pub delay_ms: f64,
    /// Plus or minus this, uniformly; packets overtake each other.
    pub jitter_ms: f64,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Share of packets delivered twice, 0 to 1.
    pub duplicate: f64,
}

impl fmt::Display for LinkShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.delay_ms > 0.0 {
            parts.push(format!("{} ms late", self.delay_ms));
        }
        if self.jitter_ms > 0.0 {
            parts.push(format!("± {} ms", self.jitter_ms));
        }
        if self.loss > 0.0 {
            parts.push(format!("{:.0} % lost", self.loss * 100.0));
        }
        if self.duplicate > 0.0 {
            parts.push(format!("{:.0} % twice", self.duplicate * 100.0));
        }
        f.write_str(&parts.join(", "))
    }
}
