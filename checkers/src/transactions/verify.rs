//! Checks one dependency against the history itself: the certificate of a cycle.
//!
//! Nothing here uses what was inferred. `O(length of a key's lines + operations of both ends)`,
//! and for a transaction of unknown fate, the lines of all keys to which it appended.

use super::graph::{Edge, Kind, Reason};
use super::history::{Fate, KeyId, LineId, Mop, TxnHistory, TxnId};
use super::intern::ValueId;
use super::models::Options;

/// Must the source of an order edge come before its target?
pub(super) fn order_edge(history: &TxnHistory, edge: &Edge) -> bool {
    history.fate(edge.from) == Fate::Ok
        && history.precedes(edge.from, edge.to)
        && (edge.kind == Kind::Realtime || history.session(edge.from) == history.session(edge.to))
}

/// Must the source come before its target, in every order that explains the reads?
pub(super) fn list_edge(history: &TxnHistory, edge: &Edge, reason: &Reason) -> bool {
    let Edge { from, to, kind } = *edge;
    let Reason { key, later, .. } = *reason;
    match kind {
        // What was appended second is never seen without the first before it; and it exists.
        Kind::Ww => reason.earlier.is_some_and(|earlier| {
            appends(history, from, key, earlier)
                && appends(history, to, key, later)
                && happened(history, from)
                && happened(history, to)
                && lines(history, key).any(|line| line.contains(&earlier))
                && lines(history, key).all(|line| {
                    let at = line.iter().position(|value| *value == later);
                    at.is_none_or(|at| line[..at].contains(&earlier))
                })
        }),
        Kind::Wr => {
            appends(history, from, key, later)
                && reads(history, to, key).any(|list| list.contains(&later))
        }
        Kind::Rw => {
            appends(history, to, key, later)
                && happened(history, to)
                && reads(history, from, key).any(|list| !list.contains(&later))
        }
        Kind::Process | Kind::Realtime | Kind::Pass => false,
    }
}

fn appends(history: &TxnHistory, txn: TxnId, key: KeyId, value: ValueId) -> bool {
    history.fate(txn) != Fate::Fail
        && history.mops(txn).any(|mop| mop == Mop::Append { key, value })
}

/// What a transaction that succeeded read of a list.
fn reads(
    history: &TxnHistory,
    txn: TxnId,
    key: KeyId,
) -> impl Iterator<Item = &[ValueId]> + use<'_> {
    let known = history.fate(txn) == Fate::Ok;
    history.mops(txn).filter(move |_| known).filter_map(move |mop| match mop {
        Mop::ReadList { key: other, line, len } if other == key => Some(history.list(line, len)),
        _ => None,
    })
}

/// Every line of a key: each was read to its end by a transaction that succeeded.
fn lines(history: &TxnHistory, key: KeyId) -> impl Iterator<Item = &[ValueId]> + use<'_> {
    let apart = history.apart().iter().filter(move |line| line.key == key);
    [history.line(LineId::Main(key))].into_iter().chain(apart.map(|line| line.values.as_slice()))
}

/// It succeeded, or somebody read something of it.
fn happened(history: &TxnHistory, txn: TxnId) -> bool {
    history.fate(txn) == Fate::Ok
        || history
            .mops(txn)
            .filter_map(Mop::write)
            .any(|(key, value)| lines(history, key).any(|line| line.contains(&value)))
}

/// Which transactions show that one version of a register comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Witness {
    /// It read the one and wrote the other.
    Update(TxnId),
    /// One process met them in this order.
    Process(TxnId, TxnId),
    /// The first had ended before the second began.
    Time(TxnId, TxnId),
    /// The user knows the order of these.
    Given(TxnId, TxnId),
}

impl Witness {
    pub(super) fn txns(self) -> [TxnId; 2] {
        match self {
            Self::Update(txn) => [txn, txn],
            Self::Process(first, second)
            | Self::Time(first, second)
            | Self::Given(first, second) => [first, second],
        }
    }
}

/// Must the source come before its target, in every order that explains the reads of registers?
/// `witness` shows the order of the two values; `read_by` names who read something of a
/// transaction of unknown fate.
pub(super) fn register_edge(
    history: &TxnHistory,
    options: &Options,
    edge: &Edge,
    reason: &Reason,
    witness: Option<Witness>,
    read_by: &dyn Fn(TxnId) -> Option<TxnId>,
) -> bool {
    let Edge { from, to, kind } = *edge;
    let Reason { key, earlier, later, .. } = *reason;
    let happened = |txn: TxnId| match history.fate(txn) {
        Fate::Ok => true,
        Fate::Fail => false,
        Fate::Info => read_by(txn).is_some_and(|reader| saw(history, reader, txn)),
    };
    let succeeds = || {
        earlier.is_none_or(|earlier| {
            witness.is_some_and(|witness| ordered(history, options, key, earlier, later, witness))
        })
    };
    let wrote = |txn, value| last_write(history, txn, key) == Some(value) && happened(txn);
    match kind {
        Kind::Wr => wrote(from, later) && first_read(history, to, key) == Some(Seen(Some(later))),
        Kind::Ww => {
            earlier.is_some_and(|earlier| wrote(from, earlier)) && wrote(to, later) && succeeds()
        }
        Kind::Rw => {
            first_read(history, from, key) == Some(Seen(earlier)) && wrote(to, later) && succeeds()
        }
        Kind::Process | Kind::Realtime | Kind::Pass => false,
    }
}

fn ordered(
    history: &TxnHistory,
    options: &Options,
    key: KeyId,
    earlier: ValueId,
    later: ValueId,
    witness: Witness,
) -> bool {
    let met = |first, second| {
        let read = |txn| first_read(history, txn, key).and_then(|seen| seen.0);
        let wrote = |txn| last_write(history, txn, key);
        wrote(first).or_else(|| read(first)) == Some(earlier)
            && read(second).or_else(|| wrote(second)) == Some(later)
    };
    match witness {
        Witness::Update(txn) => {
            options.wfr_keys
                && first_read(history, txn, key) == Some(Seen(Some(earlier)))
                && last_write(history, txn, key) == Some(later)
        }
        Witness::Process(first, second) => {
            options.sequential_keys
                && history.session(first) == history.session(second)
                && history.precedes(first, second)
                && met(first, second)
        }
        Witness::Time(first, second) => {
            options.linearizable_keys && history.precedes(first, second) && met(first, second)
        }
        Witness::Given(first, second) => {
            let place = |txn| {
                let index = history.completed(txn)?.index;
                options.transaction_order.get(&index)
            };
            place(first) <= place(second)
                && last_write(history, first, key) == Some(earlier)
                && last_write(history, second, key) == Some(later)
        }
    }
}

/// What a transaction that succeeded read of a key before it did anything else to it.
fn first_read(history: &TxnHistory, txn: TxnId, key: KeyId) -> Option<Seen> {
    let known = history.fate(txn) == Fate::Ok;
    match history.mops(txn).find(|mop| mop.key() == key).filter(|_| known)? {
        Mop::Read { value, .. } => Some(Seen(value)),
        _ => None,
    }
}

/// What a read found; `None` for nil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen(Option<ValueId>);

/// What a transaction left in a key.
fn last_write(history: &TxnHistory, txn: TxnId, key: KeyId) -> Option<ValueId> {
    let written = history.mops(txn).filter_map(Mop::write);
    written.filter(|(other, _)| *other == key).last().map(|(_, value)| value)
}

/// Did `reader` read anything that only `writer` wrote?
fn saw(history: &TxnHistory, reader: TxnId, writer: TxnId) -> bool {
    let wrote = |key, value| history.mops(writer).any(|mop| mop == Mop::Write { key, value });
    history.fate(reader) == Fate::Ok
        && history.mops(reader).any(|mop| match mop {
            Mop::Read { key, value: Some(value) } => wrote(key, value),
            _ => false,
        })
}
