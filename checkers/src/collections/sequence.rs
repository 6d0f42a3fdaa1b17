//! An order that is made of gaps: what takes effect in which.
//!
//! Within a gap, removals of what was in before it come first; then pairs of an insertion and the
//! removal of the same element straight after it, and removals that find nothing; then insertions
//! of what stays in after it.

use super::Order;
use super::parts::{Fate, Item, Parts};
use schism_core::api::collection::Reply;

/// An order while it is made.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// Gap, and place within it; then the operation.
    keyed: Vec<((u32, u8), usize, Reply)>,
}

impl Sequence {
    /// Puts in at the end of a gap.
    pub(crate) fn put_in(&mut self, item: &Item, gap: u32) {
        self.keyed.push(((gap, 2), item.insert, Reply::Inserted));
    }

    /// Takes out at the beginning of a gap, if anything did.
    pub(crate) fn take_out(&mut self, item: &Item, gap: u32) {
        self.taken(item, (gap, 0));
    }

    /// Puts in and straight out, in the first gap in which both can be.
    pub(crate) fn in_and_out(&mut self, item: &Item) {
        let at = (item.begun(), 1);
        self.keyed.push((at, item.insert, Reply::Inserted));
        self.taken(item, at);
    }

    /// Puts in and straight out again at the beginning of a gap, among those that are taken out.
    pub(crate) fn pass_through(&mut self, item: &Item, gap: u32) {
        self.keyed.push(((gap, 0), item.insert, Reply::Inserted));
        self.taken(item, (gap, 0));
    }

    fn taken(&mut self, item: &Item, at: (u32, u8)) {
        if let Fate::Removed(op) | Fate::Unknown(op) = item.fate {
            self.keyed.push((at, op, Reply::Removed(Some(item.value))));
        }
    }

    /// The order, with each empty in its gap. What has one place stays in the order in which it was
    /// given.
    pub(crate) fn with_empties(mut self, parts: &Parts, moments: &[u32]) -> Order {
        for (empty, gap) in parts.empties.iter().zip(moments) {
            self.keyed.push(((*gap, 1), empty.op, Reply::Removed(None)));
        }
        self.keyed.sort_by_key(|(at, ..)| *at);
        self.keyed.into_iter().map(|(_, op, reply)| (op, reply)).collect()
    }
}
