//! Everything that a history can be judged by, under the names that `schism check --model` takes.
//!
//! A model is what takes a history's events as a reader finds them, and then judges them. So a
//! command, a fuzzer or a test of your own needs no types: name the model, push events, ask.
//! [`MODELS`] lists them all; a new one is a file with what it needs and one line here.
//!
//! Refused: an option that the model does not have, so that a mistyped wish is not passed over.
//!
//! ```
//! use schism_checkers::models::{self, Options};
//! use schism_core::event::Line;
//! use schism_core::form::Tape;
//! let mut judge = models::find("register").unwrap().make(&Options::default())?;
//! let mut tape = Tape::default();
//! for line in [
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":1}"#,
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"write","value":1}"#,
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"read"}"#,
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"read","value":null}"#,
//! ] {
//!     let line: Line<'_> = serde_json::from_str(line)?;
//!     judge.event(&line.raw(&mut tape)).map_err(|refused| refused.message)?;
//! }
//! let judged = judge.judge(&Default::default());
//! assert_eq!(judged.verdict.anomalies()[0].kind, "stale-read");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{
    add_remove_set, bank, causal_reverse, consensus, coordinated_attack, counter, durability,
    fencing_lock, fifo_queue, kv, leader_election, linearizable, list_append, locks, long_fork,
    monotonic, multi_register, partitioned_log, priority_queue, semaphore, sequential,
    session_guarantees, set_full, stack, strongest_model, total_order, total_queue, transactions,
    unique_ids, unordered_queue, watch,
};

pub use crate::model::{BadOption, Judge, Judged, Model, Options};

/// The model of that name.
pub fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// Every model, in the order of listings.
pub const MODELS: &[Model] = &[
    linearizable::REGISTER,
    linearizable::CAS_REGISTER,
    multi_register::MODEL,
    kv::MODEL,
    locks::MUTEX,
    locks::REENTRANT_MUTEX,
    fencing_lock::MODEL,
    semaphore::MODEL,
    fifo_queue::MODEL,
    unordered_queue::MODEL,
    priority_queue::MODEL,
    stack::MODEL,
    sequential::MODEL,
    session_guarantees::CAUSAL,
    session_guarantees::PRAM,
    session_guarantees::READ_YOUR_WRITES,
    session_guarantees::MONOTONIC_READS,
    session_guarantees::MONOTONIC_WRITES,
    session_guarantees::WRITES_FOLLOW_READS,
    strongest_model::MODEL,
    monotonic::MODEL,
    durability::MODEL,
    set_full::SET,
    set_full::SET_FULL,
    add_remove_set::MODEL,
    counter::MODEL,
    list_append::MODEL,
    transactions::RW_REGISTER,
    bank::MODEL,
    long_fork::MODEL,
    causal_reverse::MODEL,
    total_queue::MODEL,
    partitioned_log::MODEL,
    watch::MODEL,
    unique_ids::MODEL,
    leader_election::MODEL,
    consensus::MODEL,
    coordinated_attack::MODEL,
    total_order::MODEL,
];
