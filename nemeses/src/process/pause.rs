//! `pause`: SIGSTOP to every process of the node; the heal lets it go on.
//!
//! A paused leader wakes up believing that no time has passed.

use crate::kind::{Family, FaultKind};
use crate::target::{ONE_FIRST, Target};
use schism_core::fault::{Action, ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "pause",
    about: "stops nodes as if time stood still; later they go on, believing it did",
    family: Family::Process,
    value: None,
    targets: &ONE_FIRST,
    examples: &["pause", "pause:leader", "pause:n1+n2"],
    build: |given| Ok(Box::new(Pause { target: given.target })),
};

struct Pause {
    target: Target,
}

impl Fault for Pause {
    fn name(&self) -> String {
        format!("{}:{}", KIND.name, self.target)
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        let inject = |node| Action::Pause { node };
        let heal = |node| Action::Resume { node };
        super::plan(&self.target, "paused", (inject, heal), view, rng)
    }
}
