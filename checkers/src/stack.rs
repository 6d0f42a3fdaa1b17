//! Stacks: what was put in last is handed out first.
//!
//! `collections` says what all collections have in common. What is left are elements that have both
//! their operations or stay for ever, and are certainly in at some time: any other is pushed and
//! popped at once, at any moment that suits it.
//!
//! *Rule.* Where nothing is certainly in, time can be cut: what is before and what is after such a
//! gap are stacks of their own (see there, on empties). So take a *stretch*: time from L, when the
//! first of some elements is certainly in, to R, when the last of them is not any more, without a
//! free gap between. In a linearization of these the stack can't be empty in between, so one
//! element is at the bottom all the time: it can be pushed before anything else has to be in, es <
//! L, and popped after all else, de > R. Any element v with es < L and de > R may be taken for it:
//! if all the others are linearizable, they are with v below them; and if all are, the others are.
//! So take all such elements out, and go on with the stretches into which the rest falls, until
//! nothing is left, or a stretch has no bottom: then there is no order.
//!
//! *How.* Elements are kept in the order of L. One tree says how many are certainly in at each gap,
//! one which element not yet known to fit from below has the least es, one which of these has the
//! greatest de. As stretches only get shorter, what fits from below goes on to do so. Each stretch
//! that is looked at loses an element, or is the last one. `O(n log n)`.
//!
//! *Deadlines* of open elements: see `deadlines`. They are necessary where only popped elements
//! that are certainly in are looked at, and not exact, as others may be in too.
//!
//! ```
//! use schism_checkers::stack::Stack;
//! use schism_core::{api::collection::Stack as Api, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"push","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"push","value":1}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"push","value":2}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"push","value":2}"#, "\n",
//!     r#"{"index":4,"time":5,"type":"invoke","process":1,"f":"pop"}"#, "\n",
//!     r#"{"index":5,"time":6,"type":"ok","process":1,"f":"pop","value":1}"#, "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Stack.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "out-of-order");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

mod deadlines;
mod stretches;
mod trees;

use crate::collections::gaps::{Cover, chain};
use crate::collections::parts::Parts;
use crate::collections::{self, Conflict, Discipline, Order, machine, states};
use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object};
use schism_core::api::Key;
use schism_core::api::collection::{Call, Stack as Api};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;

/// The checker's name.
pub const NAME: &str = "stack";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "stacks (push, pop), linearizable, each key on its own",
    page: "\
Operations: {f: push, value: 3}, {f: pop, value: nil, then what was taken out}; with a `key`, or
with [key argument] as value, each key is a stack of its own. A pop that is answered with nil
found the stack empty; one that is a `fail` did not happen and says nothing.
Decided in O(n log n) where no element is pushed twice, and nearly always also with operations of
unknown fate; else by search within a budget.
Finds: unexpected, duplicated, out-of-order, false-empty.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(Stack))
    },
};

/// Judges stacks, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stack;

impl Checker<Api> for Stack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for Stack {
    type Api = Api;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["stack", "stacks"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Api>, limits: &Limits) -> Decided<'h, Api> {
        collections::decide::<Lifo>(object, limits)
    }
}

struct Lifo;

impl Discipline for Lifo {
    type Api = Api;
    type State = states::StackState;
    type Machine = machine::Lifo;
    const BROKEN: &'static str = "out-of-order";
    const EXACT: bool = false;

    fn deadlines(parts: &Parts) -> Vec<u32> {
        deadlines::deadlines(parts)
    }

    fn arrange(parts: &Parts) -> Result<Order, Conflict> {
        let cover = Cover::of(&parts.items, parts.events);
        let moments = cover.place_empties(parts).map_err(|empty| {
            let span = parts.empties[empty];
            Conflict { items: chain(&parts.items, span.start, span.end), empties: vec![empty] }
        })?;
        let sequence = stretches::arrange(parts)?;
        Ok(sequence.with_empties(parts, &moments))
    }

    fn broken(parts: &Parts, conflict: &Conflict) -> String {
        let values: Vec<i64> = conflict.items.iter().map(|at| parts.items[*at].value).collect();
        format!(
            "{} were put in and taken out in such an order that none of them can have been at the \
             bottom",
            crate::words::some(&values)
        )
    }
}
