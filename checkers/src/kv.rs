//! Strings by key, with get, put and append: each key is linearizable.
//!
//! Strings that grow show their own past. Where it can be read from them in one way only, a key is
//! a register whose written values are all distinct, with appends as compare-and-sets, and decided
//! in the same way (see `linearizable::unique`, after Gibbons and Korach 1997):
//!
//! *Histories of strings.* What a get returned was last changed by a put of just that string, or by
//! an append of a string that it ends with, after which comes what was there before. If at each
//! step back there is exactly one operation that can have done it, the string's past is certain.
//! (None at all is a violation.) A string with a certain past can have been there only once, as its
//! last operation took effect once.
//!
//! *Blocks.* So each put, or the empty string at the beginning, has a chain of appends that
//! somebody saw, with the gets of each string between; nothing that changes the key can stand in
//! between. Two appends to the same string, or one operation in two pasts, is a violation. An
//! operation that nobody saw is a block of its own: it can stand between any two blocks, as the
//! next block begins with a put. One of unknown fate that nobody saw is left out.
//!
//! *Order of blocks.* With f the earliest end and s the latest start in a block, A has to come
//! before B exactly if f(A) < s(B); sorting finds out whether that can be.
//!
//! *Equal appends.* If one string was appended several times, pasts are as certain as ever, but not
//! which append made which string. Every way is tried that gets don't exclude, up to some thousand.
//!
//! Where a past isn't certain (a string that was put twice, or ends with another) the general
//! engine decides, within its budget; it is told which strings can still become one that was got,
//! and takes all others for one.
//!
//! Kinds: `garbage-read`, `aborted-read` (the write had failed), `future-read`, `duplicated` (an
//! append that took effect twice), `incompatible-order` (two pasts that contradict each other),
//! `stale-read`, `out-of-order` (appends against real time), `not-linearizable`.
//!
//! `O(n log n)` operations on strings, for as many lengths of appended strings as there are. An
//! order is verified by `linearizable::verify`, a violation by the general engine on the operations
//! that it names (`recheck`), as far as a small budget goes.
//!
//! ```
//! use schism_checkers::kv::KeyValue;
//! use schism_core::{api::kv::Kv, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"append","key":"k","value":"a"}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"append","key":"k","value":"a"}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"get","key":"k"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"get","key":"k","value":"aa"}"#, "\n",
//! );
//! let history = History::<Kv>::from_jsonl(lines.as_bytes())?.history;
//! let finding = KeyValue.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "duplicated");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

mod blocks;
mod future;
mod makers;
mod pasts;
mod recheck;

use crate::linearizable::timed::Timed;
use crate::linearizable::verify;
use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object, PLEASE_REPORT, Ruling, Violation};
use rustc_hash::FxHashSet;
use schism_core::api::Key;
use schism_core::api::kv::{Call, Kv, KvOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use std::sync::Arc;

/// The checker's name.
pub const NAME: &str = "kv";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "strings by key (get, put, append), linearizable, each key on its own",
    page: "\
Operations: {f: get, key: k, value: nil, then the string}, {f: put, key: k, value: \"x\"}, {f:
append, key: k, value: \"x\"}. A key that was never put holds the empty string.
Decided in O(n log n) where it is certain from each string that was got which operations made it,
as when all strings are distinct and end in a mark; else by search within a budget.
Finds: garbage-read, aborted-read, future-read, stale-read, duplicated, incompatible-order,
out-of-order.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(KeyValue))
    },
};

/// Judges strings by key, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyValue;

impl Checker<Kv> for KeyValue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Kv>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for KeyValue {
    type Api = Kv;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["key", "keys"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn matters(op: &Timed<'_, Kv>) -> bool {
        op.completed() || op.op.call.op != KvOp::Get
    }

    fn decide<'h>(&self, object: &Object<'h, Kv>, limits: &Limits) -> Decided<'h, Kv> {
        let by = "pasts";
        let pasts = match pasts::Pasts::of(object, limits) {
            pasts::Known::Certain(pasts) => pasts,
            pasts::Known::Wrong(violation) => {
                return Decided::new(by, confirmed(object, violation, FxHashSet::default()));
            }
            pasts::Known::Ambiguous => {
                return future::by_search(object, limits);
            }
            pasts::Known::Stopped(limit) => {
                return Decided::new(by, Ruling::Open(format!("not decided within {limit}")));
            }
        };
        match makers::Makers::of(object, &pasts) {
            Some(makers) => Decided::new(by, try_each(object, &pasts, makers, limits)),
            None => future::by_search(object, limits),
        }
    }
}

/// Tries each way in which the strings can have been made.
fn try_each<'h>(
    object: &Object<'h, Kv>,
    pasts: &pasts::Pasts,
    ways: makers::Makers,
    limits: &Limits,
) -> Ruling<'h, Kv> {
    let (several, chosen) = (ways.several(), ways.are_chosen());
    let mut found = None;
    for makers in ways {
        if let Some(limit) = limits.exceeded() {
            return Ruling::Open(format!("not decided within {limit}"));
        }
        match blocks::order(object, pasts, &makers) {
            Ok(order) if verify::is_linearization::<Text>(&object.ops, &order) => {
                return Ruling::Linearizable;
            }
            Ok(_) => return Ruling::Open(PLEASE_REPORT.to_owned()),
            Err(violation) => found = Some(violation),
        }
    }
    let Some(violation) = found else { return Ruling::Open(PLEASE_REPORT.to_owned()) };
    // What shows a past is a get of the last string that was made of it; but any get may have
    // excluded one of several equal appends.
    let states = pasts.states.iter();
    let evidence = if chosen {
        states.flat_map(|state| &state.gets).copied().collect()
    } else {
        let last = states.filter(|state| state.after.is_none());
        last.filter_map(|state| state.gets.first()).copied().collect()
    };
    let because = several.then(|| {
        "whichever of several equal appends is taken to have made which string, something like \
         this is in the way"
            .to_owned()
    });
    confirmed(object, Violation { because, ..violation }, evidence)
}

/// The violation, unless all writes, with the gets that it names and those that show the pasts,
/// turn out to have an order.
fn confirmed<'h>(
    object: &Object<'h, Kv>,
    violation: Violation<'h, Kv>,
    mut gets: FxHashSet<usize>,
) -> Ruling<'h, Kv> {
    let position = |op: &Op<Kv>| object.ops.binary_search_by_key(&op.invoked.index, |op| op.start);
    gets.extend(violation.core.iter().filter_map(|(op, _)| position(op).ok()));
    match recheck::is_impossible(object, &gets) {
        Some(false) => Ruling::Open(PLEASE_REPORT.to_owned()),
        Some(true) | None => Ruling::Violated(violation),
    }
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Text(Arc<str>);

impl model::Model for Text {
    type Api = Kv;

    fn init() -> Self {
        Self(Arc::from(""))
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        match (&call.op, reply) {
            (KvOp::Get, Some(Reply::Got(text))) => (*text == self.0).then(|| self.clone()),
            (KvOp::Get, _) => Some(self.clone()),
            (KvOp::Put(text), _) => Some(Self(text.clone())),
            (KvOp::Append(text), _) => Some(Self(Arc::from([&*self.0, text].concat()))),
        }
    }

    fn explain(&self) -> String {
        shown(&self.0)
    }
}

/// A string, or its end if it is long.
fn shown(text: &str) -> String {
    const SHOWN: usize = 40;
    let length = text.chars().count();
    if length <= SHOWN {
        return format!("{text:?}");
    }
    let end: String = text.chars().skip(length - SHOWN).collect();
    format!("{length} characters that end in {end:?}")
}

/// What an operation asked for, such as `append "x"`.
fn what(op: &Op<Kv>) -> String {
    match &op.call.op {
        KvOp::Get => "get".to_owned(),
        KvOp::Put(text) => format!("put {}", shown(text)),
        KvOp::Append(text) => format!("append {}", shown(text)),
    }
}

/// What an operation did, such as `got "xy"`.
fn did(op: &Op<Kv>) -> String {
    match (&op.call.op, op.reply()) {
        (KvOp::Get, Some(Reply::Got(text))) => format!("got {}", shown(text)),
        (KvOp::Get, _) => "was asked for it".to_owned(),
        (KvOp::Put(text), Some(_)) => format!("acknowledged put {}", shown(text)),
        (KvOp::Put(text), None) => format!("was asked to put {}", shown(text)),
        (KvOp::Append(text), Some(_)) => format!("acknowledged append {}", shown(text)),
        (KvOp::Append(text), None) => format!("was asked to append {}", shown(text)),
    }
}
