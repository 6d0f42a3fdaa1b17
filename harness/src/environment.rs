//! Where nodes live, and how commands reach them.
//!
//! [`Environment`] is what the runner and the one executor of fault actions need from a place:
//! start and signal a node's process, run a short command there, and see with their own eyes
//! whether a packet gets from one node to another. There are `netns`, network namespaces of this
//! machine, and `docker`, containers that Schism brings up or that the user runs already.

pub mod docker;
pub mod netns;
mod network;
mod probe;
mod spawn;

use schism_core::cluster::{Cluster, NodeId};
use schism_core::system::{Launch, NodeDirs};
use schism_nemeses::rules::Command;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

/// What has become of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs.
    Running,
    /// Every process of the node is stopped by a signal.
    Stopped,
    /// There is none.
    Dead,
}

/// A signal that faults send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeSignal {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// A place where nodes live.
pub trait Environment {
    /// The nodes, with their addresses.
    fn cluster(&self) -> &Cluster;

    /// Where the node keeps what it keeps.
    fn dirs(&self, node: NodeId) -> NodeDirs;

    /// Every address that other nodes' packets can come from.
    fn addresses(&self, node: NodeId) -> Vec<IpAddr>;

    /// Starts the node's process unless it runs; its output goes to the node's log.
    fn start(&self, node: NodeId, launch: &Launch) -> impl Future<Output = anyhow::Result<()>>;

    /// Sends a signal to every process of the node.
    fn signal(&self, node: NodeId, signal: NodeSignal) -> impl Future<Output = anyhow::Result<()>>;

    /// What has become of the node's processes.
    fn state(&self, node: NodeId) -> anyhow::Result<ProcessState>;

    /// Has the node lost, with its process, the network that rules were put into? Then they have
    /// to be put there again when it starts.
    fn forgets_rules(&self) -> bool {
        false
    }

    /// Runs a short command at the node, as its administrator. A node that has lost its network has
    /// no rules: there every command succeeds, and nothing is done.
    fn run(&self, node: NodeId, command: &Command) -> impl Future<Output = anyhow::Result<String>>;

    /// Starts the packet shaper of fault `fault` at the node and waits until it is at work.
    fn start_shaper(
        &self,
        node: NodeId,
        fault: u32,
        argv: &[String],
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Ends it; nothing happens if there is none.
    fn stop_shaper(&self, node: NodeId, fault: u32) -> anyhow::Result<()>;

    /// Sends `count` datagrams over each link, from its first node to its second, all at once; for
    /// each link, how long each datagram took that arrived within `wait`.
    fn probe(
        &self,
        links: &[(NodeId, NodeId)],
        count: usize,
        wait: Duration,
    ) -> impl Future<Output = anyhow::Result<Vec<Vec<Duration>>>>;

    /// Collects what the nodes leave, and ends what was brought up; what the user runs goes on.
    fn tear_down(&self, keep_data: bool) -> impl Future<Output = anyhow::Result<()>>;
}
