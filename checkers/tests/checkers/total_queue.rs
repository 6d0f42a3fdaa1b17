//! Queues of which only what goes in and comes out is judged.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::total_queue::TotalQueue;
use schism_core::api::Key;
use schism_core::api::total_queue::{Call, Reply, TotalQueue as Api};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

const AT_LEAST_ONCE: TotalQueue = TotalQueue { exactly_once: false };
const EXACTLY_ONCE: TotalQueue = TotalQueue { exactly_once: true };

fn put(span: Range<u64>, element: i64) -> Did<Api> {
    ok("n1", span, Call::Enqueue(Key::Int(element)), Reply::Enqueued)
}

fn took(span: Range<u64>, element: Option<i64>) -> Did<Api> {
    ok("n2", span, Call::Dequeue, Reply::Dequeued(element.map(Key::Int)))
}

fn drained(span: Range<u64>, elements: &[i64]) -> Did<Api> {
    let elements = elements.iter().copied().map(Key::Int).collect();
    ok("n2", span, Call::Drain, Reply::Drained(elements))
}

#[test]
fn what_was_acknowledged_and_is_not_there_when_the_queue_is_empty_is_lost() {
    let ops = [put(0..10, 1), put(11..20, 2), took(30..40, Some(1)), drained(50..60, &[])];
    assert_eq!(
        only_anomaly(&check(&AT_LEAST_ONCE, ops, &RunFacts::default())),
        ("lost", "n1 acknowledged element 2 at 0.020 s, and it never came out")
    );
}

#[test]
fn a_dequeue_of_unknown_fate_may_have_taken_one_element() {
    let ops = |elements: i64| {
        let puts = (0..elements).map(|element| {
            let at = u64::try_from(element).unwrap_or_default() * 10;
            put(at..at + 5, element)
        });
        puts.chain([info("n2", 100..NEVER, Call::Dequeue), took(110..120, None)])
    };
    let one = check(&AT_LEAST_ONCE, ops(1), &RunFacts::default());
    assert!(matches!(one.verdict, Verdict::Unknown(_)));
    assert_eq!(kinds(&check(&AT_LEAST_ONCE, ops(2), &RunFacts::default())), ["lost"]);
}

#[test]
fn what_nobody_looked_for_is_not_known_to_be_lost() {
    let ops =
        [put(0..10, 1), put(5..40, 2), took(20..30, Some(2)), fail("n2", 8..9, Call::Dequeue)];
    let finding = check(&AT_LEAST_ONCE, ops, &RunFacts::default());
    assert!(matches!(finding.verdict, Verdict::Unknown(_)));
    assert_eq!(finding.details["missing"], 1);
}

#[test]
fn what_comes_out_was_put_in_and_once_only_if_that_is_promised() {
    let ops = || {
        [
            put(0..10, 1),
            info("n1", 0..NEVER, Call::Enqueue(Key::Int(2))),
            fail("n1", 0..11, Call::Enqueue(Key::Int(3))),
            drained(20..30, &[1, 1, 2, 3, 4]),
        ]
    };
    let lenient = check(&AT_LEAST_ONCE, ops(), &RunFacts::default());
    assert_eq!(kinds(&lenient), ["unexpected", "unexpected"]);
    assert_eq!(lenient.details["duplicated"], 1);
    assert_eq!(lenient.details["recovered"], 1);
    let strict = check(&EXACTLY_ONCE, ops(), &RunFacts::default());
    assert_eq!(kinds(&strict), ["duplicated", "unexpected", "unexpected"]);
}

/// What a queue does, each at a moment of its interval; some answers are falsified.
fn histories() -> impl Strategy<Value = History<Api>> {
    let drawn = (0..10_u8, 0..3_i64, 0.0..1.0_f64, prop::bool::weighted(0.9));
    (spans(1..7), prop::collection::vec(drawn, 7)).prop_map(|(spans, drawn)| {
        let mut order: Vec<usize> = (0..spans.len()).collect();
        let moment = |at: &usize| {
            spans[*at].start as f64 + drawn[*at].2 * (spans[*at].end - spans[*at].start) as f64
        };
        order.sort_by(|left, right| moment(left).total_cmp(&moment(right)));
        let mut queue: Vec<i64> = Vec::new();
        let mut ops: Vec<Option<Did<Api>>> = vec![None; spans.len()];
        for at in order {
            let (how, element, _, honest) = drawn[at];
            let span = spans[at].clone();
            let call = || Call::Enqueue(Key::Int(element));
            ops[at] = Some(match how {
                0..=2 => {
                    queue.extend(honest.then_some(element));
                    put(span, element)
                }
                3 => {
                    queue.push(element);
                    info("n1", span.start..NEVER, call())
                }
                4 => fail("n1", span, call()),
                5..=6 => took(span, if honest { queue.pop() } else { Some(element) }),
                7 => {
                    queue.pop();
                    info("n2", span.start..NEVER, Call::Dequeue)
                }
                _ => drained(span, &std::mem::take(&mut queue)),
            });
        }
        history(ops.into_iter().flatten())
    })
}

/// One step of a queue; a drain is one step for each element and one that finds nothing.
#[derive(Clone, Debug)]
enum Step {
    Put(Key),
    Take(Option<Key>),
    TakeAnything,
}

/// Is there an order in which a queue that forgets and repeats nothing answers so?
fn possible(history: &History<Api>) -> bool {
    type Timed<'h> = (&'h Op<Api>, Step);
    fn place(left: &[Timed<'_>], queue: &[Key]) -> bool {
        left.iter().all(|(op, _)| op.returned().is_none())
            || left.iter().enumerate().any(|(at, (op, step))| {
                let mut rest = left.to_vec();
                rest.remove(at);
                let without = |position: usize| {
                    let mut queue = queue.to_vec();
                    queue.remove(position);
                    queue
                };
                left.iter().all(|(other, _)| !other.precedes(op))
                    && match step {
                        Step::Put(element) => {
                            place(&rest, &[queue, std::slice::from_ref(element)].concat())
                        }
                        Step::Take(None) => queue.is_empty() && place(&rest, queue),
                        Step::Take(Some(element)) => queue
                            .iter()
                            .position(|other| other == element)
                            .is_some_and(|position| place(&rest, &without(position))),
                        Step::TakeAnything => {
                            (0..queue.len()).any(|position| place(&rest, &without(position)))
                        }
                    }
            })
    }
    let mut steps: Vec<Timed<'_>> = Vec::new();
    for op in history.ops() {
        match (&op.call, &op.outcome) {
            (_, Outcome::Fail(_)) => {}
            (Call::Enqueue(element), _) => steps.push((op, Step::Put(element.clone()))),
            (_, Outcome::Ok(Reply::Drained(elements))) => {
                steps.extend(elements.iter().map(|e| (op, Step::Take(Some(e.clone())))));
                steps.push((op, Step::Take(None)));
            }
            (_, Outcome::Ok(Reply::Dequeued(element))) => {
                steps.push((op, Step::Take(element.clone())));
            }
            _ => steps.push((op, Step::TakeAnything)),
        }
    }
    place(&steps, &[])
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_queue_that_keeps_everything_is_accused(history in histories()) {
        let finding = EXACTLY_ONCE.check(&history, &RunFacts::default(), &Limits::default());
        let accused = !finding.verdict.anomalies().is_empty();
        prop_assert!(!accused || !possible(&history), "{finding:#?}");
    }

    #[test]
    fn nothing_is_missing_where_the_verdict_is_valid(history in histories()) {
        let finding = EXACTLY_ONCE.check(&history, &RunFacts::default(), &Limits::default());
        if finding.verdict == Verdict::Valid {
            let out = |key: &Key| {
                let replies = history.ops().iter().filter_map(Op::reply);
                replies.map(|reply| match reply {
                    Reply::Dequeued(element) => usize::from(element.as_ref() == Some(key)),
                    Reply::Drained(elements) => elements.iter().filter(|e| *e == key).count(),
                    Reply::Enqueued => 0,
                }).sum::<usize>()
            };
            for key in (0..3).map(Key::Int) {
                let puts = |acked: bool| {
                    let counts = |op: &&Op<Api>| {
                        let may = !acked && op.outcome.may_have_happened();
                        op.call == Call::Enqueue(key.clone()) && (op.reply().is_some() || may)
                    };
                    history.ops().iter().filter(counts).count()
                };
                let possible = puts(true)..=puts(false);
                prop_assert!(possible.contains(&out(&key)), "{key}: {finding:#?}");
            }
        }
    }
}
