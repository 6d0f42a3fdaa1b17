//! What is known of a protocol without running it, and how a node of it is run.

use crate::host::NodeConfig;
use crate::say;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

/// A running node. It ends only with an error; otherwise it lives until its process is killed.
pub type NodeFuture = Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// An option of a protocol, given as `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolOption {
    /// Its name.
    pub name: &'static str,
    /// What it does, with its default.
    pub about: &'static str,
}

/// A protocol that `schism node` can run.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// The name on the command line.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// The names of the Apis that its nodes answer.
    pub serves: &'static [&'static str],
    /// How many nodes it can have, with the monitor where there is one.
    pub nodes: RangeInclusive<usize>,
    /// The part that the last node plays, if it is not a serving one: `monitor`.
    pub last_node: Option<&'static str>,
    /// The options that it knows.
    pub options: &'static [ProtocolOption],
    /// A node of it, to be polled inside a [`tokio::task::LocalSet`]; [`Protocol::run`] does that.
    pub node: fn(NodeConfig) -> NodeFuture,
}

impl Protocol {
    /// Says what is wrong with a number of nodes or with options that nobody knows.
    pub fn check(&self, nodes: usize, options: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let (fewest, most) = (*self.nodes.start(), *self.nodes.end());
        anyhow::ensure!(
            self.nodes.contains(&nodes),
            "{} needs {}, not {nodes}",
            self.name,
            match most {
                usize::MAX => format!("at least {fewest} nodes"),
                _ if fewest == most => format!("exactly {fewest} nodes"),
                _ => format!("{fewest} to {most} nodes"),
            }
        );
        for option in options.keys() {
            anyhow::ensure!(
                self.options.iter().any(|known| known.name == option),
                "{} has no option {option:?}; {}",
                self.name,
                self.known_options()
            );
        }
        Ok(())
    }

    fn known_options(&self) -> String {
        if self.options.is_empty() {
            return "it has none".to_owned();
        }
        let known: Vec<String> = self
            .options
            .iter()
            .map(|option| format!("{} ({})", option.name, option.about))
            .collect();
        format!("it knows {}", known.join("; "))
    }

    /// Runs one node on this thread until the process is killed; returns only with an error.
    pub fn run(&self, config: NodeConfig) -> anyhow::Result<()> {
        self.check(config.size(), &config.options)?;
        anyhow::ensure!(
            config.me < config.size(),
            "node {} of {}: nodes count from 0",
            config.me,
            config.size()
        );
        say::start();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        tokio::task::LocalSet::new().block_on(&runtime, (self.node)(config))
    }
}

#[cfg(test)]
mod tests {
    use crate::{PROTOCOLS, find};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn names_are_unique_and_found() {
        let names: BTreeSet<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        assert_eq!(names.len(), PROTOCOLS.len());
        assert!(names.iter().all(|name| find(name).is_some_and(|found| found.name == *name)));
    }

    #[test]
    fn an_unknown_option_is_an_error_that_lists_the_known_ones() {
        let options = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
        for protocol in PROTOCOLS {
            let error = protocol.check(*protocol.nodes.start(), &options).unwrap_err().to_string();
            assert!(error.contains("no option \"colour\""), "{error}");
            assert!(protocol.options.iter().all(|option| error.contains(option.name)), "{error}");
        }
    }

    #[test]
    fn a_number_of_nodes_that_makes_no_sense_is_an_error() {
        for protocol in PROTOCOLS {
            let error = protocol.check(0, &BTreeMap::new()).unwrap_err().to_string();
            assert!(error.contains("nodes, not 0"), "{error}");
        }
    }
}
