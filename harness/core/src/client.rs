//! Clients: how one worker talks to one node.
//!
//! The errors are the delicate part. [`ClientError`] has two kinds, and the conversion that `?`
//! uses always gives [`ClientError::Indefinite`]: a mistake in a client can make Schism miss a
//! violation, never invent one. Saying that something certainly did not happen takes a deliberate
//! [`ClientError::definite`], with the reason beside it in the code.
//!
//! ```
//! use schism_core::client::ClientError;
//! fn send() -> Result<(), ClientError> {
//!     Err(std::io::Error::other("connection reset"))?
//! }
//! assert!(matches!(send(), Err(ClientError::Indefinite(_))));
//! ```

use crate::api::Api;
use crate::op::{Outcome, Reason};
use std::future::Future;

/// One worker's way to one node.
///
/// A client must not retry on its own, nor move to another node: either would hide the operations
/// that the history is there to record.
pub trait Client<A: Api>: Sized {
    /// Asks, and waits for the answer. The runner bounds the wait with the run's operation timeout.
    fn invoke(&mut self, call: &A::Call) -> impl Future<Output = Result<A::Reply, ClientError>>;
}

/// Why an invocation gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// It certainly did not happen.
    Definite(Reason),
    /// It may have happened, or may still happen.
    Indefinite(Reason),
}

impl ClientError {
    /// It certainly did not happen, because of `reason`.
    pub fn definite(reason: impl Into<Reason>) -> Self {
        Self::Definite(reason.into())
    }

    /// It may have happened, in spite of `reason`.
    pub fn indefinite(reason: impl Into<Reason>) -> Self {
        Self::Indefinite(reason.into())
    }

    /// The outcome that goes into the history.
    pub fn into_outcome<R>(self) -> Outcome<R> {
        match self {
            Self::Definite(reason) => Outcome::Fail(reason),
            Self::Indefinite(reason) => Outcome::Info(reason),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for ClientError {
    fn from(error: E) -> Self {
        Self::Indefinite(format!("{:#}", error.into()).into())
    }
}
