//! Operations with their intervals, as the methods that decide linearizability see them.

use schism_core::api::Api;
use schism_core::op::{Op, Outcome};

/// The end of an operation that may take effect at any later time.
pub const NEVER: u64 = u64::MAX;

/// An operation that may have happened, and when.
#[derive(Debug)]
pub struct Timed<'h, A: Api> {
    /// The index of its invocation in the log.
    pub start: u64,
    /// The index of its return; [`NEVER`] if it may take effect at any later time.
    pub end: u64,
    /// The operation itself.
    pub op: &'h Op<A>,
}

#[expect(clippy::expl_impl_clone_on_copy, reason = "deriving would ask for Api: Copy")]
impl<A: Api> Clone for Timed<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Api> Copy for Timed<'_, A> {}

impl<'h, A: Api> Timed<'h, A> {
    /// An operation with its interval, or nothing if it certainly did not happen.
    pub fn of(op: &'h Op<A>) -> Option<Self> {
        let end = match op.outcome {
            Outcome::Ok(_) => op.returned().unwrap_or(NEVER),
            Outcome::Info(_) => NEVER,
            Outcome::Fail(_) => return None,
        };
        Some(Self { start: op.invoked.index, end, op })
    }

    /// The answer; `None` if it isn't known, or not known yet.
    pub fn reply(&self) -> Option<&'h A::Reply> {
        self.op.reply().filter(|_| self.completed())
    }

    /// Has it returned?
    pub fn completed(&self) -> bool {
        self.end != NEVER
    }
}

/// Whether operations are linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// They are, for instance in this order: positions in the list of operations. Operations that
    /// never returned and took no effect are left out.
    Linearizable(Vec<usize>),
    /// They are not.
    Impossible,
    /// It took more steps than were allowed.
    Exhausted,
}
