//! Whom a fault hits: the part after the colon.
//!
//! Random targets are drawn from the nodes that are up and have no role of their own (a `monitor`
//! is hit only when named). They keep a majority of all nodes standing, counting those that are
//! down already, so that overlapping faults don't add up to an outage by accident. `majority`,
//! `all` and names are the user's explicit wish and take what they say.

use crate::nearest::nearest;
use crate::view;
use schism_core::cluster::NodeId;
use schism_core::fault::{ClusterView, Skip};
use schism_core::rng::Rng;
use std::fmt;

/// The targets of kinds that hit one node unless told otherwise.
pub(crate) const ONE_FIRST: [&str; 6] =
    ["one", "leader", "follower", "minority", "majority", "all"];

/// The targets of kinds that hit everybody unless told otherwise.
pub(crate) const ALL_FIRST: [&str; 6] =
    ["all", "one", "leader", "follower", "minority", "majority"];

/// Whom a fault hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One of the nodes that hold themselves for a leader.
    Leader,
    /// One of the others.
    Follower,
    /// Any one node.
    One,
    /// At least one node, and so few that a majority is left.
    Minority,
    /// So many that a majority is down, and no more.
    Majority,
    /// Every node without a role.
    All,
    /// These nodes or roles.
    Named(Vec<String>),
}

/// What is wrong with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadTarget {
    pub(crate) nearest: Option<&'static str>,
}

impl Target {
    /// Reads a target. A word without a digit that is nearly one of the known ones is a mistake;
    /// anything else is the name of a node or role.
    pub(crate) fn parse(text: &str) -> Result<Self, BadTarget> {
        match text {
            "leader" => return Ok(Self::Leader),
            "follower" => return Ok(Self::Follower),
            "one" => return Ok(Self::One),
            "minority" => return Ok(Self::Minority),
            "majority" => return Ok(Self::Majority),
            "all" => return Ok(Self::All),
            _ => {}
        }
        let mut names: Vec<String> = Vec::new();
        for name in text.split('+') {
            if !is_name(name) {
                return Err(BadTarget { nearest: None });
            }
            let typo = (!name.contains(|c: char| c.is_ascii_digit()))
                .then(|| nearest(name, ONE_FIRST))
                .flatten();
            if typo.is_some() {
                return Err(BadTarget { nearest: typo });
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(Self::Named(names))
    }

    /// The nodes to hit now, in order; never empty.
    pub(crate) fn choose(
        &self,
        view: &ClusterView<'_>,
        rng: &mut Rng,
    ) -> Result<Vec<NodeId>, Skip> {
        match self {
            Self::Leader => one_of(view, &view::leaders(view)?, rng),
            Self::Follower => {
                let followers = view::except(&view::healthy(view), &view.leaders);
                one_of(view, &followers, rng)
            }
            Self::One => one_of(view, &view::healthy(view), rng),
            Self::Minority => view::minority(view, rng),
            Self::Majority => {
                let size = view.cluster.majority().saturating_sub(view::impaired(view));
                if size == 0 {
                    return Err(Skip("a majority is down already".to_owned()));
                }
                let nodes = view::healthy(view);
                if nodes.len() < size {
                    return Err(Skip("too few nodes without a role for a majority".to_owned()));
                }
                Ok(view::some(nodes, size, rng))
            }
            Self::All => {
                let nodes = view::healthy(view);
                if nodes.is_empty() {
                    return Err(Skip("every node is down already".to_owned()));
                }
                Ok(nodes)
            }
            Self::Named(names) => {
                let nodes = resolve(names, view)?;
                let up = view::except(&nodes, &view.impaired);
                if up.is_empty() {
                    return Err(Skip(format!("down already: {}", names.join(", "))));
                }
                Ok(up)
            }
        }
    }

    /// The names of nodes or roles in it.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Named(names) => names,
            _ => &[],
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::One => "one",
            Self::Minority => "minority",
            Self::Majority => "majority",
            Self::All => "all",
            Self::Named(names) => return f.write_str(&names.join("+")),
        })
    }
}

/// The nodes of these names or roles, in order and once each.
pub(crate) fn resolve(names: &[String], view: &ClusterView<'_>) -> Result<Vec<NodeId>, Skip> {
    let mut nodes = Vec::new();
    for name in names {
        let by_role = view.roles.iter().filter(|(role, _)| role == name).map(|(_, node)| *node);
        let found: Vec<NodeId> = view.cluster.find(name).into_iter().chain(by_role).collect();
        if found.is_empty() {
            return Err(Skip(format!(
                "no node or role is called {name}; the nodes are {}",
                view.cluster
            )));
        }
        nodes.extend(found);
    }
    nodes.sort_unstable();
    nodes.dedup();
    Ok(nodes)
}

/// Can this be the name of a node or role?
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '[' | ']'))
}

fn one_of(
    view: &ClusterView<'_>,
    candidates: &[NodeId],
    rng: &mut Rng,
) -> Result<Vec<NodeId>, Skip> {
    view::spare_one(view)?;
    match rng.pick(candidates) {
        Some(node) => Ok(vec![*node]),
        None => Err(Skip("no node comes into question".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{BadTarget, Target};

    #[test]
    fn every_word_reads_back() {
        for word in super::ONE_FIRST {
            assert_eq!(Target::parse(word).map(|target| target.to_string()), Ok(word.to_owned()));
        }
    }

    #[test]
    fn names_are_names_and_typos_are_not() {
        let named = |names: &[&str]| {
            Ok(Target::Named(names.iter().map(|name| (*name).to_owned()).collect()))
        };
        assert_eq!(Target::parse("n2+n1+n2"), named(&["n2", "n1"]));
        assert_eq!(Target::parse("leader1"), named(&["leader1"]));
        assert_eq!(Target::parse("monitor"), named(&["monitor"]));
        assert_eq!(Target::parse("laeder"), Err(BadTarget { nearest: Some("leader") }));
        assert_eq!(Target::parse(""), Err(BadTarget { nearest: None }));
        assert_eq!(Target::parse("n1+"), Err(BadTarget { nearest: None }));
    }
}
