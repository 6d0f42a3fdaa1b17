//! The chapter's protocols as real processes: `schism node PROTOCOL`.
//!
//! Every protocol is one file that can be read beside the pseudo-code it comes from; [`PROTOCOLS`]
//! lists them, and adding one is its file and a line there. [`host`] gives each of them the same
//! surroundings: who its peers are, where it may keep data, and a port on which clients ask it in
//! the words of `schism_core::wire`. The links between nodes, what a node remembers over a restart,
//! and the small store that the replicated ones keep are shared as well.
//!
//! ```
//! let paxos = schism_agreement::find("paxos").expect("it is listed");
//! assert!(paxos.serves.contains(&"consensus"));
//! assert!(schism_agreement::find("telepathy").is_none());
//! ```

pub mod host;
pub mod protocol;

mod datagrams;
mod decisions;
mod forwards;
mod journal;
mod peers;
mod say;
mod store;

mod ack_election;
mod async_failover;
mod designated_leader;
mod naive_broadcast;
mod naive_majority;
mod paxos;
mod primary_replica;
mod stale_replicas;
mod sync_rounds;
mod two_generals;
mod two_phase_vote;

use protocol::Protocol;

/// Every protocol, in the order in which the chapter comes to them.
pub const PROTOCOLS: &[Protocol] = &[
    naive_broadcast::PROTOCOL,
    naive_majority::PROTOCOL,
    two_phase_vote::PROTOCOL,
    designated_leader::PROTOCOL,
    sync_rounds::PROTOCOL,
    two_generals::PROTOCOL,
    ack_election::PROTOCOL,
    primary_replica::PROTOCOL,
    async_failover::PROTOCOL,
    stale_replicas::PROTOCOL,
    paxos::PROTOCOL,
];

/// The protocol of that name.
pub fn find(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|protocol| protocol.name == name)
}
