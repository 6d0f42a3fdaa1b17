//! Transactions over lists and registers, judged by the dependencies between them.

pub mod history;

mod build;
mod intern;

pub use intern::{Shown, ValueId};
