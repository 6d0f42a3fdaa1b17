//! A log in partitions, as Kafka has: each message gets one place, and nobody misses it.
//!
//! Kinds, named as Jepsen's Kafka workload, the source, names them:
//! - `inconsistent-offsets`: two messages at one offset of a partition;
//! - `duplicate`: one message, sent once, at two offsets;
//! - `lost-write`: a message that was acknowledged at an offset, and polled by nobody, though
//!   a later one of its partition was;
//! - `poll-skip`, `nonmonotonic-poll`: a client that polls goes past a message that is there, or
//!   back; `int-` before it: within one answer;
//! - `nonmonotonic-send`: a client's later message gets a lower offset; `int-` before it: within
//!   one transaction;
//! - `garbage-read`, `aborted-read`, `future-read`: a message that nobody sent, whose send
//!   certainly failed, or that was sent only later;
//! - `precommitted-read`: a transaction polls what it sends itself.
//!
//! *Sound.* A message is known to be at an offset once it was acknowledged there or polled there. A
//! partition is appended to, and shows nothing that comes after what it does not show yet; so
//! whoever is shown two offsets is shown all messages known between. Across answers that holds only
//! for a client that assigns partitions to itself: under `subscribe` the system may give a
//! partition away and back. After an assignment, and after a poll of unknown fate or that failed, a
//! client may begin anywhere, and is not held to what it had read. Offsets may have gaps:
//! transactions have markers. Consumers are taken to begin at the start of a partition, or where
//! another of their group left off; so what none of them shows is lost, unless a poll of unknown
//! fate may have taken it: then it is counted as missing, and the verdict is unknown.
//!
//! Messages that are beyond all that was polled are counted as unseen. Not judged: cycles between
//! transactions. A message that is sent twice to one partition is not judged for duplicates.
//!
//! `O(n log n)`.
//!
//! ```
//! use schism_checkers::partitioned_log::PartitionedLog;
//! use schism_core::api::partitioned_log::PartitionedLog as Api;
//! use schism_core::{checker::Checker, history::History};
//! let mut lines = String::new();
//! for (asked, got) in [
//!     (r#"[["send",1,"a"]]"#, r#"[["send",1,[0,"a"]]]"#),
//!     (r#"[["send",1,"b"]]"#, r#"[["send",1,[1,"b"]]]"#),
//!     (r#"[["poll"]]"#, r#"[["poll",{"1":[[1,"b"]]}]]"#),
//! ] {
//!     for (kind, value) in [("invoke", asked), ("ok", got)] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":0,\"f\":\"txn\",\"value\":{value}}}\n");
//!     }
//! }
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = PartitionedLog.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "lost-write");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, stopped};
use schism_core::api::Key;
use schism_core::api::partitioned_log::{Call, Done, Mop, PartitionedLog as Api, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

mod clients;
mod partitions;

use partitions::Partitions;

/// The checker's name.
pub const NAME: &str = "partitioned-log";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "a log in partitions (Kafka): nothing lost, doubled, skipped or out of order",
    page: "\
Operations: {f: send, poll or txn, value: [[:send k v] [:poll] ...], then [[:send k [offset v]]
[:poll {k [[offset v] ...]}] ...]}, {f: assign or subscribe, value: [k ...]}.
Finds: inconsistent-offsets, duplicate, lost-write, poll-skip, nonmonotonic-poll, nonmonotonic-send
(and int-poll-skip, int-nonmonotonic-poll, int-nonmonotonic-send within one operation),
precommitted-read, garbage-read, aborted-read, future-read. Not judged: cycles of transactions.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(PartitionedLog))
    },
};

/// Judges a log in partitions.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartitionedLog;

/// A message that was acknowledged or polled.
#[derive(Clone, Copy, Debug)]
struct Message<'h> {
    partition: &'h Key,
    offset: i64,
    body: &'h Key,
    op: &'h Op<Api>,
    polled: bool,
    /// Which part of its operation said so.
    part: usize,
}

/// The messages that an operation is known to have sent or polled, in its order.
fn messages(op: &Op<Api>) -> impl Iterator<Item = Message<'_>> {
    let done = match op.reply() {
        Some(Reply::Txn(done)) => done.as_slice(),
        Some(Reply::Assigned) | None => &[],
    };
    done.iter().enumerate().flat_map(move |(part, done)| {
        let (sent, polled) = match done {
            Done::Sent(partition, offset, message) => {
                let sent = offset.map(|offset| (partition, offset, message));
                (sent, [].as_slice())
            }
            Done::Polled(all) => (None, all.as_slice()),
        };
        let polled = polled.iter().flat_map(|(partition, all)| {
            all.iter().map(move |(offset, message)| (partition, *offset, message, true))
        });
        let sent = sent.map(|(partition, offset, message)| (partition, offset, message, false));
        sent.into_iter().chain(polled).map(move |(partition, offset, body, polled)| Message {
            partition,
            offset,
            body,
            op,
            polled,
            part,
        })
    })
}

/// What an operation asked to send.
fn sends(op: &Op<Api>) -> impl Iterator<Item = (&Key, &Key)> {
    let mops = match &op.call {
        Call::Txn(mops) => mops.as_slice(),
        Call::Assign(_) | Call::Subscribe(_) => &[],
    };
    mops.iter().filter_map(|mop| match mop {
        Mop::Send(partition, message) => Some((partition, message)),
        Mop::Poll => None,
    })
}

fn polls(op: &Op<Api>) -> bool {
    matches!(&op.call, Call::Txn(mops) if mops.contains(&Mop::Poll))
}

impl Checker<Api> for PartitionedLog {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, _: &RunFacts, limits: &Limits) -> Finding {
        let mut tally = Tally::default();
        let partitions = Partitions::gather(history, &mut tally);
        partitions.plausible(history, &mut tally);
        let crashed = history
            .ops()
            .iter()
            .filter(|op| polls(op) && matches!(op.outcome, Outcome::Info(_)))
            .count();
        let missing = partitions.lost(crashed > 0, &mut tally);
        if !limits.are_exceeded() {
            clients::check(history, &partitions, &mut tally);
        }
        let figures = partitions.figures();
        let details = json!({
            "partitions": figures.partitions,
            "messages": figures.messages,
            "polled": figures.polled,
            "unseen": figures.unseen,
            "missing": missing,
            "crashed_polls": crashed,
            "anomalies": tally.to_json(),
        });
        let checked = format!(
            "{} in {}",
            count(figures.messages, "message", "messages"),
            count(figures.partitions, "partition", "partitions")
        );
        let unknown = stopped(limits).or_else(|| {
            if missing > 0 {
                let messages = count(missing, "acknowledged message", "acknowledged messages");
                Some(format!("{messages} may have gone to polls of unknown fate"))
            } else if figures.polled == 0 {
                Some("vacuous: nothing was polled".to_owned())
            } else {
                None
            }
        });
        let (verdict, summary) = tally.conclude(&checked, unknown, || {
            format!("{checked}, {} polled, each in its place", figures.polled)
        });
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

/// `message a of partition 1`
fn named(partition: &Key, message: &Key) -> String {
    format!("message {message} of partition {partition}")
}

fn said(message: &Message<'_>) -> String {
    let verb = if message.polled { "polled" } else { "acknowledged" };
    let op = message.op;
    format!(
        "{} {verb} {} at offset {}, by {}",
        asked(op),
        named(message.partition, message.body),
        message.offset,
        ended(op)
    )
}

fn about(kind: &'static str, summary: String, messages: &[&Message<'_>]) -> Anomaly {
    messages.iter().fold(Anomaly::new(kind, summary), |anomaly, message| {
        let anomaly = anomaly.because(said(message));
        if anomaly.ops.contains(&message.op.invoked.index) {
            anomaly
        } else {
            anomaly.with_op(message.op)
        }
    })
}
