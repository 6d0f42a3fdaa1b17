//! Sets from which elements can be removed again: linearizable, element by element.
//!
//! What is asked of one element says nothing of another, so each element is an object of its own,
//! that is in or not (Herlihy and Wing 1990: a history is linearizable if its part on each object
//! is). A set that answers whether an add or remove changed anything is taken at its word: `true`
//! means that it did.
//!
//! The general engine decides each element, within a budget of steps; an element has two states and
//! few operations. Kinds: `garbage-read` (an element that nobody added is in), and
//! `not-linearizable` with the operation with whose return the history became impossible. An order
//! is verified by `linearizable::verify`.
//!
//! ```
//! use schism_checkers::add_remove_set::AddRemoveSet;
//! use schism_core::{api::mutable_set::MutableSet, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"add","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"add","value":1}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"contains","value":1}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"contains","value":false}"#, "\n",
//! );
//! let history = History::<MutableSet>::from_jsonl(lines.as_bytes())?.history;
//! let finding = AddRemoveSet.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "not-linearizable");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::linearizable::timed::Timed;
use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object, Ruling, Violation};
use crate::words::{asked, ended};
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::mutable_set::{Call, MutableSet, Reply, SetOp};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model;
use schism_core::op::Op;
use schism_core::record::RunFacts;

/// The checker's name.
pub const NAME: &str = "add-remove-set";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "sets (add, remove, contains), linearizable, each element on its own",
    page: "\
Operations: {f: add, value: 3}, {f: remove, value: 3}, {f: contains, value: 3, then true or
false}; with a `key`, or with [key element] as value, each key is a set of its own. An add or
remove may be answered with true (it changed the set) or false (it did not).
Decided by search within a budget, element by element.
Finds: garbage-read, not-linearizable.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(AddRemoveSet))
    },
};

/// Judges sets with remove, each element on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddRemoveSet;

impl Checker<MutableSet> for AddRemoveSet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<MutableSet>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for AddRemoveSet {
    type Api = MutableSet;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["element", "elements"];

    fn key(call: &Call) -> Option<&Key> {
        Some(&call.element)
    }

    fn matters(op: &Timed<'_, MutableSet>) -> bool {
        op.completed() || op.op.call.op != SetOp::Contains
    }

    fn objects<'h>(&self, history: &'h History<MutableSet>) -> Vec<Object<'h, MutableSet>> {
        let mut places: FxHashMap<(Option<&Key>, &Key), usize> = FxHashMap::default();
        let mut objects: Vec<Object<'h, MutableSet>> = Vec::new();
        for op in history.ops() {
            let (key, element) = (op.call.key.as_ref(), &op.call.element);
            let place = *places.entry((key, element)).or_insert(objects.len());
            if place == objects.len() {
                let keys = key.into_iter().chain([element]).collect();
                objects.push(Object { keys, ops: Vec::new(), failed: Vec::new() });
            }
            match Timed::of(op) {
                Some(timed) if Self::matters(&timed) => objects[place].ops.push(timed),
                Some(_) => {}
                None => objects[place].failed.push(op),
            }
        }
        objects.sort_by(|left, right| left.keys.cmp(&right.keys));
        objects
    }

    fn name(object: &Object<'_, MutableSet>) -> String {
        match object.keys.as_slice() {
            [set, element] => format!("element {element} of set {set}"),
            _ => object.name(Self::WORDS),
        }
    }

    fn decide<'h>(
        &self,
        object: &Object<'h, MutableSet>,
        limits: &Limits,
    ) -> Decided<'h, MutableSet> {
        match from_nowhere(object) {
            Some(violation) => Decided::new("search", Ruling::Violated(violation)),
            None => objects::by_search::<In>(&object.ops, limits, did),
        }
    }
}

/// Is the element in?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct In(bool);

/// What an operation found, if it said so.
fn found(call: &Call, reply: Option<&Reply>) -> Option<bool> {
    match (call.op, reply) {
        (SetOp::Contains | SetOp::Remove, Some(Reply::Said(said))) => Some(*said),
        (SetOp::Add, Some(Reply::Said(said))) => Some(!*said),
        (_, Some(Reply::Done) | None) => None,
    }
}

impl model::Model for In {
    type Api = MutableSet;

    fn init() -> Self {
        Self(false)
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        if found(call, reply).is_some_and(|found| found != self.0) {
            return None;
        }
        Some(match call.op {
            SetOp::Add => Self(true),
            SetOp::Remove => Self(false),
            SetOp::Contains => *self,
        })
    }

    fn explain(&self) -> String {
        if self.0 { "in".to_owned() } else { "not in".to_owned() }
    }
}

/// Somebody found the element, though nobody can have added it.
fn from_nowhere<'h>(object: &Object<'h, MutableSet>) -> Option<Violation<'h, MutableSet>> {
    if object.ops.iter().any(|timed| timed.op.call.op == SetOp::Add) {
        return None;
    }
    let finds = |timed: &&Timed<'h, MutableSet>| found(&timed.op.call, timed.reply()) == Some(true);
    let op = object.ops.iter().find(finds)?.op;
    let failed = object.failed.iter().copied().find(|op| op.call.op == SetOp::Add);
    let why = if failed.is_some() { "although its add failed" } else { "which nobody added" };
    let summary = format!("{} found it at {}, {why}", asked(op), ended(op));
    let core = failed.into_iter().chain([op]).map(|op| (op, did(op))).collect();
    Some(Violation { kind: "garbage-read", summary, core, because: None })
}

/// What an operation did, such as `added it`.
fn did(op: &Op<MutableSet>) -> String {
    let did = match (op.call.op, op.reply()) {
        (SetOp::Add, None) => "was asked to add it",
        (SetOp::Remove, None) => "was asked to remove it",
        (SetOp::Contains, None) => "was asked for it",
        (SetOp::Add, Some(Reply::Said(false))) => "found it in when asked to add it",
        (SetOp::Add, Some(_)) => "added it",
        (SetOp::Remove, Some(Reply::Said(false))) => "did not find it when asked to remove it",
        (SetOp::Remove, Some(_)) => "removed it",
        (SetOp::Contains, Some(Reply::Said(false))) => "did not find it",
        (SetOp::Contains, Some(_)) => "found it",
    };
    did.to_owned()
}
