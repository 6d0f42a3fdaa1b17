//! Priority queues: the smallest element, or the greatest, is handed out first.
//!
//! `collections` says what all collections have in common. An element is its own priority. What is
//! left, for elements that have both their operations or stay for ever, is decided from the highest
//! priority down:
//!
//! *Rule.* The removal of v takes effect at a moment at which nothing of higher priority is in, and
//! that is all. So let x(v) be the first gap, from the beginning of v's removal (and insertion) on,
//! in which no u of higher priority *has to be in*: u has to be in from the end of its insertion to
//! x(u), without the latter. If x(v) is not before the end of v's removal, there is no order. If
//! all have their x, there is one: remove each in its gap x, and insert it as late as its insertion
//! allows, or directly before its removal. Then it is in exactly while it has to be. Within a gap
//! higher priorities are removed first, and what stays in after the gap is put in last.
//!
//! Removals that found nothing are like the removal of an element of the lowest priority.
//!
//! *Deadlines* of open elements: an element v of unknown removal has to be gone before a removal of
//! lower priority ends that began after v's insertion had ended. (Not exact: such a removal may
//! have to wait for others.)
//!
//! `O(n log n)`, for sorting; the gaps that are taken are joined, so that each is passed once.
//!
//! ```
//! use schism_checkers::priority_queue::PriorityQueue;
//! use schism_core::{api::collection::PriorityQueue as Api, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"insert","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"insert","value":1}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"insert","value":2}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"insert","value":2}"#, "\n",
//!     r#"{"index":4,"time":5,"type":"invoke","process":1,"f":"extract-max"}"#, "\n",
//!     r#"{"index":5,"time":6,"type":"ok","process":1,"f":"extract-max","value":1}"#, "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = PriorityQueue.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "priority-inversion");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::collections::parts::{Fate, Parts};
use crate::collections::{
    self, Conflict, Discipline, Order, Sequence, SuffixLeast, machine, states,
};
use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object};
use schism_core::api::Key;
use schism_core::api::collection::{Call, Pick, PriorityQueue as Api};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;

/// The checker's name.
pub const NAME: &str = "priority-queue";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "priority queues (insert, extract-min or -max), linearizable, each key on its own",
    page: "\
Operations: {f: insert, value: 3}, {f: extract-min, value: nil, then what was taken out}, or {f:
extract-max, ...}; `extract` and `dequeue` mean extract-min. An element is its own priority. With
a `key`, or with [key argument] as value, each key is a queue of its own. An extraction that is
answered with nil found the queue empty; one that is a `fail` did not happen and says nothing.
Decided in O(n log n) where no element is inserted twice, and nearly always also with operations
of unknown fate; else by search within a budget.
Finds: unexpected, duplicated, priority-inversion, false-empty.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(PriorityQueue))
    },
};

/// Judges priority queues, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct PriorityQueue;

impl Checker<Api> for PriorityQueue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for PriorityQueue {
    type Api = Api;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["priority queue", "priority queues"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Api>, limits: &Limits) -> Decided<'h, Api> {
        collections::decide::<Priority>(object, limits)
    }
}

struct Priority;

impl Discipline for Priority {
    type Api = Api;
    type State = states::HeapState;
    type Machine = machine::Heap;
    const BROKEN: &'static str = "priority-inversion";
    const EXACT: bool = false;

    fn deadlines(parts: &Parts) -> Vec<u32> {
        let mut deadlines = vec![u32::MAX; parts.items.len()];
        let mut removals = SuffixLeast::new(parts.events);
        for at in first_to_last(parts).into_iter().rev() {
            let item = &parts.items[at];
            match item.fate {
                Fate::Removed(_) => removals.add(item.begun(), item.de),
                Fate::Open => deadlines[at] = removals.from(item.ee),
                Fate::Unknown(_) | Fate::Supposed => {}
            }
        }
        deadlines
    }

    fn arrange(parts: &Parts) -> Result<Order, Conflict> {
        let priorities = first_to_last(parts);
        let mut free = Free::all(parts.events);
        let mut sequence = Sequence::default();
        for (turn, at) in priorities.iter().enumerate() {
            let item = &parts.items[*at];
            if item.fate == Fate::Open {
                free.take(item.ee, parts.events);
                sequence.put_in(item, item.ee - 1);
                continue;
            }
            let gap = free.from(item.begun());
            if gap >= item.de {
                let items = involved(parts, &priorities[..=turn], item.de);
                return Err(Conflict { items, empties: Vec::new() });
            }
            if item.ee <= gap {
                free.take(item.ee, gap);
                sequence.put_in(item, item.ee - 1);
                sequence.take_out(item, gap);
            } else {
                sequence.pass_through(item, gap);
            }
        }
        let mut moments = Vec::with_capacity(parts.empties.len());
        for (at, empty) in parts.empties.iter().enumerate() {
            let gap = free.from(empty.start);
            if gap >= empty.end {
                let items = involved(parts, &priorities, empty.end);
                return Err(Conflict { items, empties: vec![at] });
            }
            moments.push(gap);
        }
        Ok(sequence.with_empties(parts, &moments))
    }

    fn broken(parts: &Parts, conflict: &Conflict) -> String {
        let items: Vec<_> = conflict.items.iter().map(|at| parts.items[*at].value).collect();
        let (lowest, other) = match parts.pick {
            Pick::Greatest => (items.iter().min(), "greater"),
            Pick::Next | Pick::Least => (items.iter().max(), "smaller"),
        };
        format!(
            "{} was taken out, though at every moment of its asking something {other} was in",
            lowest.copied().unwrap_or_default()
        )
    }
}

/// The elements from the highest priority to the lowest.
fn first_to_last(parts: &Parts) -> Vec<usize> {
    let mut order: Vec<usize> = (0..parts.items.len()).collect();
    order.sort_unstable_by_key(|at| parts.items[*at].value);
    if parts.pick == Pick::Greatest {
        order.reverse();
    }
    order
}

/// Those that had begun to be put in before an event.
fn involved(parts: &Parts, items: &[usize], until: u32) -> Vec<usize> {
    items.iter().copied().filter(|at| parts.items[*at].es < until).collect()
}

/// Gaps in which nothing has to be in; those that are taken are joined to the next.
struct Free(Vec<u32>);

impl Free {
    fn all(events: u32) -> Self {
        Self((0..=events).collect())
    }

    /// The first from this one on; the number of gaps if there is none.
    fn from(&mut self, gap: u32) -> u32 {
        let mut root = gap as usize;
        while self.0[root] as usize != root {
            root = self.0[root] as usize;
        }
        let next = self.0[root];
        let mut at = gap as usize;
        while self.0[at] != next {
            at = std::mem::replace(&mut self.0[at], next) as usize;
        }
        next
    }

    fn take(&mut self, from: u32, to: u32) {
        let mut gap = self.from(from);
        while gap < to {
            self.0[gap as usize] = gap + 1;
            gap = self.from(gap);
        }
    }
}
