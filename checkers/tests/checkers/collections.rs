//! Queues, stacks and priority queues.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::fifo_queue::FifoQueue;
use schism_checkers::linearizable::search;
use schism_checkers::linearizable::timed::{Answer, Timed};
use schism_checkers::priority_queue::PriorityQueue;
use schism_checkers::stack::Stack;
use schism_checkers::unordered_queue::UnorderedQueue;
use schism_core::api::collection::{
    Call, Collection, CollectionOp, Names, Pick, PriorityQueueNames, Queue, QueueNames, Reply,
    StackNames,
};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model::Model;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Range;

/// How a collection picks what it hands out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Fifo,
    Any,
    Lifo,
    Greatest,
}

impl Rule {
    /// Which of the elements, in the order of insertion, may be handed out.
    fn candidates(self, elements: &[i64]) -> Vec<usize> {
        let greatest = (0..elements.len()).max_by_key(|at| elements[*at]);
        match self {
            Self::Any => (0..elements.len()).collect(),
            Self::Fifo => (0..elements.len().min(1)).collect(),
            Self::Lifo => elements.len().checked_sub(1).into_iter().collect(),
            Self::Greatest => greatest.into_iter().collect(),
        }
    }

    fn pick(self) -> Pick {
        if self == Self::Greatest { Pick::Greatest } else { Pick::Next }
    }
}

/// One operation as it is drawn.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    inserts: bool,
    value: i64,
    which: usize,
    crashed: bool,
    /// A crashed one took effect.
    effective: bool,
    /// Where in its interval it takes effect.
    moment: f64,
    spoiled: u8,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        any::<bool>(),
        0..6_i64,
        0..6_usize,
        prop::bool::weighted(0.2),
        any::<bool>(),
        0.0..1.0,
        0..24_u8,
    )
        .prop_map(|(inserts, value, which, crashed, effective, moment, spoiled)| Drawn {
            inserts,
            value,
            which,
            crashed,
            effective,
            moment,
            spoiled,
        })
}

/// What a collection would have answered that hands out by `actual`; some answers are spoiled.
fn executed<N: Names>(
    [rule, actual]: [Rule; 2],
    spans: &[Range<u64>],
    drawn: &[Drawn],
    distinct: bool,
) -> History<Collection<N>> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    let moment = |at: &usize| {
        let (span, drawn) = (&spans[*at], &drawn[*at]);
        let length = if drawn.crashed { 40 } else { span.end - span.start };
        span.start as f64 + length as f64 * drawn.moment
    };
    order.sort_by(|left, right| moment(left).total_cmp(&moment(right)));
    let mut elements: Vec<i64> = Vec::new();
    let mut dids: Vec<(usize, Did<Collection<N>>)> = Vec::new();
    for at in order {
        let drawn = &drawn[at];
        let position = i64::try_from(at).unwrap_or_default();
        // Distinct, and not in the order of invocation.
        let value = if distinct { (position * 7 + 3) % 31 } else { drawn.value % 3 };
        let happens = !drawn.crashed || drawn.effective;
        let (op, reply) = if drawn.inserts {
            if happens {
                elements.push(value);
            }
            (CollectionOp::Insert(value), Reply::Inserted)
        } else {
            let mut candidates = actual.candidates(&elements);
            if drawn.spoiled == 0 {
                candidates = (0..elements.len()).collect();
            }
            let taken = (!candidates.is_empty() && happens)
                .then(|| elements.remove(candidates[drawn.which % candidates.len()]));
            let taken = match drawn.spoiled {
                1 => None,
                2 if drawn.which < 2 => {
                    Some((i64::try_from(drawn.which).unwrap_or_default() * 7 + 3) % 31)
                }
                _ => taken,
            };
            (CollectionOp::Remove(rule.pick()), Reply::Removed(taken))
        };
        let call = Call::unkeyed(op);
        let did = match (drawn.crashed, drawn.spoiled) {
            (true, spoiled) if spoiled % 2 == 0 => info("n1", spans[at].start..NEVER, call),
            (true, _) => info("n1", spans[at].clone(), call),
            (false, 3) => fail("n1", spans[at].clone(), call),
            (false, _) => ok("n1", spans[at].clone(), call, reply),
        };
        dids.push((at, did));
    }
    dids.sort_by_key(|(at, _)| *at);
    history(dids.into_iter().map(|(_, did)| did))
}

/// Operations that have less to do with each other.
fn narrowed(spans: Vec<Range<u64>>, by: u64) -> Vec<Range<u64>> {
    spans
        .into_iter()
        .map(|span| span.start..span.start + 1 + (span.end - span.start) / by)
        .collect()
}

fn histories<N: Names>(rule: Rule) -> impl Strategy<Value = History<Collection<N>>> {
    let lax = prop::bool::weighted(0.4);
    let spans = (spans(2..9), 1..8_u64).prop_map(|(spans, by)| narrowed(spans, by));
    (spans, prop::collection::vec(drawn(), 9), prop::bool::weighted(0.85), lax).prop_map(
        move |(spans, drawn, distinct, lax)| {
            let actual = if lax { Rule::Any } else { rule };
            executed([rule, actual], &spans, &drawn, distinct)
        },
    )
}

/// Tries every order, and everything that an operation of unknown fate can have taken.
fn oracle<N: Names>(rule: Rule, ops: &[Op<Collection<N>>]) -> bool {
    fn place<N: Names>(rule: Rule, left: &[&Op<Collection<N>>], elements: &[i64]) -> bool {
        if left.iter().all(|op| op.returned().is_none()) {
            return true;
        }
        (0..left.len()).any(|at| {
            let op = left[at];
            if left.iter().any(|other| other.precedes(op)) {
                return false;
            }
            let mut rest = left.to_vec();
            rest.remove(at);
            match (op.call.op, op.reply()) {
                (CollectionOp::Insert(value), _) => {
                    place(rule, &rest, &[elements, &[value]].concat())
                }
                (CollectionOp::Remove(_), Some(Reply::Removed(None))) => {
                    elements.is_empty() && place(rule, &rest, elements)
                }
                (CollectionOp::Remove(_), reply) => {
                    rule.candidates(elements).into_iter().any(|taken| {
                        let right = match reply {
                            Some(reply) => *reply == Reply::Removed(Some(elements[taken])),
                            None => true,
                        };
                        let mut after = elements.to_vec();
                        after.remove(taken);
                        right && place(rule, &rest, &after)
                    })
                }
            }
        })
    }
    let happened: Vec<&Op<Collection<N>>> =
        ops.iter().filter(|op| op.outcome.may_have_happened()).collect();
    place(rule, &happened, &[])
}

fn agrees<N: Names>(
    rule: Rule,
    checker: &impl Checker<Collection<N>>,
    history: &History<Collection<N>>,
) -> Result<(), TestCaseError> {
    let finding = checker.check(history, &RunFacts::default(), &Limits::default());
    let truth = oracle(rule, history.ops());
    match &finding.verdict {
        Verdict::Valid => prop_assert!(truth, "{finding:#?}"),
        Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
        Verdict::Unknown(why) => {
            prop_assert!(truth && why.starts_with("vacuous"), "{truth} {finding:#?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn fifo_queues_are_what_the_oracle_says(history in histories::<QueueNames>(Rule::Fifo)) {
        agrees(Rule::Fifo, &FifoQueue, &history)?;
    }

    #[test]
    fn unordered_queues_are_what_the_oracle_says(history in histories::<QueueNames>(Rule::Any)) {
        agrees(Rule::Any, &UnorderedQueue, &history)?;
    }

    #[test]
    fn stacks_are_what_the_oracle_says(history in histories::<StackNames>(Rule::Lifo)) {
        agrees(Rule::Lifo, &Stack, &history)?;
    }

    #[test]
    fn priority_queues_are_what_the_oracle_says(
        history in histories::<PriorityQueueNames>(Rule::Greatest),
    ) {
        agrees(Rule::Greatest, &PriorityQueue, &history)?;
    }
}

/// A collection for the general engine, with a number for its rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State<N, const RULE: u8>(Vec<i64>, PhantomData<N>);

const RULES: [Rule; 3] = [Rule::Fifo, Rule::Lifo, Rule::Greatest];

impl<N: Names + Eq + Hash, const RULE: u8> Model for State<N, RULE> {
    type Api = Collection<N>;

    fn init() -> Self {
        Self(Vec::new(), PhantomData)
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        let mut next = self.clone();
        match call.op {
            CollectionOp::Insert(element) => next.0.push(element),
            CollectionOp::Remove(_) => {
                let candidates = RULES[usize::from(RULE)].candidates(&next.0);
                let taken = candidates.first().map(|at| next.0.remove(*at));
                if reply.is_some_and(|reply| *reply != Reply::Removed(taken)) {
                    return None;
                }
            }
        }
        Some(next)
    }
}

/// Longer histories than the oracle can judge, by the general engine.
fn longer<N: Names + Eq + Hash, const RULE: u8>(
    checker: &impl Checker<Collection<N>>,
    spans: &[Range<u64>],
    drawn: &[Drawn],
    lax: bool,
) -> Result<(), TestCaseError> {
    let rule = RULES[usize::from(RULE)];
    let actual = if lax { Rule::Any } else { rule };
    let history = executed::<N>([rule, actual], spans, drawn, true);
    let ops: Vec<_> = history.ops().iter().filter_map(Timed::of).collect();
    let truth = match search::decide::<State<N, RULE>>(&ops, 4_000) {
        Answer::Linearizable(_) => true,
        Answer::Impossible => false,
        Answer::Exhausted => return Ok(()),
    };
    let finding = checker.check(&history, &RunFacts::default(), &Limits::default());
    match &finding.verdict {
        Verdict::Valid => prop_assert!(truth, "{finding:#?}"),
        Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
        Verdict::Unknown(why) => prop_assert!(truth && why.starts_with("vacuous"), "{finding:#?}"),
    }
    Ok(())
}

/// Longer histories, in which less goes wrong.
fn longer_histories() -> impl Strategy<Value = (Vec<Range<u64>>, Vec<Drawn>)> {
    let tame = (drawn(), 0..6_u8).prop_map(|(drawn, wild)| Drawn {
        spoiled: if wild == 0 { drawn.spoiled } else { 20 },
        crashed: drawn.crashed && wild < 3,
        ..drawn
    });
    let spans = (spans(8..22), 1..6_u64).prop_map(|(spans, by)| narrowed(spans, by));
    (spans, prop::collection::vec(tame, 22))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn longer_histories_are_what_the_search_says(
        (spans, drawn) in longer_histories(),
        lax in prop::bool::weighted(0.3),
    ) {
        longer::<QueueNames, 0>(&FifoQueue, &spans, &drawn, lax)?;
        longer::<StackNames, 1>(&Stack, &spans, &drawn, lax)?;
        longer::<PriorityQueueNames, 2>(&PriorityQueue, &spans, &drawn, lax)?;
    }
}

fn put(span: Range<u64>, value: i64) -> Did<Queue> {
    ok("n1", span, Call::unkeyed(CollectionOp::Insert(value)), Reply::Inserted)
}

fn took(span: Range<u64>, value: impl Into<Option<i64>>) -> Did<Queue> {
    let call = Call::unkeyed(CollectionOp::Remove(Pick::Next));
    ok("n2", span, call, Reply::Removed(value.into()))
}

fn fifo(ops: impl IntoIterator<Item = Did<Queue>>) -> Finding {
    check(&FifoQueue, ops, &RunFacts::default())
}

#[test]
fn what_was_put_in_first_is_taken_out_first() {
    let finding = fifo([put(0..10, 1), put(20..30, 2), took(40..50, 2), took(60..70, 1)]);
    assert_eq!(
        only_anomaly(&finding),
        (
            "out-of-order",
            "the queue: 2 was taken out, although 1 had been put in before it, which was taken out \
             only later"
        )
    );
    assert_eq!(finding.verdict.anomalies()[0].ops, [0, 2, 4, 6]);
    assert_eq!(finding.verdict.anomalies()[0].because[2], "n2 took out 2, from 0.040 s to 0.050 s");
}

#[test]
fn elements_from_nowhere_and_elements_taken_twice_are_found_at_once() {
    let twice = fifo([put(0..10, 1), took(20..30, 1), took(40..50, 1)]);
    assert_eq!(
        only_anomaly(&twice),
        ("duplicated", "the queue: n2 and n2 each took out 1, which was put in once")
    );
    let nowhere = fifo([took(20..30, 1)]);
    assert_eq!(
        only_anomaly(&nowhere),
        ("unexpected", "the queue: n2 took out 1, which nobody ever put in")
    );
    let later = fifo([took(20..30, 1), put(40..50, 1)]);
    assert_eq!(
        only_anomaly(&later),
        ("unexpected", "the queue: n2 took out 1, which was put in only later")
    );
    let call = Call::unkeyed(CollectionOp::Insert(1));
    let failed = fifo([fail("n1", 0..10, call), took(20..30, 1)]);
    assert_eq!(
        only_anomaly(&failed),
        ("unexpected", "the queue: n2 took out 1, although its insertion certainly failed")
    );
}

#[test]
fn nothing_may_be_found_only_while_nothing_is_certainly_in() {
    let finding =
        fifo([put(0..10, 1), put(11..20, 2), took(30..40, None), took(25..35, 1), took(36..70, 2)]);
    assert_eq!(kinds(&finding), [] as [&str; 0]);
    let finding = fifo([put(0..10, 1), put(11..20, 2), took(25..35, None), took(45..60, 1)]);
    assert_eq!(
        only_anomaly(&finding),
        (
            "false-empty",
            "the queue: n2 found nothing at 0.035 s, though at every moment of its asking \
             something was in"
        )
    );
    assert_eq!(finding.verdict.anomalies()[0].ops.len(), 2);
}

#[test]
fn removals_of_unknown_fate_take_only_as_much_as_there_are_of_them() {
    let crashed = || info("n3", 5..NEVER, Call::unkeyed(CollectionOp::Remove(Pick::Next)));
    let ops = || vec![put(0..10, 1), put(11..20, 2), put(21..30, 3), took(40..50, 3)];
    let twice = fifo(ops().into_iter().chain([crashed(), crashed()]));
    assert_eq!(twice.verdict, Verdict::Valid);
    let once = fifo(ops().into_iter().chain([crashed()]));
    assert_eq!(
        only_anomaly(&once),
        (
            "out-of-order",
            "the queue: 2 elements that no known removal took were overtaken, and only 1 removal \
             of unknown fate can have taken any"
        )
    );
}

#[test]
fn each_key_is_a_queue_of_its_own() {
    let keyed = |key: i64, op| Call::keyed(key, op);
    let finding = fifo([
        ok("n1", 0..10, keyed(1, CollectionOp::Insert(5)), Reply::Inserted),
        ok("n1", 20..30, keyed(2, CollectionOp::Remove(Pick::Next)), Reply::Removed(Some(5))),
    ]);
    assert_eq!(
        only_anomaly(&finding),
        ("unexpected", "queue 2: n1 took out 5, which nobody ever put in")
    );
}

/// Many operations, one after the other or side by side, with and without a violation at the end.
fn long<N: Names>(rule: Rule, wrong: bool) -> History<Collection<N>> {
    let mut elements: Vec<i64> = Vec::new();
    let mut ops: Vec<Did<Collection<N>>> = Vec::new();
    let mut crashed = 0;
    for at in 0..30_000_u64 {
        let span = at * 2..at * 2 + 5 + at % 7;
        let drawn = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        if elements.is_empty() || drawn % 100 < 50 {
            let value = i64::try_from(at.wrapping_mul(7919) % 1_000_003).unwrap_or_default();
            elements.push(value);
            let call = Call::unkeyed(CollectionOp::Insert(value));
            ops.push(ok("n1", span, call, Reply::Inserted));
        } else {
            let candidates = rule.candidates(&elements);
            let mut taken = candidates[usize::try_from(drawn).unwrap_or(0) % candidates.len()];
            if wrong && at > 29_000 && elements.len() > 200 && rule == Rule::Fifo {
                taken = elements.len() / 2;
            }
            let value = elements.remove(taken);
            let call = Call::unkeyed(CollectionOp::Remove(rule.pick()));
            crashed += 1;
            if crashed % 50 == 0 {
                ops.push(info("n2", span, call));
            } else {
                ops.push(ok("n2", span, call, Reply::Removed(Some(value))));
            }
        }
    }
    if wrong {
        let call = Call::unkeyed(CollectionOp::Remove(rule.pick()));
        ops.push(ok("n2", 70_000..70_010, call, Reply::Removed(None)));
    }
    history(ops)
}

#[test]
fn long_histories_are_decided_by_intervals() {
    fn decide<N: Names>(rule: Rule, checker: &impl Checker<Collection<N>>) {
        for wrong in [false, true] {
            let finding =
                checker.check(&long(rule, wrong), &RunFacts::default(), &Limits::default());
            let word = if wrong { "invalid" } else { "valid" };
            assert_eq!(finding.verdict.word(), word, "{rule:?} {:?}", finding.summary);
            assert_eq!(finding.details["decided_by"]["intervals"], 1, "{rule:?}");
        }
    }
    decide(Rule::Fifo, &FifoQueue);
    decide(Rule::Any, &UnorderedQueue);
    decide(Rule::Lifo, &Stack);
    decide(Rule::Greatest, &PriorityQueue);
}
