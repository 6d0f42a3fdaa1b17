//! `schism list | head`: a reader that has seen enough ends a command quietly, as it does other
//! programs. Only for commands that talk to nobody: a test must survive the connections that its
//! faults break.

#![allow(unsafe_code, reason = "the disposition of a signal has no safe wrapper")]

use nix::sys::signal::{SigHandler, Signal, signal};

/// Ends this process quietly when what it prints to is closed.
pub(super) fn end_with_the_reader() {
    // SAFETY: called before any thread exists; it installs no handler, it removes one.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}
