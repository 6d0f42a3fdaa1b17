//! The strongest consistency that a history of registers shows: how weak a store is, in one
//! sentence. It judges nothing: always valid.
//!
//! From strong to weak: linearizable, sequential, causal, PRAM, and the session guarantees by
//! themselves. One that is implied by a stronger one that holds is not asked again: what is
//! linearizable key by key is linearizable altogether, so it has one order, so it is causal, and so
//! on. What can't be decided is called unknown; a value that is written twice to one key leaves all
//! but linearizability unknown. A read of what nobody wrote breaks all of them.
//!
//! The cost is that of [`linearizable`](mod@crate::linearizable),
//! [`sequential`](mod@crate::sequential) and [`session_guarantees`], each only where the stronger
//! one fails.
//!
//! ```
//! use schism_checkers::strongest_model::StrongestModel;
//! use schism_core::{api::register::Register, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"write","value":1}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"read"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"read","value":null}"#, "\n",
//! );
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let finding = StrongestModel.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.details["strongest"][0], "sequential");
//! assert_eq!(finding.summary, "sequential, but not linearizable");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::linearizable::Linearizable;
use crate::model::{Model, typed};
use crate::sequential::{Decision, Sequential};
use crate::session_guarantees::sessions::Sessions;
use crate::session_guarantees::{self, Answer, Guarantees};
use crate::tally::Tally;
use crate::words::and;
use schism_core::api::register::Register;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use serde_json::{Map, Value, json};

/// The checker's name.
pub const NAME: &str = "strongest-model";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "registers: the strongest consistency that holds; judges nothing",
    page: "\
Operations: as of `register`. The details say of linearizable, sequential, causal, pram and each
session guarantee whether it holds, and which are the strongest that do. Always valid.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(StrongestModel))
    },
};

/// Finds the strongest consistency that holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct StrongestModel;

/// The models below `sequential`, each with those that it implies.
const GUARANTEES: [(&str, Guarantees); 6] = [
    ("causal", Guarantees::CAUSAL),
    ("pram", Guarantees::PRAM),
    ("read-your-writes", Guarantees::READ_YOUR_WRITES),
    ("monotonic-reads", Guarantees::MONOTONIC_READS),
    ("monotonic-writes", Guarantees::MONOTONIC_WRITES),
    ("writes-follow-reads", Guarantees::WRITES_FOLLOW_READS),
];

/// Whether a model holds; `None`: it isn't known.
type Holds = Option<bool>;

impl Checker<Register> for StrongestModel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, run: &RunFacts, limits: &Limits) -> Finding {
        let linearizable = Linearizable::default().check(history, run, limits).verdict;
        let mut models: Vec<(&str, Holds)> = vec![("linearizable", holds(&linearizable))];
        let mut tally = Tally::default();
        let sessions = Sessions::gather(history, &mut tally);
        let impossible = !tally.is_empty();
        let sequential = match models[0].1 {
            Some(true) => Some(true),
            _ if impossible => Some(false),
            _ if sessions.ambiguous.is_some() => None,
            _ => match Sequential::default().decide(&sessions, limits) {
                Decision::Sequential => Some(true),
                Decision::Impossible(..) => Some(false),
                Decision::Unknown(_) => None,
            },
        };
        models.push(("sequential", sequential));
        for (name, keeps) in GUARANTEES {
            // All of them hold if a larger set does.
            let implied = models[1].1 == Some(true)
                || GUARANTEES
                    .iter()
                    .zip(&models[2..])
                    .any(|((_, larger), (_, holds))| *holds == Some(true) && larger.include(keeps));
            let holds = if implied {
                Some(true)
            } else if impossible {
                Some(false)
            } else if sessions.ambiguous.is_some() {
                None
            } else {
                match session_guarantees::decide(&sessions, keeps, limits) {
                    Answer::Kept(verified) => (verified != Some(false)).then_some(true),
                    Answer::Broken(_) => Some(false),
                    Answer::Unknown(_) => None,
                }
            };
            models.push((name, holds));
        }
        let broken = if impossible || models.iter().all(|(_, holds)| *holds != Some(false)) {
            Vec::new()
        } else {
            session_guarantees::smallest_broken(&sessions, Guarantees::CAUSAL, limits)
        };
        let strongest = strongest(&models);
        let summary = summary(&models, &strongest);
        let details = json!({
            "models": models.iter().map(|(name, holds)| ((*name).to_owned(), json!(holds)))
                .collect::<Map<String, Value>>(),
            "strongest": strongest,
            "smallest_broken": broken.iter().map(|(keeps, _)| keeps.name()).collect::<Vec<_>>(),
            "operations": sessions.operations,
            "sessions": sessions.processes,
        });
        Finding::new(NAME, Verdict::Valid, summary).with_details(details)
    }
}

fn holds(verdict: &Verdict) -> Holds {
    match verdict {
        Verdict::Valid => Some(true),
        Verdict::Invalid(_) => Some(false),
        Verdict::Unknown(_) => None,
    }
}

/// Those that hold and are implied by no other that does.
fn strongest(models: &[(&'static str, Holds)]) -> Vec<&'static str> {
    let kept = |(name, holds): &(&'static str, Holds)| (*holds == Some(true)).then_some(*name);
    let chain = models.iter().take(4).find_map(kept);
    let by_themselves = models.iter().skip(4).filter_map(kept);
    let beyond_chain = |name: &&str| match chain {
        None => true,
        // PRAM says nothing of writes that follow reads.
        Some("pram") => *name == "writes-follow-reads",
        Some(_) => false,
    };
    chain.into_iter().chain(by_themselves.filter(beyond_chain)).collect()
}

fn summary(models: &[(&'static str, Holds)], strongest: &[&'static str]) -> String {
    // The weakest of the chain that fails: what is stronger fails, too.
    let fails = models.iter().take(4).rev().find(|(_, holds)| *holds == Some(false));
    let unknown: Vec<&str> =
        models.iter().filter(|(_, holds)| holds.is_none()).map(|(name, _)| *name).collect();
    let held = match strongest {
        [] => "no consistency model holds for certain".to_owned(),
        names => and(names),
    };
    let fails = fails.map_or_else(String::new, |(name, _)| format!(", but not {name}"));
    let unknown = match unknown.as_slice() {
        [] => String::new(),
        names => format!("; not decided: {}", and(names)),
    };
    format!("{held}{fails}{unknown}")
}
