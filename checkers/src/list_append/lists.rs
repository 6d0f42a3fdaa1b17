//! Each list by itself: who appended what, in which order, and what was read that can't be.

use super::reads::Read;
use super::{Lists, Txn};
use crate::tally::Tally;
use crate::words::ended;
use schism_core::api::Key;
use schism_core::api::list_append::{ListAppend, Mop};
use schism_core::history::History;
use schism_core::op::{Op, Outcome};
use schism_core::verdict::Anomaly;
use std::collections::{HashMap, HashSet};

/// One list.
#[derive(Debug, Default)]
pub(super) struct List<'h> {
    /// By element, the transaction that may have appended it, by position, and whether it is the
    /// last that this transaction appended to the list.
    pub(super) writers: HashMap<i64, (usize, bool)>,
    /// By element, a transaction that wanted to append it and certainly failed.
    failed: HashMap<i64, &'h Op<ListAppend>>,
    /// The longest list read: the order of the appends. Empty if reads contradict each other.
    pub(super) order: &'h [i64],
    /// What certainly was appended and is in no read: the transaction, and its first such element.
    pub(super) unread: Vec<(usize, i64)>,
    /// Two reads contradict each other, so nothing can be derived from the order.
    pub(super) contradictory: bool,
}

/// Who appends what. An element that two transactions may have appended is an error, in words.
pub(super) fn appends<'h>(
    history: &'h History<ListAppend>,
    txns: &[Txn<'h>],
) -> Result<Lists<'h>, String> {
    let mut lists = Lists::new();
    for op in history.ops().iter().filter(|op| matches!(op.outcome, Outcome::Fail(_))) {
        for mop in &op.call {
            if let Mop::Append(key, element) = mop {
                lists.entry(key).or_default().failed.insert(*element, op);
            }
        }
    }
    for (position, txn) in txns.iter().enumerate() {
        let mut appended: HashMap<&Key, i64> = HashMap::new();
        for mop in txn.mops {
            match mop {
                Mop::Read(key, _) => {
                    lists.entry(key).or_default();
                }
                Mop::Append(key, element) => {
                    let list = lists.entry(key).or_default();
                    if let Some((other, _)) = list.writers.insert(*element, (position, true)) {
                        return Err(format!(
                            "{} and {} both append {element} to list {key}, so reads don't show \
                             whose it is",
                            txns[other].label(),
                            txn.label()
                        ));
                    }
                    if let Some(before) = appended.insert(key, *element) {
                        list.writers.insert(before, (position, false));
                    }
                }
            }
        }
    }
    Ok(lists)
}

/// Derives the order of each list from what was read, and which transactions of unknown fate
/// certainly happened; accuses what can't have been read.
pub(super) fn observe<'h>(
    lists: &mut Lists<'h>,
    txns: &mut [Txn<'h>],
    reads: &[Read<'h>],
    tally: &mut Tally,
) {
    let mut longest: HashMap<&Key, Read<'h>> = HashMap::new();
    let mut reported: HashSet<(&'static str, &Key, i64)> = HashSet::new();
    for read in reads {
        let Some(list) = lists.get(read.key) else { continue };
        plausible(list, txns, read, &mut reported, tally);
        for element in read.list {
            if let Some((writer, _)) = list.writers.get(element) {
                txns[*writer].committed = true;
            }
        }
        let best = longest.entry(read.key).or_insert(*read);
        if best.list.len() < read.list.len() {
            *best = *read;
        }
    }
    for read in reads {
        let (Some(best), Some(list)) = (longest.get(read.key), lists.get_mut(read.key)) else {
            continue;
        };
        list.order = best.list;
        if !best.list.starts_with(read.list) {
            if !list.contradictory {
                tally.add("incompatible-order", || incompatible(txns, best, read));
            }
            list.contradictory = true;
        }
    }
    for list in lists.values_mut() {
        let read: HashSet<i64> = list.order.iter().copied().collect();
        let mut unread: HashMap<usize, i64> = HashMap::new();
        for (element, (writer, _)) in &list.writers {
            if txns[*writer].committed && !read.contains(element) {
                let first = unread.entry(*writer).or_insert(*element);
                *first = (*first).min(*element);
            }
        }
        list.unread = unread.into_iter().collect();
        list.unread.sort_unstable();
    }
}

/// Accuses elements that can't be in a committed list. Each is reported once.
fn plausible<'h>(
    list: &List<'h>,
    txns: &[Txn<'h>],
    read: &Read<'h>,
    reported: &mut HashSet<(&'static str, &'h Key, i64)>,
    tally: &mut Tally,
) {
    let reader = &txns[read.txn];
    let (label, key) = (reader.label(), read.key);
    let at = ended(reader.op);
    let anomaly = |kind: &'static str, text: String| {
        Anomaly::new(kind, text).because(format!("{label} ended at {at}")).with_op(reader.op)
    };
    let mut seen = HashSet::with_capacity(read.list.len());
    for element in read.list {
        if !seen.insert(*element) && reported.insert(("duplicate-elements", key, *element)) {
            tally.add("duplicate-elements", || {
                let text = format!("{label} read {element} more than once in list {key}");
                anomaly("duplicate-elements", text)
            });
        }
        if list.writers.contains_key(element) {
            continue;
        }
        if let Some(failed) = list.failed.get(element) {
            if reported.insert(("G1a", key, *element)) {
                tally.add("G1a", || {
                    let writer = format!("T{}", failed.invoked.index);
                    let text = format!(
                        "{label} read {element} from list {key}, appended by {writer}, which failed"
                    );
                    anomaly("G1a", text).with_op(failed)
                });
            }
        } else if reported.insert(("garbage-read", key, *element)) {
            tally.add("garbage-read", || {
                let text =
                    format!("{label} read {element} from list {key}, which nobody ever appended");
                anomaly("garbage-read", text)
            });
        }
    }
    let Some(newest) = read.external().last() else { return };
    if let Some((writer, false)) = list.writers.get(newest)
        && *writer != read.txn
        && reported.insert(("G1b", key, *newest))
    {
        tally.add("G1b", || {
            let writer = &txns[*writer];
            let text = format!(
                "{label} read list {key} up to {newest}, from the middle of {}, \
                 which appended more",
                writer.label()
            );
            anomaly("G1b", text).with_op(writer.op)
        });
    }
}

fn incompatible(txns: &[Txn<'_>], one: &Read<'_>, other: &Read<'_>) -> Anomaly {
    let at = one.list.iter().zip(other.list).position(|(a, b)| a != b).unwrap_or_default();
    let (first, second) = (&txns[one.txn], &txns[other.txn]);
    Anomaly::new(
        "incompatible-order",
        format!(
            "{} and {} read list {} in different orders: at position {} one found {}, the other {}",
            first.label(),
            second.label(),
            one.key,
            at + 1,
            one.list[at],
            other.list[at],
        ),
    )
    .because(format!("{} ended at {}", first.label(), ended(first.op)))
    .because(format!("{} ended at {}", second.label(), ended(second.op)))
    .because("appends have one order, so one read must begin with the other")
    .with_op(first.op)
    .with_op(second.op)
}
