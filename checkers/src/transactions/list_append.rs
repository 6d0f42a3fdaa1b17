//! Judges transactions over lists.

use super::history::TxnHistory;
use super::lists::{self, Lists};
use super::models::Options;
use super::report::{self, Anomalies, Case};
use schism_core::checker::Finding;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use serde_json::json;

/// The checker's name.
pub(crate) const NAME: &str = "list-append";

/// Judges a history of transactions over lists by what is expected of it.
pub fn check_list_append(history: &TxnHistory, options: &Options, limits: &Limits) -> Finding {
    check(history, options, limits, None)
}

/// The same, with what was going on meanwhile.
pub(crate) fn check(
    history: &TxnHistory,
    options: &Options,
    limits: &Limits,
    run: Option<&RunFacts>,
) -> Finding {
    let lists = match Lists::new(history) {
        Ok(lists) => lists,
        Err(why) => {
            let finding = Finding::new(NAME, Verdict::Unknown(why.clone()), why);
            return finding.with_details(json!({ "anomaly-types": ["duplicate-appends"] }));
        }
    };
    let mut anomalies = Anomalies::default();
    for lost in lists::anomalies(&lists, &mut anomalies.first) {
        anomalies.last.add("lost-update", || lost);
    }
    let edges = lists.edges();
    report::judge(Case { name: NAME, history, options, limits, run }, anomalies, &lists, edges)
}
