//! The conditions 1 to 3 of a linearizable set; see the module above for why they decide it.

use super::Elements;
use crate::tally::Tally;
use crate::words::{asked, ended};
use schism_core::api::set::Set;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use std::collections::HashSet;

type Read<'h> = (&'h Op<Set>, HashSet<i64>);

pub(super) fn check(
    elements: &Elements<'_>,
    reads: &[(&Op<Set>, &[i64])],
    run: &RunFacts,
    tally: &mut Tally,
) {
    let mut reads: Vec<Read<'_>> =
        reads.iter().map(|(op, contents)| (*op, contents.iter().copied().collect())).collect();
    acknowledged_are_there(elements, &reads, run, tally);
    reads.sort_by_key(|(op, contents)| (contents.len(), op.invoked.index));
    for pair in reads.windows(2) {
        if let [smaller, larger] = pair
            && let Some(only) = smaller.1.iter().find(|value| !larger.1.contains(value))
        {
            tally.add("long-fork", || long_fork(smaller, larger, *only));
        }
    }
    never_shrinks(&reads, tally);
}

/// Condition 3. Each element is reported once, with the first read that lacks it.
fn acknowledged_are_there(
    elements: &Elements<'_>,
    reads: &[Read<'_>],
    run: &RunFacts,
    tally: &mut Tally,
) {
    let mut by_ack: Vec<(u64, i64, &Op<Set>)> = elements
        .iter()
        .filter_map(|(value, element)| {
            let ack = element.acknowledged?;
            Some((ack.returned()?, *value, ack))
        })
        .collect();
    by_ack.sort_unstable_by_key(|(returned, ..)| *returned);
    let mut reported: HashSet<i64> = HashSet::new();
    for (read, contents) in reads {
        let added = contents.iter().filter_map(|value| elements.get(value)?.added);
        let newest = added.max_by_key(|add| add.invoked.index);
        // The read took effect after its invocation, and after the add of all that it has.
        let seen_add = newest.filter(|add| add.invoked.index > read.invoked.index);
        let moment = seen_add.map_or(read.invoked.index, |add| add.invoked.index);
        let due = by_ack.partition_point(|(returned, ..)| *returned < moment);
        for (_, value, ack) in &by_ack[..due] {
            if contents.contains(value) || !reported.insert(*value) {
                continue;
            }
            tally.add("stale-read", || {
                let during = run.faults_in_words(ack.invoked.time, ended(read));
                let anomaly = Anomaly::new(
                    "stale-read",
                    format!(
                        "{} acknowledged element {value} at {}, and a later read at {} lacks it\
                         {during}",
                        asked(ack),
                        ended(ack),
                        asked(read)
                    ),
                )
                .because(format!("the add was acknowledged at {}", ended(ack)))
                .with_op(ack);
                match seen_add.filter(|_| !ack.precedes(read)) {
                    None => anomaly.because(format!("the read began at {}", read.invoked.time)),
                    Some(add) => anomaly
                        .because(format!(
                            "the read has an element whose add began only after that, at {}",
                            add.invoked.time
                        ))
                        .with_op(add),
                }
                .with_op(read)
            });
        }
    }
}

fn long_fork(smaller: &Read<'_>, larger: &Read<'_>, only: i64) -> Anomaly {
    // The larger read lacks an element of the smaller one, so it has another instead.
    let other = larger.1.iter().find(|value| !smaller.1.contains(value)).copied();
    let other = other.unwrap_or_default();
    Anomaly::new(
        "long-fork",
        format!(
            "a read at {} has {only} but not {other}, and one at {} has {other} but not {only}",
            asked(smaller.0),
            asked(larger.0),
        ),
    )
    .because(format!("the first ended at {}", ended(smaller.0)))
    .because(format!("the second ended at {}", ended(larger.0)))
    .because("a set that only grows has one of the two before the other")
    .with_op(smaller.0)
    .with_op(larger.0)
}

/// Condition 2, for reads in the order of their size: none may return before a smaller one begins.
fn never_shrinks(reads: &[Read<'_>], tally: &mut Tally) {
    let mut smaller: Option<&Read<'_>> = None;
    let mut at = 0;
    while at < reads.len() {
        let size = reads[at].1.len();
        let group = &reads[at..at + reads[at..].partition_point(|(_, c)| c.len() == size)];
        for read in group {
            if let Some(shrunk) = smaller
                && read.0.precedes(shrunk.0)
            {
                tally.add("stale-read", || {
                    Anomaly::new(
                        "stale-read",
                        format!(
                            "a read at {} has {size} elements, and a later one at {} only {}",
                            asked(read.0),
                            asked(shrunk.0),
                            shrunk.1.len()
                        ),
                    )
                    .because(format!("the first ended at {}", ended(read.0)))
                    .because(format!("the second began at {}", shrunk.0.invoked.time))
                    .with_op(read.0)
                    .with_op(shrunk.0)
                });
            }
        }
        let latest = group.iter().max_by_key(|(op, _)| op.invoked.index);
        smaller = [smaller, latest].into_iter().flatten().max_by_key(|(op, _)| op.invoked.index);
        at += group.len();
    }
}
