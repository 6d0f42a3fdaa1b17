//! A history of one collection, taken apart: its elements with their spans, the removals that found
//! nothing, and those of unknown fate. Histories with an element from nowhere, or with one that was
//! removed too often, are refused here.

use super::{Conflict, did};
use crate::linearizable::timed::Timed;
use crate::objects::{Object, Violation};
use crate::words::asked;
use rustc_hash::FxHashMap;
use schism_core::api::Api;
use schism_core::api::collection::{Call, CollectionOp, Pick, Reply};
use std::ops::Range;

/// What became of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The operation at this position removed it.
    Removed(usize),
    /// The operation at this position is supposed to have.
    Unknown(usize),
    /// It is supposed that something of unknown fate removed it.
    Supposed,
    /// Nothing did.
    Open,
}

/// An element with the spans of its insertion and of its removal, in ranks of events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) value: i64,
    /// The position of its insertion.
    pub(crate) insert: usize,
    pub(crate) fate: Fate,
    /// The insertion's start and end. An end that never comes is [`Parts::events`].
    pub(crate) es: u32,
    pub(crate) ee: u32,
    /// The removal's start and end. For an element that stays they are after everything, also
    /// after the removals of unknown fate.
    pub(crate) ds: u32,
    pub(crate) de: u32,
}

/// A removal that found nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Empty {
    pub(crate) op: usize,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// What there is to be put into an order.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// In the order of insertion.
    pub(crate) items: Vec<Item>,
    pub(crate) empties: Vec<Empty>,
    /// Removals of unknown fate, earliest first: rank of the invocation, and position.
    pub(crate) crashed: Vec<(u32, usize)>,
    /// How many events there are.
    pub(crate) events: u32,
    /// What removals ask for.
    pub(crate) pick: Pick,
}

/// What kind of history it is.
pub(crate) enum Shape<'h, A: Api> {
    /// All elements are distinct.
    Distinct(Parts),
    /// Some were inserted twice, or removals ask for different things. With a guess: of equal
    /// elements, the first to be put in was the first to be taken out.
    Repeated(Option<Parts>),
    /// It is impossible.
    Wrong(Violation<'h, A>),
}

impl Item {
    /// Certainly in: from this gap up to, and without, that one.
    pub(crate) fn inside(&self) -> Range<u32> {
        self.ee.min(self.de)..self.ds.max(self.es)
    }

    /// The earliest gap in which it can be put in and taken out.
    pub(crate) fn begun(&self) -> u32 {
        self.es.max(self.ds)
    }
}

impl Parts {
    /// Elements that were inserted and that nobody is known to have removed.
    pub(crate) fn open(&self) -> impl Iterator<Item = usize> {
        (0..self.items.len()).filter(|item| self.items[*item].fate == Fate::Open)
    }

    /// Supposes a removal of unknown fate, invoked at `start`.
    pub(crate) fn remove(&mut self, item: usize, fate: Fate, start: u32) {
        let end = self.events;
        let item = &mut self.items[item];
        (item.fate, item.ds, item.de) = (fate, start, end);
    }

    /// Every open element with a removal of its own, that begins with the earliest.
    pub(crate) fn with_removals_for_all(&self) -> Self {
        let mut generous = self.clone();
        if let Some((start, _)) = self.crashed.first() {
            for item in self.open() {
                generous.remove(item, Fate::Supposed, *start);
            }
        }
        generous
    }

    /// The parts of a conflict alone.
    pub(crate) fn only(&self, conflict: &Conflict) -> Self {
        Self {
            items: conflict.items.iter().map(|item| self.items[*item]).collect(),
            empties: conflict.empties.iter().map(|empty| self.empties[*empty]).collect(),
            crashed: self.crashed.clone(),
            events: self.events,
            pick: self.pick,
        }
    }

    /// When the last event of a conflict is, of those that come.
    pub(crate) fn horizon(&self, conflict: &Conflict) -> u32 {
        let ends = conflict.items.iter().flat_map(|item| {
            let item = &self.items[*item];
            [item.es, item.ee, item.ds, item.de]
        });
        let ends = ends.chain(conflict.empties.iter().map(|empty| self.empties[*empty].end));
        ends.filter(|end| *end < self.events).max().unwrap_or(0)
    }

    /// Removals of unknown fate that began before an event.
    pub(crate) fn crashed_before(&self, event: u32) -> &[(u32, usize)] {
        &self.crashed[..self.crashed.partition_point(|(start, _)| *start < event)]
    }

    /// The operations of a conflict, with all removals of unknown fate that may have a part in it.
    pub(crate) fn ops_of(&self, conflict: &Conflict) -> Vec<usize> {
        let mut ops: Vec<usize> = conflict.empties.iter().map(|at| self.empties[*at].op).collect();
        let mut may_have_been_removed = false;
        for item in &conflict.items {
            let item = &self.items[*item];
            ops.push(item.insert);
            match item.fate {
                Fate::Removed(op) => ops.push(op),
                Fate::Unknown(_) | Fate::Supposed | Fate::Open => may_have_been_removed = true,
            }
        }
        if may_have_been_removed {
            let horizon = self.horizon(conflict);
            ops.extend(self.crashed_before(horizon).iter().map(|(_, op)| *op));
        }
        ops.sort_unstable();
        ops
    }

    /// Is the operation at this position an element's insertion?
    pub(crate) fn is_insertion(&self, position: usize) -> bool {
        self.items.binary_search_by_key(&position, |item| item.insert).is_ok()
    }
}

/// What is known of one element.
#[derive(Default)]
struct Known {
    inserts: Vec<usize>,
    removes: Vec<usize>,
}

/// Takes a history apart. `O(n log n)`.
pub(crate) fn of<'h, A>(object: &Object<'h, A>) -> Shape<'h, A>
where
    A: Api<Call = Call, Reply = Reply>,
{
    let (ranks, events) = ranks(&object.ops);
    let mut known: FxHashMap<i64, Known> = FxHashMap::default();
    let (mut empties, mut crashed, mut pick) = (Vec::new(), Vec::new(), None);
    let mut mixed = false;
    for (position, op) in object.ops.iter().enumerate() {
        match (op.op.call.op, op.reply()) {
            (CollectionOp::Insert(value), _) => {
                known.entry(value).or_default().inserts.push(position);
            }
            (CollectionOp::Remove(asked), reply) => {
                mixed |= pick.is_some_and(|pick| pick != asked);
                pick = Some(asked);
                let (start, end) = ranks[position];
                match reply {
                    Some(Reply::Removed(Some(value))) => {
                        known.entry(*value).or_default().removes.push(position);
                    }
                    Some(_) => empties.push(Empty { op: position, start, end }),
                    None => crashed.push((start, position)),
                }
            }
        }
    }
    let mut items = Vec::with_capacity(known.len());
    let mut wrong: Vec<(i64, Known)> = Vec::new();
    let (mut repeated, mut guessed) = (mixed, !mixed);
    for (value, mut known) in known {
        known.leave_out(&object.ops);
        let Known { inserts, removes } = &known;
        let late = |(insert, remove): (&usize, &usize)| ranks[*remove].1 < ranks[*insert].0;
        if removes.len() > inserts.len() {
            wrong.push((value, known));
            continue;
        }
        let any_late = inserts.iter().zip(removes).any(late);
        if inserts.len() > 1 {
            repeated = true;
            guessed &= !any_late;
        } else if any_late {
            wrong.push((value, known));
            continue;
        }
        for (at, insert) in inserts.iter().enumerate() {
            let taken = removes.get(at).copied();
            if taken.is_some() || object.ops[*insert].completed() {
                items.push(item(value, *insert, taken, &ranks, events));
            }
        }
    }
    if let Some((value, known)) = wrong.into_iter().min_by_key(|(_, known)| known.removes.clone()) {
        return Shape::Wrong(wrong_element(object, value, &known));
    }
    items.sort_unstable_by_key(|item| item.insert);
    let pick = pick.unwrap_or(Pick::Next);
    let parts = Parts { items, empties, crashed, events, pick };
    if repeated { Shape::Repeated(guessed.then_some(parts)) } else { Shape::Distinct(parts) }
}

impl Known {
    /// Leaves out insertions of unknown fate that need not have happened: of elements that nobody
    /// removed, and all but the earliest if one of them must have.
    fn leave_out<A: Api>(&mut self, ops: &[Timed<'_, A>]) {
        if self.removes.is_empty() {
            self.inserts.retain(|insert| ops[*insert].completed());
        } else if self.removes.len() == 1 && self.inserts.iter().all(|at| !ops[*at].completed()) {
            self.inserts.truncate(1);
        }
    }
}

fn item(
    value: i64,
    insert: usize,
    removed: Option<usize>,
    ranks: &[(u32, u32)],
    events: u32,
) -> Item {
    let (es, ee) = ranks[insert];
    let (fate, (ds, de)) = match removed {
        Some(op) => (Fate::Removed(op), ranks[op]),
        None => (Fate::Open, (events + 1, events + 2)),
    };
    Item { value, insert, fate, es, ee, ds, de }
}

/// For each operation the ranks of its invocation and of its return, and how many events there are;
/// a return that never comes has that rank.
fn ranks<A: Api>(ops: &[Timed<'_, A>]) -> (Vec<(u32, u32)>, u32) {
    let mut events: Vec<(u64, usize, bool)> = Vec::with_capacity(ops.len() * 2);
    for (position, op) in ops.iter().enumerate() {
        events.push((op.start, position, false));
        if op.completed() {
            events.push((op.end, position, true));
        }
    }
    events.sort_unstable();
    // An operation has an index of its own for each of its events, and those are 64 bits wide; a
    // history of more than four thousand million would not fit into memory.
    let narrow = |rank: usize| u32::try_from(rank).unwrap_or(u32::MAX - 3);
    let count = narrow(events.len());
    let mut ranks = vec![(0, count); ops.len()];
    for (rank, (_, position, is_return)) in events.into_iter().enumerate() {
        if is_return {
            ranks[position].1 = narrow(rank);
        } else {
            ranks[position].0 = narrow(rank);
        }
    }
    (ranks, count)
}

/// An element that was removed before it was inserted, or more often than inserted.
fn wrong_element<'h, A>(object: &Object<'h, A>, value: i64, known: &Known) -> Violation<'h, A>
where
    A: Api<Call = Call, Reply = Reply>,
{
    let op = |position: &usize| object.ops[*position].op;
    let failed = object.failed.iter().copied().find(|op| op.call.op == CollectionOp::Insert(value));
    let node = known.removes.first().map(|position| asked(op(position))).unwrap_or_default();
    let (kind, summary) = match (known.inserts.as_slice(), failed) {
        ([], None) => ("unexpected", format!("{node} took out {value}, which nobody ever put in")),
        ([], Some(_)) => (
            "unexpected",
            format!("{node} took out {value}, although its insertion certainly failed"),
        ),
        ([_], _) if known.removes.len() == 1 => {
            ("unexpected", format!("{node} took out {value}, which was put in only later"))
        }
        (inserts, _) => {
            let took: Vec<String> = known.removes.iter().map(|at| asked(op(at))).collect();
            let took = crate::words::and(&took);
            let times = match inserts.len() {
                1 => "once".to_owned(),
                more => format!("{more} times"),
            };
            ("duplicated", format!("{took} each took out {value}, which was put in {times}"))
        }
    };
    let ops = known.inserts.iter().chain(&known.removes).map(op);
    let ops = ops.chain(failed.filter(|_| known.inserts.is_empty()));
    let core = ops.map(|op| (op, did(&op.call, op.reply()))).collect();
    Violation { kind, summary, core, because: None }
}
