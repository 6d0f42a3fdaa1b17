//! The chapter's protocols as real processes: `schism node PROTOCOL`.
//!
//! Every protocol is one file that can be read beside the pseudo-code it comes from. [`host`] gives
//! each of them the same surroundings: who its peers are, where it may keep data, and a port on
//! which clients ask it in the words of `schism_core::wire`.

pub mod host;
