//! Verdicts: valid, unknown with the reason, or invalid with what was found.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a checker says. Merged, invalid outweighs unknown, and unknown valid.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No correct store is accused: the history is one that it could have produced.
    Valid,
    /// It could not be decided, for this reason.
    Unknown(String),
    /// No correct store could have produced it.
    Invalid(Vec<Anomaly>),
}

impl Verdict {
    /// The worse of two.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Invalid(mut left), Self::Invalid(right)) => {
                left.extend(right);
                Self::Invalid(left)
            }
            (invalid @ Self::Invalid(_), _) | (_, invalid @ Self::Invalid(_)) => invalid,
            (unknown @ Self::Unknown(_), _) | (_, unknown @ Self::Unknown(_)) => unknown,
            (Self::Valid, Self::Valid) => Self::Valid,
        }
    }

    /// `Valid` if there are no anomalies.
    pub fn from_anomalies(anomalies: Vec<Anomaly>) -> Self {
        if anomalies.is_empty() { Self::Valid } else { Self::Invalid(anomalies) }
    }

    /// What was found.
    pub fn anomalies(&self) -> &[Anomaly] {
        match self {
            Self::Invalid(anomalies) => anomalies,
            Self::Valid | Self::Unknown(_) => &[],
        }
    }

    /// `valid`, `unknown` or `invalid`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unknown(_) => "unknown",
            Self::Invalid(_) => "invalid",
        }
    }

    /// The exit code of the command line: 0, 3 or 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Unknown(_) => 3,
            Self::Invalid(_) => 1,
        }
    }
}

/// One thing that a correct store could not have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Its name in the field's terms, such as `split-brain`, `lost`, `stale-read`, `agreement`.
    pub kind: String,
    /// One sentence that a person understands without the history, with nodes and values.
    pub summary: String,
    /// The steps of the argument, one sentence each, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// The operations involved, by the index of their invocation.
    #[serde(default)]
    pub ops: Vec<u64>,
    /// The nodes involved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Arc<str>>,
}

impl Anomaly {
    /// An anomaly with its sentence; the rest is added by the builders below.
    pub fn new(kind: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            summary: summary.into(),
            because: Vec::new(),
            ops: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Adds a step of the argument.
    #[must_use]
    pub fn because(mut self, step: impl Into<String>) -> Self {
        self.because.push(step.into());
        self
    }

    /// Adds an operation: its invocation's index and its node.
    #[must_use]
    pub fn with_op<A: crate::api::Api>(mut self, op: &crate::op::Op<A>) -> Self {
        self.ops.push(op.invoked.index);
        if let Some(node) = &op.node
            && !self.nodes.contains(node)
        {
            self.nodes.push(node.clone());
        }
        self
    }
}
