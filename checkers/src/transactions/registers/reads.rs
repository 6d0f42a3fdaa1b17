//! What is wrong with reads of registers, whatever the order of transactions.
//!
//! Of a transaction by itself: `internal` (a read disagrees with the transaction's own earlier read
//! or write), `future-read` (it read what it wrote only later). Of a read: `G1a` (written by a
//! transaction that failed), `G1b` (a state from the middle of another transaction), `garbage-read`
//! (written by nobody, and not there from the beginning). `lost-update`: two transactions that read
//! one version and both wrote the key.
//!
//! Only transactions that succeeded are accused of their reads. Each version is reported once.

use super::{EXTERNAL, NONE, Registers, Version};
use crate::tally::Tally;
use crate::transactions::history::{Fate, KeyId, Mop, TxnId};
use crate::transactions::words::{labels, named, show};
use rustc_hash::FxHashMap;
use schism_core::verdict::Anomaly;
use std::collections::{BTreeMap, HashSet};

/// What reads show by themselves.
#[derive(Debug, Default)]
pub(in crate::transactions) struct Found {
    /// Two transactions that updated one version; said last, for it says less than a cycle.
    pub(in crate::transactions) lost_updates: Vec<Anomaly>,
    /// How many values that nobody wrote are taken for what was there at the beginning.
    pub(in crate::transactions) given: usize,
}

impl Registers<'_> {
    /// Adds every anomaly that is no cycle. `O(operations)`.
    pub(in crate::transactions) fn anomalies(&self, tally: &mut Tally) -> Found {
        let mut scan = Scan {
            registers: self,
            last: vec![(0, NONE); self.history.keys().len()],
            wrote: vec![0; self.history.keys().len()],
            first_update: vec![0; self.version_count()],
            updates: BTreeMap::new(),
            reported: HashSet::new(),
        };
        for txn in self.history.returns() {
            scan.txn(*txn, tally);
        }
        let lost_updates = scan.lost_updates();
        let garbage = self.garbage();
        let given = self.unwritten.len() - garbage.len();
        for (version, reader) in garbage {
            tally.add("garbage-read", || self.garbage_read(version, reader));
        }
        Found { lost_updates, given }
    }

    /// Transactions that missed what they themselves had written before; each once.
    pub(in crate::transactions) fn unread_own_writes(&self) -> Vec<Anomaly> {
        let history = self.history;
        let mut wrote: Vec<(u32, Version)> = vec![(0, NONE); history.keys().len()];
        let mut found = Vec::new();
        for txn in history.returns() {
            let mut unread = None;
            for (mop, seen) in self.steps(*txn) {
                let wrote = &mut wrote[mop.key() as usize];
                match mop {
                    Mop::Write { .. } => *wrote = (txn + 1, seen),
                    _ if wrote.0 == txn + 1 && wrote.1 != seen & !EXTERNAL => {
                        unread = unread.or(Some(mop.key()));
                    }
                    _ => {}
                }
            }
            found.extend(unread.map(|key| {
                let (label, key) = (labels(history, &[*txn]), history.key(key));
                let text = format!("{label} wrote {key} and then read something else there");
                named(history, "unread-own-write", text, &[*txn])
            }));
        }
        found
    }

    /// Values that nobody wrote and that no key can have held at the beginning, each with a reader.
    fn garbage(&self) -> Vec<(Version, TxnId)> {
        let history = self.history;
        if self.unwritten.is_empty() {
            return Vec::new();
        }
        let known = self.first_known();
        let mut found = Vec::new();
        let mut given: HashSet<KeyId> = HashSet::new();
        for (version, (key, _)) in self.unwritten_versions() {
            let known = known.get(&key).into_iter().flatten();
            let before =
                known.filter(|(other, _)| *other != version).map(|(_, index)| *index).min();
            let late = |reader: &TxnId| {
                let invoked = history.invoked(*reader).index;
                history.began(*reader) && before.is_some_and(|index| index < invoked)
            };
            let readers = self.readers(version);
            let Some(reader) = readers.first() else { continue };
            if readers.iter().all(late) || !given.insert(key) {
                found.push((version, *reader));
            }
        }
        found
    }

    /// Of each key with values that nobody wrote: the first two versions that it was known to hold,
    /// and the index since when.
    fn first_known(&self) -> FxHashMap<KeyId, Vec<(Version, u64)>> {
        let mut known: FxHashMap<KeyId, Vec<(Version, u64)>> =
            self.unwritten.iter().map(|(key, _)| (*key, Vec::new())).collect();
        for txn in self.history.returns() {
            let index = self.history.returned(*txn).unwrap_or(u64::MAX);
            for (mop, seen) in self.steps(*txn) {
                let version = seen & !EXTERNAL;
                let counts = match mop {
                    Mop::Read { .. } => seen & EXTERNAL != 0,
                    _ => matches!(mop, Mop::Write { .. }),
                };
                let Some(known) = known.get_mut(&mop.key()).filter(|_| counts) else { continue };
                if known.len() < 2 && known.iter().all(|(other, _)| *other != version) {
                    known.push((version, index));
                }
            }
        }
        known
    }

    fn garbage_read(&self, version: Version, reader: TxnId) -> Anomaly {
        let history = self.history;
        let (key, value) = self.shown(version);
        let value = value.map_or_else(|| "nil".to_owned(), |value| show(history, value));
        let label = labels(history, &[reader]);
        let key = history.key(key);
        let text = format!("{label} read {value} from {key}, which nobody ever wrote");
        named(history, "garbage-read", text, &[reader])
            .because(format!("{key} was known to hold something else before"))
    }
}

struct Scan<'r, 'h> {
    registers: &'r Registers<'h>,
    /// By key, the last version that a transaction met: which transaction plus 1, which version.
    last: Vec<(u32, Version)>,
    /// By key, the last transaction that wrote it, plus 1.
    wrote: Vec<u32>,
    /// By version, who first read it and wrote the key, plus 1.
    first_update: Vec<u32>,
    /// Versions that several did so.
    updates: BTreeMap<Version, Vec<TxnId>>,
    reported: HashSet<(&'static str, Version)>,
}

impl Scan<'_, '_> {
    fn txn(&mut self, txn: TxnId, tally: &mut Tally) {
        let registers = self.registers;
        let mut consistent = true;
        for (mop, seen) in registers.steps(txn) {
            let (key, version) = (mop.key() as usize, seen & !EXTERNAL);
            match mop {
                Mop::Write { .. } => {
                    let first = std::mem::replace(&mut self.wrote[key], txn + 1) != txn + 1;
                    let (reader, read) = self.last[key];
                    if first && reader == txn + 1 {
                        self.update(txn, read);
                    }
                    self.last[key] = (txn + 1, version);
                }
                Mop::Read { key: id, .. } => {
                    let (before, expected) =
                        std::mem::replace(&mut self.last[key], (txn + 1, version));
                    if before == txn + 1 && expected != version && consistent {
                        consistent = false;
                        tally.add("internal", || self.internal(txn, id, version, expected));
                    }
                    self.plausible(txn, id, version, tally);
                }
                _ => {}
            }
        }
    }

    /// Notes that a transaction read a version and then wrote the key.
    fn update(&mut self, txn: TxnId, read: Version) {
        let first = &mut self.first_update[read as usize];
        match first.checked_sub(1) {
            None => *first = txn + 1,
            Some(first) => self.updates.entry(read).or_insert_with(|| vec![first]).push(txn),
        }
    }

    /// Accuses versions that a committed transaction can't have read.
    fn plausible(&mut self, txn: TxnId, key: KeyId, version: Version, tally: &mut Tally) {
        let registers = self.registers;
        let history = registers.history;
        let Some(write) = registers.writes.get(version as usize) else { return };
        let writer = write.txn();
        let value = show(history, write.value);
        if writer == txn {
            // Its own earlier write is no matter; of a later one, none was met before.
            if self.wrote[key as usize] != txn + 1 && self.reported.insert(("future-read", version))
            {
                tally.add("future-read", || {
                    let label = labels(history, &[txn]);
                    let key = history.key(key);
                    let text = format!("{label} read {value} from {key} before it wrote it itself");
                    named(history, "future-read", text, &[txn])
                });
            }
            return;
        }
        let words = |how: &str| {
            format!(
                "{} read {value} from {}, {how} {}",
                labels(history, &[txn]),
                history.key(key),
                labels(history, &[writer]),
            )
        };
        if history.fate(writer) == Fate::Fail && self.reported.insert(("G1a", version)) {
            tally.add("G1a", || {
                let text = words("written by") + ", which failed";
                named(history, "G1a", text, &[txn, writer])
            });
        }
        if !write.is_last() && self.reported.insert(("G1b", version)) {
            tally.add("G1b", || {
                let text = words("from the middle of") + ", which then wrote it again";
                named(history, "G1b", text, &[txn, writer])
            });
        }
    }

    fn word(&self, version: Version) -> String {
        let value = self.registers.shown(version).1;
        value.map_or_else(|| "nil".to_owned(), |value| show(self.registers.history, value))
    }

    fn internal(&self, txn: TxnId, key: KeyId, version: Version, expected: Version) -> Anomaly {
        let history = self.registers.history;
        let text = format!(
            "{} read {} from {}, where by its own doing it had to find {}",
            labels(history, &[txn]),
            self.word(version),
            history.key(key),
            self.word(expected),
        );
        named(history, "internal", text, &[txn])
    }

    fn lost_updates(&self) -> Vec<Anomaly> {
        let history = self.registers.history;
        let lost = |(version, txns): (&Version, &Vec<TxnId>)| {
            let key = history.key(self.registers.shown(*version).0);
            let text = format!(
                "{} each read {} as {} and wrote it: all but one did not see another's write",
                labels(history, txns),
                key,
                self.word(*version),
            );
            named(history, "lost-update", text, txns)
        };
        self.updates.iter().map(lost).collect()
    }
}
