//! What a node tells the people who read its log: one line an event, on standard error.
//!
//! Each line begins with the milliseconds since the process started and the node's name. The run
//! keeps these lines, and its report shows those around a violation.

use std::fmt;
use std::io::Write as _;
use std::sync::OnceLock;
use tokio::time::Instant;

static STARTED: OnceLock<Instant> = OnceLock::new();

/// From now on times are counted.
pub(crate) fn start() {
    STARTED.get_or_init(Instant::now);
}

/// Writes one line; `say!` is the short way to call it.
pub(crate) fn line(node: &str, what: fmt::Arguments<'_>) {
    let started = *STARTED.get_or_init(Instant::now);
    let text = format!("{:>7} ms {node}: {what}\n", started.elapsed().as_millis());
    // Nobody may be listening; a node doesn't stop because of that.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// `say!(config, "decides {value}")` writes a line to the node's log.
macro_rules! say {
    ($config:expr, $($what:tt)+) => {
        $crate::say::line($config.name(), format_args!($($what)+))
    };
}
pub(crate) use say;
