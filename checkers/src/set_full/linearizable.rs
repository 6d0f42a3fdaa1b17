//! The conditions 1 to 3 of a linearizable set; see the module above for why they decide it.
//!
//! Reads are lists of ascending numbers here. For condition 1 the reads are put in the order of
//! their sizes and each is compared with the next larger one: inclusion is transitive. For
//! condition 3 the elements are put in the order in which they were acknowledged; a read has all
//! that were due to it exactly if it has as many of these as there are. So both cost the total
//! length of the reads; only for a read that lacks something are the elements looked through.

use super::columns::{OneSet, Read};
use super::of_key;
use crate::tally::Tally;
use crate::words::{asked, ended};
use schism_core::api::Api;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;

pub(super) fn check<A: Api>(
    set: &OneSet<'_, A>,
    run: &RunFacts,
    limits: &Limits,
    tally: &mut Tally,
) {
    acknowledged_are_there(set, run, limits, tally);
    let mut reads: Vec<&Read<'_, A>> = set.reads.iter().collect();
    reads.sort_by_key(|read| (read.has.len(), read.op.invoked.index));
    for pair in reads.windows(2) {
        if let Some(only) = first_missing(pair[0], pair[1]) {
            tally.add("long-fork", || long_fork(set, pair[0], pair[1], only));
        }
    }
    never_shrinks(set, &reads, tally);
}

/// The first element that one read has and the other has not.
fn first_missing<A: Api>(one: &Read<'_, A>, other: &Read<'_, A>) -> Option<u32> {
    let mut theirs = other.has.iter().copied().peekable();
    one.has.iter().copied().find(|number| {
        while theirs.next_if(|their| their < number).is_some() {}
        theirs.peek() != Some(number)
    })
}

/// Condition 3. Each element is reported once, with the first read that lacks it.
fn acknowledged_are_there<A: Api>(
    set: &OneSet<'_, A>,
    run: &RunFacts,
    limits: &Limits,
    tally: &mut Tally,
) {
    let by_ack = set.by_acknowledgement();
    let mut place = vec![usize::MAX; set.elements.len()];
    for (position, (_, number)) in by_ack.iter().enumerate() {
        place[*number] = position;
    }
    let mut reported = vec![false; set.elements.len()];
    for read in &set.reads {
        if limits.are_exceeded() {
            return;
        }
        let added = read.has.iter().filter_map(|number| set.elements[*number as usize].added);
        let newest = added.max_by_key(|add| add.invoked.index);
        // The read took effect after its invocation, and after the add of all that it has.
        let began = read.op.invoked.index;
        let seen_add = newest.filter(|add| add.invoked.index > began);
        let moment = seen_add.map_or(began, |add| add.invoked.index);
        let due = by_ack.partition_point(|(returned, _)| *returned < moment);
        let there = read.has.iter().filter(|number| place[**number as usize] < due).count();
        if there == due {
            continue;
        }
        for (_, number) in &by_ack[..due] {
            if !read.has(*number) && !std::mem::replace(&mut reported[*number], true) {
                tally.add("stale-read", || stale(set, *number, read, seen_add, run));
            }
        }
    }
}

fn stale<A: Api>(
    set: &OneSet<'_, A>,
    number: usize,
    read: &Read<'_, A>,
    seen_add: Option<&Op<A>>,
    run: &RunFacts,
) -> Anomaly {
    let element = &set.elements[number];
    let op = read.op;
    let Some(ack) = element.acknowledged else { return Anomaly::new("stale-read", "") };
    let during = run.faults_in_words(ack.invoked.time, ended(op));
    let anomaly = Anomaly::new(
        "stale-read",
        format!(
            "{}{} acknowledged element {} at {}, and a later read at {} lacks it{during}",
            of_key(set.key.as_ref()),
            asked(ack),
            element.value,
            ended(ack),
            asked(op)
        ),
    )
    .because(format!("the add was acknowledged at {}", ended(ack)))
    .with_op(ack);
    match seen_add.filter(|_| !ack.precedes(op)) {
        None => anomaly.because(format!("the read began at {}", op.invoked.time)),
        Some(add) => anomaly
            .because(format!(
                "the read has an element whose add began only after that, at {}",
                add.invoked.time
            ))
            .with_op(add),
    }
    .with_op(op)
}

fn long_fork<A: Api>(
    set: &OneSet<'_, A>,
    smaller: &Read<'_, A>,
    larger: &Read<'_, A>,
    only: u32,
) -> Anomaly {
    // The larger read lacks an element of the smaller one, so it has another instead.
    let other = first_missing(larger, smaller).unwrap_or(only);
    let [only, other] = [only, other].map(|number| &set.elements[number as usize].value);
    Anomaly::new(
        "long-fork",
        format!(
            "{}a read at {} has {only} but not {other}, and one at {} has {other} but not {only}",
            of_key(set.key.as_ref()),
            asked(smaller.op),
            asked(larger.op),
        ),
    )
    .because(format!("the first ended at {}", ended(smaller.op)))
    .because(format!("the second ended at {}", ended(larger.op)))
    .because("a set that only grows has one of the two before the other")
    .with_op(smaller.op)
    .with_op(larger.op)
}

/// Condition 2, for reads in the order of their size: none may return before a smaller one begins.
fn never_shrinks<A: Api>(set: &OneSet<'_, A>, reads: &[&Read<'_, A>], tally: &mut Tally) {
    let mut smaller: Option<&Read<'_, A>> = None;
    let mut at = 0;
    while at < reads.len() {
        let size = reads[at].has.len();
        let group = &reads[at..at + reads[at..].partition_point(|read| read.has.len() == size)];
        for read in group {
            if let Some(shrunk) = smaller
                && read.op.precedes(shrunk.op)
            {
                tally.add("stale-read", || {
                    Anomaly::new(
                        "stale-read",
                        format!(
                            "{}a read at {} has {size} elements, and a later one at {} only {}",
                            of_key(set.key.as_ref()),
                            asked(read.op),
                            asked(shrunk.op),
                            shrunk.has.len()
                        ),
                    )
                    .because(format!("the first ended at {}", ended(read.op)))
                    .because(format!("the second began at {}", shrunk.op.invoked.time))
                    .with_op(read.op)
                    .with_op(shrunk.op)
                });
            }
        }
        let latest = group.iter().copied().max_by_key(|read| read.op.invoked.index);
        smaller = [smaller, latest].into_iter().flatten().max_by_key(|read| read.op.invoked.index);
        at += group.len();
    }
}
