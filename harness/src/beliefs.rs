//! What each node believed, and when: `beliefs.jsonl`, sampled while a run goes on.

use crate::interpreter::clock::Clock;
use crate::status;
use schism_core::cluster::Cluster;
use schism_core::system::System;
use schism_core::time::Nanos;
use schism_core::wire::NodeStatus;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(500);

/// One node's answer at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// When it was asked.
    pub time: Nanos,
    /// Who.
    pub node: Arc<str>,
    /// How it saw itself; `None` if it didn't answer.
    pub status: Option<NodeStatus>,
}

/// Asks every node again and again, until it is dropped.
///
/// # Errors
/// If the file can't be written.
pub async fn record<S: System>(
    system: &S,
    cluster: &Cluster,
    clock: &Clock,
    path: &Path,
) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    loop {
        let time = clock.now();
        let statuses = status::of_all(system, cluster).await;
        for (node, status) in cluster.nodes().iter().zip(statuses) {
            let belief = Belief { time, node: node.name.clone(), status };
            let mut line = serde_json::to_vec(&belief)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Reads what was recorded; nothing if there is nothing.
pub fn read(path: &Path) -> Vec<Belief> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
