//! A counter: each read shows what had been added by some moment between question and answer.
//!
//! Kinds: `too-low`: a read shows less than had certainly been added by then; `too-high`: more than
//! can have been; `not-a-multiple`: what adds of one size never make; `non-monotonic-read`: each
//! read is possible by itself, but not after the others.
//!
//! *Bounds*, for adds of any size, also negative ones. An add that returned before the read began
//! counts; one that began before the read ended may count; others don't. So the read lies between
//! the sum of those that count plus all negative ones that may, and the same with the positive
//! ones. These bounds are necessary, hence no store is accused falsely. They are Jepsen's, which
//! has them for increments; for decrements his are wrong.
//!
//! *Exact* for adds that are all of one positive size c: the history is linearizable if and only if
//! the following succeeds. Walk over the events and delay every add as long as possible. An add has
//! to be done when it returns. A read of v·c that returns needs v adds to be done; if fewer are,
//! those that are pending are done now, the one that has to be done earliest first, those of
//! unknown fate last. It fails if there are not enough (`too-high`), or if more than v
//! are done when a read of v·c begins. Delaying minimises, at every moment, how many are done,
//! under what is forced; doing the one first that has to be done first leaves the most freedom
//! (exchange two adds, if another choice works). A value that is not a multiple of c is impossible.
//! Where all adds are of one negative size, turn everything round.
//!
//! Conversely, if it succeeds, then put each read at the first moment in its interval at which v
//! adds are done: there is one, for at its begin at most v are, and at its end at least v, and they
//! are done one by one. `O(n log n)`.
//!
//! For adds of several sizes the exact question is that of a subset sum. There a history within the
//! bounds is called valid, as Jepsen does, and the details say `decided_by: bounds`; only, if no
//! add is negative, a read may not show less than one that had returned before it began.
//!
//! ```
//! use schism_checkers::counter::Counter;
//! use schism_core::{api::counter::Counter as Api, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"add","value":2}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"add","value":2}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"read"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"read","value":0}"#, "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Counter.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "too-low");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, stopped};
use schism_core::api::counter::{Call, Counter as Api, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

mod exact;

/// The checker's name.
pub const NAME: &str = "counter";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "a counter: reads show what had been added by then",
    page: "\
Operations: {f: add, value: 1}, {f: read, value: nil, then the count}. It begins at 0.
Finds: too-low, too-high: a read outside of what can have been added by then; non-monotonic-read: a
read that is possible by itself, but not after the others. Exact (linearizable or not) if all adds
are of one size; else reads are held to these bounds.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(Counter))
    },
};

/// Judges reads of a counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// An operation that counts, with its interval in the log.
#[derive(Clone, Copy, Debug)]
struct Timed<'h> {
    op: &'h Op<Api>,
    start: u64,
    /// `u64::MAX` if it may take effect at any later time.
    end: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Add(i128),
    Read(i128),
}

impl Checker<Api> for Counter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, _: &RunFacts, limits: &Limits) -> Finding {
        let ops: Vec<Timed<'_>> = history.ops().iter().filter_map(timed).collect();
        let reads = ops.iter().filter(|op| matches!(op.what, What::Read(_))).count();
        let adds = ops.len() - reads;
        let mut tally = Tally::default();
        let events = events(&ops);
        let size = one_size(&ops);
        let negative = ops.iter().any(|op| matches!(op.what, What::Add(amount) if amount < 0));
        if limits.exceeded().is_none() {
            match size {
                Some(size) => exact::check(&ops, &events, size, &mut tally),
                None => check_bounds(&ops, &events, !negative, &mut tally),
            }
        }
        let last = ops.iter().rev().find_map(|op| match op.what {
            What::Read(value) => Some(value.to_string()),
            What::Add(_) => None,
        });
        let details = json!({
            "adds": adds,
            "reads": reads,
            "last_read": last,
            "decided_by": if size.is_some() { "exact" } else { "bounds" },
            "anomalies": tally.to_json(),
        });
        let checked =
            format!("{} around {}", count(reads, "read", "reads"), count(adds, "add", "adds"));
        let vacuous = (ops.is_empty()).then(|| "vacuous: nothing was added or read".to_owned());
        let (verdict, summary) = tally.conclude(&checked, stopped(limits).or(vacuous), || {
            let what = if size.is_some() { "are linearizable" } else { "are within bounds" };
            format!("{checked} {what}")
        });
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn timed(op: &Op<Api>) -> Option<Timed<'_>> {
    let what = match (&op.call, op.reply()) {
        _ if !op.outcome.may_have_happened() => return None,
        (Call::Add(0), _) => return None,
        (Call::Add(amount), _) => What::Add((*amount).into()),
        (Call::Read, Some(Reply::Read(value))) => What::Read((*value).into()),
        (Call::Read, _) => return None,
    };
    Some(Timed { op, start: op.invoked.index, end: op.returned().unwrap_or(u64::MAX), what })
}

/// The size that all adds have; `None` if there are several. Without any add it is 1.
fn one_size(ops: &[Timed<'_>]) -> Option<i128> {
    let mut sizes = ops.iter().filter_map(|op| match op.what {
        What::Add(amount) => Some(amount),
        What::Read(_) => None,
    });
    let Some(first) = sizes.next() else { return Some(1) };
    sizes.all(|size| size == first).then_some(first)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Begin,
    End,
}

/// Every begin and end, in the order of the log, with the operation's position.
fn events(ops: &[Timed<'_>]) -> Vec<(u64, Moment, usize)> {
    let begins = ops.iter().enumerate().map(|(at, op)| (op.start, Moment::Begin, at));
    let ended = ops.iter().enumerate().filter(|(_, op)| op.end != u64::MAX);
    let mut events: Vec<_> =
        begins.chain(ended.map(|(at, op)| (op.end, Moment::End, at))).collect();
    events.sort_unstable_by_key(|(index, ..)| *index);
    events
}

/// What has been added: of what certainly, and of what possibly took effect.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    certain: i128,
    certain_up: i128,
    certain_down: i128,
    begun_up: i128,
    begun_down: i128,
}

fn check_bounds(
    ops: &[Timed<'_>],
    events: &[(u64, Moment, usize)],
    grows_only: bool,
    tally: &mut Tally,
) {
    let mut sums = Sums::default();
    let mut at_begin = vec![(sums, None); ops.len()];
    // The read with the highest value of those that have returned.
    let mut highest: Option<(i128, &Op<Api>)> = None;
    for (_, moment, at) in events {
        let op = &ops[*at];
        match (moment, op.what) {
            (Moment::Begin, What::Add(amount)) => {
                sums.begun_up += amount.max(0);
                sums.begun_down += amount.min(0);
            }
            (Moment::End, What::Add(amount)) => {
                sums.certain += amount;
                sums.certain_up += amount.max(0);
                sums.certain_down += amount.min(0);
            }
            (Moment::Begin, What::Read(_)) => at_begin[*at] = (sums, highest),
            (Moment::End, What::Read(value)) => {
                let (then, before) = at_begin[*at];
                let lowest = then.certain_up + sums.begun_down;
                let most = sums.begun_up + then.certain_down;
                if value < lowest {
                    tally.add("too-low", || too_low(op.op, value, lowest));
                } else if value > most {
                    tally.add("too-high", || too_high(op.op, value, most));
                } else if let Some((shown, earlier)) = before
                    && grows_only
                    && value < shown
                {
                    tally.add("non-monotonic-read", || shrunk(op.op, value, shown, earlier, shown));
                }
                if highest.is_none_or(|(shown, _)| value > shown) && value <= most {
                    highest = Some((value, op.op));
                }
            }
        }
    }
}

fn too_low(read: &Op<Api>, value: i128, lowest: i128) -> Anomaly {
    let summary = format!(
        "a read at {} shows {value}, and at least {lowest} had been added before it began",
        asked(read)
    );
    Anomaly::new("too-low", summary)
        .because(format!("the read began at {}", read.invoked.time))
        .because(format!(
            "adds that had returned by then, and none that may lower it, make {lowest}"
        ))
        .with_op(read)
}

fn too_high(read: &Op<Api>, value: i128, most: i128) -> Anomaly {
    let summary = format!(
        "a read at {} shows {value}, and no more than {most} can have been added before it ended",
        asked(read)
    );
    Anomaly::new("too-high", summary)
        .because(format!("the read ended at {}", ended(read)))
        .because(format!("all adds begun by then that may have happened make {most} at most"))
        .with_op(read)
}

fn shrunk(read: &Op<Api>, value: i128, shown: i128, earlier: &Op<Api>, least: i128) -> Anomaly {
    let (who, whose) = (asked(read), asked(earlier));
    let anomaly = Anomaly::new(
        "non-monotonic-read",
        format!("a read at {who} shows {value}, after one at {whose} had shown {shown}"),
    )
    .because(format!("the earlier one ended at {}", ended(earlier)))
    .because(format!("the later one began at {}", read.invoked.time));
    let anomaly = if least == shown {
        anomaly
    } else {
        anomaly.because(format!("with what had been added since, the counter was at {least} then"))
    };
    anomaly.with_op(earlier).with_op(read)
}
