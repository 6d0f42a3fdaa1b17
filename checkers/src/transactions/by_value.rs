//! The writes of one key by their values: a table if those are small numbers, else a hash table.

use super::intern::ValueId;
use rustc_hash::FxHashMap;

/// Where each value was written. Filled for one key after the other, keeping its memory.
#[derive(Debug, Default)]
pub(super) struct ByValue {
    /// By value, the place plus 1.
    table: Vec<u32>,
    direct: bool,
    hashed: FxHashMap<ValueId, u32>,
}

impl ByValue {
    /// Makes room for these values, which are not put in yet.
    pub(super) fn reserve(&mut self, values: impl ExactSizeIterator<Item = ValueId>) {
        let count = values.len();
        let largest = values.map(ValueId::raw).max().unwrap_or(0) as usize;
        self.direct = largest <= 4 * count + 4096;
        if self.direct && self.table.len() <= largest {
            self.table.resize(largest + 1, 0);
        }
    }

    /// Puts in where a value is; gives where it was before.
    pub(super) fn insert(&mut self, value: ValueId, place: u32) -> Option<u32> {
        if self.direct {
            let slot = &mut self.table[value.raw() as usize];
            std::mem::replace(slot, place + 1).checked_sub(1)
        } else {
            self.hashed.insert(value, place)
        }
    }

    pub(super) fn get(&self, value: ValueId) -> Option<u32> {
        if self.direct {
            self.table.get(value.raw() as usize).and_then(|slot| slot.checked_sub(1))
        } else {
            self.hashed.get(&value).copied()
        }
    }

    /// Takes out all that was put in: these values.
    pub(super) fn clear(&mut self, values: impl Iterator<Item = ValueId>) {
        if self.direct {
            for value in values {
                self.table[value.raw() as usize] = 0;
            }
        } else {
            self.hashed.clear();
        }
    }
}
