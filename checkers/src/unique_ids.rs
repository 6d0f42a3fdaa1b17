//! Unique identifiers: no two requests are answered with the same one.
//!
//! Kind `duplicated`: an identifier that was handed out more than once. Only answers count; what a
//! request of unknown fate may have taken is not known, and proves nothing. Identifiers may be
//! numbers or anything else; two are the same if they are written the same way. `O(n)`.
//!
//! ```
//! use schism_checkers::unique_ids::UniqueIds;
//! use schism_core::{api::unique_ids::UniqueIds as Api, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"generate"}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"generate","value":"a"}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"generate"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"generate","value":"a"}"#, "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = UniqueIds.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "duplicated");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{and, asked, count, ended};
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::unique_ids::UniqueIds as Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

/// The checker's name.
pub const NAME: &str = "unique-ids";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "identifiers handed out: never the same one twice",
    page: "\
Operations: {f: generate, value: nil, then the identifier}.
Finds: duplicated: an identifier that was handed out more than once.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(UniqueIds))
    },
};

/// Judges identifiers.
#[derive(Clone, Copy, Debug, Default)]
pub struct UniqueIds;

impl Checker<Api> for UniqueIds {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, _: &RunFacts, _: &Limits) -> Finding {
        let mut owners: FxHashMap<&Key, (&Op<Api>, usize)> = FxHashMap::default();
        let mut again: Vec<(&Key, &Op<Api>)> = Vec::new();
        for op in history.ops() {
            let Some(id) = op.reply() else { continue };
            let (_, times) = owners.entry(&id.0).or_insert((op, 0));
            *times += 1;
            if *times == 2 {
                again.push((&id.0, op));
            }
        }
        let answers: usize = owners.values().map(|(_, times)| times).sum();
        let mut tally = Tally::default();
        for (id, second) in &again {
            let Some((first, times)) = owners.get(id) else { continue };
            tally.add("duplicated", || duplicated(id, first, second, *times));
        }
        let range = owners.keys().min().zip(owners.keys().max());
        let details = json!({
            "attempted": history.ops().len(),
            "acknowledged": answers,
            "distinct": owners.len(),
            "duplicated": again.len(),
            "range": range.map(|(lowest, highest)| [lowest, highest]),
        });
        let unknown = (answers == 0).then(|| "vacuous: no identifier was handed out".to_owned());
        let checked = count(answers, "identifier", "identifiers");
        let (verdict, summary) =
            tally.conclude(&checked, unknown, || format!("{checked} and no two are the same"));
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn duplicated(id: &Key, first: &Op<Api>, second: &Op<Api>, times: usize) -> Anomaly {
    let owners = and(&[asked(first), asked(second)]);
    let times = count(times, "time", "times");
    let summary = format!("identifier {id} was handed out {times}, first by {owners}");
    Anomaly::new("duplicated", summary)
        .because(format!("{} answered with it at {}", asked(first), ended(first)))
        .because(format!("{} answered with it at {}", asked(second), ended(second)))
        .with_op(first)
        .with_op(second)
}
