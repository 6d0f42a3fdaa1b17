//! The strongest model that holds, against the judges of each.

use crate::build::{cases, history};
use crate::session_guarantees::Do::{R, W};
use crate::session_guarantees::{Do, done, histories};
use proptest::prelude::*;
use schism_checkers::sequential::Sequential;
use schism_checkers::session_guarantees::{Guarantees, SessionGuarantees};
use schism_checkers::strongest_model::StrongestModel;
use schism_core::api::register::Register;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;

fn ask(checker: &impl Checker<Register>, history: &History<Register>) -> Finding {
    checker.check(history, &RunFacts::default(), &Limits::default())
}

fn summary(ops: impl IntoIterator<Item = (u64, Do)>) -> String {
    ask(&StrongestModel, &history(done(ops))).summary
}

#[test]
fn each_step_down_has_its_sentence() {
    assert_eq!(summary([(0, W(1, 1)), (1, R(1, Some(1)))]), "linearizable");
    assert_eq!(summary([(0, W(1, 1)), (1, R(1, None))]), "sequential, but not linearizable");
    let each_misses = [(0, W(1, 1)), (1, W(2, 2)), (0, R(2, None)), (1, R(1, None))];
    assert_eq!(summary(each_misses), "causal, but not sequential");
    let effect_without_cause =
        [(0, W(1, 1)), (1, R(1, Some(1))), (1, W(2, 2)), (2, R(2, Some(2))), (2, R(1, None))];
    assert_eq!(summary(effect_without_cause), "pram and writes-follow-reads, but not causal");
    let backwards = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, Some(2))), (1, R(1, Some(1)))];
    assert_eq!(
        summary(backwards),
        "read-your-writes, monotonic-reads, monotonic-writes and writes-follow-reads, but not pram"
    );
    assert_eq!(
        summary([(0, R(1, Some(9)))]),
        "no consistency model holds for certain, but not pram"
    );
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn it_says_what_each_judge_says(history in histories()) {
        let finding = ask(&StrongestModel, &history);
        prop_assert_eq!(&finding.verdict, &Verdict::Valid);
        let judges = [
            ("sequential", ask(&Sequential::default(), &history)),
            ("causal", ask(&SessionGuarantees { keeps: Guarantees::CAUSAL }, &history)),
            ("pram", ask(&SessionGuarantees { keeps: Guarantees::PRAM }, &history)),
            (
                "monotonic-reads",
                ask(&SessionGuarantees { keeps: Guarantees::MONOTONIC_READS }, &history),
            ),
        ];
        for (name, judged) in judges {
            match judged.verdict {
                Verdict::Unknown(_) => {}
                verdict => prop_assert_eq!(
                    &finding.details["models"][name],
                    verdict == Verdict::Valid,
                    "{}: {:#?}", name, finding
                ),
            }
        }
    }
}
