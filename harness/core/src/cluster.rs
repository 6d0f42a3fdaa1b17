//! The nodes of a cluster, by name and address.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A node by its position in the cluster, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub usize);

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, `n1` upwards unless the user says otherwise.
    pub name: Arc<str>,
    /// Its address in the cluster's network.
    pub ip: IpAddr,
}

/// The nodes of a run; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// A cluster of these nodes.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(nodes: Vec<Node>) -> Self {
        assert!(!nodes.is_empty(), "a cluster has at least one node");
        Self { nodes }
    }

    /// How many nodes there are.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The smallest number of nodes that is more than half.
    pub fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// Every node's id.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node's name.
    pub fn name(&self, id: NodeId) -> &Arc<str> {
        &self.nodes[id.0].name
    }

    /// A node's address with a port.
    pub fn addr(&self, id: NodeId, port: u16) -> SocketAddr {
        SocketAddr::new(self.nodes[id.0].ip, port)
    }

    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name.as_ref() == name).map(NodeId)
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_ref()).collect();
        f.write_str(&names.join(","))
    }
}
