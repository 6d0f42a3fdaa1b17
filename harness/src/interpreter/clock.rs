//! The run's clock: the one place where a run's time comes from.
//!
//! It reads the monotonic clock, through tokio, so that tests can hold it still and move it.

#![allow(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]

use schism_core::time::Nanos;
use std::time::Duration;
use tokio::time::Instant;

/// Time since the start of a run.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Nanos {
        Nanos::from(self.start.elapsed())
    }

    /// When the run's time will be `time`.
    pub fn instant(&self, time: Nanos) -> Instant {
        self.start + Duration::from_nanos(time.0)
    }
}
