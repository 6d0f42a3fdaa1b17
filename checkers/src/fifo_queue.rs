//! FIFO queues: elements are handed out in the order in which they were put in.
//!
//! `collections` says what all collections have in common: removals that found nothing, operations
//! of unknown fate, certificates. This is what is left for queues whose every element has both its
//! operations, or stays for ever.
//!
//! *Condition.* Let E be: the insertion of v ended before that of w began; D: the removal of v
//! ended before that of w began (staying counts as a removal after everything). The queue is
//! linearizable if and only if no two elements have v E w and w D v. It is necessary. It suffices:
//! first take an insertion to end when its element's removal does, and a removal to begin when the
//! insertion does, at the latest; that adds no such pair. E and D are interval orders, so a cycle
//! of them could be shortened until it is such a pair: of v E w D x E y either v E y or x E w. So
//! there is an order of the elements that agrees with both. In that order let everything take
//! effect as soon as it and what comes before it has begun. An insertion then takes effect when
//! some earlier element's began, thus before it ended, by E; a removal likewise, by D, or when some
//! earlier element's insertion began: before it ended, for else it would be E the other way around.
//!
//! *Deadlines* are exact. An open element v has to be removed before the removal of any w with v E
//! w ended. Those are the earlier the earlier v is in the queue; so if some element needs a removal
//! of unknown fate at some time, all that had been put in before it need one by then too, whatever
//! moments the empties are given. Hence the moments can be chosen each for itself: one at which no
//! removed element is certainly in, and not more open ones than removals of unknown fate had begun.
//!
//! `O(n log n)`.
//!
//! ```
//! use schism_checkers::fifo_queue::FifoQueue;
//! use schism_core::{api::collection::Queue, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"enqueue","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"enqueue","value":1}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"enqueue","value":2}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"enqueue","value":2}"#, "\n",
//!     r#"{"index":4,"time":5,"type":"invoke","process":1,"f":"dequeue"}"#, "\n",
//!     r#"{"index":5,"time":6,"type":"ok","process":1,"f":"dequeue","value":2}"#, "\n",
//! );
//! let history = History::<Queue>::from_jsonl(lines.as_bytes())?.history;
//! let finding = FifoQueue.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "out-of-order");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::collections::gaps::{Cover, chain};
use crate::collections::parts::{Fate, Item, Parts};
use crate::collections::{self, Conflict, Discipline, Order, machine, states};
use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object};
use schism_core::api::Key;
use schism_core::api::collection::{Call, Queue, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use std::cmp::Reverse;

/// The checker's name.
pub const NAME: &str = "fifo-queue";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "FIFO queues (enqueue, dequeue), linearizable, each key on its own",
    page: "\
Operations: {f: enqueue, value: 3}, {f: dequeue, value: nil, then what was taken out}; with a
`key`, or with [key argument] as value, each key is a queue of its own. A dequeue that is answered
with nil found the queue empty; one that is a `fail` did not happen and says nothing.
Decided in O(n log n) where no element is enqueued twice, also with operations of unknown fate;
else by search within a budget.
Finds: unexpected, duplicated, out-of-order, false-empty.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(FifoQueue))
    },
};

/// Judges FIFO queues, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct FifoQueue;

impl Checker<Queue> for FifoQueue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Queue>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for FifoQueue {
    type Api = Queue;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["queue", "queues"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Queue>, limits: &Limits) -> Decided<'h, Queue> {
        collections::decide::<Fifo>(object, limits)
    }
}

struct Fifo;

impl Discipline for Fifo {
    type Api = Queue;
    type State = states::FifoState;
    type Machine = machine::Fifo;
    const BROKEN: &'static str = "out-of-order";
    const EXACT: bool = true;

    fn deadlines(parts: &Parts) -> Vec<u32> {
        let mut by_end: Vec<usize> = parts.open().collect();
        by_end.sort_unstable_by_key(|item| Reverse(parts.items[*item].ee));
        let mut deadlines = vec![u32::MAX; parts.items.len()];
        // Items are in the order of their insertions' beginnings.
        let mut later = parts.items.iter().rev().peekable();
        let mut earliest = u32::MAX;
        for open in by_end {
            while let Some(item) = later.next_if(|item| item.es > parts.items[open].ee) {
                if matches!(item.fate, Fate::Removed(_)) {
                    earliest = earliest.min(item.de);
                }
            }
            deadlines[open] = earliest;
        }
        deadlines
    }

    fn arrange(parts: &Parts) -> Result<Order, Conflict> {
        if let Some(pair) = overtaken(&parts.items) {
            return Err(Conflict { items: pair.to_vec(), empties: Vec::new() });
        }
        let cover = Cover::of(&parts.items, parts.events);
        let moments = cover.place_empties(parts).map_err(|empty| {
            let span = parts.empties[empty];
            Conflict { items: chain(&parts.items, span.start, span.end), empties: vec![empty] }
        })?;
        let Some(sequence) = sequence(&parts.items) else {
            let items = (0..parts.items.len()).collect();
            return Err(Conflict { items, empties: Vec::new() });
        };
        Ok(order(parts, &sequence, &moments))
    }

    fn broken(parts: &Parts, conflict: &Conflict) -> String {
        let mut items: Vec<&Item> = conflict.items.iter().map(|at| &parts.items[*at]).collect();
        items.sort_unstable_by_key(|item| item.ee);
        let [first, second] = items[..] else {
            return "elements were handed out in another order than they were put in".to_owned();
        };
        let late = match first.fate {
            Fate::Removed(_) => "which was taken out only later",
            Fate::Unknown(_) | Fate::Supposed | Fate::Open => "which was never taken out",
        };
        format!(
            "{} was taken out, although {} had been put in before it, {late}",
            second.value, first.value
        )
    }
}

/// When the insertion has to have happened, with the removal in mind.
fn inserted_by(item: &Item) -> u32 {
    item.ee.min(item.de)
}

/// Two elements of which the second was put in after the first, and taken out before it.
fn overtaken(items: &[Item]) -> Option<[usize; 2]> {
    let mut by_end: Vec<usize> = (0..items.len()).collect();
    by_end.sort_unstable_by_key(|item| inserted_by(&items[*item]));
    let mut before = by_end.into_iter().peekable();
    let mut last: Option<usize> = None;
    for (second, item) in items.iter().enumerate() {
        while let Some(first) = before.next_if(|first| inserted_by(&items[*first]) < item.es) {
            if last.is_none_or(|last| items[last].begun() < items[first].begun()) {
                last = Some(first);
            }
        }
        if let Some(first) = last.filter(|first| items[*first].begun() > item.de) {
            return Some([first, second]);
        }
    }
    None
}

/// The elements in an order that agrees with that of insertions and that of removals; `None` if
/// there is none, which means that there is a pair that [`overtaken`] finds.
fn sequence(items: &[Item]) -> Option<Vec<usize>> {
    let sorted = |key: fn(&Item) -> u32| {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_unstable_by_key(|item| key(&items[*item]));
        order
    };
    let (ends, starts) = (sorted(inserted_by), sorted(|item| item.es));
    let (removal_ends, removal_starts) = (sorted(|item| item.de), sorted(Item::begun));
    let mut done = vec![false; items.len()];
    let mut readiness = vec![0_u8; items.len()];
    let mut sequence = Vec::with_capacity(items.len());
    let mut ready = Vec::new();
    let (mut end, mut start, mut removal_end, mut removal_start) = (0, 0, 0, 0);
    while sequence.len() < items.len() {
        while done[ends[end]] {
            end += 1;
        }
        while done[removal_ends[removal_end]] {
            removal_end += 1;
        }
        let (ended, removed) =
            (inserted_by(&items[ends[end]]), items[removal_ends[removal_end]].de);
        let mut note = |item: usize| {
            readiness[item] += 1;
            if readiness[item] == 2 {
                ready.push(item);
            }
        };
        while let Some(item) = starts.get(start).filter(|item| items[**item].es < ended) {
            note(*item);
            start += 1;
        }
        while let Some(item) =
            removal_starts.get(removal_start).filter(|item| items[**item].begun() < removed)
        {
            note(*item);
            removal_start += 1;
        }
        let next = ready.pop()?;
        done[next] = true;
        sequence.push(next);
    }
    Some(sequence)
}

/// Segment, event, insertions before removals, turn.
type Place = (usize, u32, u8, usize);

/// Lets everything take effect as soon as it and what comes before it has begun, within the segment
/// of time between empties to which the element belongs.
fn order(parts: &Parts, sequence: &[usize], moments: &[u32]) -> Order {
    let mut cuts = moments.to_vec();
    cuts.sort_unstable();
    cuts.dedup();
    let mut latest = vec![(0, 0); cuts.len() + 1];
    let mut keyed: Vec<(Place, usize, Reply)> = Vec::new();
    for (turn, item) in sequence.iter().enumerate() {
        let item = &parts.items[*item];
        let segment = cuts.partition_point(|cut| *cut < item.begun());
        let (inserted, removed) = &mut latest[segment];
        *inserted = item.es.max(*inserted);
        keyed.push(((segment, *inserted, 0, turn), item.insert, Reply::Inserted));
        if let Fate::Removed(op) | Fate::Unknown(op) = item.fate {
            *removed = item.begun().max(*removed).max(*inserted);
            keyed.push(((segment, *removed, 1, turn), op, Reply::Removed(Some(item.value))));
        }
    }
    for (empty, moment) in parts.empties.iter().zip(moments) {
        let segment = cuts.partition_point(|cut| cut < moment);
        keyed.push(((segment, u32::MAX, 2, 0), empty.op, Reply::Removed(None)));
    }
    keyed.sort_unstable_by_key(|(key, ..)| *key);
    keyed.into_iter().map(|(_, op, reply)| (op, reply)).collect()
}
