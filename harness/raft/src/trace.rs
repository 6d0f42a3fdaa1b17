//! What the node says on standard error: one line an event, with the milliseconds since its start.

use std::fmt::Arguments;
use std::time::Duration;
use tokio::time::Instant;

/// Stamps and writes the lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    start: Instant,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn say(&self, event: Arguments<'_>) {
        eprintln!("{:>8} ms  {event}", self.elapsed().as_millis());
    }

    /// Since the node started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
