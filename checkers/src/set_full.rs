//! A growing set: nothing acknowledged is lost, nothing comes from nowhere, nothing is there twice.
//!
//! Kinds:
//! - `lost`: an acknowledged element that every final read lacks;
//! - `diverged`: one that some nodes' final reads lack and others' have;
//! - `unexpected`: an element that nobody had added when it was read, or whose add certainly
//!   failed;
//! - `duplicated`: an element that occurs twice in one read;
//! - `stale-read` and `long-fork`, only if the set has to be linearizable.
//!
//! An add whose fate is unknown may be there or not. Which reads are final, and when a replica may
//! still lag: see `finals`. An element that is missing everywhere, but was acknowledged so shortly
//! before the final reads that it may be on its way, leaves the verdict unknown. A history without
//! a final read is unknown too: what was kept is not known.
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

use crate::finals;
use crate::models::{Model, typed};
use crate::tally::Tally;
use crate::words::{and, asked, count, ended};
use schism_core::api::set::{Call, Reply, Set};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

mod linearizable;

/// The checker's name.
pub const NAME: &str = "set-full";

/// How `schism check` names it.
pub const SET: Model = Model {
    name: "set",
    about: "a growing set, linearizable: a read sees what was acknowledged before it",
    page: "\
Operations: {f: add, value: 3}, {f: read, value: nil, then all elements}.",
    make: |options| {
        options.only("set", &[])?;
        Ok(typed(SetFull { linearizable: true }))
    },
};

/// How `schism check` names it.
pub const SET_FULL: Model = Model {
    name: "set-full",
    about: "a growing set: nothing acknowledged is lost",
    page: "\
Operations: {f: add, value: 3}, {f: read, value: nil, then all elements}.",
    make: |options| {
        options.only("set-full", &[])?;
        Ok(typed(SetFull { linearizable: false }))
    },
};

/// Judges what became of every element.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetFull {
    /// Every read has to show every add that was acknowledged before it.
    pub linearizable: bool,
}

/// What is known of one element.
#[derive(Debug, Default)]
struct Element<'h> {
    /// The add that may have happened and was invoked first.
    added: Option<&'h Op<Set>>,
    /// The add that was acknowledged first.
    acknowledged: Option<&'h Op<Set>>,
    /// An add that certainly failed.
    failed: Option<&'h Op<Set>>,
}

type Elements<'h> = BTreeMap<i64, Element<'h>>;
type Finals<'h> = BTreeMap<String, (&'h Op<Set>, HashSet<i64>)>;

impl Checker<Set> for SetFull {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Set>, run: &RunFacts, _: &Limits) -> Finding {
        let elements = elements(history);
        let reads: Vec<(&Op<Set>, &[i64])> = history.ops().iter().filter_map(contents).collect();
        let mut tally = Tally::default();
        contents_are_plausible(&elements, &reads, &mut tally);
        let finals: Finals<'_> = finals::by_node(
            history,
            run,
            |call| matches!(call, Call::Read),
            |call| matches!(call, Call::Add(_)),
        )
        .into_iter()
        .filter_map(|(node, op)| Some((node, (op, contents(op)?.1.iter().copied().collect()))))
        .collect();
        let recent = durability(&elements, &finals, run, &mut tally);
        if self.linearizable {
            linearizable::check(&elements, &reads, run, &mut tally);
        }
        let acknowledged = elements.values().filter(|e| e.acknowledged.is_some()).count();
        let details = json!({
            "attempted": elements.len(),
            "acknowledged": acknowledged,
            "reads": reads.len(),
            "final_reads": finals.keys().collect::<Vec<_>>(),
            "stale": stale(&elements, &reads),
            "missing_but_too_recent": recent.everywhere + recent.somewhere,
            "anomalies": tally.to_json(),
        });
        let (verdict, summary) = conclude(tally, &finals, recent.everywhere, acknowledged);
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn conclude(
    tally: Tally,
    finals: &Finals<'_>,
    recent: usize,
    acknowledged: usize,
) -> (Verdict, String) {
    let added = count(acknowledged, "acknowledged element", "acknowledged elements");
    if !tally.is_empty() {
        let summary = format!("of {added}: {}", tally.in_words());
        return (tally.into_verdict(), summary);
    }
    let unknown = if finals.is_empty() {
        Some(format!("no final read succeeded, so what was kept of {added} isn't known"))
    } else if recent > 0 {
        Some(format!(
            "{} missing in every final read, acknowledged too shortly before to be called lost",
            count(recent, "element is", "elements are")
        ))
    } else if acknowledged == 0 {
        Some("vacuous: no add was acknowledged".to_owned())
    } else {
        None
    };
    if let Some(why) = unknown {
        return (Verdict::Unknown(why.clone()), why);
    }
    let nodes: Vec<&String> = finals.keys().collect();
    (Verdict::Valid, format!("the final reads of {} have all of {added}", and(&nodes)))
}

fn elements(history: &History<Set>) -> Elements<'_> {
    let mut elements: Elements<'_> = BTreeMap::new();
    for op in history.ops() {
        let Call::Add(value) = op.call else { continue };
        let element = elements.entry(value).or_default();
        match op.outcome {
            Outcome::Fail(_) => {
                element.failed.get_or_insert(op);
                continue;
            }
            Outcome::Ok(_) => {
                let first = element.acknowledged.is_none_or(|by| op.returned() < by.returned());
                if first {
                    element.acknowledged = Some(op);
                }
            }
            Outcome::Info(_) => {}
        }
        element.added.get_or_insert(op);
    }
    elements
}

fn contents(op: &Op<Set>) -> Option<(&Op<Set>, &[i64])> {
    match op.reply() {
        Some(Reply::Read(elements)) => Some((op, elements)),
        Some(Reply::Added) | None => None,
    }
}

/// Nothing comes from nowhere, and nothing is there twice. Each element is reported once.
fn contents_are_plausible(
    elements: &Elements<'_>,
    reads: &[(&Op<Set>, &[i64])],
    tally: &mut Tally,
) {
    let mut reported: HashSet<(bool, i64)> = HashSet::new();
    for (read, contents) in reads {
        let mut seen = HashSet::with_capacity(contents.len());
        for value in *contents {
            if !seen.insert(*value) && reported.insert((true, *value)) {
                tally.add("duplicated", || {
                    Anomaly::new(
                        "duplicated",
                        format!("a read at {} has element {value} more than once", asked(read)),
                    )
                    .because(format!("the read ended at {}", ended(read)))
                    .with_op(read)
                });
            }
            let element = elements.get(value);
            let added = element.and_then(|element| element.added);
            if added.is_none_or(|add| read.precedes(add)) && reported.insert((false, *value)) {
                let failed = element.and_then(|element| element.failed);
                tally.add("unexpected", || unexpected(*value, read, added, failed));
            }
        }
    }
}

fn unexpected(
    value: i64,
    read: &Op<Set>,
    added: Option<&Op<Set>>,
    failed: Option<&Op<Set>>,
) -> Anomaly {
    let (why, other) = match (added, failed) {
        (Some(add), _) => ("which was added only later", Some(add)),
        (None, Some(add)) => ("whose add had certainly failed", Some(add)),
        (None, None) => ("which nobody ever added", None),
    };
    let anomaly =
        Anomaly::new("unexpected", format!("a read at {} has element {value}, {why}", asked(read)))
            .because(format!("the read ended at {}", ended(read)))
            .with_op(read);
    other.into_iter().fold(anomaly, |anomaly, add| {
        anomaly
            .because(format!("{} was asked to add it at {}", asked(add), add.invoked.time))
            .with_op(add)
    })
}

/// Acknowledged elements that are missing but may be on their way.
#[derive(Default)]
struct Recent {
    /// Missing in every final read.
    everywhere: usize,
    /// Missing in some.
    somewhere: usize,
}

fn durability(
    elements: &Elements<'_>,
    finals: &Finals<'_>,
    run: &RunFacts,
    tally: &mut Tally,
) -> Recent {
    let mut recent = Recent::default();
    for (value, element) in elements {
        let Some(ack) = element.acknowledged else { continue };
        let required: Vec<_> = finals.iter().filter(|(_, (read, _))| ack.precedes(read)).collect();
        let (have, lack): (Vec<_>, Vec<_>) =
            required.into_iter().partition(|(_, (_, contents))| contents.contains(value));
        if lack.is_empty() {
            continue;
        }
        if have.is_empty() {
            // The heal doesn't matter here: it is held by nobody, not late to somebody.
            if lack
                .iter()
                .any(|(_, (read, _))| finals::had_time(run, ended(ack), read.invoked.time))
            {
                tally.add("lost", || missing("lost", *value, ack, &[], &lack, run));
            } else {
                recent.everywhere += 1;
            }
            continue;
        }
        let since = ended(ack).max(run.healed_at.unwrap_or_default());
        let late: Vec<_> = lack
            .into_iter()
            .filter(|(_, (read, _))| finals::had_time(run, since, read.invoked.time))
            .collect();
        if late.is_empty() {
            recent.somewhere += 1;
        } else {
            tally.add("diverged", || missing("diverged", *value, ack, &have, &late, run));
        }
    }
    recent
}

type Final<'f, 'h> = (&'f String, &'f (&'h Op<Set>, HashSet<i64>));

fn missing(
    kind: &'static str,
    value: i64,
    ack: &Op<Set>,
    have: &[Final<'_, '_>],
    lack: &[Final<'_, '_>],
    run: &RunFacts,
) -> Anomaly {
    let names = |reads: &[Final<'_, '_>]| {
        and(&reads.iter().map(|(node, _)| node.as_str()).collect::<Vec<_>>())
    };
    let during = run.faults_in_words(ack.invoked.time, ended(ack));
    let fate = if have.is_empty() {
        format!("it is in no final read ({})", names(lack))
    } else {
        format!("{} has it and {} has not", names(have), names(lack))
    };
    let mut anomaly = Anomaly::new(
        kind,
        format!("{} acknowledged element {value} at {}{during}; {fate}", asked(ack), ended(ack)),
    )
    .because(format!("the add was acknowledged by {} at {}", asked(ack), ended(ack)))
    .with_op(ack);
    for (node, (read, contents)) in lack {
        anomaly = anomaly
            .because(format!(
                "{node}, read at {} after everything had healed, has {} without it",
                read.invoked.time,
                count(contents.len(), "element", "elements")
            ))
            .with_op(read);
    }
    have.iter().take(1).fold(anomaly, |anomaly, (_, (read, _))| anomaly.with_op(read))
}

/// Elements that some read lacked after they had been acknowledged, and a later one has.
fn stale(elements: &Elements<'_>, reads: &[(&Op<Set>, &[i64])]) -> Value {
    let mut last_seen: HashMap<i64, u64> = HashMap::new();
    for (read, contents) in reads {
        for value in *contents {
            let at = last_seen.entry(*value).or_default();
            *at = (*at).max(read.invoked.index);
        }
    }
    let acknowledged: Vec<(u64, i64)> = elements
        .iter()
        .filter_map(|(value, element)| Some((element.acknowledged?.returned()?, *value)))
        .collect();
    let mut stale: HashSet<i64> = HashSet::new();
    for (read, contents) in reads {
        let has: HashSet<i64> = contents.iter().copied().collect();
        stale.extend(
            acknowledged
                .iter()
                .filter(|(ack, value)| *ack < read.invoked.index && !has.contains(value))
                .map(|(_, value)| *value)
                .filter(|value| {
                    last_seen.get(value).is_some_and(|seen| *seen > read.invoked.index)
                }),
        );
    }
    json!(stale.len())
}
