//! How the nodes see themselves: asked of all of them at once, with a short patience.

use schism_core::cluster::{Cluster, NodeId};
use schism_core::system::System;
use schism_core::wire::NodeStatus;
use std::time::Duration;

/// A node that takes longer than this doesn't answer.
const PATIENCE: Duration = Duration::from_millis(400);

/// Every node's answer; `None` from a node that gave none.
pub async fn of_all<S: System>(system: &S, cluster: &Cluster) -> Vec<Option<NodeStatus>> {
    let asking = cluster.ids().map(|node| async move {
        tokio::time::timeout(PATIENCE, system.status(cluster, node)).await.ok()?.ok()
    });
    futures_util::future::join_all(asking).await
}

/// Those that hold themselves for a leader.
pub fn leaders(statuses: &[Option<NodeStatus>]) -> Vec<NodeId> {
    let all = statuses.iter().enumerate();
    all.filter(|(_, status)| status.as_ref().is_some_and(|status| status.leader))
        .map(|(at, _)| NodeId(at))
        .collect()
}

/// Do all of them serve?
pub fn all_ready(statuses: &[Option<NodeStatus>]) -> bool {
    statuses.iter().all(|status| status.as_ref().is_some_and(|status| status.ready))
}
