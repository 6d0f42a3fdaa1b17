//! The small store that the replicated protocols keep: registers and one set.
//!
//! Reads and compare-and-sets are settled where they are asked; what travels between nodes is a
//! [`Change`] that has the same effect on every copy.

use crate::host::not_served;
use schism_core::api::register::{self, Register, RegisterOp};
use schism_core::api::set::{self, Set};
use schism_core::api::{Api as _, Key, Payload};
use schism_core::wire::Response;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One change to the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// A register gets a value.
    Write(Option<Key>, i64),
    /// The set gets an element.
    Add(i64),
}

/// What a client's call comes down to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// A change, and what to answer once it has taken effect.
    Change(Change, Response),
    /// A read, with what this store holds.
    Read(Response),
    /// Nothing: it certainly has no effect.
    Refused(Response),
}

/// One node's copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    registers: BTreeMap<Option<Key>, i64>,
    set: BTreeSet<i64>,
}

impl Store {
    /// The store that these changes make.
    pub(crate) fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut store = Self::default();
        changes.into_iter().for_each(|change| store.apply(change));
        store
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(key, value) => _ = self.registers.insert(key.clone(), *value),
            Change::Add(element) => _ = self.set.insert(*element),
        }
    }

    /// Changes that make a copy of this store out of an empty one.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let writes = self.registers.iter().map(|(key, value)| Change::Write(key.clone(), *value));
        writes.chain(self.set.iter().map(|element| Change::Add(*element))).collect()
    }

    /// How many registers and elements here are not the same in `other`.
    pub(crate) fn not_in(&self, other: &Self) -> usize {
        let registers =
            self.registers.iter().filter(|(key, value)| other.registers.get(*key) != Some(*value));
        registers.count() + self.set.difference(&other.set).count()
    }

    /// What a call comes down to, asked of this copy.
    pub(crate) fn ask(&self, api: &str, payload: &Payload) -> Asked {
        match api {
            Register::NAME => match payload.decode::<Register>() {
                Ok(call) => self.ask_register(&call),
                Err(error) => refused(error.to_string()),
            },
            Set::NAME => match payload.decode::<Set>() {
                Ok(call) => self.ask_set(&call),
                Err(error) => refused(error.to_string()),
            },
            _ => Asked::Refused(not_served(api)),
        }
    }

    fn ask_register(&self, call: &register::Call) -> Asked {
        let here = self.registers.get(&call.key).copied();
        let answer = |reply| Response::Ok { value: Register::encode_reply(call, &reply) };
        let write = |value| {
            Asked::Change(Change::Write(call.key.clone(), value), answer(register::Reply::Written))
        };
        match call.op {
            RegisterOp::Read => Asked::Read(answer(register::Reply::Read(here))),
            RegisterOp::Write(value) => write(value),
            RegisterOp::Cas(old, new) if here == Some(old) => write(new),
            RegisterOp::Cas(old, _) => refused(match here {
                Some(found) => format!("expected {old}, found {found}"),
                None => format!("expected {old}, found nothing"),
            }),
        }
    }

    fn ask_set(&self, call: &set::Call) -> Asked {
        let answer = |reply| Response::Ok { value: Set::encode_reply(call, &reply) };
        match call {
            set::Call::Add(element) => {
                Asked::Change(Change::Add(*element), answer(set::Reply::Added))
            }
            set::Call::Read => {
                Asked::Read(answer(set::Reply::Read(self.set.iter().copied().collect())))
            }
        }
    }
}

fn refused(error: String) -> Asked {
    Asked::Refused(Response::Fail { error })
}

#[cfg(test)]
mod tests {
    use super::{Asked, Change, Store};
    use schism_core::api::{Key, Payload};
    use schism_core::wire::Response;
    use serde_json::json;

    #[test]
    fn compare_and_set_is_settled_where_it_is_asked() {
        let mut store = Store::default();
        let mut cas = Payload::unkeyed("cas", json!([1, 2]));
        cas.key = Some(Key::Int(7));
        let Asked::Refused(Response::Fail { error }) = store.ask("register", &cas) else {
            panic!("nothing is there to be replaced");
        };
        assert_eq!(error, "expected 1, found nothing");
        store.apply(&Change::Write(cas.key.clone(), 1));
        let Asked::Change(change, Response::Ok { .. }) = store.ask("register", &cas) else {
            panic!("it has the old value");
        };
        assert_eq!(change, Change::Write(Some(Key::Int(7)), 2));
    }

    #[test]
    fn a_copy_is_made_of_changes() {
        let changes = [Change::Write(None, 1), Change::Add(5), Change::Write(None, 2)];
        let store = Store::of(&changes);
        let copy = Store::of(&store.changes());
        assert_eq!(copy, store);
        assert_eq!(store.not_in(&Store::of(&changes[..2])), 1);
    }
}
