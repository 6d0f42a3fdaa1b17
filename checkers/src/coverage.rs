//! Vacuousness: a run that did too little, or whose faults had no effect, proves nothing.
//!
//! The workload states what a meaningful run reaches at least (`RunFacts::coverage`); below it the
//! verdict is unknown and says by how much. So it is if a probe saw that an injected fault did not
//! take effect: what was survived then is not what the report says. It never accuses. `O(n)`.

use crate::words::count;
use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::event::Kind;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Outcome;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use serde_json::json;
use std::collections::HashMap;

/// The checker's name.
pub const NAME: &str = "coverage";

/// Judges whether the run says anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coverage;

impl<A: Api> Checker<A> for Coverage {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<A>, run: &RunFacts, _: &Limits) -> Finding {
        let mut reached: HashMap<(String, u8), usize> = HashMap::new();
        for op in history.ops() {
            let f = A::encode_call(&op.call).f;
            let kind = match op.outcome {
                Outcome::Ok(_) => Kind::Ok,
                Outcome::Fail(_) => Kind::Fail,
                Outcome::Info(_) => Kind::Info,
            };
            for kind in [Kind::Invoke, kind] {
                *reached.entry((f.clone().into_owned(), slot(kind))).or_default() += 1;
            }
        }
        let mut missing = Vec::new();
        let mut goals = Vec::new();
        for goal in &run.coverage {
            let got = reached.get(&(goal.f.clone(), slot(goal.kind))).copied().unwrap_or(0);
            goals.push(json!({
                "f": goal.f, "kind": goal.kind, "at_least": goal.at_least, "reached": got,
            }));
            if got < goal.at_least {
                missing.push(format!(
                    "only {got} of at least {} {} {}",
                    goal.at_least,
                    operations(goal.at_least, &goal.f),
                    ended_so(goal.kind)
                ));
            }
        }
        let idle: Vec<String> = run
            .faults
            .iter()
            .filter(|fault| fault.verified == Some(false))
            .map(|fault| format!("fault {} never took effect: {}", fault.fault, fault.summary))
            .collect();
        let details = json!({ "goals": goals, "faults_without_effect": idle });
        missing.extend(idle);
        let (verdict, summary) = if missing.is_empty() {
            let faults = count(run.faults.len(), "fault", "faults");
            (Verdict::Valid, format!("the run did what makes it meaningful, with {faults}"))
        } else {
            let why = format!("vacuous: {}", missing.join("; "));
            (Verdict::Unknown(why.clone()), why)
        };
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

/// [`Kind`] as a key of a map.
fn slot(kind: Kind) -> u8 {
    match kind {
        Kind::Invoke => 0,
        Kind::Ok => 1,
        Kind::Fail => 2,
        Kind::Info => 3,
    }
}

fn operations(n: usize, f: &str) -> String {
    let noun = if n == 1 { "operation" } else { "operations" };
    format!("{f} {noun}")
}

fn ended_so(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoke => "were invoked",
        Kind::Ok => "succeeded",
        Kind::Fail => "failed",
        Kind::Info => "stayed open",
    }
}
