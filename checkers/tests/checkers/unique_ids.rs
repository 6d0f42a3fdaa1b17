//! Identifiers.

use crate::build::{Did, cases, info, ok};
use crate::{check, only_anomaly};
use proptest::prelude::*;
use schism_checkers::unique_ids::UniqueIds;
use schism_core::api::Key;
use schism_core::api::unique_ids::{Generate, Id, UniqueIds as Api};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeSet;
use std::ops::Range;

fn got(node: &'static str, span: Range<u64>, id: Key) -> Did<Api> {
    ok(node, span, Generate, Id(id))
}

#[test]
fn an_identifier_handed_out_twice_is_named_with_its_owners() {
    let id = || Key::Text("a-7".into());
    let ops = [got("n1", 0..10, id()), got("n2", 5..15, Key::Int(7)), got("n3", 20..30, id())];
    assert_eq!(
        only_anomaly(&check(&UniqueIds, ops, &RunFacts::default())),
        ("duplicated", "identifier a-7 was handed out 2 times, first by n1 and n3")
    );
}

#[test]
fn requests_of_unknown_fate_prove_nothing() {
    let ops = [info("n1", 0..10, Generate)];
    assert!(matches!(check(&UniqueIds, ops, &RunFacts::default()).verdict, Verdict::Unknown(_)));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn duplicates_are_what_a_set_says(ids in prop::collection::vec(0..40_i64, 1..12)) {
        let ops = (0_u64..).zip(&ids).map(|(at, id)| got("n1", at * 2..at * 2 + 1, Key::Int(*id)));
        let finding = check(&UniqueIds, ops, &RunFacts::default());
        let distinct: BTreeSet<_> = ids.iter().collect();
        prop_assert_eq!(finding.verdict == Verdict::Valid, distinct.len() == ids.len());
    }
}
