//! Checkers: each judges a history by one promise that a store makes.
//!
//! A checker is pure: it sees a [`History`] and the [`RunFacts`], and no clock, file or network. It
//! never accuses a history that a correct store could have produced, and never passes one that it
//! could not; what it can't decide it calls unknown, with the reason. Each module's head says what
//! is checked, why the argument is sound and what it costs.
//!
//! [`judge()`] runs several and merges what they say; one that panics costs only its own answer.
//! [`CHECKERS`] lists them all: a new one is a file and a line.
//!
//! ```
//! use schism_checkers::{judge, linearizable::Linearizable};
//! use schism_core::{api::register::Register, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"write","value":1}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"read"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"read","value":null}"#, "\n",
//! );
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let checkers: [Box<dyn Checker<Register>>; 1] = [Box::new(Linearizable::default())];
//! let (verdict, _) = judge(&checkers, &history, &Default::default(), &Default::default());
//! assert_eq!(verdict.anomalies()[0].kind, "stale-read");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```
//!
//! How to use them in a test of your own follows below.
//!
//! [`History`]: schism_core::history::History
//! [`RunFacts`]: schism_core::record::RunFacts
#![doc = include_str!("../README.md")]

pub mod add_remove_set;
pub mod availability;
pub mod bank;
pub mod causal_reverse;
pub mod consensus;
pub mod convergence;
pub mod coordinated_attack;
pub mod counter;
pub mod coverage;
pub mod durability;
pub mod fencing_lock;
pub mod fifo_queue;
pub mod generate;
pub mod kv;
pub mod leader_election;
pub mod linearizable;
pub mod list_append;
pub mod locks;
pub mod log_patterns;
pub mod long_fork;
pub mod minimize;
pub mod models;
pub mod monotonic;
pub mod multi_register;
pub mod partitioned_log;
pub mod priority_queue;
pub mod record;
pub mod recovery;
pub mod semaphore;
pub mod sequential;
pub mod session_guarantees;
pub mod set_full;
pub mod stack;
pub mod stats;
pub mod strongest_model;
pub mod total_order;
pub mod total_queue;
pub mod transactions;
pub mod unhandled_errors;
pub mod unique_ids;
pub mod unordered_queue;
pub mod watch;

#[cfg(test)]
#[path = "../tests/checkers/build.rs"]
mod build;
mod collections;
mod decisions;
mod finals;
mod judge;
mod latency;
mod model;
mod objects;
mod tally;
mod words;

pub use judge::judge;

/// Every checker: its name, and what it promises to find.
pub const CHECKERS: &[(&str, &str)] = &[
    (add_remove_set::NAME, "elements of a set are in or not, as if there were one copy"),
    (availability::NAME, "who answered during each fault; judges nothing"),
    (bank::NAME, "money moves between accounts, and is neither made nor lost"),
    (causal_reverse::NAME, "who sees an element sees what was there before it"),
    (consensus::NAME, "Agreement, Validity, Integrity and Termination of decisions"),
    (convergence::NAME, "after healing, all replicas of a register hold one value"),
    (coordinated_attack::NAME, "no general attacks alone"),
    (counter::NAME, "reads of a counter show what had been added by then"),
    (coverage::NAME, "the run did enough, and its faults took effect: else unknown"),
    (durability::NAME, "at rest, no acknowledged write of a register is undone"),
    (fencing_lock::NAME, "fencing tokens are unique and grow with each grant"),
    (fifo_queue::NAME, "queues hand out what was put in, once and in order"),
    (kv::NAME, "strings by key grow and change as if there were one copy"),
    (leader_election::NAME, "at most one leader a term, or at one time"),
    (linearizable::NAME, "registers behave as if there were one copy"),
    (list_append::NAME, "transactions over lists are strict-serializable"),
    (log_patterns::NAME, "what nodes logged: panics, corrupted data, what a user names"),
    (long_fork::NAME, "no two reads see two writes in opposite orders"),
    (monotonic::NAME, "values that only grow are never seen to shrink"),
    (multi_register::NAME, "transactions over registers take effect at one moment each"),
    (locks::NAME, "a mutex has one holder at a time, and only the holder releases it"),
    (partitioned_log::NAME, "messages of a log keep their places, and nobody misses one"),
    (priority_queue::NAME, "priority queues hand out the least, or the greatest, first"),
    (recovery::NAME, "operations succeed again within a bound after healing"),
    (locks::REENTRANT_NAME, "the same for a mutex that its holder may acquire again"),
    (transactions::RW_REGISTER.name, "transactions over registers are strict-serializable"),
    (semaphore::NAME, "a semaphore never has more holders than permits"),
    (sequential::NAME, "registers have one order that agrees with each process's"),
    (session_guarantees::NAME, "registers keep session guarantees, PRAM, causal consistency"),
    (set_full::NAME, "nothing acknowledged is lost from a growing set"),
    (stack::NAME, "stacks hand out first what was put in last"),
    (stats::NAME, "counts, rates, latencies, errors; judges nothing"),
    (strongest_model::NAME, "the strongest consistency that registers show; judges nothing"),
    (total_order::NAME, "every node delivers the same messages in the same order"),
    (total_queue::NAME, "whatever is put into a queue comes out, and nothing else"),
    (unhandled_errors::NAME, "errors that clients did not foresee; judges nothing"),
    (unique_ids::NAME, "no identifier is handed out twice"),
    (unordered_queue::NAME, "queues hand out what was put in, once"),
    (watch::NAME, "watchers are told of every change, once, in order, and whole"),
];
