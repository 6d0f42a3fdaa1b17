//! What reads and writes of registers say about the order of transactions.
//!
//! Source: Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental
//! observations" (2020). A register's *version* is one write of it; its initial state, nil, is a
//! version too, before all others. Every value is written to a key at most once, so a read names
//! the version that it saw. Unlike a list, a version does not show those before it; which version
//! replaced which follows only from nil, and from what the user allows to be assumed
//! (`registers::versions`). From these orders, in which only a transaction's last write of a key
//! and its first read of it, if that comes before its own writes, count:
//!
//! - wr: who wrote a version, before who read it;
//! - ww: who wrote a version, before who wrote one that comes directly after it;
//! - rw: who read a version, before who wrote one that comes directly after it.
//!
//! Soundness. Versions of one key have one order in every explanation of a history, so an edge
//! between versions orders their writers, and readers of the first before the writer of the second.
//! A transaction of unknown fate takes part only if somebody read what it wrote: then it happened,
//! as a whole. (Elle leaves those out.) A failed one takes no part.
//!
//! A value that nobody wrote: the history may be an excerpt, and then it is what the key held when
//! it began, if some read of it may have been that early. If not, or of a second such value, it is
//! called `garbage-read`: Elle passes it over. Nothing is inferred from such versions, as in Elle.
//!
//! Refused, as by Elle: two writes of one value to one key, neither of which failed. Which of them
//! was read would be open.
//!
//! Cost: `O(operations + version edges)`, with no hashing where values are small numbers; the
//! edges between versions are sorted.

use super::graph::{Dependencies, Edge, Edges, Kind, Reason};
use super::history::{Fate, KeyId, Mop, TxnHistory, TxnId};
use super::intern::ValueId;
use super::models::Options;
use super::verify::{self, Witness};
use rustc_hash::FxHashMap;
use versions::Successions;

mod index;
mod reads;
mod versions;

/// A version: a write by its place, then the initial state of each key, then values that nobody
/// wrote.
pub(super) type Version = u32;

/// What a transaction did to a key, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It read a version before doing anything else to the key.
    Read,
    /// It left a version behind.
    Write,
}

/// One write. Those of a key are in the order of transactions, and within them in order.
#[derive(Clone, Copy, Debug)]
struct Write {
    value: ValueId,
    txn: u32,
}

/// The transaction then wrote the key again.
const MORE: u32 = 1 << 31;

impl Write {
    fn txn(self) -> TxnId {
        self.txn & !MORE
    }

    fn is_last(self) -> bool {
        self.txn & MORE == 0
    }
}

/// No version: the operation did not succeed, or is none.
const NONE: u32 = u32::MAX;

/// A read that comes before all else that its transaction did to the key.
const EXTERNAL: u32 = 1 << 31;

/// What was inferred from the registers of a history.
#[derive(Debug)]
pub(super) struct Registers<'h> {
    history: &'h TxnHistory,
    options: &'h Options,
    /// By key, where its writes begin.
    starts: Vec<u32>,
    writes: Vec<Write>,
    /// Values that were read and that nobody wrote, by key.
    unwritten: Vec<(KeyId, ValueId)>,
    /// By operation of the history, the version that it read or wrote; [`EXTERNAL`] or not.
    seen: Vec<u32>,
    /// By version, where its external readers begin in `readers`.
    reader_starts: Vec<u32>,
    readers: Vec<TxnId>,
    /// Transactions of unknown fate that happened, and who read something of each.
    witnessed: FxHashMap<TxnId, TxnId>,
    successions: Successions,
}

impl<'h> Registers<'h> {
    pub(super) fn history(&self) -> &'h TxnHistory {
        self.history
    }

    /// Has everything that was read been written by somebody?
    pub(super) fn all_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// The keys that held something at the beginning, and what, by key: values that nobody wrote.
    pub(super) fn given(&self) -> &[(KeyId, ValueId)] {
        &self.unwritten
    }

    /// Can each key have begun as its reads say? It can't as two values, or as one and as nil.
    pub(super) fn begins_as_one(&self) -> bool {
        self.unwritten.windows(2).all(|pair| pair[0].0 != pair[1].0)
            && self.unwritten.iter().all(|(key, _)| self.readers(self.nil(*key)).is_empty())
    }

    /// What a key held at the beginning: nil, or a value that nobody wrote.
    pub(super) fn initial(&self, key: KeyId) -> Version {
        let place = self.unwritten.partition_point(|(other, _)| *other < key);
        let given = self.unwritten.get(place).is_some_and(|(other, _)| *other == key);
        let first = self.writes.len() + self.history.keys().len();
        if given { u32::try_from(first + place).unwrap_or(NONE) } else { self.nil(key) }
    }

    /// Each key with who left it written, if that happened; by key.
    pub(super) fn left_behind(&self) -> impl Iterator<Item = (KeyId, TxnId)> + '_ {
        (0..).zip(self.history.keys()).flat_map(move |(key, _)| {
            self.of_key(key).filter_map(move |version| Some((key, self.writer(version)?)))
        })
    }

    /// The keys that a transaction read from others, and from whom: `None` for what was there at
    /// the beginning. What failed is left out.
    pub(super) fn reads_from(
        &self,
        txn: TxnId,
    ) -> impl Iterator<Item = (KeyId, Option<TxnId>)> + '_ {
        self.steps(txn).filter_map(move |(mop, seen)| {
            let Mop::Read { key, .. } = mop else { return None };
            match self.writes.get((seen & !EXTERNAL) as usize).map(|write| write.txn()) {
                None => Some((key, None)),
                Some(writer) if writer == txn || !self.happened(writer) => None,
                Some(writer) => Some((key, Some(writer))),
            }
        })
    }

    /// The same of reads that come before all else that the transaction did to the key.
    pub(super) fn external_reads_from(
        &self,
        txn: TxnId,
    ) -> impl Iterator<Item = (KeyId, Option<TxnId>)> + '_ {
        let from = |version: Version| {
            let writer = self.writes.get(version as usize).map(|write| write.txn());
            (self.shown(version).0, writer)
        };
        self.external_reads(txn).map(from).filter(move |(_, writer)| *writer != Some(txn))
    }

    /// What a transaction read and left behind, with the versions. What is unknown is left out.
    pub(super) fn accesses(
        &self,
        txn: TxnId,
    ) -> impl Iterator<Item = (Access, KeyId, Version)> + '_ {
        self.steps(txn).filter_map(|(mop, seen)| match mop {
            Mop::Read { key, .. } if seen != NONE && seen & EXTERNAL != 0 => {
                Some((Access::Read, key, seen & !EXTERNAL))
            }
            Mop::Write { key, .. } if self.writes[seen as usize].is_last() => {
                Some((Access::Write, key, seen))
            }
            _ => None,
        })
    }

    /// How many versions there are.
    pub(super) fn version_count(&self) -> usize {
        self.writes.len() + self.history.keys().len() + self.unwritten.len()
    }

    /// The initial state of a key.
    pub(super) fn nil(&self, key: KeyId) -> Version {
        u32::try_from(self.writes.len()).unwrap_or(NONE).saturating_add(key)
    }

    /// A version's key, and its value unless that is nil.
    fn shown(&self, version: Version) -> (KeyId, Option<ValueId>) {
        let place = version as usize;
        if let Some(write) = self.writes.get(place) {
            let key = self.starts.partition_point(|start| *start <= version) - 1;
            return (u32::try_from(key).unwrap_or(NONE), Some(write.value));
        }
        let place = place - self.writes.len();
        match place.checked_sub(self.history.keys().len()) {
            None => (u32::try_from(place).unwrap_or(NONE), None),
            Some(place) => {
                let (key, value) = self.unwritten[place];
                (key, Some(value))
            }
        }
    }

    /// The operations of a transaction with the versions that they concern.
    fn steps(&self, txn: TxnId) -> impl Iterator<Item = (Mop, u32)> + '_ {
        let mops = self.history.mops(txn);
        let start = self.history.first_mop(txn) as usize;
        let seen = &self.seen[start..start + mops.len()];
        mops.zip(seen.iter().copied())
    }

    /// The versions that a transaction read before doing anything else to their keys.
    fn external_reads(&self, txn: TxnId) -> impl Iterator<Item = Version> + '_ {
        let read = |(mop, seen): (Mop, u32)| match mop {
            Mop::Read { .. } if seen != NONE && seen & EXTERNAL != 0 => Some(seen & !EXTERNAL),
            _ => None,
        };
        self.steps(txn).filter_map(read)
    }

    /// The versions that a transaction left behind.
    fn external_writes(&self, txn: TxnId) -> impl Iterator<Item = Version> + '_ {
        let written = |(mop, seen): (Mop, u32)| match mop {
            Mop::Write { .. } if self.writes[seen as usize].is_last() => Some(seen),
            _ => None,
        };
        self.steps(txn).filter_map(written)
    }

    /// The values that nobody wrote, as versions.
    fn unwritten_versions(&self) -> impl Iterator<Item = (Version, (KeyId, ValueId))> + '_ {
        (0..)
            .skip(self.writes.len() + self.history.keys().len())
            .zip(self.unwritten.iter().copied())
    }

    /// Who read a version before doing anything else to its key.
    pub(super) fn readers(&self, version: Version) -> &[TxnId] {
        let range = self.reader_starts[version as usize]..self.reader_starts[version as usize + 1];
        &self.readers[range.start as usize..range.end as usize]
    }

    /// It succeeded, or somebody read something of it.
    pub(super) fn happened(&self, txn: TxnId) -> bool {
        match self.history.fate(txn) {
            Fate::Ok => true,
            Fate::Fail => false,
            Fate::Info => self.witnessed.contains_key(&txn),
        }
    }

    /// Who left a version behind, if that happened.
    pub(super) fn writer(&self, version: Version) -> Option<TxnId> {
        let write = self.writes.get(version as usize).filter(|write| write.is_last())?;
        Some(write.txn()).filter(|txn| self.happened(*txn))
    }

    /// The writes of a key, as versions.
    pub(super) fn of_key(&self, key: KeyId) -> std::ops::Range<Version> {
        self.starts[key as usize]..self.starts[key as usize + 1]
    }

    /// All edges of data.
    pub(super) fn edges(&self) -> Edges {
        let mut edges = Edges::new(self.history.len());
        for version in (0..).take(self.writes.len()) {
            let Some(writer) = self.writer(version) else { continue };
            for reader in self.readers(version) {
                edges.push(writer, Kind::Wr, *reader);
            }
        }
        let mut later = Vec::new();
        for (key, _) in (0..).zip(self.history.keys()) {
            let readers = self.readers(self.nil(key));
            if !readers.is_empty() {
                later.clear();
                later.extend(self.of_key(key).filter_map(|version| self.writer(version)));
                edges.all_before_all(readers, Kind::Rw, &later);
            }
        }
        for group in self.successions.groups() {
            let from = group[0].from;
            later.clear();
            later.extend(group.iter().filter_map(|succession| self.writer(succession.to)));
            if let Some(writer) = self.writer(from) {
                for to in &later {
                    edges.push(writer, Kind::Ww, *to);
                }
            }
            edges.all_before_all(self.readers(from), Kind::Rw, &later);
        }
        edges
    }

    fn why_ww(&self, edge: &Edge) -> Option<Reason> {
        self.external_writes(edge.from).find_map(|from| self.overwritten(from, edge.to))
    }

    fn why_wr(&self, edge: &Edge) -> Option<Reason> {
        let version =
            self.external_reads(edge.to).find(|read| self.writer(*read) == Some(edge.from))?;
        let (key, later) = self.shown(version);
        Some(Reason { key, earlier: None, later: later?, note: None })
    }

    fn why_rw(&self, edge: &Edge) -> Option<Reason> {
        self.external_reads(edge.from).find_map(|from| {
            let (key, earlier) = self.shown(from);
            if earlier.is_some() {
                return self.overwritten(from, edge.to);
            }
            let written = |version: &Version| self.shown(*version).0 == key;
            let later = self.external_writes(edge.to).find(written)?;
            Some(Reason { key, earlier: None, later: self.shown(later).1?, note: None })
        })
    }

    /// Why a version comes directly before one that this transaction wrote.
    fn overwritten(&self, from: Version, to: TxnId) -> Option<Reason> {
        let after = self.successions.after(from);
        let succession = after.iter().find(|one| self.writer(one.to) == Some(to))?;
        let (key, earlier) = self.shown(from);
        let later = self.shown(succession.to).1?;
        let note = versions::note(self.history, succession.witness);
        Some(Reason { key, earlier, later, note: Some(note) })
    }

    /// How the order of two values is known: `None` if it is not.
    fn witness(&self, key: KeyId, earlier: ValueId, later: ValueId) -> Option<Witness> {
        let after = |succession: &&versions::Succession| {
            self.shown(succession.from) == (key, Some(earlier))
                && self.shown(succession.to) == (key, Some(later))
        };
        let same = |version: &Version| self.writes[*version as usize].value == earlier;
        let written = self.of_key(key).filter(same);
        let unwritten = self.unwritten_versions().filter(|(_, one)| *one == (key, earlier));
        let mut versions = written.chain(unwritten.map(|(version, _)| version));
        versions
            .find_map(|from| self.successions.after(from).iter().find(after))
            .map(|one| one.witness)
    }
}

impl Dependencies for Registers<'_> {
    fn happened(&self, txn: TxnId) -> bool {
        Registers::happened(self, txn)
    }

    fn reason(&self, edge: &Edge) -> Option<Reason> {
        match edge.kind {
            Kind::Ww => self.why_ww(edge),
            Kind::Wr => self.why_wr(edge),
            Kind::Rw => self.why_rw(edge),
            Kind::Process | Kind::Realtime | Kind::Pass => None,
        }
    }

    fn holds(&self, edge: &Edge, reason: &Reason) -> bool {
        let witness =
            reason.earlier.and_then(|earlier| self.witness(reason.key, earlier, reason.later));
        let read_by = |txn: TxnId| self.witnessed.get(&txn).copied();
        verify::register_edge(self.history, self.options, edge, reason, witness, &read_by)
    }
}
