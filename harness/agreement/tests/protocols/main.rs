//! The protocols as clusters on loopback addresses: real sockets, real time, nodes that are killed.
//!
//! Each node has a thread and a runtime of its own; a kill drops both, which takes its memory and
//! its connections with it. Links that are cut, slow or lossy go through proxies. What every test
//! shows is what the head of the protocol says: that it works, and how it breaks.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "numbers of nodes, messages and milliseconds are small here"
)]

mod testbed;

mod elections;
mod generals;
mod naive;
mod paxos;
mod replicas;
mod synchronous;
