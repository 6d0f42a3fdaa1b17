//! Total-order broadcast: every node delivers the same messages in the same order.
//!
//! Each answer lists what a node had delivered, from the first message on. Kinds:
//! - `different-order`: two answers disagree about the message at some position. The longest answer
//!   serves as reference, and every other must be a prefix of it.
//! - `duplicated`: a message occurs twice in one answer.
//! - `unexpected`: a message that nobody had broadcast by then, or whose broadcast certainly
//!   failed.
//! - `regressed`: a node answers with less than it had answered before. A node that was killed in
//!   between is not accused: it may be replaying its log.
//! - `lost`: an acknowledged message that a node's final answer lacks. Which answers are final, and
//!   when a replica may still lag, is said in `finals`; a message missing everywhere that may just
//!   be on its way leaves the verdict unknown.
//! - `real-time-order`, on request ([`TotalOrder::real_time`]): a message whose broadcast began
//!   only after another's had been acknowledged was delivered before it, or without it. Total order
//!   alone doesn't promise this; a linearizable log does.
//!
//! No final answer leaves the verdict unknown, because nothing shows what was kept.
//!
//! `O(total length of the answers)`, and sorting.

use crate::finals;
use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{and, asked, count, ended};
use schism_core::api::log::{Call, Log, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The checker's name.
pub const NAME: &str = "total-order";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: "total-order",
    about: "every node delivers the same messages in the same order",
    page: "\
Operations: {f: broadcast, value: 3}, {f: delivered, value: nil, then all that the node has
delivered, in order}. The `node` says who delivered.
Finds: different-order, duplicated, unexpected, regressed (a node forgot what it had delivered),
lost (what was acknowledged is missing at the end).
A history in which nobody asked what was delivered at the end is unknown.
Decided in O(n log n) of what was delivered.",
    make: |options| {
        options.only("total-order", &[])?;
        Ok(typed(TotalOrder::default()))
    },
};

/// Judges the order of delivery.
#[derive(Clone, Copy, Debug, Default)]
pub struct TotalOrder {
    /// The order has to agree with real time.
    pub real_time: bool,
}

/// One answer.
type Answer<'h> = (&'h Op<Log>, &'h [i64]);

/// What is known of one message.
#[derive(Debug, Default)]
struct Message<'h> {
    /// The broadcast that may have happened and was invoked first.
    sent: Option<&'h Op<Log>>,
    /// The broadcast that was acknowledged first.
    acknowledged: Option<&'h Op<Log>>,
    /// A broadcast that certainly failed.
    failed: Option<&'h Op<Log>>,
}

type Messages<'h> = BTreeMap<i64, Message<'h>>;

impl Checker<Log> for TotalOrder {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Log>, run: &RunFacts, _: &Limits) -> Finding {
        let messages = messages(history);
        let answers: Vec<Answer<'_>> = history.ops().iter().filter_map(delivered).collect();
        let mut tally = Tally::default();
        let reference = answers.iter().max_by_key(|(_, list)| list.len()).copied();
        if let Some(reference) = reference {
            one_order(reference, &answers, run, &mut tally);
            if self.real_time {
                real_time(reference, &messages, &mut tally);
            }
        }
        plausible(&messages, &answers, &mut tally);
        regressions(&answers, run, &mut tally);
        let finals = finals::by_node(
            history,
            run,
            |call| matches!(call, Call::Delivered),
            |call| matches!(call, Call::Broadcast(_)),
        );
        let finals: Vec<(String, Answer<'_>)> =
            finals.into_iter().filter_map(|(node, op)| Some((node, delivered(op)?))).collect();
        let recent = lost(&messages, &finals, run, &mut tally);
        let acknowledged = messages.values().filter(|m| m.acknowledged.is_some()).count();
        let length = reference.map_or(0, |(_, list)| list.len());
        let details = json!({
            "broadcast": messages.len(),
            "acknowledged": acknowledged,
            "answers": answers.len(),
            "longest": length,
            "final_answers": finals.iter().map(|(node, (_, list))| (node.clone(), list.len()))
                .collect::<BTreeMap<_, _>>(),
            "missing_but_too_recent": recent,
            "anomalies": tally.to_json(),
        });
        let length = count(length, "message", "messages");
        let (verdict, summary) = if !tally.is_empty() {
            let summary = format!("{length} delivered: {}", tally.in_words());
            (tally.into_verdict(), summary)
        } else if let Some(why) = open(&finals, recent, length.as_str()) {
            (Verdict::Unknown(why.clone()), why)
        } else {
            let nodes: Vec<&String> = finals.iter().map(|(node, _)| node).collect();
            (Verdict::Valid, format!("{} delivered {length} in one order", and(&nodes)))
        };
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

/// Why nothing can be said, if so.
fn open(finals: &[(String, Answer<'_>)], recent: usize, length: &str) -> Option<String> {
    if finals.is_empty() {
        Some("no node said at the end what it had delivered".to_owned())
    } else if recent > 0 {
        Some(format!(
            "{} delivered nowhere, acknowledged too shortly before to be called lost",
            count(recent, "message is", "messages are")
        ))
    } else if finals.iter().all(|(_, (_, list))| list.is_empty()) {
        Some(format!("vacuous: {length} delivered"))
    } else {
        None
    }
}

fn delivered(op: &Op<Log>) -> Option<Answer<'_>> {
    match op.reply() {
        Some(Reply::Delivered(messages)) => Some((op, messages)),
        Some(Reply::Sent) | None => None,
    }
}

fn messages(history: &History<Log>) -> Messages<'_> {
    let mut messages: Messages<'_> = BTreeMap::new();
    for op in history.ops() {
        let Call::Broadcast(value) = op.call else { continue };
        let message = messages.entry(value).or_default();
        match op.outcome {
            Outcome::Fail(_) => {
                message.failed.get_or_insert(op);
                continue;
            }
            Outcome::Ok(_) => {
                if message.acknowledged.is_none_or(|by| op.returned() < by.returned()) {
                    message.acknowledged = Some(op);
                }
            }
            Outcome::Info(_) => {}
        }
        message.sent.get_or_insert(op);
    }
    messages
}

/// Every answer is a prefix of the longest. The worst offender of each node is reported.
fn one_order(reference: Answer<'_>, answers: &[Answer<'_>], run: &RunFacts, tally: &mut Tally) {
    let mut accused: HashSet<String> = HashSet::new();
    for (op, list) in answers {
        let Some(at) = list.iter().zip(reference.1).position(|(left, right)| left != right) else {
            continue;
        };
        if !accused.insert(asked(op)) {
            continue;
        }
        tally.add("different-order", || {
            let (one, other) = (asked(op), asked(reference.0));
            let (from, to) = (op.invoked.time, reference.0.invoked.time);
            let during = run.faults_in_words(from.min(to), ended(op).max(ended(reference.0)));
            Anomaly::new(
                "different-order",
                format!(
                    "{one} delivered {} as message {}, where {other} delivered {}{during}",
                    list[at],
                    at + 1,
                    reference.1[at]
                ),
            )
            .because(format!("{one} answered so at {}", ended(op)))
            .because(format!("{other} answered so at {}", ended(reference.0)))
            .because(format!("they agree about the {at} before"))
            .with_op(op)
            .with_op(reference.0)
        });
    }
}

/// Nothing comes from nowhere, and nothing is there twice. Each message is reported once.
fn plausible(messages: &Messages<'_>, answers: &[Answer<'_>], tally: &mut Tally) {
    let mut reported: HashSet<(bool, i64)> = HashSet::new();
    for (op, list) in answers {
        let mut seen: HashMap<i64, usize> = HashMap::with_capacity(list.len());
        for (position, value) in (1..).zip(*list) {
            if let Some(before) = seen.insert(*value, position)
                && reported.insert((true, *value))
            {
                tally.add("duplicated", || {
                    Anomaly::new(
                        "duplicated",
                        format!(
                            "{} delivered {value} twice, as message {before} and {position}",
                            asked(op)
                        ),
                    )
                    .because(format!("it answered so at {}", ended(op)))
                    .with_op(op)
                });
            }
            let message = messages.get(value);
            let sent = message.and_then(|message| message.sent);
            if sent.is_some_and(|sent| !op.precedes(sent)) || !reported.insert((false, *value)) {
                continue;
            }
            tally.add("unexpected", || {
                let failed = message.and_then(|message| message.failed);
                let why = match (sent, failed) {
                    (Some(_), _) => "which was broadcast only later",
                    (None, Some(_)) => "whose broadcast had certainly failed",
                    (None, None) => "which nobody ever broadcast",
                };
                let anomaly =
                    Anomaly::new("unexpected", format!("{} delivered {value}, {why}", asked(op)))
                        .because(format!("it answered so at {}", ended(op)))
                        .with_op(op);
                sent.or(failed).into_iter().fold(anomaly, Anomaly::with_op)
            });
        }
    }
}

/// What a node has delivered stays delivered.
fn regressions(answers: &[Answer<'_>], run: &RunFacts, tally: &mut Tally) {
    let mut by_node: BTreeMap<String, Vec<Answer<'_>>> = BTreeMap::new();
    for answer in answers {
        by_node.entry(asked(answer.0)).or_default().push(*answer);
    }
    for (node, answers) in by_node {
        let mut by_return = answers.clone();
        by_return.sort_by_key(|(op, _)| op.returned());
        let mut returned = by_return.into_iter().peekable();
        let mut most: Option<Answer<'_>> = None;
        for later in answers {
            while let Some(earlier) = returned.next_if(|(op, _)| op.precedes(later.0)) {
                if most.is_none_or(|(_, list)| list.len() < earlier.1.len()) {
                    most = Some(earlier);
                }
            }
            let Some(earlier) = most.filter(|(_, list)| list.len() > later.1.len()) else {
                continue;
            };
            if killed_between(run, &node, earlier.0, later.0) {
                most = None;
                continue;
            }
            tally.add("regressed", || {
                Anomaly::new(
                    "regressed",
                    format!(
                        "{node} had delivered {}, and later only {}",
                        count(earlier.1.len(), "message", "messages"),
                        later.1.len()
                    ),
                )
                .because(format!("it answered with the longer list at {}", ended(earlier.0)))
                .because(format!("it was asked again at {}", later.0.invoked.time))
                .with_op(earlier.0)
                .with_op(later.0)
            });
            break;
        }
    }
}

fn killed_between(run: &RunFacts, node: &str, earlier: &Op<Log>, later: &Op<Log>) -> bool {
    run.faults_during(earlier.invoked.time, ended(later)).any(|fault| {
        fault.name.starts_with("kill") && fault.nodes.iter().any(|name| name.as_ref() == node)
    })
}

/// Accuses final answers without acknowledged messages. Answers how many are missing everywhere but
/// may be on their way.
fn lost(
    messages: &Messages<'_>,
    finals: &[(String, Answer<'_>)],
    run: &RunFacts,
    tally: &mut Tally,
) -> usize {
    let finals: Vec<(&str, &Op<Log>, HashSet<i64>)> = finals
        .iter()
        .map(|(node, (op, list))| (node.as_str(), *op, list.iter().copied().collect()))
        .collect();
    let mut recent = 0;
    for (value, message) in messages {
        let Some(ack) = message.acknowledged else { continue };
        let required: Vec<_> = finals.iter().filter(|(_, op, _)| ack.precedes(op)).collect();
        let (have, lack): (Vec<_>, Vec<_>) =
            required.into_iter().partition(|(_, _, list)| list.contains(value));
        if lack.is_empty() {
            continue;
        }
        let since = match have.as_slice() {
            [] => ended(ack),
            _ => ended(ack).max(run.healed_at.unwrap_or_default()),
        };
        let late: Vec<_> = lack
            .into_iter()
            .filter(|(_, op, _)| finals::had_time(run, since, op.invoked.time))
            .collect();
        if late.is_empty() {
            recent += usize::from(have.is_empty());
            continue;
        }
        tally.add("lost", || {
            let names: Vec<&str> = late.iter().map(|(node, ..)| *node).collect();
            let during = run.faults_in_words(ack.invoked.time, ended(ack));
            let anomaly = Anomaly::new(
                "lost",
                format!(
                    "{} acknowledged message {value} at {}{during}; at the end {} had not \
                     delivered it",
                    asked(ack),
                    ended(ack),
                    and(&names)
                ),
            )
            .because(format!("the broadcast was acknowledged at {}", ended(ack)))
            .with_op(ack);
            late.iter().fold(anomaly, |anomaly, (node, op, list)| {
                let delivered = count(list.len(), "message", "messages");
                let at = op.invoked.time;
                anomaly
                    .because(format!("{node}, asked at {at}, had delivered {delivered} without it"))
                    .with_op(op)
            })
        });
    }
    recent
}

/// Walks the reference with the latest invocation so far: whatever follows must not have been
/// acknowledged before that. Then the acknowledged messages that the reference doesn't have.
fn real_time(reference: Answer<'_>, messages: &Messages<'_>, tally: &mut Tally) {
    let mut latest: Option<(i64, &Op<Log>)> = None;
    let mut accuse = |early: (i64, &Op<Log>), late: (i64, &Op<Log>), how: &str| {
        let ((first, ack), (second, sent)) = (early, late);
        tally.add("real-time-order", || {
            Anomaly::new(
                "real-time-order",
                format!(
                    "{first} was acknowledged at {} before {second} was broadcast at {}, but {} \
                     delivered {second} {how}",
                    ended(ack),
                    sent.invoked.time,
                    asked(reference.0)
                ),
            )
            .because(format!("{} acknowledged {first}", asked(ack)))
            .because(format!("{} was asked to broadcast {second} only later", asked(sent)))
            .with_op(ack)
            .with_op(sent)
            .with_op(reference.0)
        });
    };
    for value in reference.1 {
        let Some(message) = messages.get(value) else { continue };
        if let (Some(ack), Some((other, sent))) = (message.acknowledged, latest)
            && ack.precedes(sent)
        {
            accuse((*value, ack), (other, sent), "before it");
        }
        if let Some(sent) = message.sent
            && latest.is_none_or(|(_, other)| other.invoked.index < sent.invoked.index)
        {
            latest = Some((*value, sent));
        }
    }
    let listed: HashSet<i64> = reference.1.iter().copied().collect();
    for (value, message) in messages {
        if let (Some(ack), Some(late), false) =
            (message.acknowledged, latest, listed.contains(value))
            && ack.precedes(late.1)
        {
            accuse((*value, ack), late, "without it");
        }
    }
}
