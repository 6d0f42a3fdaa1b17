//! Raft as a system under test: `schism node raft`.
//!
//! The consensus is the `openraft` crate's; what is here is everything around it that has to be
//! right as well: a log that is on disk before it is acknowledged (`store`), peer RPC that finds
//! its way back after a cut (`link`), election timers with a pre-vote (`election`), and answers
//! to clients that never call an operation failed that may have happened (`service`).
//!
//! It is the correct answer to the chapter's question, so a run against it has to be valid under
//! every fault that leaves disks intact. It refuses to guess: a log that is corrupt in the middle
//! ends the process, an operation whose fate is unknown is answered as such.
//!
//! Options: `heartbeat_ms` (100), `election_ms` (300; a follower waits one to two times that),
//! `snapshot_every` (5000 log entries), `members` (all; the first so many nodes found the cluster,
//! the others can be added), and `reads`: `linearizable`, or `local` for reads from whatever the
//! asked node has applied, which are stale on purpose.
//!
//! ```no_run
//! use schism_agreement::host::NodeConfig;
//! let config = NodeConfig {
//!     me: 0,
//!     nodes: vec![("n1".to_owned(), "127.0.0.1".parse()?)],
//!     data: "data/n1".into(),
//!     seed: 7,
//!     options: [("reads".to_owned(), "local".to_owned())].into(),
//! };
//! schism_raft::run(config)?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! Source: Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014), and
//! Ongaro's thesis for pre-vote (§9.6) and reads by leadership check (§6.4).

mod election;
mod frame;
mod link;
mod membership;
mod network;
mod node;
mod options;
mod peers;
mod service;
mod state;
mod store;
mod trace;
mod types;

pub use node::{node, run};

use schism_agreement::protocol::Protocol;

/// Raft, as `schism node` knows it.
pub const PROTOCOL: Protocol = Protocol {
    name: "raft",
    about: "Raft on openraft, durable, with linearizable reads",
    serves: &["register", "set", "list-append", "leadership", "log", "consensus"],
    nodes: 1..=usize::MAX,
    last_node: None,
    options: options::OPTIONS,
    node: |config| Box::pin(node(config)),
};
