//! Schism: breaks consensus stores on purpose, and proves whether they kept their promises.
//!
//! This is the facade: the runner, where nodes live, the systems under test and the command line.
//! The vocabulary is `schism_core`; checkers, workloads, faults and reports are crates of their
//! own. `harness/docs/ARCHITECTURE.md` walks through all of it.

pub mod beliefs;
pub mod check;
pub mod cli;
mod convert;
mod corpus;
pub mod environment;
mod explain;
pub mod faults;
mod generate;
pub mod install;
pub mod interpreter;
pub mod journal;
pub mod judge;
pub mod log_writer;
pub mod matrix;
pub mod prove;
pub mod registry;
pub mod run;
pub mod sandbox;
pub mod status;
pub mod store;
pub mod systems;
