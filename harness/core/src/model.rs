//! Models: what a correct object would answer, one operation after the other.
//!
//! [`SequentialSpec`] is how a person writes one: a struct with `apply`. [`Model`] is what a search
//! needs. Every spec is a model.
//!
//! ```
//! use schism_core::model::{Model, SequentialSpec};
//! use schism_core::api::set::{Call, Reply, Set};
//! #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
//! struct GrowSet(Vec<i64>);
//! impl SequentialSpec for GrowSet {
//!     type Api = Set;
//!     fn apply(&mut self, call: &Call) -> Reply {
//!         match call {
//!             Call::Add(element) => { self.0.push(*element); Reply::Added }
//!             Call::Read => Reply::Read(self.0.clone()),
//!         }
//!     }
//! }
//! let state = GrowSet::default().step(&Call::Add(1), Some(&Reply::Added)).unwrap();
//! assert!(state.step(&Call::Read, Some(&Reply::Read(vec![]))).is_none());
//! ```

use crate::api::Api;
use std::fmt::Debug;
use std::hash::Hash;

/// A sequential object as a person writes it.
pub trait SequentialSpec: Clone + Debug + Eq + Hash + Default {
    /// The calls and replies that it has.
    type Api: Api;

    /// Performs a call and gives the only right answer.
    fn apply(&mut self, call: &<Self::Api as Api>::Call) -> <Self::Api as Api>::Reply;
}

/// A sequential object as a search uses it.
pub trait Model: Clone + Debug + Eq + Hash {
    /// The calls and replies that it has.
    type Api: Api;

    /// The state before anything happened.
    fn init() -> Self;

    /// The state after `call` was answered with `reply` (`None`: the answer isn't known), or `None`
    /// if a correct object could not have answered so.
    fn step(
        &self,
        call: &<Self::Api as Api>::Call,
        reply: Option<&<Self::Api as Api>::Reply>,
    ) -> Option<Self>;

    /// The state in words, to tell a person why a step was impossible.
    fn explain(&self) -> String {
        format!("{self:?}")
    }
}

impl<S: SequentialSpec> Model for S {
    type Api = S::Api;

    fn init() -> Self {
        S::default()
    }

    fn step(
        &self,
        call: &<S::Api as Api>::Call,
        reply: Option<&<S::Api as Api>::Reply>,
    ) -> Option<Self> {
        let mut next = self.clone();
        let right = next.apply(call);
        reply.is_none_or(|reply| *reply == right).then_some(next)
    }
}
