//! What became of each element over time, as Jepsen's `set-full` tells it.
//!
//! An element is *known* once an add of it was acknowledged, or a read that has it returned. It is
//! *stable* if the read that has it and began last began after every read that lacks it; *lost* if
//! it was known before a read began that lacks it, and every read that has it began before that
//! one; *never read* otherwise: no read can tell. The *stable latency* is how long after it became
//! known a read that lacks it still began; a stable element for which that is more than nothing was
//! *stale*. The *lost latency* is how long after it became known a read that has it still began.
//!
//! Only the last read that lacks an element matters. Go over the reads from the last to the first,
//! with the elements that no read has lacked so far: each read either has one of these or takes it
//! off the list. `O(elements + total length of the reads)`.

use super::columns::{Element, OneSet, Read};
use crate::latency::Latencies;
use crate::words::ended;
use schism_core::api::Api;
use schism_core::op::Op;
use schism_core::time::Nanos;
use serde_json::{Value, json};
use std::time::Duration;

/// How many of the elements that were stale longest are named.
const WORST: usize = 8;

/// What became of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stable,
    Lost,
    NeverRead,
}

/// One element over time: which reads show it, and which do not.
#[derive(Debug)]
pub(super) struct Line<'h, A: Api> {
    pub(super) fate: Fate,
    /// The first operation to return that proves that it is in.
    pub(super) known: Option<&'h Op<A>>,
    /// The read that has it and began last.
    pub(super) present: Option<&'h Op<A>>,
    /// The read that lacks it and began last.
    pub(super) absent: Option<&'h Op<A>>,
}

impl<A: Api> Line<'_, A> {
    /// From when it was known until `last` began; nothing if it began before.
    fn since_known(&self, last: Option<&Op<A>>) -> Duration {
        let known = self.known.map_or(Nanos::ZERO, ended);
        last.map_or(Duration::ZERO, |op| op.invoked.time.since(known))
    }

    /// For how long reads that lack it began although it was known.
    fn stale_for(&self) -> Option<Duration> {
        let late = |absent: &&Op<A>| self.known.is_some_and(|known| known.precedes(absent));
        (self.fate == Fate::Stable).then(|| self.since_known(self.absent.filter(late)))
    }

    fn was_stale(&self) -> bool {
        self.fate == Fate::Stable
            && self.known.zip(self.absent).is_some_and(|(known, absent)| known.precedes(absent))
    }
}

/// The elements of a set by number, over time.
pub(super) fn lines<'h, A: Api>(set: &OneSet<'h, A>) -> Vec<Line<'h, A>> {
    let mut present: Vec<Option<&Op<A>>> = vec![None; set.elements.len()];
    let mut known: Vec<Option<&Op<A>>> =
        set.elements.iter().map(|element| element.acknowledged).collect();
    for read in &set.reads {
        for number in &read.has {
            let number = *number as usize;
            present[number] = Some(read.op);
            if known[number].is_none_or(|by| read.op.returned() < by.returned()) {
                known[number] = Some(read.op);
            }
        }
    }
    let absent = last_lacking(set.elements.len(), &set.reads);
    set.elements
        .iter()
        .zip(known.into_iter().zip(present.into_iter().zip(absent)))
        .map(|(element, (known, (present, absent)))| line(element, known, present, absent))
        .collect()
}

fn line<'h, A: Api>(
    element: &Element<'h, A>,
    known: Option<&'h Op<A>>,
    present: Option<&'h Op<A>>,
    absent: Option<&'h Op<A>>,
) -> Line<'h, A> {
    let began = |op: Option<&Op<A>>| op.map(|op| op.invoked.index);
    let fate = match (known, absent) {
        // Nobody added it, so it can't be lost; that it is there at all is another matter.
        _ if element.added.is_none() => Fate::NeverRead,
        (Some(known), Some(absent))
            if began(present) < began(Some(absent)) && known.precedes(absent) =>
        {
            Fate::Lost
        }
        _ if present.is_some() && began(absent) < began(present) => Fate::Stable,
        _ => Fate::NeverRead,
    };
    Line { fate, known, present, absent }
}

/// By element, the read that lacks it and began last.
fn last_lacking<'h, A: Api>(elements: usize, reads: &[Read<'h, A>]) -> Vec<Option<&'h Op<A>>> {
    let mut absent = vec![None; elements];
    let mut never_lacked: Vec<u32> = (0..).take(elements).collect();
    let mut marks = vec![usize::MAX; elements];
    for (at, read) in reads.iter().enumerate().rev() {
        for number in &read.has {
            marks[*number as usize] = at;
        }
        never_lacked.retain(|number| {
            let number = *number as usize;
            if marks[number] != at {
                absent[number] = Some(read.op);
            }
            marks[number] == at
        });
    }
    absent
}

/// Counts, latencies and the elements that were stale longest.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) stable: usize,
    pub(super) lost: usize,
    pub(super) never_read: usize,
    stale: usize,
    stable_for: Latencies,
    lost_after: Latencies,
    worst: Vec<(Duration, String)>,
}

impl Summary {
    pub(super) fn add<A: Api>(&mut self, set: &OneSet<'_, A>, lines: &[Line<'_, A>]) {
        for (element, line) in set.elements.iter().zip(lines) {
            if element.added.is_none() {
                continue;
            }
            match line.fate {
                Fate::Stable => self.stable += 1,
                Fate::Lost => {
                    self.lost += 1;
                    self.lost_after.add(line.since_known(line.present));
                }
                Fate::NeverRead => self.never_read += 1,
            }
            if let Some(stale_for) = line.stale_for() {
                self.stable_for.add(stale_for);
            }
            if line.was_stale() {
                self.stale += 1;
                self.worst.push((line.stale_for().unwrap_or_default(), element.value.to_string()));
            }
        }
        self.worst.sort_by(|left, right| right.cmp(left));
        self.worst.truncate(WORST);
    }

    /// The figures, added to those of the checker.
    pub(super) fn into_details(self, details: &mut Value) {
        details["stable"] = json!(self.stable);
        details["lost"] = json!(self.lost);
        details["never_read"] = json!(self.never_read);
        details["stale"] = json!(self.stale);
        details["stable_latency_ms"] = self.stable_for.sorted().to_json();
        details["lost_latency_ms"] = self.lost_after.sorted().to_json();
        let worst = self.worst.into_iter();
        details["stale_longest"] = worst
            .map(|(stale_for, element)| {
                json!({ "element": element, "ms": stale_for.as_secs_f64() * 1e3 })
            })
            .collect();
    }
}
