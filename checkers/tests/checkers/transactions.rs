//! Transactions over lists.

use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::list_append::{Consistency, ListAppend};
use schism_core::api::Key;
use schism_core::api::list_append::{ListAppend as Api, Mop, Txn};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeMap;
use std::ops::Range;

const STRICT: ListAppend = ListAppend { consistency: Consistency::StrictSerializable };
const SERIAL: ListAppend = ListAppend { consistency: Consistency::Serializable };

fn append(key: i64, element: i64) -> Mop {
    Mop::Append(Key::Int(key), element)
}

fn read(key: i64, list: &[i64]) -> Mop {
    Mop::Read(Key::Int(key), Some(list.to_vec()))
}

fn call(txn: &Txn) -> Txn {
    txn.iter()
        .map(|mop| match mop {
            Mop::Read(key, _) => Mop::Read(key.clone(), None),
            append @ Mop::Append(..) => append.clone(),
        })
        .collect()
}

fn txn(span: Range<u64>, mops: impl Into<Txn>) -> Did<Api> {
    let mops = mops.into();
    ok("n1", span, call(&mops), mops)
}

fn found(ops: impl IntoIterator<Item = Did<Api>>) -> Vec<String> {
    let finding = check(&STRICT, ops, &RunFacts::default());
    kinds(&finding).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_transaction_that_disagrees_with_itself_is_internal() {
    assert_eq!(found([txn(0..10, [append(1, 5), read(1, &[])])]), ["internal"]);
    assert_eq!(
        found([txn(0..10, [append(1, 5)]), txn(0..11, [read(1, &[5]), read(1, &[])])]),
        ["internal", "G-single-item"]
    );
}

#[test]
fn elements_that_cannot_be_there_are_named() {
    assert_eq!(found([txn(0..10, [read(1, &[7])])]), ["garbage-read"]);
    let failed = fail("n1", 0..5, vec![append(1, 7)]);
    assert_eq!(found([failed, txn(6..10, [read(1, &[7])])]), ["G1a"]);
    let half = [txn(0..20, [append(1, 7), append(1, 8)]), txn(6..10, [read(1, &[7])])];
    assert!(found(half).contains(&"G1b".to_owned()));
    let twice = [txn(0..5, [append(1, 7)]), txn(6..10, [read(1, &[7, 7])])];
    assert!(found(twice).contains(&"duplicate-elements".to_owned()));
    let orders = [
        info("n1", 0..NEVER, vec![append(1, 7)]),
        info("n1", 1..NEVER, vec![append(1, 8)]),
        txn(6..10, [read(1, &[7, 8])]),
        txn(6..11, [read(1, &[8, 7])]),
    ];
    assert_eq!(found(orders), ["incompatible-order"]);
}

#[test]
fn an_element_of_two_transactions_is_unknown() {
    let ops = [txn(0..10, [append(1, 7)]), txn(0..11, [append(1, 7)])];
    let finding = check(&STRICT, ops, &RunFacts::default());
    assert!(matches!(finding.verdict, Verdict::Unknown(why) if why.contains("append 7")));
}

#[test]
fn cycles_have_their_names() {
    let g0 = [
        txn(0..10, [append(1, 1), append(2, 1)]),
        txn(0..11, [append(1, 2), append(2, 2)]),
        txn(12..13, [read(1, &[1, 2]), read(2, &[2, 1])]),
    ];
    assert_eq!(found(g0), ["G0"]);
    let g1c =
        [txn(0..10, [append(1, 1), read(2, &[2])]), txn(0..11, [append(2, 2), read(1, &[1])])];
    assert_eq!(found(g1c), ["G1c"]);
    let lost_update = [
        txn(0..10, [read(1, &[]), append(1, 1)]),
        txn(0..11, [read(1, &[]), append(1, 2)]),
        txn(12..13, [read(1, &[1, 2])]),
    ];
    assert_eq!(found(lost_update), ["G-single-item", "lost-update"]);
    let write_skew =
        [txn(0..10, [read(1, &[]), append(2, 1)]), txn(0..11, [read(2, &[]), append(1, 2)])];
    assert_eq!(found(write_skew), ["G2-item"]);
    let long_fork = [
        txn(0..10, [append(1, 1)]),
        txn(0..11, [append(2, 1)]),
        txn(0..12, [read(1, &[1]), read(2, &[])]),
        txn(0..13, [read(1, &[]), read(2, &[1])]),
    ];
    assert_eq!(found(long_fork), ["G-nonadjacent-item"]);
}

#[test]
fn a_stale_read_breaks_real_time_only() {
    let stale = || [txn(0..10, [append(1, 1)]), txn(20..30, [read(1, &[])])];
    let finding = check(&STRICT, stale(), &RunFacts::default());
    let (kind, summary) = only_anomaly(&finding);
    assert_eq!(kind, "G-single-item-realtime");
    assert_eq!(summary, "T2 and T0 would each have to come before the next: T2 → T0 → T2");
    assert_eq!(
        finding.verdict.anomalies()[0].because,
        [
            "T2 read list 1 without 1, which T0 appended",
            "T0 had ended at 0.010 s, before T2 began at 0.020 s",
            "so none of them can be first",
        ]
    );
    assert_eq!(check(&SERIAL, stale(), &RunFacts::default()).verdict, Verdict::Valid);
    let own = || stale().map(|did| did.by(1));
    assert_eq!(found(own()), ["G-single-item-process"]);
}

#[test]
fn a_transaction_of_unknown_fate_that_was_seen_happened_as_a_whole() {
    let ops = |second: &[i64]| {
        [
            info("n1", 0..NEVER, vec![append(1, 1), append(2, 2)]),
            txn(10..20, [read(1, &[1])]),
            txn(30..40, [read(2, second)]),
        ]
    };
    assert_eq!(found(ops(&[])), ["G-single-item-realtime"]);
    assert!(found(ops(&[2])).is_empty());
    let unseen = [info("n1", 0..NEVER, vec![append(1, 1)]), txn(10..20, [read(1, &[])])];
    assert!(found(unseen).is_empty());
}

#[derive(Clone, Debug)]
struct Drawn {
    mops: Vec<(bool, i64)>,
    fate: u8,
    moment: f64,
    /// For the reads, how many elements too few.
    short: Vec<usize>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let mops = prop::collection::vec((any::<bool>(), 0..2_i64), 1..4);
    let short = prop::collection::vec(prop_oneof![4 => Just(0_usize), 1 => 1..3_usize], 4);
    (mops, 0..8_u8, 0.0..1.0, short).prop_map(|(mops, fate, moment, short)| Drawn {
        mops,
        fate,
        moment,
        short,
    })
}

/// Executes the transactions at their moments; then some reads lose the end of what they saw, which
/// is what a stale or torn state looks like.
fn histories() -> impl Strategy<Value = History<Api>> {
    (spans(1..6), prop::collection::vec(drawn(), 6), any::<bool>()).prop_map(
        |(spans, drawn, spoil)| {
            let mut order: Vec<usize> = (0..spans.len()).collect();
            let moment = |at: &usize| {
                let span = &spans[*at];
                span.start as f64 + drawn[*at].moment * (span.end - span.start) as f64
            };
            order.sort_by(|left, right| moment(left).total_cmp(&moment(right)));
            let mut lists: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            let mut ops: Vec<(usize, Did<Api>)> = Vec::new();
            let mut next = 0;
            for at in order {
                let Drawn { mops, fate, short, .. } = &drawn[at];
                let effective = *fate > 1;
                let before = lists.clone();
                let mut txn: Txn = Vec::new();
                for ((is_read, key), short) in mops.iter().zip(short) {
                    let list = lists.entry(*key).or_default();
                    if *is_read {
                        let short = if spoil { *short } else { 0 };
                        txn.push(read(*key, &list[..list.len().saturating_sub(short)]));
                    } else {
                        next += 1;
                        list.push(next);
                        txn.push(append(*key, next));
                    }
                }
                if !effective {
                    lists = before;
                }
                let (span, call) = (spans[at].clone(), call(&txn));
                let did = match fate {
                    0 => fail("n1", span, call),
                    1 | 2 => info("n1", span.start..NEVER, call),
                    _ => ok("n1", span, call, txn),
                };
                ops.push((at, did.by(at as u64)));
            }
            ops.sort_by_key(|(at, _)| *at);
            history(ops.into_iter().map(|(_, did)| did))
        },
    )
}

/// Tries every order, and every choice of the transactions of unknown fate that took effect.
fn serializable(ops: &[Op<Api>], real_time: bool) -> bool {
    fn place(left: &[&Op<Api>], lists: &BTreeMap<Key, Vec<i64>>, real_time: bool) -> bool {
        if left.iter().all(|op| op.returned().is_none()) {
            return true;
        }
        left.iter().enumerate().any(|(at, op)| {
            if real_time && left.iter().any(|other| other.precedes(op)) {
                return false;
            }
            let mut after = lists.clone();
            let fits = op.reply().unwrap_or(&op.call).iter().all(|mop| match mop {
                Mop::Append(key, element) => {
                    after.entry(key.clone()).or_default().push(*element);
                    true
                }
                Mop::Read(key, Some(list)) => {
                    after.get(key).map_or(&[][..], Vec::as_slice) == list.as_slice()
                }
                Mop::Read(_, None) => true,
            });
            let mut rest = left.to_vec();
            rest.remove(at);
            fits && place(&rest, &after, real_time)
        })
    }
    let happened: Vec<&Op<Api>> = ops.iter().filter(|op| op.outcome.may_have_happened()).collect();
    place(&happened, &BTreeMap::new(), real_time)
}

proptest! {
    #![proptest_config(cases())]

    /// Both directions: valid histories have an order, and invalid ones have none. Unknown may be
    /// either, and is said only where nothing was read.
    #[test]
    fn the_checker_agrees_with_the_oracle(history in histories(), real_time in any::<bool>()) {
        let truth = serializable(history.ops(), real_time);
        let consistency =
            if real_time { Consistency::StrictSerializable } else { Consistency::Serializable };
        let checker = ListAppend { consistency };
        let finding = checker.check(&history, &RunFacts::default(), &Limits::default());
        match &finding.verdict {
            Verdict::Valid => prop_assert!(truth, "{finding:#?}"),
            Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
            Verdict::Unknown(why) => prop_assert!(why.contains("vacuous"), "{why}"),
        }
    }
}
