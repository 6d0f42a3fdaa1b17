//! Checks one dependency against the history itself: the certificate of a cycle.
//!
//! Nothing here uses what was inferred. `O(length of a key's lines + operations of both ends)`,
//! and for a transaction of unknown fate, the lines of all keys to which it appended.

use super::graph::{Edge, Kind, Reason};
use super::history::{Fate, KeyId, LineId, Mop, TxnHistory, TxnId};
use super::intern::ValueId;

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
