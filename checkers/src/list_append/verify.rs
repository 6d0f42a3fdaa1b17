//! Checks one dependency against the transactions themselves: the certificate of a cycle.
//!
//! Nothing here uses what the checker derived. `O(total length of all reads)` for one edge.

use super::Txn;
use super::graph::{Edge, Why};
use schism_core::api::Key;
use schism_core::api::list_append::Mop;

/// Must the edge's source come before its target, in every order that explains the reads?
pub(super) fn holds(edge: &Edge<'_>, txns: &[Txn<'_>]) -> bool {
    let (from, to) = (&txns[edge.from], &txns[edge.to]);
    match edge.why {
        Why::Realtime => from.op.precedes(to.op),
        Why::Process => from.op.process == to.op.process && from.op.precedes(to.op),
        // What was appended second is never seen without the first before it; and it exists.
        Why::Ww { key, first, second } => {
            appends(from, key, first)
                && appends(to, key, second)
                && happened(to, txns)
                && seen(txns, key).any(|list| list.contains(&first))
                && seen(txns, key).all(|list| {
                    let at = list.iter().position(|element| *element == second);
                    at.is_none_or(|at| list[..at].contains(&first))
                })
        }
        Why::Wr { key, element } => {
            appends(from, key, element) && reads(to, key).any(|list| list.contains(&element))
        }
        Why::Rw { key, element } => {
            appends(to, key, element)
                && happened(to, txns)
                && reads(from, key).any(|list| !list.contains(&element))
        }
    }
}

fn appends(txn: &Txn<'_>, key: &Key, element: i64) -> bool {
    txn.mops.iter().any(|mop| matches!(mop, Mop::Append(k, e) if k == key && *e == element))
}

/// What a transaction that succeeded read of a list.
fn reads<'t>(txn: &'t Txn<'_>, key: &'t Key) -> impl Iterator<Item = &'t [i64]> {
    let mops = if txn.answered() { txn.mops } else { &[] };
    mops.iter().filter_map(move |mop| match mop {
        Mop::Read(k, list) if k == key => Some(list.as_deref().unwrap_or_default()),
        _ => None,
    })
}

fn seen<'t>(txns: &'t [Txn<'_>], key: &'t Key) -> impl Iterator<Item = &'t [i64]> {
    txns.iter().flat_map(move |txn| reads(txn, key))
}

/// It succeeded, or somebody read something of it.
fn happened(txn: &Txn<'_>, txns: &[Txn<'_>]) -> bool {
    txn.answered()
        || txn.mops.iter().any(|mop| match mop {
            Mop::Append(key, element) => seen(txns, key).any(|list| list.contains(element)),
            Mop::Read(..) => false,
        })
}
