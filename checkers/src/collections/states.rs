//! Collections as models for the general engine, also with equal elements. A removal of unknown
//! fate takes what it would be handed; from an empty collection it takes nothing.

use schism_core::api::collection::{Call, CollectionOp, Pick, PriorityQueue, Queue, Reply, Stack};
use schism_core::model::Model;

/// Did a removal answer anything else than this?
fn contradicts(reply: Option<&Reply>, taken: Option<i64>) -> bool {
    matches!(reply, Some(Reply::Removed(answer)) if *answer != taken)
}

/// A FIFO queue: the next to be handed out is the first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FifoState(Vec<i64>);

impl Model for FifoState {
    type Api = Queue;

    fn init() -> Self {
        Self(Vec::new())
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        let mut next = self.clone();
        match call.op {
            CollectionOp::Insert(element) => next.0.push(element),
            CollectionOp::Remove(_) => {
                let head = (!next.0.is_empty()).then(|| next.0.remove(0));
                if contradicts(reply, head) {
                    return None;
                }
            }
        }
        Some(next)
    }
}

/// A stack: the next to be handed out is the last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StackState(Vec<i64>);

impl Model for StackState {
    type Api = Stack;

    fn init() -> Self {
        Self(Vec::new())
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        let mut next = self.clone();
        match call.op {
            CollectionOp::Insert(element) => next.0.push(element),
            CollectionOp::Remove(_) => {
                let top = next.0.pop();
                if contradicts(reply, top) {
                    return None;
                }
            }
        }
        Some(next)
    }
}

/// A priority queue: its elements, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HeapState(Vec<i64>);

impl Model for HeapState {
    type Api = PriorityQueue;

    fn init() -> Self {
        Self(Vec::new())
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        let mut next = self.clone();
        match call.op {
            CollectionOp::Insert(element) => {
                let at = next.0.partition_point(|other| *other < element);
                next.0.insert(at, element);
            }
            CollectionOp::Remove(pick) => {
                let first = match pick {
                    Pick::Next | Pick::Least => (!next.0.is_empty()).then(|| next.0.remove(0)),
                    Pick::Greatest => next.0.pop(),
                };
                if contradicts(reply, first) {
                    return None;
                }
            }
        }
        Some(next)
    }
}

/// An unordered queue.
///
/// What a removal of unknown fate took is left open until it matters: it leaves a *hole*, into
/// which any element that was in before may have gone. An element that is asked for is taken from
/// where it was put in last, which leaves most to earlier holes; the queue is empty if every
/// element fits into a hole of its own that came after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BagState(Vec<Slot>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Slot {
    Hole,
    Element(i64),
}

impl BagState {
    fn may_be_empty(&self) -> bool {
        let mut holes = 0;
        self.0.iter().rev().all(|slot| match slot {
            Slot::Hole => {
                holes += 1;
                true
            }
            Slot::Element(_) => {
                holes -= 1;
                holes >= 0
            }
        })
    }
}

impl Model for BagState {
    type Api = Queue;

    fn init() -> Self {
        Self(Vec::new())
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        let mut next = self.clone();
        match (call.op, reply) {
            (CollectionOp::Insert(element), _) => {
                // Elements between two holes have no order among them.
                let since =
                    next.0.iter().rposition(|slot| *slot == Slot::Hole).map_or(0, |at| at + 1);
                let slot = Slot::Element(element);
                let at = since + next.0[since..].partition_point(|other| *other < slot);
                next.0.insert(at, slot);
            }
            (CollectionOp::Remove(_), Some(Reply::Removed(Some(element)))) => {
                let at = next.0.iter().rposition(|slot| *slot == Slot::Element(*element))?;
                next.0.remove(at);
            }
            (CollectionOp::Remove(_), Some(_)) => {
                if !next.may_be_empty() {
                    return None;
                }
                next.0.clear();
            }
            (CollectionOp::Remove(_), None) => next.0.push(Slot::Hole),
        }
        Some(next)
    }

    fn explain(&self) -> String {
        let elements = self.0.iter().filter_map(|slot| match slot {
            Slot::Element(element) => Some(*element),
            Slot::Hole => None,
        });
        crate::words::some(&elements.collect::<Vec<_>>())
    }
}
