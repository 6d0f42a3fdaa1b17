//! Limits that a user sets on a judgement, kept without a clock.
//!
//! A checker is pure, so it cannot look at the time or at the memory in use. Whoever runs it can,
//! and says through a [`Limits`] that enough is enough; the checker asks [`Limits::exceeded`] every
//! few thousand steps of anything that may take long, and answers unknown with what it has decided
//! so far. Asking costs one relaxed atomic load.
//!
//! ```
//! use schism_core::limits::Limits;
//! let limits = Limits::default();
//! assert!(limits.exceeded().is_none());
//! limits.stop("the time limit of 60 s");
//! assert_eq!(limits.exceeded(), Some("the time limit of 60 s"));
//! ```

use std::sync::{Arc, OnceLock};

/// A flag that says when to give up. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    exceeded: Arc<OnceLock<String>>,
}

impl Limits {
    /// Which limit was exceeded, in words, if one was.
    pub fn exceeded(&self) -> Option<&str> {
        self.exceeded.get().map(String::as_str)
    }

    /// True once a limit was exceeded.
    pub fn are_exceeded(&self) -> bool {
        self.exceeded.get().is_some()
    }

    /// Says that this limit was exceeded; the first to say so is kept.
    pub fn stop(&self, limit: impl Into<String>) {
        let _first_wins = self.exceeded.set(limit.into());
    }
}
