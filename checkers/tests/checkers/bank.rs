//! Banks.

use crate::build::{Did, cases, fail, info, ok};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::bank::Bank;
use schism_core::api::Key;
use schism_core::api::bank::{Bank as Api, Call, Reply};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::ops::Range;

const DEFAULT: Bank = Bank { total: None, negative_balances: false };

fn read(span: Range<u64>, balances: &[(i64, Option<i64>)]) -> Did<Api> {
    let balances = balances.iter().map(|(key, balance)| (Key::Int(*key), *balance)).collect();
    ok("n1", span, Call::Read, Reply::Read(balances))
}

fn transfer(from: i64, to: i64, amount: i64) -> Call {
    Call::Transfer { from: Key::Int(from), to: Key::Int(to), amount }
}

fn moved(span: Range<u64>, from: i64, to: i64, amount: i64) -> Did<Api> {
    ok("n1", span, transfer(from, to, amount), Reply::Transferred)
}

#[test]
fn a_total_that_differs_from_the_first_read_is_wrong() {
    let ops = [
        read(0..10, &[(0, Some(5)), (1, Some(5))]),
        moved(20..30, 0, 1, 2),
        read(40..50, &[(0, Some(3)), (1, Some(5))]),
    ];
    let finding = check(&DEFAULT, ops, &RunFacts::default());
    assert_eq!(only_anomaly(&finding), ("wrong-total", "a read at n1 shows a total of 8, not 10"));
    assert_eq!(finding.verdict.anomalies()[0].ops, [4, 0]);
}

#[test]
fn a_total_that_was_said_is_held_against_every_read() {
    let ops = [read(0..10, &[(0, Some(5)), (1, Some(5))])];
    let twelve = Bank { total: Some(12), ..DEFAULT };
    assert_eq!(kinds(&check(&twelve, ops, &RunFacts::default())), ["wrong-total"]);
}

#[test]
fn overdrawn_accounts_are_wrong_unless_allowed() {
    let ops = || [read(0..10, &[(0, Some(11)), (1, Some(-1))])];
    let finding = check(&DEFAULT, ops(), &RunFacts::default());
    let sentence = "a read at n1 has accounts overdrawn: 1 (-1)";
    assert_eq!(only_anomaly(&finding), ("negative-value", sentence));
    let lenient = Bank { negative_balances: true, ..DEFAULT };
    assert_eq!(check(&lenient, ops(), &RunFacts::default()).verdict, Verdict::Valid);
}

#[test]
fn an_account_is_known_from_the_first_read_or_from_a_transfer() {
    let ops = [
        read(0..10, &[(0, Some(5)), (1, None)]),
        info("n1", 20..30, transfer(0, 2, 1)),
        read(40..50, &[(0, Some(4)), (2, Some(1)), (3, Some(0))]),
    ];
    let finding = check(&DEFAULT, ops, &RunFacts::default());
    assert_eq!(kinds(&finding), ["nil-balance", "unexpected-key"]);
    assert_eq!(
        finding.verdict.anomalies()[1].summary,
        "a read at n1 has accounts that nobody knows: 3"
    );
}

#[test]
fn a_bank_that_nobody_read_is_not_judged() {
    let ops = [moved(0..10, 0, 1, 1), fail("n1", 20..30, Call::Read)];
    assert!(matches!(check(&DEFAULT, ops, &RunFacts::default()).verdict, Verdict::Unknown(_)));
}

proptest! {
    #![proptest_config(cases())]

    /// Steps of a bank that does one after the other; some of its reads are falsified.
    #[test]
    fn a_read_is_wrong_exactly_if_it_was_falsified(
        steps in prop::collection::vec((0..4_u8, 0..3_usize, 0..3_usize, 1..6_i64), 1..12),
        falsified in prop::option::weighted(0.5, (0..4_usize, 0..3_usize, -3..4_i64)),
        allowed in any::<bool>(),
    ) {
        let mut balances = [5_i64; 3];
        let (mut ops, mut wrong, mut reads) = (Vec::new(), false, 0);
        for (at, (what, from, to, amount)) in (0_u64..).zip(steps) {
            let span = at * 10..at * 10 + 5;
            let keys = [from, to].map(|key| i64::try_from(key).unwrap_or_default());
            if what == 0 {
                let mut shown = balances;
                match falsified {
                    Some((which, account, by)) if which == reads => {
                        shown[account] += by;
                        wrong |= by != 0;
                    }
                    _ => {}
                }
                reads += 1;
                wrong |= !allowed && shown.iter().any(|balance| *balance < 0);
                let shown: Vec<_> = (0..).zip(shown).map(|(key, b)| (key, Some(b))).collect();
                ops.push(read(span, &shown));
            } else if !allowed && balances[from] < amount {
                ops.push(fail("n1", span, transfer(keys[0], keys[1], amount)));
            } else {
                balances[from] -= amount;
                balances[to] += amount;
                ops.push(match what {
                    1 => info("n1", span, transfer(keys[0], keys[1], amount)),
                    _ => moved(span, keys[0], keys[1], amount),
                });
            }
        }
        let bank = Bank { total: Some(15), negative_balances: allowed };
        let finding = check(&bank, ops, &RunFacts::default());
        prop_assert_eq!(matches!(finding.verdict, Verdict::Unknown(_)), reads == 0);
        prop_assert_eq!(!finding.verdict.anomalies().is_empty(), wrong, "{:#?}", finding);
    }
}
