//! What is known of each partition: which message is at which offset, and who said so.

use super::{Api, Message, about, messages, named, sends};
use crate::tally::Tally;
use crate::words::{asked, ended};
use rustc_hash::{FxHashMap, FxHashSet};
use schism_core::api::Key;
use schism_core::history::History;
use schism_core::op::Op;
use schism_core::verdict::Anomaly;
use std::collections::BTreeMap;

/// Every partition.
#[derive(Default)]
pub(super) struct Partitions<'h> {
    all: BTreeMap<&'h Key, Partition<'h>>,
    sends: FxHashMap<(&'h Key, &'h Key), Sent<'h>>,
}

/// One partition.
#[derive(Default)]
struct Partition<'h> {
    /// By offset, who said first what is there.
    known: BTreeMap<i64, Message<'h>>,
    polled: FxHashSet<i64>,
    highest_polled: Option<Message<'h>>,
    /// Messages that were acknowledged without an offset.
    unplaced: Vec<&'h Key>,
}

/// The sends of one message to one partition.
#[derive(Default)]
struct Sent<'h> {
    /// Those that may have happened, and the one that was invoked first.
    attempts: usize,
    first: Option<&'h Op<Api>>,
    failed: Option<&'h Op<Api>>,
    acknowledged: bool,
}

/// Figures of all partitions together.
pub(super) struct Figures {
    pub(super) partitions: usize,
    pub(super) messages: usize,
    pub(super) polled: usize,
    pub(super) unseen: usize,
}

impl<'h> Partitions<'h> {
    /// Gathers, and reports offsets with two messages and messages at two offsets.
    pub(super) fn gather(history: &'h History<Api>, tally: &mut Tally) -> Self {
        let mut partitions = Self::default();
        for op in history.ops() {
            for (partition, message) in sends(op) {
                let sent = partitions.sends.entry((partition, message)).or_default();
                if op.outcome.may_have_happened() {
                    sent.attempts += 1;
                    sent.first.get_or_insert(op);
                    sent.acknowledged |= op.reply().is_some();
                } else {
                    sent.failed = Some(op);
                }
            }
        }
        let mut places: FxHashMap<(&Key, &Key), Message<'h>> = FxHashMap::default();
        let (mut twice, mut mixed) = (FxHashSet::default(), FxHashSet::default());
        for message in history.ops().iter().flat_map(messages) {
            let partition = partitions.all.entry(message.partition).or_default();
            if message.polled {
                partition.polled.insert(message.offset);
                if partition.highest_polled.is_none_or(|high| high.offset < message.offset) {
                    partition.highest_polled = Some(message);
                }
            }
            let known = partition.known.entry(message.offset).or_insert(message);
            if known.body != message.body && mixed.insert((message.partition, message.offset)) {
                tally.add("inconsistent-offsets", || inconsistent(known, &message));
            }
            let name = (message.partition, message.body);
            let place = places.entry(name).or_insert(message);
            let once = partitions.sends.get(&name).is_none_or(|sent| sent.attempts <= 1);
            if place.offset != message.offset && once && twice.insert(name) {
                tally.add("duplicate", || duplicate(place, &message));
            }
        }
        for ((partition, message), sent) in &partitions.sends {
            if sent.acknowledged && !places.contains_key(&(*partition, *message)) {
                partitions.all.entry(partition).or_default().unplaced.push(message);
            }
        }
        partitions
    }

    /// Reports polled messages that cannot have been there. Each is reported once.
    pub(super) fn plausible(&self, history: &'h History<Api>, tally: &mut Tally) {
        let mut reported = FxHashSet::default();
        for op in history.ops() {
            let own: FxHashSet<(&Key, &Key)> = sends(op).collect();
            for polled in messages(op).filter(|message| message.polled) {
                let name = (polled.partition, polled.body);
                let sent = self.sends.get(&name);
                let (kind, why, other) = match sent.map(|sent| (sent.first, sent.failed)) {
                    _ if own.contains(&name) && sent.is_some_and(|sent| sent.attempts == 1) => {
                        ("precommitted-read", "which the same transaction sent", None)
                    }
                    Some((Some(first), _)) if op.precedes(first) => {
                        ("future-read", "which was sent only later", Some(first))
                    }
                    Some((Some(_), _)) => continue,
                    Some((None, Some(failed))) => {
                        ("aborted-read", "whose send certainly failed", Some(failed))
                    }
                    Some((None, None)) | None => ("garbage-read", "which nobody sent", None),
                };
                if reported.insert(name) {
                    tally.add(kind, || implausible(kind, &polled, why, other));
                }
            }
        }
    }

    /// Reports messages that were acknowledged and that nobody polled, though a later one of the
    /// partition was; only counts them if a poll of unknown fate may have taken them.
    pub(super) fn lost(&self, may_have_gone: bool, tally: &mut Tally) -> usize {
        let mut missing = 0;
        for partition in self.all.values() {
            let Some(high) = partition.highest_polled else { continue };
            for (offset, message) in partition.known.range(..high.offset) {
                if message.polled || partition.polled.contains(offset) {
                    continue;
                }
                if may_have_gone {
                    missing += 1;
                } else {
                    tally.add("lost-write", || lost(message, &high));
                }
            }
        }
        missing
    }

    /// A message known to be between two offsets of a partition.
    pub(super) fn between(&self, partition: &Key, low: i64, high: i64) -> Option<&Message<'h>> {
        let from = low.checked_add(1).filter(|from| *from < high)?;
        let mut between = self.all.get(partition)?.known.range(from..high);
        between.next().map(|(_, message)| message)
    }

    pub(super) fn figures(&self) -> Figures {
        let mut figures = Figures { partitions: self.all.len(), messages: 0, polled: 0, unseen: 0 };
        for partition in self.all.values() {
            figures.messages += partition.known.len() + partition.unplaced.len();
            figures.polled += partition.polled.len();
            let high = partition.highest_polled.map_or(i64::MIN, |message| message.offset);
            figures.unseen += partition.unplaced.len();
            figures.unseen +=
                partition.known.range(high..).filter(|(offset, _)| **offset > high).count();
        }
        figures
    }
}

fn inconsistent(known: &Message<'_>, message: &Message<'_>) -> Anomaly {
    let (partition, offset) = (message.partition, message.offset);
    let summary = format!(
        "offset {offset} of partition {partition} has two messages, {} and {}",
        known.body, message.body
    );
    about("inconsistent-offsets", summary, &[known, message])
}

fn duplicate(place: &Message<'_>, message: &Message<'_>) -> Anomaly {
    let summary = format!(
        "{} was sent once and is at two offsets, {} and {}",
        named(message.partition, message.body),
        place.offset,
        message.offset
    );
    about("duplicate", summary, &[place, message])
}

fn implausible(
    kind: &'static str,
    polled: &Message<'_>,
    why: &str,
    other: Option<&Op<Api>>,
) -> Anomaly {
    let name = named(polled.partition, polled.body);
    let summary = format!("{} polled {name}, {why}", asked(polled.op));
    other.into_iter().fold(about(kind, summary, &[polled]), |anomaly, op| {
        let when = op.invoked.time;
        anomaly.because(format!("{} was asked to send it at {when}", asked(op))).with_op(op)
    })
}

fn lost(message: &Message<'_>, high: &Message<'_>) -> Anomaly {
    let (name, when) = (named(message.partition, message.body), ended(message.op));
    let summary = format!(
        "{} acknowledged {name} at offset {} at {when}; nobody polled it, though offset {} was",
        asked(message.op),
        message.offset,
        high.offset
    );
    about("lost-write", summary, &[message, high])
}
