//! `kill`: SIGKILL to every process of the node; the heal starts it again, with its data.

use crate::kind::{Family, FaultKind};
use crate::target::{ONE_FIRST, Target};
use schism_core::fault::{Action, ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

pub(crate) const KIND: FaultKind = FaultKind {
    name: "kill",
    about: "kills nodes without warning; they are started again with their data",
    family: Family::Process,
    value: None,
    targets: &ONE_FIRST,
    examples: &["kill", "kill:leader", "kill:n1+n2"],
    build: |given| Ok(Box::new(Kill { target: given.target })),
};

struct Kill {
    target: Target,
}

impl Fault for Kill {
    fn name(&self) -> String {
        format!("{}:{}", KIND.name, self.target)
    }

    fn plan(&self, view: &ClusterView<'_>, rng: &mut Rng) -> Result<Plan, Skip> {
        let inject = |node| Action::Kill { node };
        let heal = |node| Action::Start { node };
        super::plan(&self.target, "killed", (inject, heal), view, rng)
    }
}
