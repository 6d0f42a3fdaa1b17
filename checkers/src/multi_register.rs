//! Transactions over registers, linearizable: each reads and writes several registers at one
//! moment.
//!
//! This is strict serializability of what is checked, decided by the general engine on a model of
//! all registers, not by looking for cycles: exact, and for histories of moderate length.
//!
//! *Parts.* Registers that no transaction ever touches together, nor through others, are objects of
//! their own, and decided one by one. What a transaction of unknown fate read is not known; its
//! writes take effect together, at any later time, or never.
//!
//! *What registers hold first.* It is what `--init` says. Without that it is not known, and a
//! history is right if some values make it so: the first read of a register that nobody has written
//! yet tells its value, and all others have to agree with it.
//!
//! Kinds: `not-linearizable`, with the transaction with whose return the history became impossible.
//! Exponential in the worst case, within a budget of steps. An order is verified by
//! `linearizable::verify`.
//!
//! ```
//! use schism_checkers::multi_register::MultiRegister;
//! use schism_core::api::multi_register::MultiRegister as Api;
//! use schism_core::{checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"txn","value":[["w","x",1],["w","y",1]]}"#,
//!     "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"txn","value":[["w","x",1],["w","y",1]]}"#,
//!     "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"txn","value":[["r","x",null],["r","y",null]]}"#,
//!     "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"txn","value":[["r","x",1],["r","y",0]]}"#,
//!     "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding =
//!     MultiRegister::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "not-linearizable");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::linearizable::timed::{NEVER, Timed};
use crate::model::{BadOption, Model, typed};
use crate::objects::{self, Decided, Kind, Object};
use crate::words::{and, value};
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::multi_register::{Mop, MultiRegister as Api, Txn};
use schism_core::checker::{Checker, Finding};
use schism_core::form::Tape;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model;
use schism_core::op::{Op, Outcome, Stamp};
use schism_core::record::RunFacts;
use schism_core::time::Nanos;
use std::collections::BTreeMap;

/// The checker's name.
pub const NAME: &str = "multi-register";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "transactions over registers (read, write), linearizable",
    page: "\
Operations: {f: txn, value: [[:read x nil, then what was read] [:write y 2] ...]}; `r` and `w` are
the same.
Each transaction takes effect at one moment. A transaction that did not is a `fail`.
Options: --init, a map of what registers hold first ({x 0, y 0}; others hold nil), or one value
for all. Without it that is not known: a history is valid if some values make it so.
Decided by search, within a budget.",
    make: |options| {
        options.only(NAME, &["--init"])?;
        Ok(typed(MultiRegister { init: options.init.as_ref().map(Init::of).transpose()? }))
    },
};

/// What registers hold first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// All the same.
    All(Option<i64>),
    /// These hold this, and others nothing.
    Each(BTreeMap<Key, Option<i64>>),
}

impl Init {
    fn of(tape: &Tape) -> Result<Self, BadOption> {
        let form = tape.root();
        let wrong = || BadOption(format!("--init: expected {{x 0, y 0}} or 0, found {form}"));
        match form.entries() {
            Err(_) => form.int_or_nil().map(Self::All).map_err(|_| wrong()),
            Ok(entries) => entries
                .map(|(key, value)| Ok((key.key(), value.int_or_nil().map_err(|_| wrong())?)))
                .collect::<Result<_, _>>()
                .map(Self::Each),
        }
    }

    fn value(&self, key: &Key) -> Option<i64> {
        match self {
            Self::All(value) => *value,
            Self::Each(values) => values.get(key).copied().flatten(),
        }
    }
}

/// Judges transactions over registers.
#[derive(Clone, Debug, Default)]
pub struct MultiRegister {
    /// What registers hold first; `None`: it is not known.
    pub init: Option<Init>,
}

impl Checker<Api> for MultiRegister {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for MultiRegister {
    type Api = Api;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["register", "registers"];
    const COUNTED: [&'static str; 2] = ["group of registers", "groups of registers"];

    fn key(txn: &Txn) -> Option<&Key> {
        txn.first().map(Mop::key)
    }

    /// Those that read, or may have written.
    fn matters(op: &Timed<'_, Api>) -> bool {
        op.op.call.iter().any(|mop| op.completed() || matches!(mop, Mop::Write(..)))
    }

    fn objects<'h>(&self, history: &'h History<Api>) -> Vec<Object<'h, Api>> {
        together(history)
    }

    fn decide<'h>(&self, object: &Object<'h, Api>, limits: &Limits) -> Decided<'h, Api> {
        let Some(init) = &self.init else {
            return objects::by_search::<Registers>(&object.ops, limits, did);
        };
        // A read before everything else says what all registers hold.
        let reads: Txn =
            object.keys.iter().map(|key| Mop::Read((*key).clone(), init.value(key))).collect();
        let stamp = Stamp { index: u64::MAX, time: Nanos::ZERO };
        let first: Op<Api> = Op {
            process: 0,
            node: None,
            call: reads.clone(),
            invoked: stamp,
            completed: Some(stamp),
            outcome: Outcome::Ok(reads),
        };
        let mut ops = vec![Timed { start: 0, end: 1, op: &first }];
        let later = |time: u64| if time == NEVER { NEVER } else { time.saturating_add(2) };
        ops.extend(object.ops.iter().map(|timed| Timed {
            start: later(timed.start),
            end: later(timed.end),
            op: timed.op,
        }));
        objects::by_search::<Registers>(&ops, limits, did).of_originals(&object.ops)
    }
}

/// The registers that transactions touch together, directly or through others, each such set with
/// its transactions. Nearly `O(n)`.
fn together(history: &History<Api>) -> Vec<Object<'_, Api>> {
    let mut places: FxHashMap<&Key, usize> = FxHashMap::default();
    let mut parents: Vec<usize> = Vec::new();
    let happened = history.ops().iter().filter_map(Timed::of).filter(MultiRegister::matters);
    for timed in happened {
        let mut first = None;
        for mop in &timed.op.call {
            let place = *places.entry(mop.key()).or_insert_with(|| {
                parents.push(parents.len());
                parents.len() - 1
            });
            let root = root(&mut parents, place);
            let first = *first.get_or_insert(root);
            parents[root] = first;
        }
    }
    let mut objects: BTreeMap<usize, Object<'_, Api>> = BTreeMap::new();
    let mut keys: Vec<(&Key, usize)> = places.iter().map(|(key, place)| (*key, *place)).collect();
    keys.sort_unstable();
    for (key, place) in keys {
        let object = objects.entry(root(&mut parents, place)).or_insert_with(|| Object {
            keys: Vec::new(),
            ops: Vec::new(),
            failed: Vec::new(),
        });
        object.keys.push(key);
    }
    for timed in history.ops().iter().filter_map(Timed::of).filter(MultiRegister::matters) {
        let place = timed.op.call.first().and_then(|mop| places.get(mop.key()));
        let object = place.and_then(|place| objects.get_mut(&root(&mut parents, *place)));
        if let Some(object) = object {
            object.ops.push(timed);
        }
    }
    objects.into_values().collect()
}

fn root(parents: &mut [usize], place: usize) -> usize {
    let mut root = place;
    while parents[root] != root {
        root = parents[root];
    }
    let mut at = place;
    while parents[at] != root {
        at = std::mem::replace(&mut parents[at], root);
    }
    root
}

/// What is known of the registers; those that were neither read nor written are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Registers(Vec<(Key, Option<i64>)>);

impl Registers {
    fn set(&mut self, key: &Key, value: Option<i64>) {
        match self.0.binary_search_by(|(other, _)| other.cmp(key)) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key.clone(), value)),
        }
    }

    /// Reads a register; false if it holds something else.
    fn read(&mut self, key: &Key, value: Option<i64>) -> bool {
        match self.0.binary_search_by(|(other, _)| other.cmp(key)) {
            Ok(at) => self.0[at].1 == value,
            Err(at) => {
                self.0.insert(at, (key.clone(), value));
                true
            }
        }
    }
}

impl model::Model for Registers {
    type Api = Api;

    fn init() -> Self {
        Self::default()
    }

    fn step(&self, call: &Txn, reply: Option<&Txn>) -> Option<Self> {
        let mut next = self.clone();
        for mop in reply.unwrap_or(call) {
            match mop {
                Mop::Write(key, value) => next.set(key, Some(*value)),
                Mop::Read(key, value) => {
                    if reply.is_some() && !next.read(key, *value) {
                        return None;
                    }
                }
            }
        }
        Some(next)
    }

    fn explain(&self) -> String {
        let held = self.0.iter().map(|(key, held)| format!("{key} = {}", value(*held)));
        and(&held.collect::<Vec<_>>())
    }
}

/// What a transaction did, such as `read x = 1 and wrote y = 2`.
fn did(op: &Op<Api>) -> String {
    let mops = op.reply().unwrap_or(&op.call);
    let steps = mops.iter().map(|mop| match (mop, op.reply()) {
        (Mop::Read(key, found), Some(_)) => format!("read {key} = {}", value(*found)),
        (Mop::Read(key, _), None) => format!("was asked to read {key}"),
        (Mop::Write(key, new), Some(_)) => format!("wrote {key} = {new}"),
        (Mop::Write(key, new), None) => format!("was asked to write {key} = {new}"),
    });
    and(&steps.collect::<Vec<_>>())
}
