//! A transactional history in columns: a million transactions in some 80 MB, and no allocation for
//! any one of them.
//!
//! A transaction is a position, in the order of invocations. Its operations lie in one array,
//! eight bytes each. Keys and values are small numbers (`intern`).
//!
//! What makes list-append histories large is that every read repeats the whole list. Here a read of
//! a list is two numbers: which *line* and how much of it. A line is a list that somebody read, as
//! far as anybody read it; a read that is a prefix of a line, or extends it, is kept as its length.
//! All reads of a store that keeps its order lie on one line of their key, its *main* line. A read
//! that contradicts it opens a line of its own, which later reads may share.
//!
//! Which operations a transaction has: those of its completion if it succeeded, else those of its
//! invocation, whose reads are unknown. What an operation of unknown fate claims to have read is
//! not used: if it did not commit, it proves nothing.
//!
//! A completion without invocation, as in excerpts, is a transaction that may have begun at any
//! time before. A read may leave its value out where that is nil: `[:r k]`.
//!
//! A process that invokes a second transaction while its first is open has two open; which of them
//! a completion belongs to is told by its operations.
//!
//! Refused: what is no micro-operation, an index that doesn't grow, a write of nil.
//!
//! ```
//! use schism_checkers::transactions::history::{Mop, Shape, TxnBuilder};
//! use schism_core::event::Line;
//! use schism_core::form::Tape;
//! let mut builder = TxnBuilder::new(Shape::Lists);
//! let mut tape = Tape::default();
//! for line in [
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"txn","value":[["r","x",null]]}"#,
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"txn","value":[["r","x",[7,8]]]}"#,
//! ] {
//!     let line: Line<'_> = serde_json::from_str(line)?;
//!     builder.push_raw(&line.raw(&mut tape)).map_err(|refused| refused.message).unwrap();
//! }
//! let history = builder.finish();
//! let Some(Mop::ReadList { key, line, len }) = history.mops(0).next() else { panic!() };
//! assert_eq!((history.key(key).to_string(), len), ("x".to_owned(), 2));
//! assert_eq!(history.value(history.line(line)[1]).to_string(), "8");
//! # Ok::<(), serde_json::Error>(())
//! ```

use super::intern::{Dense, Shown, ValueId, Values};
use schism_core::api::Key;
use schism_core::op::Stamp;
use schism_core::time::Nanos;
use std::sync::Arc;

pub use super::build::TxnBuilder;

/// A transaction: its position in the order of invocations.
pub type TxnId = u32;

/// A key: its position in [`TxnHistory::keys`].
pub type KeyId = u32;

/// What keys hold, and so which micro-operations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Lists: `[:append k v]`, `[:r k [v …]]`.
    Lists,
    /// One value each: `[:w k v]`, `[:r k v]`.
    Registers,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It happened.
    Ok,
    /// It certainly did not.
    Fail,
    /// Nobody knows; it may still happen.
    Info,
}

/// A line: `Main` of its key, or one that contradicts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineId {
    /// The line of the first read of that key that was not empty.
    Main(KeyId),
    /// The line at that position of [`TxnHistory::apart`].
    Apart(u32),
}

/// One micro-operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mop {
    /// Appends to a list.
    Append {
        /// The list.
        key: KeyId,
        /// What.
        value: ValueId,
    },
    /// Replaces a register's value.
    Write {
        /// The register.
        key: KeyId,
        /// With what.
        value: ValueId,
    },
    /// Read a register.
    Read {
        /// The register.
        key: KeyId,
        /// What it held; `None` for nil, its initial state.
        value: Option<ValueId>,
    },
    /// Read a list.
    ReadList {
        /// The list.
        key: KeyId,
        /// Where its elements are.
        line: LineId,
        /// How many there were.
        len: u32,
    },
    /// Read something, but what is not known.
    ReadUnknown {
        /// Of which object.
        key: KeyId,
    },
}

impl Mop {
    /// The object concerned.
    pub fn key(self) -> KeyId {
        match self {
            Self::Append { key, .. }
            | Self::Write { key, .. }
            | Self::Read { key, .. }
            | Self::ReadList { key, .. }
            | Self::ReadUnknown { key } => key,
        }
    }

    /// The object and what was appended or written, if anything was.
    pub fn write(self) -> Option<(KeyId, ValueId)> {
        match self {
            Self::Append { key, value } | Self::Write { key, value } => Some((key, value)),
            Self::Read { .. } | Self::ReadList { .. } | Self::ReadUnknown { .. } => None,
        }
    }
}

/// A micro-operation in eight bytes: an id and what it is, in one word; a value or length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    head: u32,
    value: u32,
}

const APPEND: u32 = 0;
const WRITE: u32 = 1;
const READ: u32 = 2;
const READ_MAIN: u32 = 3;
const READ_APART: u32 = 4;
const READ_UNKNOWN: u32 = 5;
const NIL: u32 = u32::MAX;

impl Packed {
    pub(super) fn new(mop: Mop) -> Self {
        let (f, id, value) = match mop {
            Mop::Append { key, value } => (APPEND, key, value.raw()),
            Mop::Write { key, value } => (WRITE, key, value.raw()),
            Mop::Read { key, value } => (READ, key, value.map_or(NIL, ValueId::raw)),
            Mop::ReadList { line: LineId::Main(key), len, .. } => (READ_MAIN, key, len),
            Mop::ReadList { line: LineId::Apart(line), len, .. } => (READ_APART, line, len),
            Mop::ReadUnknown { key } => (READ_UNKNOWN, key, 0),
        };
        Self { head: id << 3 | f, value }
    }

    /// Unpacked; `apart` are the lines apart.
    fn mop(self, apart: &[Line]) -> Mop {
        let (id, value) = (self.head >> 3, self.value);
        match self.head & 7 {
            APPEND => Mop::Append { key: id, value: ValueId::from_raw(value) },
            WRITE => Mop::Write { key: id, value: ValueId::from_raw(value) },
            READ => {
                let value = (value != NIL).then(|| ValueId::from_raw(value));
                Mop::Read { key: id, value }
            }
            READ_MAIN => Mop::ReadList { key: id, line: LineId::Main(id), len: value },
            READ_APART => {
                let key = apart[id as usize].key;
                Mop::ReadList { key, line: LineId::Apart(id), len: value }
            }
            _ => Mop::ReadUnknown { key: id },
        }
    }
}

/// A line that contradicts its key's main line.
#[derive(Clone, Debug)]
pub struct Line {
    /// The list that it is of.
    pub key: KeyId,
    /// Its elements.
    pub values: Vec<ValueId>,
}

/// The time and index of a completion that never came.
pub(super) const NEVER: Stamp = Stamp { index: u64::MAX, time: Nanos(u64::MAX) };

/// A transactional history; made by a [`TxnBuilder`].
#[derive(Clone, Debug)]
pub struct TxnHistory {
    pub(super) shape: Shape,
    pub(super) sessions: Vec<u32>,
    pub(super) processes: Dense<u64>,
    /// By transaction, the node plus 1; empty if no node is named.
    pub(super) nodes: Vec<u16>,
    pub(super) node_names: Vec<Arc<str>>,
    pub(super) invoked: Vec<Stamp>,
    pub(super) completed: Vec<Stamp>,
    pub(super) fates: Vec<Fate>,
    /// Where each transaction's operations begin, and how many there are.
    pub(super) spans: Vec<(u32, u32)>,
    pub(super) mops: Vec<Packed>,
    /// Transactions that succeeded, in the order of their completions.
    pub(super) returns: Vec<TxnId>,
    pub(super) keys: Dense<Key>,
    pub(super) values: Values,
    pub(super) mains: Vec<Vec<ValueId>>,
    pub(super) apart: Vec<Line>,
}

impl TxnHistory {
    /// What its keys hold.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many transactions there are, whatever became of them.
    pub fn len(&self) -> usize {
        self.fates.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.fates.is_empty()
    }

    /// Every transaction, in the order of invocations.
    pub fn txns(&self) -> std::ops::Range<TxnId> {
        0..u32::try_from(self.fates.len()).unwrap_or(u32::MAX)
    }

    /// What became of a transaction.
    pub fn fate(&self, txn: TxnId) -> Fate {
        self.fates[txn as usize]
    }

    /// Its operations, in order.
    pub fn mops(&self, txn: TxnId) -> impl ExactSizeIterator<Item = Mop> + Clone + '_ {
        let (start, len) = self.spans[txn as usize];
        let mops = &self.mops[start as usize..][..len as usize];
        mops.iter().map(|mop| mop.mop(&self.apart))
    }

    /// One of its operations, by its place.
    ///
    /// # Panics
    /// If it has fewer.
    pub fn mop(&self, txn: TxnId, place: u32) -> Mop {
        let (start, len) = self.spans[txn as usize];
        self.mops[start as usize..][..len as usize][place as usize].mop(&self.apart)
    }

    /// Where its operations begin among those of all transactions.
    pub(super) fn first_mop(&self, txn: TxnId) -> u32 {
        self.spans[txn as usize].0
    }

    /// How many operations all transactions have.
    pub fn mop_count(&self) -> usize {
        self.mops.len()
    }

    /// When it was invoked.
    pub fn invoked(&self, txn: TxnId) -> Stamp {
        self.invoked[txn as usize]
    }

    /// Is its invocation in the log? If not, it may have begun at any time before its completion,
    /// which then stands for it.
    pub fn began(&self, txn: TxnId) -> bool {
        self.invoked[txn as usize].index != self.completed[txn as usize].index
    }

    /// When the log says that it ended, if it does, also for one of unknown fate.
    pub fn completed(&self, txn: TxnId) -> Option<Stamp> {
        Some(self.completed[txn as usize]).filter(|stamp| *stamp != NEVER)
    }

    /// The index at which it returned; `None` if it may take effect at any later time.
    pub fn returned(&self, txn: TxnId) -> Option<u64> {
        match self.fate(txn) {
            Fate::Info => None,
            Fate::Ok | Fate::Fail => Some(self.completed[txn as usize].index),
        }
    }

    /// Had `first` returned before `second` was invoked?
    pub fn precedes(&self, first: TxnId, second: TxnId) -> bool {
        let invoked = self.invoked(second).index;
        self.began(second) && self.returned(first).is_some_and(|index| index < invoked)
    }

    /// Transactions that succeeded, in the order of their completions.
    pub fn returns(&self) -> &[TxnId] {
        &self.returns
    }

    /// Its process, as a number from 0 in the order of their first invocations.
    pub fn session(&self, txn: TxnId) -> u32 {
        self.sessions[txn as usize]
    }

    /// How many processes there are.
    pub fn session_count(&self) -> usize {
        self.processes.len()
    }

    /// Its process, as the history calls it.
    pub fn process(&self, txn: TxnId) -> u64 {
        self.processes.names()[self.session(txn) as usize]
    }

    /// The node that it was asked of, if the history says.
    pub fn node(&self, txn: TxnId) -> Option<&Arc<str>> {
        let number = self.nodes.get(txn as usize).copied()?.checked_sub(1)?;
        self.node_names.get(usize::from(number))
    }

    /// Every key's name, by its id.
    pub fn keys(&self) -> &[Key] {
        self.keys.names()
    }

    /// A key's name.
    pub fn key(&self, key: KeyId) -> &Key {
        &self.keys.names()[key as usize]
    }

    /// A value as it stood in the history.
    pub fn value(&self, value: ValueId) -> Shown<'_> {
        self.values.show(value)
    }

    /// The elements of a line, as far as anybody read it.
    pub fn line(&self, line: LineId) -> &[ValueId] {
        match line {
            LineId::Main(key) => &self.mains[key as usize],
            LineId::Apart(line) => &self.apart[line as usize].values,
        }
    }

    /// The lines that contradict their keys' main lines.
    pub fn apart(&self) -> &[Line] {
        &self.apart
    }

    /// What a read of a list found.
    pub fn list(&self, line: LineId, len: u32) -> &[ValueId] {
        &self.line(line)[..len as usize]
    }
}
