//! What a transaction read of the outside, and whether it agrees with itself.

use super::Txn;
use crate::tally::Tally;
use crate::words::ended;
use schism_core::api::Key;
use schism_core::api::list_append::Mop;
use schism_core::verdict::Anomaly;
use std::collections::HashMap;

/// A list as a transaction found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'h> {
    /// Which transaction, by position.
    pub(super) txn: usize,
    pub(super) key: &'h Key,
    /// All that it read, its own appends included.
    pub(super) list: &'h [i64],
    /// How much of that was there before the transaction's own appends.
    pub(super) before: usize,
}

impl<'h> Read<'h> {
    /// The list before the transaction's own appends.
    pub(super) fn external(&self) -> &'h [i64] {
        &self.list[..self.before]
    }
}

/// What a transaction knows of a list while it runs.
#[derive(Default)]
struct Known<'h> {
    /// What it found.
    found: Option<&'h [i64]>,
    /// What it appended since the beginning.
    own: Vec<i64>,
}

/// Every read of a transaction that succeeded and that agrees with itself. For each transaction and
/// list these are alike but for the transaction's own appends.
pub(super) fn external<'h>(txns: &[Txn<'h>], tally: &mut Tally) -> Vec<Read<'h>> {
    let mut reads = Vec::new();
    for (position, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.answered()) {
        let mut known: HashMap<&Key, Known<'_>> = HashMap::new();
        for mop in txn.mops {
            match mop {
                Mop::Append(key, element) => known.entry(key).or_default().own.push(*element),
                Mop::Read(key, list) => {
                    let list = list.as_deref().unwrap_or_default();
                    let state = known.entry(key).or_default();
                    match agrees(state, list) {
                        Some(before) => {
                            state.found = Some(&list[..before]);
                            reads.push(Read { txn: position, key, list, before });
                        }
                        None => tally.add("internal", || internal(txn, key, state, list)),
                    }
                }
            }
        }
    }
    reads
}

/// How much of `list` was there before the transaction's own appends, if it can be so.
fn agrees(state: &Known<'_>, list: &[i64]) -> Option<usize> {
    let before = list.len().checked_sub(state.own.len())?;
    let (found, own) = list.split_at(before);
    (own == state.own && state.found.is_none_or(|earlier| earlier == found)).then_some(before)
}

fn internal(txn: &Txn<'_>, key: &Key, state: &Known<'_>, list: &[i64]) -> Anomaly {
    let label = txn.label();
    let expected = match state.found {
        Some(found) => format!("{:?}", [found, &state.own].concat()),
        None => format!("a list that ends with {:?}", state.own),
    };
    Anomaly::new(
        "internal",
        format!(
            "{label} read {list:?} from list {key}, where by its own doing it had to find \
             {expected}"
        ),
    )
    .because(format!("{label} ended at {}", ended(txn.op)))
    .because(format!("within it, {:?} was appended to list {key} before that read", state.own))
    .with_op(txn.op)
}
