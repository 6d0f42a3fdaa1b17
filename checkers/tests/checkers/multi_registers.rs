//! Transactions over registers.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, only_anomaly};
use proptest::prelude::*;
use schism_checkers::models::{self, Options};
use schism_checkers::multi_register::{Init, MultiRegister};
use schism_core::api::Key;
use schism_core::api::multi_register::{Mop, MultiRegister as Api, Txn};
use schism_core::checker::Checker;
use schism_core::form::Tape;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeMap;
use std::ops::Range;

fn read(key: i64, found: impl Into<Option<i64>>) -> Mop {
    Mop::Read(Key::Int(key), found.into())
}

fn write(key: i64, value: i64) -> Mop {
    Mop::Write(Key::Int(key), value)
}

fn asked(txn: &Txn) -> Txn {
    let blank = |mop: &Mop| match mop {
        Mop::Read(key, _) => Mop::Read(key.clone(), None),
        Mop::Write(..) => mop.clone(),
    };
    txn.iter().map(blank).collect()
}

fn did(span: Range<u64>, txn: Txn) -> Did<Api> {
    ok("n1", span, asked(&txn), txn)
}

const UNKNOWN: MultiRegister = MultiRegister { init: None };
const NIL: MultiRegister = MultiRegister { init: Some(Init::All(None)) };

#[test]
fn what_registers_hold_first_is_inferred_unless_it_is_given() {
    let ops =
        || [did(0..10, vec![read(1, 5), write(2, 6)]), did(20..30, vec![read(1, 5), read(2, 6)])];
    assert_eq!(check(&UNKNOWN, ops(), &RunFacts::default()).verdict, Verdict::Valid);
    let five = MultiRegister { init: Some(Init::Each(BTreeMap::from([(Key::Int(1), Some(5))]))) };
    assert_eq!(check(&five, ops(), &RunFacts::default()).verdict, Verdict::Valid);
    assert_eq!(
        only_anomaly(&check(&NIL, ops(), &RunFacts::default())),
        (
            "not-linearizable",
            "registers 1 and 2: no order of the operations explains that n1 read 1 = 5 and wrote \
             2 = 6 at 0.010 s"
        )
    );
    let two = [did(0..10, vec![read(1, 5)]), did(20..30, vec![read(1, 6)])];
    assert_eq!(check(&UNKNOWN, two, &RunFacts::default()).verdict.word(), "invalid");
}

#[test]
fn transactions_are_atomic() {
    let ops = [
        did(0..10, vec![write(1, 1), write(2, 1)]),
        did(20..30, vec![write(1, 2), write(2, 2)]),
        did(15..35, vec![read(1, 1), read(2, 2)]),
    ];
    assert_eq!(check(&UNKNOWN, ops, &RunFacts::default()).verdict.word(), "invalid");
    let apart = [did(0..10, vec![write(1, 1)]), did(20..30, vec![read(2, 7)])];
    let finding = check(&UNKNOWN, apart, &RunFacts::default());
    assert_eq!((finding.verdict.word(), &finding.details["objects"]), ("valid", &2.into()));
}

#[test]
fn the_first_values_may_be_one_for_all_or_a_map() {
    let model = models::find("multi-register").unwrap();
    let with = |value| {
        let init = Some(Tape::from_json(&value));
        model.make(&Options { init, ..Options::default() })
    };
    assert!(with(serde_json::json!(0)).is_ok());
    assert!(with(serde_json::json!({"x": 0, "y": null})).is_ok());
    let error = with(serde_json::json!("zero")).err().unwrap();
    assert_eq!(error.to_string(), "--init: expected {x 0, y 0} or 0, found \"zero\"");
}

/// One transaction as it is drawn.
#[derive(Clone, Debug)]
struct Drawn {
    mops: Vec<(bool, i64, i64)>,
    crashed: bool,
    effective: bool,
    moment: f64,
    spoiled: u8,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let mops = prop::collection::vec((any::<bool>(), 0..3_i64, 0..3_i64), 1..3);
    (mops, prop::bool::weighted(0.2), any::<bool>(), 0.0..1.0, 0..12_u8).prop_map(
        |(mops, crashed, effective, moment, spoiled)| Drawn {
            mops,
            crashed,
            effective,
            moment,
            spoiled,
        },
    )
}

/// What registers would have answered; some answers are spoiled.
fn executed(spans: &[Range<u64>], drawn: &[Drawn], first: Option<i64>) -> History<Api> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    let moment = |at: &usize| {
        let (span, drawn) = (&spans[*at], &drawn[*at]);
        let length = if drawn.crashed { 40 } else { span.end - span.start };
        span.start as f64 + length as f64 * drawn.moment
    };
    order.sort_by(|left, right| moment(left).total_cmp(&moment(right)));
    let mut state: BTreeMap<i64, Option<i64>> = BTreeMap::new();
    let mut dids: Vec<(usize, Did<Api>)> = Vec::new();
    for at in order {
        let drawn = &drawn[at];
        let mut after = state.clone();
        let txn: Txn = drawn
            .mops
            .iter()
            .map(|(reads, key, value)| {
                if *reads {
                    let found = after.get(key).copied().unwrap_or(first);
                    read(*key, if drawn.spoiled == 0 { Some(*value) } else { found })
                } else {
                    after.insert(*key, Some(*value));
                    write(*key, *value)
                }
            })
            .collect();
        if !drawn.crashed || drawn.effective {
            state = after;
        }
        dids.push((
            at,
            match (drawn.crashed, drawn.spoiled) {
                (true, _) => info("n1", spans[at].start..NEVER, asked(&txn)),
                (false, 1) => fail("n1", spans[at].clone(), asked(&txn)),
                (false, _) => did(spans[at].clone(), txn),
            },
        ));
    }
    dids.sort_by_key(|(at, _)| *at);
    history(dids.into_iter().map(|(_, did)| did))
}

/// Tries every order, from what the registers hold first.
fn oracle(left: &[&Op<Api>], state: &BTreeMap<Key, Option<i64>>) -> bool {
    if left.iter().all(|op| op.returned().is_none()) {
        return true;
    }
    (0..left.len()).any(|at| {
        let op = left[at];
        let mut after = state.clone();
        let right = |mop: &Mop| match mop {
            Mop::Read(key, found) => {
                op.reply().is_none() || after.get(key).copied().flatten() == *found
            }
            Mop::Write(key, value) => {
                after.insert(key.clone(), Some(*value));
                true
            }
        };
        let answers = op.reply().unwrap_or(&op.call).iter().all(right);
        let mut rest = left.to_vec();
        rest.remove(at);
        answers && left.iter().all(|other| !other.precedes(op)) && oracle(&rest, &after)
    })
}

/// All that three registers can hold first.
fn firsts() -> impl Iterator<Item = BTreeMap<Key, Option<i64>>> {
    let held = |choice: i64| (choice > 0).then_some(choice - 1);
    (0..64_i64).map(move |choice| {
        let of = |key: i64, choice| (Key::Int(key), held(choice));
        BTreeMap::from([of(0, choice % 4), of(1, choice / 4 % 4), of(2, choice / 16)])
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn registers_are_what_the_oracle_says(
        spans in spans(2..6),
        drawn in prop::collection::vec(drawn(), 6),
        first in prop::option::of(0..3_i64),
        given in any::<bool>(),
    ) {
        let history = executed(&spans, &drawn, first);
        let happened: Vec<&Op<Api>> =
            history.ops().iter().filter(|op| op.outcome.may_have_happened()).collect();
        let (checker, truth) = if given {
            let state = (0..3).map(|key| (Key::Int(key), first)).collect();
            (MultiRegister { init: Some(Init::All(first)) }, oracle(&happened, &state))
        } else {
            (UNKNOWN, firsts().any(|state| oracle(&happened, &state)))
        };
        let finding = checker.check(&history, &RunFacts::default(), &Limits::default());
        match &finding.verdict {
            Verdict::Valid => prop_assert!(truth, "{finding:#?}"),
            Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
            Verdict::Unknown(why) => {
                prop_assert!(truth && why.starts_with("vacuous"), "{finding:#?}");
            }
        }
    }
}
