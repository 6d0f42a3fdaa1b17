//! Transactions over lists and registers, judged by the dependencies between them.
//!
//! The way from a history to a verdict, each step a module:
//!
//! 1. [`history`]: the transactions in columns, filled event by event.
//! 2. `lists`, `registers`: which anomalies do reads show by themselves, and
//!    which transaction must come before which?
//! 3. [`graph`]: those edges, with process order and real time; its strongly connected components.
//! 4. `part`, `cycles`: each component by itself: which kinds of cycles does it have?
//! 5. `report`, `verify`: every cycle checked edge by edge against the history, and put into words.
//! 6. [`models`]: which consistency models do the anomalies rule out, and was one expected?
//!
//! Soundness and cost are argued where they arise, in `lists` and `cycles`.

pub mod graph;
pub mod history;
pub mod models;
pub mod scc;

mod build;
mod by_value;
mod complete;
mod cycles;
pub(crate) mod intern;
mod judge;
mod list_append;
mod lists;
mod part;
mod registers;
mod report;
mod rw_register;
mod verify;
mod weak;
mod words;

pub use intern::{Shown, ValueId};
pub(crate) use judge::{options, transactions};
pub use list_append::check_list_append;
pub(crate) use list_append::{NAME as LIST_APPEND, check as check_lists};
pub use report::Case;
pub use rw_register::{MODEL as RW_REGISTER, check_rw_register};
