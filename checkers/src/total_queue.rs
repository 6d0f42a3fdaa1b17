//! Total queue: what goes in must come out, and nothing else does. The order is not judged.
//!
//! Kinds:
//! - `lost`: elements whose enqueue was acknowledged, and which nobody can have taken out, although
//!   the queue was found empty afterwards;
//! - `unexpected`: an element that came out, and that nobody had put in by then, or whose enqueue
//!   certainly failed;
//! - `duplicated`: an element that came out more often than it may have gone in; judged only if
//!   the queue promises to deliver once ([`TotalQueue::exactly_once`]), else counted: delivering
//!   again what was not confirmed is what most queues promise.
//!
//! *When an element is lost.* It must have been looked for: a `drain` that succeeded, a dequeue
//! that found nothing, or one that failed because there was nothing, that began after the enqueue
//! had returned. And nobody may have it: a dequeue of unknown fate may have taken one element that
//! it never showed, a drain of unknown fate any number. So of m elements that are missing, m − c
//! are certainly lost, if c dequeues are of unknown fate, and none is, if a drain is: then the
//! verdict is unknown, as it is for elements that nobody looked for. Jepsen's `total-queue`, the
//! source, takes every history to end with a drain that found everything, and stops at crashed
//! drains.
//!
//! Elements that are missing but not certainly lost are counted as `missing`, those that came out
//! although their enqueue is of unknown fate as `recovered`. `O(n)`, and sorting.
//!
//! ```
//! use schism_checkers::total_queue::TotalQueue;
//! use schism_core::{api::total_queue::TotalQueue as Api, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"enqueue","value":7}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"enqueue","value":7}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"drain"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"drain","value":[]}"#, "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = TotalQueue::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "lost");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, some};
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::total_queue::{Call, Reply, TotalQueue as Api};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

/// The checker's name.
pub const NAME: &str = "total-queue";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "a queue in any order: what goes in comes out, and nothing else",
    page: "\
Operations: {f: enqueue, value: 3}, {f: dequeue, value: nil, then the element, or nil if there was
none}, {f: drain, value: nil, then all elements}. A dequeue that fails with `empty` or `exhausted`
found nothing.
Finds: lost: acknowledged, looked for and taken by nobody; unexpected: nobody had put it in.
Elements that come out more often than they went in are counted as duplicated, not judged.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(TotalQueue::default()))
    },
};

/// Judges what became of every element.
#[derive(Clone, Copy, Debug, Default)]
pub struct TotalQueue {
    /// No element may come out more often than it went in.
    pub exactly_once: bool,
}

/// What happened to one element.
#[derive(Debug, Default)]
struct Element<'h> {
    /// Enqueues that may have happened, in the order of invocation.
    attempts: Vec<&'h Op<Api>>,
    failed: Option<&'h Op<Api>>,
    /// What took it out, once for each time.
    taken: Vec<&'h Op<Api>>,
}

impl Element<'_> {
    fn acknowledged(&self) -> usize {
        self.attempts.iter().filter(|op| op.reply().is_some()).count()
    }
}

/// The whole history, element by element.
#[derive(Default)]
struct Elements<'h> {
    all: FxHashMap<&'h Key, Element<'h>>,
    crashed_dequeues: usize,
    crashed_drains: usize,
    /// What found the queue empty and began last.
    empty: Option<&'h Op<Api>>,
}

impl Checker<Api> for TotalQueue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, _: &RunFacts, _: &Limits) -> Finding {
        let elements = Elements::gather(history);
        let mut sorted: Vec<(&Key, &Element<'_>)> =
            elements.all.iter().map(|(key, element)| (*key, element)).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let mut tally = Tally::default();
        let (mut duplicated, mut recovered) = (0, 0);
        for (key, element) in &sorted {
            unexpected(key, element, &mut tally);
            let attempts = element.attempts.len();
            if attempts > 0 && element.taken.len() > attempts {
                duplicated += element.taken.len() - attempts;
                if self.exactly_once {
                    tally.add("duplicated", || twice(key, element));
                }
            }
            recovered += element.taken.len().min(attempts).saturating_sub(element.acknowledged());
        }
        let missing = elements.missing(&sorted, &mut tally);
        let acknowledged: usize = sorted.iter().map(|(_, element)| element.acknowledged()).sum();
        let taken: usize = sorted.iter().map(|(_, element)| element.taken.len()).sum();
        let details = json!({
            "attempted": sorted.iter().map(|(_, element)| element.attempts.len()).sum::<usize>(),
            "acknowledged": acknowledged,
            "taken": taken,
            "missing": missing,
            "duplicated": duplicated,
            "recovered": recovered,
            "crashed_dequeues": elements.crashed_dequeues,
            "anomalies": tally.to_json(),
        });
        let checked = count(acknowledged, "acknowledged element", "acknowledged elements");
        let unknown = if missing > 0 {
            Some(format!(
                "{} did not come out, and it is not known that nobody has them",
                count(missing, "acknowledged element", "acknowledged elements")
            ))
        } else if acknowledged + taken == 0 {
            Some("vacuous: nothing was put in".to_owned())
        } else {
            None
        };
        let (verdict, summary) = tally
            .conclude(&format!("of {checked}"), unknown, || all_came_out(&checked, duplicated));
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn all_came_out(checked: &str, duplicated: usize) -> String {
    let again = match duplicated {
        0 => String::new(),
        n => format!("; {} came out again", count(n, "element", "elements")),
    };
    format!("{checked} came out{again}")
}

impl<'h> Elements<'h> {
    fn gather(history: &'h History<Api>) -> Self {
        let mut elements = Self::default();
        for op in history.ops() {
            match (&op.call, &op.outcome) {
                (Call::Enqueue(key), outcome) => {
                    let element = elements.all.entry(key).or_default();
                    if outcome.may_have_happened() {
                        element.attempts.push(op);
                    } else {
                        element.failed = Some(op);
                    }
                }
                (_, Outcome::Ok(Reply::Dequeued(Some(key)))) => {
                    elements.all.entry(key).or_default().taken.push(op);
                }
                (_, Outcome::Ok(Reply::Drained(keys))) => {
                    for key in keys {
                        elements.all.entry(key).or_default().taken.push(op);
                    }
                    elements.empty = Some(op);
                }
                (_, Outcome::Ok(Reply::Dequeued(None) | Reply::Enqueued)) => {
                    elements.empty = Some(op);
                }
                (_, Outcome::Fail(why)) => {
                    if ["empty", "exhausted"].contains(&why.trim_start_matches(':')) {
                        elements.empty = Some(op);
                    }
                }
                (Call::Drain, Outcome::Info(_)) => elements.crashed_drains += 1,
                (Call::Dequeue, Outcome::Info(_)) => elements.crashed_dequeues += 1,
            }
        }
        elements
    }

    /// Reports what is certainly lost; answers how many more are missing.
    fn missing(&self, sorted: &[(&Key, &Element<'h>)], tally: &mut Tally) -> usize {
        let (mut missing, mut sought) = (0, Vec::new());
        for (key, element) in sorted {
            let out = element.taken.len();
            missing += element.acknowledged().saturating_sub(out);
            // Of equal elements those may have come out that were looked for.
            let due = |op: &&&Op<Api>| {
                op.reply().is_some() && self.empty.is_some_and(|empty| op.precedes(empty))
            };
            let due = element.attempts.iter().filter(due);
            sought.extend(due.skip(out).map(|op| (*key, *op)));
        }
        let (Some(empty), 0) = (self.empty, self.crashed_drains) else { return missing };
        let lost = sought.len().saturating_sub(self.crashed_dequeues);
        if lost == 0 {
            return missing;
        }
        let names: Vec<&Key> = sought.iter().map(|(key, _)| *key).collect();
        for (key, op) in &sought[..lost] {
            tally.add("lost", || self.lost(key, op, empty, &names));
        }
        missing - lost
    }

    fn lost(&self, key: &Key, op: &Op<Api>, empty: &Op<Api>, names: &[&Key]) -> Anomaly {
        let summary = format!(
            "{} acknowledged element {key} at {}, and it never came out",
            asked(op),
            ended(op)
        );
        let anomaly = Anomaly::new("lost", summary)
            .because(format!("the enqueue was acknowledged at {}", ended(op)))
            .because(format!(
                "{}, asked at {}, found the queue empty",
                asked(empty),
                empty.invoked.time
            ))
            .with_op(op)
            .with_op(empty);
        match self.crashed_dequeues {
            0 => anomaly,
            n => anomaly.because(format!(
                "{} of unknown fate can have taken only so many of {}: {}",
                count(n, "dequeue", "dequeues"),
                names.len(),
                some(names)
            )),
        }
    }
}

fn unexpected(key: &Key, element: &Element<'_>, tally: &mut Tally) {
    let Some(first) = element.taken.iter().min_by_key(|op| op.returned()) else { return };
    let (why, other) = match (element.attempts.first(), element.failed) {
        (Some(enqueue), _) if first.precedes(enqueue) => ("put in only later", Some(*enqueue)),
        (Some(_), _) => return,
        (None, Some(failed)) => ("whose enqueue had certainly failed", Some(failed)),
        (None, None) => ("which nobody ever put in", None),
    };
    tally.add("unexpected", || {
        let summary = format!("{} gave out element {key}, {why}", asked(first));
        let anomaly = Anomaly::new("unexpected", summary)
            .because(format!("it came out by {}", ended(first)))
            .with_op(first);
        other.into_iter().fold(anomaly, Anomaly::with_op)
    });
}

fn twice(key: &Key, element: &Element<'_>) -> Anomaly {
    let summary = format!(
        "element {key} was put in {} and came out {}",
        count(element.attempts.len(), "time", "times"),
        count(element.taken.len(), "time", "times")
    );
    element
        .taken
        .iter()
        .fold(Anomaly::new("duplicated", summary), |anomaly, op| anomaly.with_op(op))
}
