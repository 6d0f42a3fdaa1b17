//! Who read what from whom, and which sessions there are.

use super::ReadFrom;
use crate::transactions::graph::{Edges, Graph, Kind};
use crate::transactions::history::{Fate, KeyId, TxnHistory, TxnId};
use crate::transactions::registers::Registers;

/// A transaction's place: which session, and which of its transactions. Sessions of which parts
/// overlap count as several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) session: u32,
    pub(super) nth: u32,
}

/// The transactions that happened, as reads and writes of keys.
#[derive(Debug)]
pub(super) struct Sources<'r> {
    registers: &'r Registers<'r>,
    /// By transaction; of those that did not happen it means nothing.
    places: Vec<Place>,
    /// By transaction, the one before it in its session.
    before: Vec<Option<TxnId>>,
    sessions: u32,
    /// By transaction, where the keys that it left written begin, in order.
    starts: Vec<u32>,
    keys: Vec<KeyId>,
}

impl<'r> Sources<'r> {
    /// With sessions as processes, or without any.
    pub(super) fn new(registers: &'r Registers<'r>, sessions: bool) -> Self {
        let history = registers.history();
        let mut sources = Self {
            registers,
            places: vec![Place { session: 0, nth: 0 }; history.len()],
            before: vec![None; history.len()],
            sessions: 0,
            starts: vec![0; history.len() + 1],
            keys: Vec::new(),
        };
        sources.place(sessions);
        sources.sort_keys();
        sources
    }

    fn place(&mut self, sessions: bool) {
        let history = self.history();
        let mut last: Vec<Option<TxnId>> = vec![None; history.session_count()];
        for txn in history.txns().filter(|txn| self.registers.happened(*txn)) {
            let last = &mut last[history.session(txn) as usize];
            let before = last.filter(|before| sessions && history.precedes(*before, txn));
            self.before[txn as usize] = before;
            self.places[txn as usize] = if let Some(before) = before {
                let Place { session, nth } = self.places[before as usize];
                Place { session, nth: nth + 1 }
            } else {
                self.sessions += 1;
                Place { session: self.sessions - 1, nth: 0 }
            };
            *last = Some(txn);
        }
    }

    fn sort_keys(&mut self) {
        let registers = self.registers;
        for (_, txn) in registers.left_behind() {
            self.starts[txn as usize + 1] += 1;
        }
        for place in 1..self.starts.len() {
            self.starts[place] += self.starts[place - 1];
        }
        let mut ends = self.starts.clone();
        self.keys = vec![0; self.starts.last().copied().unwrap_or(0) as usize];
        for (key, txn) in registers.left_behind() {
            let end = &mut ends[txn as usize];
            self.keys[*end as usize] = key;
            *end += 1;
        }
    }

    pub(super) fn history(&self) -> &'r TxnHistory {
        self.registers.history()
    }

    /// Each key with who left it written, by key.
    pub(super) fn left_behind(&self) -> impl Iterator<Item = (KeyId, TxnId)> + '_ {
        self.registers.left_behind()
    }

    pub(super) fn sessions(&self) -> u32 {
        self.sessions
    }

    pub(super) fn at(&self, txn: TxnId) -> Place {
        self.places[txn as usize]
    }

    /// What its session did before.
    pub(super) fn before(&self, txn: TxnId) -> Option<TxnId> {
        self.before[txn as usize]
    }

    pub(super) fn happened(&self, txn: TxnId) -> bool {
        self.registers.happened(txn)
    }

    /// The keys that a transaction left written, in order.
    pub(super) fn written(&self, txn: TxnId) -> &[KeyId] {
        let range = self.starts[txn as usize]..self.starts[txn as usize + 1];
        &self.keys[range.start as usize..range.end as usize]
    }

    pub(super) fn writes(&self, txn: TxnId, key: KeyId) -> bool {
        self.written(txn).binary_search(&key).is_ok()
    }

    /// What a transaction that succeeded read from others, in order.
    pub(super) fn reads(&self, txn: TxnId) -> impl Iterator<Item = ReadFrom> + '_ {
        let known = self.history().fate(txn) == Fate::Ok;
        let reads = known.then(|| self.registers.reads_from(txn));
        reads.into_iter().flatten()
    }

    /// A key of which it read what the other wrote.
    pub(super) fn read_from(&self, reader: TxnId, writer: TxnId) -> Option<KeyId> {
        let read = self.reads(reader).find(|(_, from)| *from == Some(writer));
        read.map(|(key, _)| key)
    }

    /// Sessions and reads alone.
    pub(super) fn graph(&self) -> Graph {
        let mut edges = Edges::new(self.history().len());
        self.sessions_and_reads(&mut edges);
        Graph::new(edges, None)
    }

    /// Edges from each transaction to the next of its session, and to its readers.
    pub(super) fn sessions_and_reads(&self, edges: &mut Edges) {
        let history = self.history();
        for txn in history.txns().filter(|txn| self.happened(*txn)) {
            if let Some(before) = self.before(txn) {
                edges.push(before, Kind::Process, txn);
            }
            for (_, from) in self.reads(txn) {
                if let Some(from) = from {
                    edges.push(from, Kind::Wr, txn);
                }
            }
        }
    }
}
