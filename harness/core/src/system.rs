//! Systems under test: how a node is installed, started and asked, and what it serves.
//!
//! A system implements [`System`] once, and [`Serves`] for each Api that it has clients for. A
//! workload can be run against a system only where `Serves` exists: a pair that isn't supported
//! doesn't compile. The code that talks to real nodes lives in the harness; this is its shape.

use crate::api::Api;
use crate::client::{Client, ClientError};
use crate::cluster::{Cluster, NodeId};
use crate::wire::NodeStatus;
use std::future::Future;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// A program that runs on every node of a cluster.
pub trait System: Sized + 'static {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// One line for `schism list`.
    fn about(&self) -> &'static str;

    /// How many nodes it has unless the user says otherwise.
    fn default_nodes(&self) -> usize {
        5
    }

    /// How many nodes it can have.
    fn possible_nodes(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    /// The version that will run, as it says itself, or what has to be installed.
    fn version(&self) -> Result<String, Missing>;

    /// The Debian packages that a node needs; empty for a system that is part of Schism.
    fn debian_packages(&self) -> &'static [&'static str] {
        &[]
    }

    /// Nodes with a part of their own, such as `monitor`, which serve no clients.
    fn roles(&self, _cluster: &Cluster) -> Vec<(String, NodeId)> {
        Vec::new()
    }

    /// How the node's process is started. Called again for each restart.
    fn launch(&self, cluster: &Cluster, node: NodeId, dirs: &NodeDirs) -> Launch;

    /// Asks a node how it sees itself. An error means that it doesn't answer.
    fn status(
        &self,
        cluster: &Cluster,
        node: NodeId,
    ) -> impl Future<Output = anyhow::Result<NodeStatus>>;
}

/// A system that has clients for an Api.
pub trait Serves<A: Api>: System {
    /// Its client.
    type Client: Client<A>;

    /// Opens a connection to one node. An error means that nothing was sent, so that an operation
    /// that fails here certainly did not happen.
    fn open(
        &self,
        cluster: &Cluster,
        node: NodeId,
    ) -> impl Future<Output = Result<Self::Client, ClientError>>;
}

/// What is not installed, and how to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The program that was looked for.
    pub program: String,
    /// The Debian packages that bring it; empty if there are none.
    pub debian_packages: Vec<String>,
}

/// Where a node keeps what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDirs {
    /// Survives a restart of the process; empty at the start of the run.
    pub data: PathBuf,
    /// Files that [`Launch::files`] names are written here.
    pub config: PathBuf,
}

/// How a process is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables added to its environment.
    pub env: Vec<(String, String)>,
    /// Configuration files, by name below [`NodeDirs::config`], written before it starts.
    pub files: Vec<(String, String)>,
}
