//! How transactions and values are put into sentences.

use super::history::{TxnHistory, TxnId};
use super::intern::ValueId;
use crate::words::some;
use schism_core::time::Nanos;
use schism_core::verdict::Anomaly;

/// `T4`, `T4 and T7`
pub(super) fn labels(history: &TxnHistory, txns: &[TxnId]) -> String {
    let labels: Vec<String> =
        txns.iter().map(|txn| format!("T{}", history.invoked(*txn).index)).collect();
    some(&labels)
}

/// A value as it stood in the history.
pub(super) fn show(history: &TxnHistory, value: ValueId) -> String {
    history.value(value).to_string()
}

/// How many elements of a list are shown at each end.
const SHOWN: usize = 16;

/// `[1, 2, 3]`; of a long list, its ends.
pub(super) fn values(history: &TxnHistory, list: &[ValueId]) -> String {
    let join = |part: &[ValueId]| {
        part.iter().map(|value| show(history, *value)).collect::<Vec<_>>().join(", ")
    };
    if list.len() <= 2 * SHOWN {
        return format!("[{}]", join(list));
    }
    let (start, end) = (&list[..SHOWN], &list[list.len() - SHOWN..]);
    format!("[{}, … {} more …, {}]", join(start), list.len() - 2 * SHOWN, join(end))
}

/// When a transaction ended, or was last heard of.
pub(super) fn ended(history: &TxnHistory, txn: TxnId) -> Nanos {
    history.completed(txn).unwrap_or_else(|| history.invoked(txn)).time
}

/// An anomaly of these transactions, of which the first ended when it says.
pub(super) fn named(
    history: &TxnHistory,
    kind: &'static str,
    text: String,
    txns: &[TxnId],
) -> Anomaly {
    let anomaly = Anomaly::new(kind, text);
    let anomaly = txns.iter().fold(anomaly, |anomaly, txn| with_txn(history, anomaly, *txn));
    match txns.first() {
        None => anomaly,
        Some(txn) => {
            let at = ended(history, *txn);
            anomaly.because(format!("{} ended at {at}", labels(history, &[*txn])))
        }
    }
}

/// Adds a transaction to an anomaly's operations, and its node.
pub(super) fn with_txn(history: &TxnHistory, mut anomaly: Anomaly, txn: TxnId) -> Anomaly {
    anomaly.ops.push(history.invoked(txn).index);
    if let Some(node) = history.node(txn)
        && !anomaly.nodes.contains(node)
    {
        anomaly.nodes.push(node.clone());
    }
    anomaly
}
