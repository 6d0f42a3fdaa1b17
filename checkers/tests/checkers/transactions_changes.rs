//! What must not change a verdict, and what must: names, bystanders, and planted anomalies.

use crate::build::cases;
use crate::transactions_random::{history_of, registers};
use crate::transactions_registers::{Txn, judged, models_of, txn, types};
use proptest::prelude::*;
use schism_checkers::models::Options;
use schism_core::event::Kind;

const LEVELS: [&str; 7] = [
    "read-committed",
    "read-atomic",
    "causal",
    "repeatable-read",
    "snapshot-isolation",
    "serializable",
    "strict-serializable",
];

fn said(txns: &[Txn], options: &Options) -> (String, Vec<String>) {
    let judged = judged(txns, options);
    let types = types(&judged).into_iter().map(str::to_owned).collect();
    (judged.verdict.word().to_owned(), types)
}

proptest! {
    #![proptest_config(cases())]

    /// Other names for values, keys and processes are the same history.
    #[test]
    fn names_do_not_matter(drawn in registers(1..7), level in 0..7_usize, wfr in any::<bool>()) {
        let txns = history_of(&drawn);
        let renamed: Vec<Txn> = txns
            .iter()
            .map(|txn| Txn {
                process: 90 - txn.process,
                mops: txn
                    .mops
                    .iter()
                    .map(|(f, key, value)| {
                        let key = match key {
                            'x' => 'c',
                            'y' => 'b',
                            _ => 'a',
                        };
                        (*f, key, value.map(|value| 5_000_000_000 - 7 * value))
                    })
                    .collect(),
                ..txn.clone()
            })
            .collect();
        let options = Options { wfr_keys: wfr, ..models_of(&[LEVELS[level]]) };
        prop_assert_eq!(said(&txns, &options), said(&renamed, &options));
    }

    /// A write that was lost and that nobody saw may just as well not have been asked for.
    #[test]
    fn what_crashed_unseen_does_not_matter(
        drawn in registers(1..7),
        level in 0..7_usize,
        at in 0..20_u64,
    ) {
        let txns = history_of(&drawn);
        let options = models_of(&[LEVELS[level]]);
        let mut more = txns.clone();
        more.push(Txn { mops: vec![('w', 'x', Some(99)), ('w', 'y', Some(98))],
            ..txn(77, 2 * at, 1_000, "").ending(Kind::Info) });
        let before = said(&txns, &options);
        // Of what shows nothing, one more transaction may show something.
        if before.0 != "unknown" {
            prop_assert_eq!(before, said(&more, &options));
        }
    }

    /// Each anomaly is found at the weakest level that forbids it, whatever else goes on.
    #[test]
    fn planted_anomalies_are_found(drawn in registers(0..6), which in 0..8_usize) {
        let (level, plant): (&str, Vec<Txn>) = match which {
            0 => ("read-committed",
                  vec![txn(80, 0, 5, "wp1").ending(Kind::Fail), txn(81, 6, 9, "rp1")]),
            1 => ("read-committed", vec![txn(80, 0, 9, "wp1 wp2"), txn(81, 1, 8, "rp1")]),
            2 => ("read-committed", vec![txn(80, 0, 9, "wp1 rq1"), txn(81, 1, 8, "wq1 rp1")]),
            3 => ("snapshot-isolation", vec![txn(80, 0, 9, "wp1 wq1"), txn(81, 1, 8, "rp_ rq1")]),
            4 => ("serializable", vec![txn(80, 0, 9, "rp_ wq1"), txn(81, 1, 8, "rq_ wp1")]),
            5 => ("repeatable-read",
                  vec![txn(80, 0, 9, "rp_ wp1"), txn(81, 1, 8, "rp_ wp2")]),
            6 => ("strict-serializable", vec![txn(80, 0, 3, "wp1"), txn(81, 4, 8, "rp_")]),
            // Two writers, and two readers that each saw another one last: G0 in disguise.
            _ => ("serializable",
                  vec![txn(80, 0, 9, "wp1 wq1"), txn(81, 1, 8, "wp2 wq2"),
                       txn(82, 2, 7, "rp1 rq2")]),
        };
        let mut txns = history_of(&drawn);
        txns.extend(plant);
        let found = judged(&txns, &models_of(&[level]));
        prop_assert_eq!(found.verdict.word(), "invalid", "{} {:#?}", level, found);
    }
}
