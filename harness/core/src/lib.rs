//! The vocabulary of Schism: what a test is made of, and nothing that runs one.
//!
//! Everything here is data and pure functions. No clock, network, disk or operating-system
//! randomness is touched: time is handed in, and chance comes from a run's seed ([`rng::Rng`]).
//! That is what lets generators, plans and checkers be tested without a cluster, and lets a history
//! be judged again years later.
//!
//! A test in one paragraph: a [`generator::Generator`] decides what is asked next; a
//! [`client::Client`] asks one node of a [`system::System`], in the words of an [`api::Api`]; each
//! invocation and completion becomes an [`event::Event`]; the events make a
//! [`history::History`] of [`op::Op`]s; [`fault::Fault`]s are planned, injected, verified and
//! healed meanwhile; and [`checker::Checker`]s say [`verdict::Verdict`] on what happened.
//!
//! ```
//! use schism_core::api::register::{Call, Register, RegisterOp};
//! use schism_core::history::History;
//! let lines = concat!(
//!     r#"{"index":0,"time":10,"type":"invoke","process":0,"f":"write","value":3,"node":"n1"}"#, "\n",
//!     r#"{"index":1,"time":20,"type":"ok","process":0,"f":"write","value":3,"node":"n1"}"#, "\n",
//! );
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! assert_eq!(history.ops()[0].call, Call::unkeyed(RegisterOp::Write(3)));
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod api;
pub mod checker;
pub mod client;
pub mod cluster;
pub mod event;
pub mod fault;
pub mod form;
pub mod format;
pub mod generator;
pub mod history;
pub mod limits;
pub mod model;
pub mod op;
pub mod record;
pub mod rng;
pub mod system;
pub mod time;
pub mod verdict;
pub mod wire;
pub mod workload;
