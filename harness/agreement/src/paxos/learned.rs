//! What a node knows to be chosen: decisions of instances, and one log.
//!
//! It is also a list in the order in which this node learned it, so that another node can ask for
//! what came after the part that it has: that is how a node that missed messages catches up.

use super::words::{Item, ItemId, Slot, Value};
use std::collections::{BTreeMap, HashSet};

/// Everything chosen that a node knows of.
#[derive(Default)]
pub(super) struct Learned {
    chosen: BTreeMap<Slot, Value>,
    order: Vec<Slot>,
    /// The first slot of the log that isn't known.
    next: u64,
    delivered: Vec<i64>,
    seen: HashSet<ItemId>,
}

impl Learned {
    /// The value chosen in a slot.
    pub(super) fn get(&self, slot: Slot) -> Option<&Value> {
        self.chosen.get(&slot)
    }

    /// Learns a value; returns the items that can be delivered now. False for what was known.
    pub(super) fn learn(&mut self, slot: Slot, value: &Value) -> (bool, Vec<Item>) {
        if self.chosen.contains_key(&slot) {
            return (false, Vec::new());
        }
        self.chosen.insert(slot, value.clone());
        self.order.push(slot);
        (true, self.deliver())
    }

    fn deliver(&mut self) -> Vec<Item> {
        let mut new = Vec::new();
        while let Some(value) = self.chosen.get(&Slot::Log(self.next)) {
            self.next += 1;
            let Value::Messages(items) = value else { continue };
            for item in items {
                // A message may be chosen twice, when its sender was not sure of the first time.
                if self.seen.insert(item.id) {
                    self.delivered.push(item.message);
                    new.push(item.clone());
                }
            }
        }
        new
    }

    /// The first slot of the log that isn't known.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The messages delivered, in order.
    pub(super) fn delivered(&self) -> &[i64] {
        &self.delivered
    }

    /// Has this message been delivered?
    pub(super) fn has(&self, id: ItemId) -> bool {
        self.seen.contains(&id)
    }

    /// How much is known.
    pub(super) fn count(&self) -> usize {
        self.order.len()
    }

    /// Up to `limit` of the slots learned after the first `start`, with their values.
    pub(super) fn page(&self, start: usize, limit: usize) -> Vec<(Slot, Value)> {
        let slots = self.order.iter().skip(start).take(limit);
        slots.filter_map(|slot| Some((*slot, self.chosen.get(slot)?.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{Item, ItemId, Slot, Value};
    use super::Learned;

    fn messages(numbers: &[(u64, i64)]) -> Value {
        let item = |(number, message): &(u64, i64)| Item {
            id: ItemId { node: 0, boot: 1, number: *number },
            message: *message,
        };
        Value::Messages(numbers.iter().map(item).collect())
    }

    #[test]
    fn the_log_is_delivered_in_order_without_gaps_and_each_message_once() {
        let mut learned = Learned::default();
        assert!(learned.learn(Slot::Log(1), &messages(&[(1, 10), (3, 30)])).1.is_empty());
        assert_eq!(learned.delivered(), [0; 0]);
        let (is_new, delivered) = learned.learn(Slot::Log(0), &messages(&[(1, 10), (2, 20)]));
        assert!(is_new);
        assert_eq!(delivered.len(), 3);
        assert_eq!(learned.delivered(), [10, 20, 30]);
        assert_eq!(learned.next(), 2);
        assert!(!learned.learn(Slot::Log(0), &messages(&[(9, 90)])).0);
        assert_eq!(learned.page(1, 5).len(), 1);
    }
}
