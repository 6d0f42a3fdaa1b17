//! Growing sets: nothing acknowledged is lost, nothing comes from nowhere, nothing is there twice.
//!
//! Kinds:
//! - `lost`: an element that was acknowledged, or had been read, and that the last reads lack;
//! - `diverged`: one that some nodes' last reads lack and others' have;
//! - `unexpected`: an element that nobody had added when it was read, or whose add certainly
//!   failed;
//! - `duplicated`: an element that occurs twice in one read;
//! - `stale-read` and `long-fork`, only if the set has to be linearizable.
//!
//! An add whose fate is unknown may be there or not. *In a run of ours* the final reads decide what
//! was kept; which these are, and when a replica may still lag: see `finals`. An element that is
//! missing everywhere, but was acknowledged so shortly before the final reads that it may be on its
//! way, leaves the verdict unknown, and so does a run without a final read. *A foreign history* has
//! no final phase: there the fate of each element is told as Jepsen's `set-full` does (`timeline`),
//! and an element is lost if a read that began after every read that has it, and after it was
//! known, lacks it. If no element is stable, nothing was shown, and the verdict is unknown.
//!
//! The details count stable, lost, never read and stale elements, with quantiles of how long an
//! element took to become stable and how long a lost one was still to be seen.
//!
//! Foreign histories may have elements of any kind, and many sets, each with its key; see
//! [`Elements`]. Each set is judged on its own.
//!
//! Linearizable sets. A grow-only set whose reads return everything is linearizable if and only if
//! no element is unexpected or duplicated and, for all reads q and r and elements d and e:
//! 1. the contents of q and r are ordered by inclusion (else `long-fork`);
//! 2. if q returned before r was invoked, then q's contents are within r's;
//! 3. if e was acknowledged before r was invoked, or before the first add of some d that r has was
//!    invoked, then r has e.
//!
//! These are necessary: 1, because a set only grows; 2 and 3, because r took effect after its
//! invocation, and after the add of d. They suffice: order the reads by size; put each add directly
//! before the smallest read that has it, those that no read has at the end; order operations of one
//! place by invocation, adds first. Two adds in the wrong order would be e acknowledged before d
//! was invoked, with a read that has d and not e: excluded by 3. The other pairs are 2, 3 and
//! `unexpected`. (It is the condition of Gibbons and Korach, "Testing shared memories", 1997, for
//! this type.)
//!
//! `O(total length of the reads)`, and sorting.
//!
//! ```
//! use schism_checkers::set_full::SetFull;
//! use schism_core::{api::set::Set, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"add","value":7}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"add","value":7}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"read"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"read","value":[]}"#, "\n",
//! );
//! let history = History::<Set>::from_jsonl(lines.as_bytes())?.history;
//! let finding = SetFull::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "lost");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::finals;
use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{and, asked, count, ended, stopped};
use schism_core::api::elements::Elements;
use schism_core::api::{Api, Key};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

mod columns;
mod linearizable;
mod timeline;

use columns::{Element, Read};
pub use columns::{GrowSet, OneSet};
use timeline::{Fate, Line, Summary};

/// The checker's name.
pub const NAME: &str = "set-full";

/// How `schism check` names it.
pub const SET: Model = Model {
    name: "set",
    about: "a growing set, linearizable: a read sees what was acknowledged before it",
    page: "\
Operations: {f: add, value: 3}, {f: read, value: nil, then all elements}. Elements may be anything.
With a `key`, or if all values are [key element], [key nil] and [key elements], each key is a set
of its own.
Finds: unexpected, duplicated, lost, diverged; stale-read: an acknowledged element is not in a read
that began later; long-fork: two reads that each lack an element of the other. Decides exactly.",
    make: |options| {
        options.only("set", &[])?;
        Ok(typed::<Elements>(SetFull { linearizable: true }))
    },
};

/// How `schism check` names it.
pub const SET_FULL: Model = Model {
    name: "set-full",
    about: "a growing set: nothing acknowledged is lost",
    page: "\
Operations: {f: add, value: 3}, {f: read, value: nil, then all elements}; with a `key`, or with [key
argument] as value, each key is a set of its own.
Finds: lost: an element that was in, and that the last reads lack; diverged: some nodes' last reads
lack it; unexpected: nobody had added it; duplicated: twice in one read. Stale reads are counted,
not judged, with quantiles of how long elements took to become stable.",
    make: |options| {
        options.only("set-full", &[])?;
        Ok(typed::<Elements>(SetFull { linearizable: false }))
    },
};

/// Judges what became of every element.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetFull {
    /// Every read has to show every add that was acknowledged before it.
    pub linearizable: bool,
}

/// The final reads: the last one of each node in the final phase.
type Finals<'s, 'h, A> = BTreeMap<String, &'s Read<'h, A>>;

impl<A: GrowSet> Checker<A> for SetFull {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<A>, run: &RunFacts, limits: &Limits) -> Finding {
        let sets = A::columns(history);
        let mut tally = Tally::default();
        let mut seen = Seen::default();
        for set in &sets {
            if limits.are_exceeded() {
                break;
            }
            duplicated_elements(set, &mut tally);
            unexpected_elements(set, &mut tally);
            let lines = timeline::lines(set);
            if is_foreign(run) {
                nothing_vanishes(set, &lines, run, &mut tally);
            } else {
                let finals = finals(set, run);
                durability(set, &finals, run, &mut tally, &mut seen.recent);
                seen.finals.extend(finals.into_keys());
            }
            if self.linearizable {
                linearizable::check(set, run, limits, &mut tally);
            }
            seen.timeline.add(set, &lines);
            seen.elements += set.elements.iter().filter(|e| e.is_asked_for()).count();
            seen.acknowledged += set.elements.iter().filter(|e| e.acknowledged.is_some()).count();
            seen.reads += set.reads.len();
        }
        seen.finals.sort_unstable();
        seen.finals.dedup();
        let mut details = json!({
            "sets": sets.len(),
            "attempted": seen.elements,
            "acknowledged": seen.acknowledged,
            "reads": seen.reads,
            "final_reads": seen.finals,
            "missing_but_too_recent": seen.recent.everywhere + seen.recent.somewhere,
            "anomalies": tally.to_json(),
        });
        let (verdict, summary) = conclude(tally, &seen, is_foreign(run), limits);
        seen.timeline.into_details(&mut details);
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

/// What was seen of all sets together.
#[derive(Default)]
struct Seen {
    elements: usize,
    acknowledged: usize,
    reads: usize,
    finals: Vec<String>,
    recent: Recent,
    timeline: Summary,
}

/// Acknowledged elements that are missing but may be on their way.
#[derive(Default)]
struct Recent {
    /// Missing in every final read.
    everywhere: usize,
    /// Missing in some.
    somewhere: usize,
}

fn is_foreign(run: &RunFacts) -> bool {
    run.nodes.is_empty() && run.final_phase_at.is_none()
}

fn conclude(tally: Tally, seen: &Seen, foreign: bool, limits: &Limits) -> (Verdict, String) {
    let added = count(seen.acknowledged, "acknowledged element", "acknowledged elements");
    if !tally.is_empty() {
        let summary = format!("of {added}: {}", tally.in_words());
        return (tally.into_verdict(), summary);
    }
    let unknown = if limits.are_exceeded() {
        stopped(limits)
    } else if seen.elements == 0 {
        Some("vacuous: nothing was added".to_owned())
    } else if foreign && seen.timeline.stable == 0 {
        Some(format!("no read shows any of {added}, so what was kept isn't known"))
    } else if foreign {
        None
    } else if seen.finals.is_empty() {
        Some(format!("no final read succeeded, so what was kept of {added} isn't known"))
    } else if seen.recent.everywhere > 0 {
        Some(format!(
            "{} missing in every final read, acknowledged too shortly before to be called lost",
            count(seen.recent.everywhere, "element is", "elements are")
        ))
    } else if seen.acknowledged == 0 {
        Some("vacuous: no add was acknowledged".to_owned())
    } else {
        None
    };
    if let Some(why) = unknown {
        return (Verdict::Unknown(why.clone()), why);
    }
    let summary = if foreign {
        let never = match seen.timeline.never_read {
            0 => String::new(),
            n => format!("; of {} no read can tell", count(n, "element", "elements")),
        };
        let stable = count(seen.timeline.stable, "element", "elements");
        format!("nothing is lost: {stable} stay, once they are there{never}")
    } else {
        format!("the final reads of {} have all of {added}", and(&seen.finals))
    };
    (Verdict::Valid, summary)
}

pub(crate) fn of_key(key: Option<&Key>) -> String {
    key.map_or_else(String::new, |key| format!("key {key}: "))
}

impl<A: Api> Element<'_, A> {
    fn is_asked_for(&self) -> bool {
        self.added.is_some() || self.failed.is_some()
    }
}

/// Nothing is there twice. Each element is reported once.
fn duplicated_elements<A: Api>(set: &OneSet<'_, A>, tally: &mut Tally) {
    let mut twice = vec![false; set.elements.len()];
    for read in &set.reads {
        for number in &read.twice {
            if std::mem::replace(&mut twice[*number as usize], true) {
                continue;
            }
            tally.add("duplicated", || {
                let value = &set.elements[*number as usize].value;
                let of = of_key(set.key.as_ref());
                Anomaly::new(
                    "duplicated",
                    format!("{of}a read at {} has element {value} more than once", asked(read.op)),
                )
                .because(format!("the read ended at {}", ended(read.op)))
                .with_op(read.op)
            });
        }
    }
}

/// Nothing comes from nowhere. Each element is reported once.
pub(crate) fn unexpected_elements<A: Api>(set: &OneSet<'_, A>, tally: &mut Tally) {
    let mut from_nowhere = vec![false; set.elements.len()];
    for read in &set.reads {
        for number in &read.has {
            let number = *number as usize;
            let element = &set.elements[number];
            let early = element.added.is_none_or(|add| read.op.precedes(add));
            if early && !std::mem::replace(&mut from_nowhere[number], true) {
                tally.add("unexpected", || unexpected(set, element, read.op));
            }
        }
    }
}

fn unexpected<A: Api>(set: &OneSet<'_, A>, element: &Element<'_, A>, read: &Op<A>) -> Anomaly {
    let (why, other) = match (element.added, element.failed) {
        (Some(add), _) => ("which was added only later", Some(add)),
        (None, Some(add)) => ("whose add had certainly failed", Some(add)),
        (None, None) => ("which nobody ever added", None),
    };
    let (of, value) = (of_key(set.key.as_ref()), &element.value);
    let summary = format!("{of}a read at {} has element {value}, {why}", asked(read));
    let anomaly = Anomaly::new("unexpected", summary)
        .because(format!("the read ended at {}", ended(read)))
        .with_op(read);
    other.into_iter().fold(anomaly, |anomaly, add| {
        anomaly
            .because(format!("{} was asked to add it at {}", asked(add), add.invoked.time))
            .with_op(add)
    })
}

/// In a foreign history: whatever is known to be in stays.
fn nothing_vanishes<A: Api>(
    set: &OneSet<'_, A>,
    lines: &[Line<'_, A>],
    run: &RunFacts,
    tally: &mut Tally,
) {
    // Each node's last read, of those that say which node they are of.
    let mut last: BTreeMap<&str, &Read<'_, A>> = BTreeMap::new();
    for read in &set.reads {
        if let Some(node) = &read.op.node {
            last.insert(node, read);
        }
    }
    for (number, (element, line)) in set.elements.iter().zip(lines).enumerate() {
        let (Fate::Lost, Some(known), Some(absent)) = (line.fate, line.known, line.absent) else {
            continue;
        };
        let due = |read: &&Read<'_, A>| known.precedes(read.op);
        let (have, lack): (Vec<_>, Vec<_>) =
            last.values().copied().filter(due).partition(|read| read.has(number));
        let kind = if have.is_empty() { "lost" } else { "diverged" };
        let lack: Vec<&Op<A>> = if lack.is_empty() { vec![absent] } else { ops(&lack) };
        let have = ops(&have);
        tally.add(kind, || {
            let missing = Missing { known, have: &have, lack: &lack };
            missing.describe(kind, set, element, run)
        });
    }
}

/// In a run of ours: the last read of each node in the final phase.
fn finals<'s, 'h, A: Api>(set: &'s OneSet<'h, A>, run: &RunFacts) -> Finals<'s, 'h, A> {
    let Some(at) = run.final_phase_at else { return BTreeMap::new() };
    let reads = set.reads.iter().filter(|read| read.op.invoked.time >= at);
    // Reads come in the order of invocation, so the last one stays.
    reads.map(|read| (asked(read.op), read)).collect()
}

fn ops<'h, A: Api>(reads: &[&Read<'h, A>]) -> Vec<&'h Op<A>> {
    reads.iter().map(|read| read.op).collect()
}

fn durability<A: Api>(
    set: &OneSet<'_, A>,
    finals: &Finals<'_, '_, A>,
    run: &RunFacts,
    tally: &mut Tally,
    recent: &mut Recent,
) {
    for (number, element) in set.elements.iter().enumerate() {
        let Some(ack) = element.acknowledged else { continue };
        let required = finals.values().copied().filter(|read| ack.precedes(read.op));
        let (have, lack): (Vec<_>, Vec<_>) = required.partition(|read| read.has(number));
        if lack.is_empty() {
            continue;
        }
        // Where nobody has it the heal doesn't matter: it is held by nobody, not late to somebody.
        let since = if have.is_empty() {
            ended(ack)
        } else {
            ended(ack).max(run.healed_at.unwrap_or_default())
        };
        let had_time = |read: &&Read<'_, A>| finals::had_time(run, since, read.op.invoked.time);
        let late: Vec<_> = lack.iter().copied().filter(had_time).collect();
        match (have.is_empty(), late.is_empty()) {
            (true, true) => recent.everywhere += 1,
            (false, true) => recent.somewhere += 1,
            (true, false) => tally.add("lost", || {
                let missing = Missing { known: ack, have: &[], lack: &ops(&lack) };
                missing.describe("lost", set, element, run)
            }),
            (false, false) => tally.add("diverged", || {
                let missing = Missing { known: ack, have: &ops(&have), lack: &ops(&late) };
                missing.describe("diverged", set, element, run)
            }),
        }
    }
}

/// An element that was in, and which reads show it.
struct Missing<'m, 'h, A: Api> {
    /// What proves that it was in: an add, or a read.
    known: &'h Op<A>,
    have: &'m [&'h Op<A>],
    lack: &'m [&'h Op<A>],
}

impl<A: Api> Missing<'_, '_, A> {
    fn describe(
        &self,
        kind: &'static str,
        set: &OneSet<'_, A>,
        element: &Element<'_, A>,
        run: &RunFacts,
    ) -> Anomaly {
        let Self { known, have, lack } = self;
        let names = |ops: &[&Op<A>]| and(&ops.iter().map(|op| asked(op)).collect::<Vec<_>>());
        let fate = if have.is_empty() {
            format!("it is in no final read ({})", names(lack))
        } else {
            format!("{} has it and {} has not", names(have), names(lack))
        };
        let (of, value) = (of_key(set.key.as_ref()), &element.value);
        let is_ack = element.acknowledged.is_some_and(|ack| std::ptr::eq(ack, *known));
        let verb = if is_ack { "acknowledged" } else { "showed" };
        let during = run.faults_in_words(known.invoked.time, ended(known));
        let (who, when) = (asked(known), ended(known));
        let summary = format!("{of}{who} {verb} element {value} at {when}{during}; {fate}");
        let proof = if is_ack { "the add was acknowledged" } else { "a read showed it" };
        let mut anomaly = Anomaly::new(kind, summary)
            .because(format!("{proof} by {who} at {when}"))
            .with_op(known);
        for op in *lack {
            let size = set.reads.iter().find(|read| std::ptr::eq(read.op, *op));
            let size = size.map_or(0, |read| read.has.len());
            anomaly = anomaly
                .because(format!(
                    "{}, read at {}{}, has {} without it",
                    asked(op),
                    op.invoked.time,
                    if is_foreign(run) { "" } else { " after everything had healed" },
                    count(size, "element", "elements")
                ))
                .with_op(op);
        }
        have.iter().take(1).fold(anomaly, |anomaly, op| anomaly.with_op(op))
    }
}
