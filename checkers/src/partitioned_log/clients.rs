//! What each client sends and polls, one after the other: whether offsets grow, and nothing that is
//! there is passed over.

use super::partitions::Partitions;
use super::{Api, Message, about, messages, named, polls};
use crate::tally::Tally;
use crate::words::asked;
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::partitioned_log::Call;
use schism_core::history::History;
use schism_core::op::Op;
use schism_core::verdict::Anomaly;

/// One client.
#[derive(Default)]
struct Client<'h> {
    /// The system decides which partitions it reads.
    subscribed: bool,
    /// By partition, what it polled and sent last.
    polled: FxHashMap<&'h Key, Message<'h>>,
    sent: FxHashMap<&'h Key, Message<'h>>,
}

pub(super) fn check(history: &History<Api>, partitions: &Partitions<'_>, tally: &mut Tally) {
    let mut clients: FxHashMap<u64, Client<'_>> = FxHashMap::default();
    for op in history.ops() {
        let client = clients.entry(op.process).or_default();
        match op.call {
            Call::Assign(_) => {
                client.subscribed &= op.reply().is_none();
                client.polled.clear();
            }
            Call::Subscribe(_) => {
                client.subscribed = true;
                client.polled.clear();
            }
            Call::Txn(_) if op.reply().is_none() => {
                if polls(op) {
                    client.polled.clear();
                }
            }
            Call::Txn(_) => client.transaction(op, partitions, tally),
        }
    }
}

impl<'h> Client<'h> {
    fn transaction(&mut self, op: &'h Op<Api>, partitions: &Partitions<'_>, tally: &mut Tally) {
        let mut part = None;
        for message in messages(op) {
            if self.subscribed && message.polled && part.replace(message.part) != Some(message.part)
            {
                // Whatever it had read, the partition may have been elsewhere meanwhile.
                self.polled.clear();
            }
            let last = if message.polled { &mut self.polled } else { &mut self.sent };
            let before = last.insert(message.partition, message);
            let Some(before) = before else { continue };
            let within = std::ptr::eq(before.op, op);
            let kind = match (message.polled, within) {
                (false, false) => "nonmonotonic-send",
                (false, true) => "int-nonmonotonic-send",
                (true, false) => "nonmonotonic-poll",
                (true, true) => "int-nonmonotonic-poll",
            };
            if message.offset <= before.offset {
                tally.add(kind, || backwards(kind, &before, &message));
            } else if message.polled
                && let Some(skipped) =
                    partitions.between(message.partition, before.offset, message.offset)
            {
                let kind = if within { "int-poll-skip" } else { "poll-skip" };
                tally.add(kind, || skip(kind, &before, skipped, &message));
            }
        }
    }
}

fn backwards(kind: &'static str, before: &Message<'_>, message: &Message<'_>) -> Anomaly {
    let verb = if message.polled { "polled" } else { "sent" };
    let summary = format!(
        "{} {verb} offset {} of partition {}, after offset {}",
        asked(message.op),
        message.offset,
        message.partition,
        before.offset
    );
    about(kind, summary, &[before, message])
}

fn skip(
    kind: &'static str,
    before: &Message<'_>,
    skipped: &Message<'_>,
    message: &Message<'_>,
) -> Anomaly {
    let summary = format!(
        "{} polled offsets {} and {} of partition {}, and not {}, which is at {}",
        asked(message.op),
        before.offset,
        message.offset,
        message.partition,
        named(skipped.partition, skipped.body),
        skipped.offset
    );
    about(kind, summary, &[before, skipped, message])
}
