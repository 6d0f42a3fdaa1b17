//! Transactions over lists and registers, judged by the dependencies between them.

pub mod graph;
pub mod history;
pub mod models;
pub mod scc;

mod build;
mod intern;

pub use intern::{Shown, ValueId};
