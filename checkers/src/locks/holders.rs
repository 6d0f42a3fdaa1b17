//! Who acquires and releases, and the operations with that filled in, as models need them.

use crate::linearizable::timed::Timed;
use crate::linearizable::verify;
use crate::objects::{self, Decided, Object};
use crate::words::asked;
use schism_core::api::Key;
use schism_core::api::lock::{Lock, LockOp, Reply};
use schism_core::limits::Limits;
use schism_core::model::Model;
use schism_core::op::Op;

/// Who did it: the holder that the history names, or else the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder<'h> {
    Process(u64),
    Named(&'h Key),
}

impl<'h> Holder<'h> {
    pub(crate) fn of(op: &'h Op<Lock>) -> Self {
        op.call.by.as_ref().map_or(Self::Process(op.process), Self::Named)
    }
}

/// What an operation did, such as `acquired it`, after the name of who says so.
pub(crate) fn did(op: &Op<Lock>) -> String {
    let token = match op.reply() {
        Some(Reply::Acquired(Some(token))) => format!(" with token {token}"),
        _ => String::new(),
    };
    let by = match Holder::of(op) {
        Holder::Process(process) => format!("process {process}"),
        Holder::Named(name) => name.to_string(),
    };
    match (op.call.op, op.reply().is_some(), op.node.is_some()) {
        (LockOp::Acquire, true, true) => format!("granted it to {by}{token}"),
        (LockOp::Acquire, true, false) => format!("acquired it{token}"),
        (LockOp::Release, true, true) => format!("took it back from {by}"),
        (LockOp::Release, true, false) => "released it".to_owned(),
        (LockOp::Acquire, false, _) => "was asked to acquire it".to_owned(),
        (LockOp::Release, false, _) => "was asked to release it".to_owned(),
    }
}

/// In a sentence: the process, or the name of the holder.
pub(crate) fn holder(op: &Op<Lock>) -> String {
    match Holder::of(op) {
        Holder::Process(process) => match op.node {
            Some(_) => format!("process {process} at {}", asked(op)),
            None => asked(op),
        },
        Holder::Named(name) => name.to_string(),
    }
}

/// The operations of a lock, each with its holder in the call.
pub(crate) struct Resolved {
    ops: Vec<Op<Lock>>,
}

impl Resolved {
    pub(crate) fn of(object: &Object<'_, Lock>) -> Self {
        let resolve = |timed: &Timed<'_, Lock>| {
            let mut op = timed.op.clone();
            let process = i64::try_from(op.process).unwrap_or(i64::MAX);
            op.call.by.get_or_insert(Key::Int(process));
            op
        };
        Self { ops: object.ops.iter().map(resolve).collect() }
    }

    fn timed(&self) -> Vec<Timed<'_, Lock>> {
        self.ops.iter().filter_map(Timed::of).collect()
    }

    /// Is this order right?
    pub(crate) fn certifies<M: Model<Api = Lock>>(&self, order: &[usize]) -> bool {
        verify::is_linearization::<M>(&self.timed(), order)
    }

    /// Are these alone impossible?
    pub(crate) fn impossible<M: Model<Api = Lock>>(&self, core: &[usize]) -> Option<bool> {
        objects::core_is_impossible::<M>(&self.timed(), core)
    }

    /// Is this order right, from this state on?
    pub(crate) fn certifies_from<M: Model<Api = Lock>>(&self, state: M, order: &[usize]) -> bool {
        verify::is_linearization_from(state, &self.timed(), order)
    }

    /// Are these alone impossible, from this state on?
    pub(crate) fn impossible_from<M: Model<Api = Lock>>(
        &self,
        state: M,
        core: &[usize],
    ) -> Option<bool> {
        objects::core_is_impossible_from(state, &self.timed(), core)
    }

    /// Decides by the general engine, from this state on.
    pub(crate) fn by_search_from<'h, M: Model<Api = Lock>>(
        &self,
        state: &M,
        object: &Object<'h, Lock>,
        limits: &Limits,
    ) -> Decided<'h, Lock> {
        objects::by_search_from(state, &self.timed(), limits, did).of_originals(&object.ops)
    }

    /// Decides by the general engine.
    pub(crate) fn by_search<'h, M: Model<Api = Lock>>(
        &self,
        object: &Object<'h, Lock>,
        limits: &Limits,
    ) -> Decided<'h, Lock> {
        objects::by_search::<M>(&self.timed(), limits, did).of_originals(&object.ops)
    }
}

/// The operations by position, each with its holder, if every holder does one thing after the
/// other.
pub(crate) fn one_by_one<'h>(object: &Object<'h, Lock>) -> Option<Vec<(usize, Holder<'h>)>> {
    let mut ends: rustc_hash::FxHashMap<Holder<'h>, u64> = rustc_hash::FxHashMap::default();
    let mut ops = Vec::with_capacity(object.ops.len());
    for (position, timed) in object.ops.iter().enumerate() {
        let holder = Holder::of(timed.op);
        if ends.insert(holder, timed.end).is_some_and(|end| end > timed.start) {
            return None;
        }
        ops.push((position, holder));
    }
    Some(ops)
}
