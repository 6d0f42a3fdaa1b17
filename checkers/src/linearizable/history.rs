//! A history of registers in columns: a million operations in some 60 MB, and no allocation for any
//! one of them.
//!
//! An operation is a position, in the order of invocations. Keys, processes and values are small
//! numbers (interned as those of transactions are); `NIL` is a value like any other, the one that
//! a register holds that was never written, unless a user says otherwise. Everything is kept,
//! also what failed and reads without an answer, so that a violation can be told in full;
//! `RegisterHistory::registers` and `Part` pick what counts.

use crate::transactions::intern::{Dense, Values};
use crate::transactions::{Shown, ValueId};
use schism_core::api::Key;
use schism_core::op::Stamp;
use schism_core::time::Nanos;
use schism_core::verdict::Anomaly;
use std::sync::Arc;

pub use super::build::RegisterBuilder;

/// An operation: its position in the order of invocations.
pub type OpId = u32;

/// What a register holds that was never written. As an id it stands for no other value.
pub(crate) const NIL: ValueId = ValueId::from_raw(u32::MAX);

/// What an operation does to the register, or says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// It found this; for a read without an answer this means nothing.
    Read(ValueId),
    /// It wrote this, whatever was there.
    Write(ValueId),
    /// It replaced the first by the second.
    Cas(ValueId, ValueId),
}

impl Action {
    /// What the register holds afterwards, if this changes it.
    pub(crate) fn written(self) -> Option<ValueId> {
        match self {
            Self::Read(_) => None,
            Self::Write(new) | Self::Cas(_, new) => Some(new),
        }
    }

    /// What the register has to hold before, if that matters.
    pub(crate) fn observed(self) -> Option<ValueId> {
        match self {
            Self::Read(value) | Self::Cas(value, _) => Some(value),
            Self::Write(_) => None,
        }
    }
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It happened.
    Ok,
    /// It certainly did not.
    Fail,
    /// Nobody knows; it may still happen.
    Info,
}

/// The completion of an operation that was never heard of again.
pub(super) const NOWHEN: Stamp = Stamp { index: u64::MAX, time: Nanos(u64::MAX) };

/// A history of registers; made by a [`RegisterBuilder`].
#[derive(Clone, Debug, Default)]
pub struct RegisterHistory {
    pub(super) keys: Dense<Key>,
    pub(super) processes: Dense<u64>,
    pub(super) values: Values,
    pub(super) node_names: Vec<Arc<str>>,
    /// By operation, its key's id plus 1; 0 where there is only one register.
    pub(super) key_of: Vec<u32>,
    pub(super) process_of: Vec<u32>,
    /// By operation, the node plus 1; empty if no node is named.
    pub(super) node_of: Vec<u16>,
    pub(super) invoked: Vec<Stamp>,
    pub(super) completed: Vec<Stamp>,
    pub(super) fates: Vec<Fate>,
    pub(super) actions: Vec<Action>,
}

/// The operations on one register, whatever became of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnKey<'h> {
    pub(crate) key: Option<&'h Key>,
    /// In the order of invocation.
    pub(crate) ops: &'h [OpId],
}

/// The registers of a history, each with its operations.
#[derive(Debug)]
pub(crate) struct Registers<'h> {
    /// By register.
    order: Vec<OpId>,
    /// Key, and where its operations begin and end.
    spans: Vec<(Option<&'h Key>, usize, usize)>,
}

impl Registers<'_> {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn get(&self, at: usize) -> OnKey<'_> {
        let (key, start, end) = self.spans[at];
        OnKey { key, ops: &self.order[start..end] }
    }
}

impl RegisterHistory {
    /// How many operations there are, whatever became of them.
    pub fn len(&self) -> usize {
        self.fates.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.fates.is_empty()
    }

    /// Every operation.
    pub(crate) fn ops(&self) -> impl DoubleEndedIterator<Item = Did<'_>> {
        let len = OpId::try_from(self.len()).unwrap_or(OpId::MAX);
        (0..len).map(|id| self.op(id))
    }

    /// One operation.
    pub(crate) fn op(&self, id: OpId) -> Did<'_> {
        Did { history: self, id }
    }

    /// The registers in the order of their keys. `O(n + keys log keys)`.
    pub(crate) fn registers(&self) -> Registers<'_> {
        let mut starts = vec![0_usize; self.keys.len() + 2];
        for key in &self.key_of {
            starts[*key as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut spans: Vec<(Option<&Key>, usize, usize)> = (0..=self.keys.len())
            .map(|key| {
                let name = key.checked_sub(1).map(|at| &self.keys.names()[at]);
                (name, starts[key], starts[key + 1])
            })
            .filter(|(_, start, end)| start < end)
            .collect();
        let mut order = vec![0; self.len()];
        for (id, key) in (0..).zip(&self.key_of) {
            let place = &mut starts[*key as usize];
            order[*place] = id;
            *place += 1;
        }
        spans.sort_by_key(|(key, ..)| *key);
        Registers { order, spans }
    }

    /// A value for programs.
    pub(crate) fn json(&self, value: ValueId) -> serde_json::Value {
        if value == NIL {
            return serde_json::Value::Null;
        }
        match self.values.show(value) {
            Shown::Int(number) => number.into(),
            Shown::Text(text) => text.into(),
        }
    }

    /// A value in words; [`NIL`] is `nothing`.
    pub(crate) fn shown(&self, value: ValueId) -> String {
        if value == NIL { "nothing".to_owned() } else { self.values.show(value).to_string() }
    }
}

/// One operation of a history, with all that the log says of it.
#[derive(Clone, Copy)]
pub(crate) struct Did<'h> {
    history: &'h RegisterHistory,
    pub(crate) id: OpId,
}

impl<'h> Did<'h> {
    fn at(self) -> usize {
        self.id as usize
    }

    pub(crate) fn action(self) -> Action {
        self.history.actions[self.at()]
    }

    pub(crate) fn fate(self) -> Fate {
        self.history.fates[self.at()]
    }

    pub(crate) fn is_ok(self) -> bool {
        self.fate() == Fate::Ok
    }

    pub(crate) fn invoked(self) -> Stamp {
        self.history.invoked[self.at()]
    }

    /// When the log says that it ended, also for one of unknown fate.
    pub(crate) fn completed(self) -> Option<Stamp> {
        Some(self.history.completed[self.at()]).filter(|stamp| *stamp != NOWHEN)
    }

    /// The index of its return; `None` if it may take effect at any later time.
    pub(crate) fn returned(self) -> Option<u64> {
        match self.fate() {
            Fate::Info => None,
            Fate::Ok | Fate::Fail => self.completed().map(|stamp| stamp.index),
        }
    }

    /// True if this returned before `other` was invoked.
    pub(crate) fn precedes(self, other: Did<'_>) -> bool {
        self.returned().is_some_and(|returned| returned < other.invoked().index)
    }

    /// The node that it was asked of, if the history says.
    pub(crate) fn node(self) -> Option<&'h Arc<str>> {
        let number = self.history.node_of.get(self.at()).copied()?.checked_sub(1)?;
        self.history.node_names.get(usize::from(number))
    }

    /// The node asked, or the process where the history doesn't say which node that was.
    pub(crate) fn asked(self) -> String {
        self.node().map_or_else(
            || {
                let process = self.history.process_of[self.at()] as usize;
                format!("process {}", self.history.processes.names()[process])
            },
            ToString::to_string,
        )
    }

    /// When it ended, or was last heard of.
    pub(crate) fn ended(self) -> Nanos {
        self.completed().unwrap_or_else(|| self.invoked()).time
    }

    /// What it did, such as `read 3` or `acknowledged write 3`.
    pub(crate) fn did(self) -> String {
        let shown = |value| self.history.shown(value);
        match (self.action(), self.is_ok()) {
            (Action::Read(found), true) => format!("read {}", shown(found)),
            (Action::Read(_), false) => "read".to_owned(),
            (Action::Write(new), true) => format!("acknowledged write {}", shown(new)),
            (Action::Write(new), false) => format!("was asked to write {}", shown(new)),
            (Action::Cas(old, new), true) => {
                format!("replaced {} by {}", shown(old), shown(new))
            }
            (Action::Cas(old, new), false) => {
                format!("was asked to replace {} by {}", shown(old), shown(new))
            }
        }
    }

    /// It with its times, as a step of an argument.
    pub(crate) fn step(self) -> String {
        let until = if self.is_ok() {
            format!("to {}", self.ended())
        } else {
            "on, and its fate is unknown".to_owned()
        };
        format!("{} {}, from {} {until}", self.asked(), self.did(), self.invoked().time)
    }

    /// Names it in an anomaly.
    pub(crate) fn name_in(self, mut anomaly: Anomaly) -> Anomaly {
        anomaly.ops.push(self.invoked().index);
        if let Some(node) = self.node()
            && !anomaly.nodes.contains(node)
        {
            anomaly.nodes.push(node.clone());
        }
        anomaly
    }
}
