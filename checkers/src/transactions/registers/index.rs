//! Which version each operation read or wrote.

use super::versions::Successions;
use super::{EXTERNAL, MORE, NONE, Registers, Write};
use crate::transactions::by_value::ByValue;
use crate::transactions::history::{Fate, KeyId, Mop, TxnHistory, TxnId};
use crate::transactions::intern::ValueId;
use crate::transactions::models::Options;
use rustc_hash::FxHashMap;

impl<'h> Registers<'h> {
    /// Indexes a history; or says which writes make its reads ambiguous. Nothing is known yet of
    /// the order of versions.
    pub(in crate::transactions) fn new(
        history: &'h TxnHistory,
        options: &'h Options,
    ) -> Result<Self, String> {
        let mut registers = Self {
            history,
            options,
            starts: Vec::new(),
            writes: Vec::new(),
            unwritten: Vec::new(),
            seen: vec![NONE; history.mop_count()],
            reader_starts: Vec::new(),
            readers: Vec::new(),
            witnessed: FxHashMap::default(),
            successions: Successions::default(),
        };
        registers.place_writes();
        registers.resolve()?;
        registers.place_readers();
        Ok(registers)
    }

    /// Sorts the writes by key.
    fn place_writes(&mut self) {
        let history = self.history;
        let mut starts = vec![0_u32; history.keys().len() + 1];
        for txn in history.txns() {
            for mop in history.mops(txn) {
                if let Mop::Write { key, .. } = mop {
                    starts[key as usize + 1] += 1;
                }
            }
        }
        sum(&mut starts);
        let count = starts.last().copied().unwrap_or(0) as usize;
        let mut ends = starts.clone();
        let mut writes = vec![Write { value: ValueId::from_raw(0), txn: 0 }; count];
        for txn in history.txns() {
            let start = history.first_mop(txn) as usize;
            for (place, mop) in history.mops(txn).enumerate() {
                let Mop::Write { key, value } = mop else { continue };
                let end = &mut ends[key as usize];
                let version = *end;
                *end += 1;
                writes[version as usize] = Write { value, txn };
                self.seen[start + place] = version;
                if version > starts[key as usize] && writes[version as usize - 1].txn() == txn {
                    writes[version as usize - 1].txn |= MORE;
                }
            }
        }
        self.starts = starts;
        self.writes = writes;
    }

    /// Finds what each read of a transaction that succeeded saw.
    fn resolve(&mut self) -> Result<(), String> {
        let (starts, mut reads) = self.reads_by_key();
        let mut index = ByValue::default();
        let keys = self.history.keys().len();
        let first_unwritten = self.writes.len() + keys;
        for (key, _) in (0..).zip(self.history.keys()) {
            let reads =
                &mut reads[starts[key as usize] as usize..starts[key as usize + 1] as usize];
            let writes = self.of_key(key);
            self.fill(key, &mut index)?;
            let mut unwritten: FxHashMap<ValueId, u32> = FxHashMap::default();
            for (mop, value) in reads.iter() {
                let version = match index.get(*value) {
                    Some(place) => writes.start + place,
                    None => *unwritten.entry(*value).or_insert_with(|| {
                        self.unwritten.push((key, *value));
                        let place = first_unwritten + self.unwritten.len() - 1;
                        u32::try_from(place).unwrap_or(NONE)
                    }),
                };
                // Marked as external already, or not.
                self.seen[*mop as usize] = self.seen[*mop as usize] & EXTERNAL | version;
            }
            let all = &self.writes[writes.start as usize..writes.end as usize];
            index.clear(all.iter().map(|write| write.value));
        }
        Ok(())
    }

    /// Takes in a key's writes. Of one that failed and one that did not, the latter was read.
    fn fill(&self, key: KeyId, index: &mut ByValue) -> Result<(), String> {
        let range = self.of_key(key);
        let writes = &self.writes[range.start as usize..range.end as usize];
        index.reserve(writes.iter().map(|write| write.value));
        let failed = |write: &Write| self.history.fate(write.txn()) == Fate::Fail;
        for (place, write) in (0..).zip(writes) {
            let Some(before) = index.insert(write.value, place) else { continue };
            let other = writes[before as usize];
            if failed(write) {
                index.insert(write.value, before);
            } else if !failed(&other) {
                let label = |write: Write| format!("T{}", self.history.invoked(write.txn()).index);
                return Err(format!(
                    "{} and {} both write {} to {}: reads of it are ambiguous",
                    label(other),
                    label(*write),
                    self.history.value(write.value),
                    self.history.key(key),
                ));
            }
        }
        Ok(())
    }

    /// The reads of values by key: which operation, and what it saw. Marks which are external, and
    /// resolves those of nil.
    fn reads_by_key(&mut self) -> (Vec<u32>, Vec<(u32, ValueId)>) {
        let history = self.history;
        let mut starts = vec![0_u32; history.keys().len() + 1];
        for txn in history.returns() {
            for mop in history.mops(*txn) {
                if let Mop::Read { key, value: Some(_) } = mop {
                    starts[key as usize + 1] += 1;
                }
            }
        }
        sum(&mut starts);
        let count = starts.last().copied().unwrap_or(0) as usize;
        let mut ends = starts.clone();
        let mut reads = vec![(0, ValueId::from_raw(0)); count];
        let mut touched: Vec<u32> = vec![0; history.keys().len()];
        for txn in history.returns() {
            for (place, mop) in (history.first_mop(*txn)..).zip(history.mops(*txn)) {
                let key = mop.key();
                let first = std::mem::replace(&mut touched[key as usize], txn + 1) != txn + 1;
                let Mop::Read { key, value } = mop else { continue };
                let external = if first { EXTERNAL } else { 0 };
                let Some(value) = value else {
                    self.seen[place as usize] = external | self.nil(key);
                    continue;
                };
                self.seen[place as usize] = external;
                let end = &mut ends[key as usize];
                reads[*end as usize] = (place, value);
                *end += 1;
            }
        }
        (starts, reads)
    }

    /// Sorts external readers by version, and notes which transactions of unknown fate were seen.
    fn place_readers(&mut self) {
        let history = self.history;
        let mut starts = vec![0_u32; self.version_count() + 1];
        let mut witnessed: FxHashMap<TxnId, TxnId> = FxHashMap::default();
        for txn in history.returns() {
            for (mop, seen) in self.steps(*txn) {
                let Mop::Read { .. } = mop else { continue };
                if seen & EXTERNAL != 0 {
                    starts[(seen & !EXTERNAL) as usize + 1] += 1;
                }
                if let Some(write) = self.writes.get((seen & !EXTERNAL) as usize)
                    && history.fate(write.txn()) == Fate::Info
                {
                    witnessed.entry(write.txn()).or_insert(*txn);
                }
            }
        }
        sum(&mut starts);
        let mut ends = starts.clone();
        let mut readers = vec![0; starts.last().copied().unwrap_or(0) as usize];
        for txn in history.returns() {
            for version in self.external_reads(*txn) {
                let end = &mut ends[version as usize];
                readers[*end as usize] = *txn;
                *end += 1;
            }
        }
        self.reader_starts = starts;
        self.readers = readers;
        self.witnessed = witnessed;
    }
}

/// From counts, each at the place after its own, to where each begins.
fn sum(starts: &mut [u32]) {
    for place in 1..starts.len() {
        starts[place] += starts[place - 1];
    }
}
