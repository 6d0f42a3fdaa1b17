//! Strings by key.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, only_anomaly};
use proptest::prelude::*;
use schism_checkers::kv::KeyValue;
use schism_core::api::kv::{Call, Kv, KvOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

fn call(op: KvOp) -> Call {
    Call { key: None, op }
}

fn append(span: Range<u64>, text: &str) -> Did<Kv> {
    ok("n1", span, call(KvOp::Append(text.into())), Reply::Done)
}

fn put(span: Range<u64>, text: &str) -> Did<Kv> {
    ok("n1", span, call(KvOp::Put(text.into())), Reply::Done)
}

fn get(span: Range<u64>, text: &str) -> Did<Kv> {
    ok("n2", span, call(KvOp::Get), Reply::Got(text.into()))
}

fn by(ops: impl IntoIterator<Item = Did<Kv>>) -> Finding {
    check(&KeyValue, ops, &RunFacts::default())
}

#[test]
fn a_string_tells_its_past() {
    let finding = by([append(0..30, "a"), append(5..25, "b"), get(10..20, "b"), get(40..50, "ba")]);
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.details["decided_by"]["pasts"], 1);
}

#[test]
fn pasts_that_contradict_each_other_are_named() {
    let cases: [(&str, Vec<Did<Kv>>, &str); 8] = [
        (
            "garbage-read",
            vec![append(0..10, "a"), get(20..30, "ax")],
            "the key: n2 got \"ax\" at 0.030 s, which nobody can have written",
        ),
        (
            "aborted-read",
            vec![fail("n1", 0..10, call(KvOp::Append("a".into()))), get(20..30, "a")],
            "the key: n2 got \"a\" at 0.030 s, although that write certainly failed",
        ),
        (
            "future-read",
            vec![get(0..10, "a"), append(20..30, "a")],
            "the key: n2 got \"a\", a string that was written only later",
        ),
        (
            "duplicated",
            vec![append(0..10, "a"), append(0..10, "b"), get(20..30, "aba")],
            "the key: n2 got the effect of append \"a\" 2 times, which was asked for once",
        ),
        (
            "incompatible-order",
            vec![
                append(0..50, "a"),
                append(0..50, "b"),
                append(0..50, "c"),
                get(20..30, "ab"),
                get(20..30, "ac"),
            ],
            "the key: two gets disagree on what was appended to \"a\": append \"b\" and append \
             \"c\"",
        ),
        (
            "stale-read",
            vec![append(0..10, "a"), get(20..30, ""), get(40..50, "a")],
            "the key: n2 got \"\", an older string than was there before it asked",
        ),
        (
            "stale-read",
            vec![put(0..10, "a"), put(20..30, "b"), get(40..50, "a")],
            "the key: n2 got \"a\", though something else was there before it asked",
        ),
        (
            "out-of-order",
            vec![append(0..10, "a"), append(20..30, "b"), get(40..50, "ba")],
            "the key: append \"b\" took effect before append \"a\", which had been acknowledged \
             before it began",
        ),
    ];
    for (kind, ops, summary) in cases {
        assert_eq!(only_anomaly(&by(ops)), (kind, summary));
    }
}

#[test]
fn an_acknowledged_append_that_is_lost_is_a_stale_read() {
    let finding = by([append(0..10, "a"), append(20..30, "b"), get(40..50, "a")]);
    assert_eq!(finding.verdict.anomalies()[0].kind, "stale-read");
    let crashed = info("n1", 20..NEVER, call(KvOp::Append("b".into())));
    assert_eq!(by([append(0..10, "a"), crashed, get(40..50, "a")]).verdict, Verdict::Valid);
}

#[test]
fn of_equal_appends_any_may_have_made_a_string() {
    let finding =
        by([append(0..10, "a."), append(20..30, "a."), get(15..18, "a."), get(40..50, "a.a.")]);
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.details["decided_by"]["pasts"], 1);
    let finding = by([append(0..10, "a."), append(20..30, "a."), get(40..50, "a.")]);
    assert_eq!(finding.verdict.anomalies()[0].kind, "stale-read");
    assert_eq!(
        finding.verdict.anomalies()[0].because.last().unwrap(),
        "whichever of several equal appends is taken to have made which string, something like \
         this is in the way"
    );
}

#[test]
fn pasts_that_are_not_certain_are_left_to_the_search() {
    let finding = by([append(0..10, "a"), append(20..30, "ba"), get(40..50, "aba")]);
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.details["decided_by"]["search"], 1);
    let finding = by([append(0..10, "a"), append(20..30, "ba"), get(40..50, "ba")]);
    assert_eq!(
        only_anomaly(&finding),
        (
            "not-linearizable",
            "the key: no order of the operations explains that n2 got \"ba\" at 0.050 s"
        )
    );
}

/// One operation as it is drawn.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    f: u8,
    text: usize,
    crashed: bool,
    effective: bool,
    moment: f64,
    spoiled: u8,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (0..7_u8, 0..8_usize, prop::bool::weighted(0.2), any::<bool>(), 0.0..1.0, 0..16_u8).prop_map(
        |(f, text, crashed, effective, moment, spoiled)| Drawn {
            f,
            text,
            crashed,
            effective,
            moment,
            spoiled,
        },
    )
}

/// What a key would have answered; some answers are spoiled.
fn executed(spans: &[Range<u64>], drawn: &[Drawn], texts: u8) -> History<Kv> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    let moment = |at: &usize| {
        let (span, drawn) = (&spans[*at], &drawn[*at]);
        let length = if drawn.crashed { 40 } else { span.end - span.start };
        span.start as f64 + length as f64 * drawn.moment
    };
    order.sort_by(|left, right| moment(left).total_cmp(&moment(right)));
    let (mut state, mut before) = (String::new(), String::new());
    let mut dids: Vec<(usize, Did<Kv>)> = Vec::new();
    for at in order {
        let drawn = &drawn[at];
        let text = match texts {
            0..4 => format!("{at}."),
            4..8 => format!("{}.", at % 3),
            _ => ["", "a", "b", "ab", "ba", "aa", "a", "b"][drawn.text].to_owned(),
        };
        let happens = !drawn.crashed || drawn.effective;
        let (op, reply) = match drawn.f {
            0..3 => {
                let mut found = state.clone();
                match drawn.spoiled {
                    0 => found.clone_from(&before),
                    1 => found = format!("{found}{}.", drawn.text),
                    2 => found = found.chars().rev().collect(),
                    3 => found.truncate(found.len() / 2),
                    _ => {}
                }
                (KvOp::Get, Reply::Got(found.as_str().into()))
            }
            3 => (KvOp::Put(text.as_str().into()), Reply::Done),
            _ => (KvOp::Append(text.as_str().into()), Reply::Done),
        };
        if happens && op != KvOp::Get && drawn.spoiled != 4 {
            before.clone_from(&state);
            if drawn.f == 3 {
                state.clear();
            }
            state.push_str(&text);
        }
        dids.push((
            at,
            match (drawn.crashed, drawn.spoiled) {
                (true, _) => info("n1", spans[at].start..NEVER, call(op)),
                (false, 5) => fail("n1", spans[at].clone(), call(op)),
                (false, _) => ok("n1", spans[at].clone(), call(op), reply),
            },
        ));
    }
    dids.sort_by_key(|(at, _)| *at);
    history(dids.into_iter().map(|(_, did)| did))
}

/// Tries every order.
fn oracle(left: &[&Op<Kv>], state: &str) -> bool {
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
        match (&op.call.op, op.reply()) {
            (KvOp::Get, Some(Reply::Got(text))) => **text == *state && oracle(&rest, state),
            (KvOp::Get, _) => oracle(&rest, state),
            (KvOp::Put(text), _) => oracle(&rest, text),
            (KvOp::Append(text), _) => oracle(&rest, &format!("{state}{text}")),
        }
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn strings_are_what_the_oracle_says(
        spans in spans(2..9),
        drawn in prop::collection::vec(drawn(), 9),
        texts in 0..10_u8,
    ) {
        let history = executed(&spans, &drawn, texts);
        let happened: Vec<&Op<Kv>> =
            history.ops().iter().filter(|op| op.outcome.may_have_happened()).collect();
        let truth = oracle(&happened, "");
        let finding = KeyValue.check(&history, &RunFacts::default(), &Limits::default());
        match &finding.verdict {
            Verdict::Valid => prop_assert!(truth, "{finding:#?}"),
            Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
            Verdict::Unknown(why) => {
                prop_assert!(truth && why.starts_with("vacuous"), "{finding:#?}");
            }
        }
    }
}
