//! `partition=n1,n2|n3,n4,n5`: the groups that the user lists don't hear each other.
//!
//! A node in no group hears everybody, one in two groups connects them. `+` may stand for the comma
//! and `/` for the bar, which need no quoting in a shell and are how the name is written back. A
//! role may stand for its node: `partition=monitor/n1`.

use super::separate;
use crate::kind::{Family, FaultKind};
use crate::spec::FaultSpecError;
use crate::target::{is_name, resolve};
use crate::view::{everybody, except};
use crate::words::{names, was};
use schism_core::fault::{ClusterView, Fault, Plan, Skip};
use schism_core::rng::Rng;

const EXPECTED: &str = "groups of nodes, such as n1+n2/n3+n4+n5";

pub(crate) const KIND: FaultKind = FaultKind {
    name: "partition",
    about: "cuts the listed groups off from each other; a node in none of them hears everybody",
    family: Family::Partition,
    value: Some(EXPECTED),
    targets: &[],
    examples: &["partition=n1+n2/n3+n4+n5", "partition=n1,n2|n3,n4,n5"],
    build: |given| Ok(Box::new(Partition { groups: groups(given.value.unwrap_or_default())? })),
};

struct Partition {
    groups: Vec<Vec<String>>,
}

/// The groups' names, as the user wrote them.
pub(crate) fn groups(value: &str) -> Result<Vec<Vec<String>>, FaultSpecError> {
    let group = |text: &str| -> Option<Vec<String>> {
        let names: Vec<&str> = text.split([',', '+']).map(str::trim).collect();
        names
            .iter()
            .all(|name| is_name(name))
            .then(|| names.into_iter().map(str::to_owned).collect())
    };
    let groups: Option<Vec<Vec<String>>> = value.split(['|', '/']).map(group).collect();
    groups.filter(|groups| groups.len() > 1).ok_or_else(|| FaultSpecError::BadValue {
        fault: KIND.name,
        given: value.to_owned(),
        expected: EXPECTED,
    })
}

impl Fault for Partition {
    fn name(&self) -> String {
        let groups: Vec<String> = self.groups.iter().map(|group| group.join("+")).collect();
        format!("{}={}", KIND.name, groups.join("/"))
    }

    fn plan(&self, view: &ClusterView<'_>, _rng: &mut Rng) -> Result<Plan, Skip> {
        let mut sides = Vec::new();
        for group in &self.groups {
            sides.push(resolve(group, view)?);
        }
        let listed = sides.concat();
        let everywhere = except(&everybody(view), &listed);
        let summary = if let [one, other] = sides.as_slice()
            && except(one, other) == *one
        {
            format!(
                "{} {} cut off from {}",
                names(view.cluster, one),
                was(one),
                names(view.cluster, other)
            )
        } else {
            let groups: Vec<String> = sides.iter().map(|side| names(view.cluster, side)).collect();
            format!("the network was split into {}", groups.join(" / "))
        };
        for side in &mut sides {
            side.extend(&everywhere);
        }
        let plan = separate(view.cluster, sides, summary);
        if plan.inject.is_empty() {
            return Err(Skip("these groups share all their nodes: nothing is cut".to_owned()));
        }
        Ok(plan)
    }
}
