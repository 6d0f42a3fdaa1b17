//! Replays an order: the certificate of a valid verdict.
//!
//! Nothing here is shared with what finds an order. An order is right if every operation occurs at
//! most once, every one that returned occurs and with the answer that it gave, none comes after one
//! that began only after it had returned, and a collection that performs them one after the other
//! gives these answers. `O(n)`, for priority queues `O(n log n)`.

use crate::linearizable::timed::Timed;
use rustc_hash::FxHashMap;
use schism_core::api::Api;
use schism_core::api::collection::{Call, CollectionOp, Pick, Reply};
use std::collections::{BTreeMap, VecDeque};

/// A collection that is changed in place.
pub(crate) trait Machine: Default {
    /// Puts in.
    fn insert(&mut self, element: i64);

    /// Takes out what is asked for, if this is it; `None`: there must be nothing.
    fn remove(&mut self, pick: Pick, element: Option<i64>) -> bool;
}

/// First in, first out.
#[derive(Debug, Default)]
pub(crate) struct Fifo(VecDeque<i64>);

impl Machine for Fifo {
    fn insert(&mut self, element: i64) {
        self.0.push_back(element);
    }

    fn remove(&mut self, _: Pick, element: Option<i64>) -> bool {
        self.0.pop_front() == element
    }
}

/// Last in, first out.
#[derive(Debug, Default)]
pub(crate) struct Lifo(Vec<i64>);

impl Machine for Lifo {
    fn insert(&mut self, element: i64) {
        self.0.push(element);
    }

    fn remove(&mut self, _: Pick, element: Option<i64>) -> bool {
        self.0.pop() == element
    }
}

/// In any order.
#[derive(Debug, Default)]
pub(crate) struct Bag(FxHashMap<i64, usize>);

impl Machine for Bag {
    fn insert(&mut self, element: i64) {
        *self.0.entry(element).or_default() += 1;
    }

    fn remove(&mut self, _: Pick, element: Option<i64>) -> bool {
        let Some(element) = element else { return self.0.is_empty() };
        let Some(times) = self.0.get_mut(&element) else { return false };
        *times -= 1;
        if *times == 0 {
            self.0.remove(&element);
        }
        true
    }
}

/// By priority.
#[derive(Debug, Default)]
pub(crate) struct Heap(BTreeMap<i64, usize>);

impl Machine for Heap {
    fn insert(&mut self, element: i64) {
        *self.0.entry(element).or_default() += 1;
    }

    fn remove(&mut self, pick: Pick, element: Option<i64>) -> bool {
        let first = match pick {
            Pick::Next | Pick::Least => self.0.first_entry(),
            Pick::Greatest => self.0.last_entry(),
        };
        let Some(mut first) = first else { return element.is_none() };
        if element != Some(*first.key()) {
            return false;
        }
        *first.get_mut() -= 1;
        if *first.get() == 0 {
            first.remove();
        }
        true
    }
}

/// Is `order` right? Positions are those in `ops`.
pub(crate) fn replays<M, A>(ops: &[Timed<'_, A>], order: &[(usize, Reply)]) -> bool
where
    M: Machine,
    A: Api<Call = Call, Reply = Reply>,
{
    let mut seen = vec![false; ops.len()];
    let mut machine = M::default();
    let mut latest_start = 0;
    for (position, reply) in order {
        let Some(op) = ops.get(*position) else { return false };
        if std::mem::replace(&mut seen[*position], true) {
            return false;
        }
        latest_start = latest_start.max(op.start);
        if op.end < latest_start || op.reply().is_some_and(|given| given != reply) {
            return false;
        }
        let done = match (op.op.call.op, reply) {
            (CollectionOp::Insert(element), Reply::Inserted) => {
                machine.insert(element);
                true
            }
            (CollectionOp::Remove(pick), Reply::Removed(element)) => machine.remove(pick, *element),
            (CollectionOp::Insert(_) | CollectionOp::Remove(_), _) => false,
        };
        if !done {
            return false;
        }
    }
    ops.iter().zip(seen).all(|(op, seen)| seen || !op.completed())
}
