//! A register as a model, and what its operations do.

use super::timed::Timed;
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::model::Model;

/// What a register holds; `None` before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RegisterState(pub(crate) Option<i64>);

impl Model for RegisterState {
    type Api = Register;

    fn init() -> Self {
        Self(None)
    }

    /// A compare-and-set of unknown fate that finds another value takes no effect; that is the same
    /// as if it never happened, so it counts as impossible here.
    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        match (call.op, reply) {
            (RegisterOp::Read, Some(Reply::Read(value))) => (*value == self.0).then_some(*self),
            (RegisterOp::Read, None) => Some(*self),
            (RegisterOp::Read, Some(Reply::Written)) => None,
            (RegisterOp::Write(new), _) => Some(Self(Some(new))),
            (RegisterOp::Cas(old, new), _) => (self.0 == Some(old)).then_some(Self(Some(new))),
        }
    }

    fn explain(&self) -> String {
        crate::words::value(self.0)
    }
}

/// What an operation does to the register, or says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// It found this.
    Read(Option<i64>),
    /// It wrote this, whatever was there.
    Write(i64),
    /// It replaced the first by the second.
    Cas(i64, i64),
}

impl Action {
    /// What an operation does. A read without an answer says nothing and has none.
    pub(crate) fn of(op: &Timed<'_, Register>) -> Option<Self> {
        match (op.op.call.op, op.reply()) {
            (RegisterOp::Read, Some(Reply::Read(value))) => Some(Self::Read(*value)),
            (RegisterOp::Read, _) => None,
            (RegisterOp::Write(new), _) => Some(Self::Write(new)),
            (RegisterOp::Cas(old, new), _) => Some(Self::Cas(old, new)),
        }
    }

    /// What the register holds afterwards, if this changes it.
    pub(crate) fn written(self) -> Option<i64> {
        match self {
            Self::Read(_) => None,
            Self::Write(new) | Self::Cas(_, new) => Some(new),
        }
    }
}

/// True unless it is a read without an answer.
pub(crate) fn says_something(op: &Timed<'_, Register>) -> bool {
    Action::of(op).is_some()
}

/// What each operation does. Every one does something: see [`says_something`].
pub(crate) fn actions(ops: &[Timed<'_, Register>]) -> Vec<Action> {
    ops.iter().filter_map(Action::of).collect()
}
