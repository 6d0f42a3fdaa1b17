//! Recovery: how long after the last heal operations succeed again, at each node and at all.
//!
//! It accuses only if asked to ([`Recovery::judge`]), by two bounded forms of Termination
//! (`no-recovery`): the system never became ready again although everything was healed; or none of
//! the operations invoked once the recovery limit had passed succeeded, although some were invoked.
//! A run that never healed, or that ended before the limit, leaves the second open and is not
//! accused of it. `O(n)`.

use crate::words::{asked, count, ended};
use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::time::Nanos;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

/// The checker's name.
pub const NAME: &str = "recovery";

/// Measures recovery.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovery {
    /// Call a system that does not recover in time invalid.
    pub judge: bool,
}

impl<A: Api> Checker<A> for Recovery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<A>, run: &RunFacts, _: &Limits) -> Finding {
        let Some(healed) = run.healed_at else {
            let why = "the run did not come to its last heal, so there is no recovery to measure";
            let verdict =
                if self.judge { Verdict::Unknown(why.to_owned()) } else { Verdict::Valid };
            return Finding::new(NAME, verdict, why);
        };
        let after: Vec<&Op<A>> =
            history.ops().iter().filter(|op| op.invoked.time >= healed).collect();
        let mut first: BTreeMap<String, f64> = BTreeMap::new();
        for op in after.iter().filter(|op| op.reply().is_some()) {
            let seconds = ended(op).since(healed).as_secs_f64();
            let best = first.entry(asked(op)).or_insert(seconds);
            *best = best.min(seconds);
        }
        let overall = first.values().copied().min_by(f64::total_cmp);
        let details = json!({
            "healed_at": healed,
            "recovered_at": run.recovered_at,
            "ready_after_s": run.recovered_at.map(|at| at.since(healed).as_secs_f64()),
            "first_ok_after_s": overall,
            "first_ok_after_s_by_node": first,
            "limit_s": run.recovery_limit.as_secs_f64(),
        });
        let found = if self.judge { accusations(history, &after, run, healed) } else { Vec::new() };
        let summary = match (found.first(), overall) {
            (Some(anomaly), _) => anomaly.summary.clone(),
            (None, Some(seconds)) => {
                format!("the first operation succeeded {seconds:.3} s after everything was healed")
            }
            (None, None) => "no operation succeeded after everything was healed".to_owned(),
        };
        Finding::new(NAME, Verdict::from_anomalies(found), summary).with_details(details)
    }
}

fn accusations<A: Api>(
    history: &History<A>,
    after: &[&Op<A>],
    run: &RunFacts,
    healed: Nanos,
) -> Vec<Anomaly> {
    let limit = run.recovery_limit.as_secs_f64();
    let deadline = healed + run.recovery_limit;
    let mut found = Vec::new();
    // A run that was cut short before the limit simply did not see the recovery.
    let waited = run.final_phase_at.is_some() || history.end() >= deadline;
    if run.recovered_at.is_none() && waited {
        found.push(
            Anomaly::new(
                "no-recovery",
                format!("the cluster was not ready again {limit:.1} s after everything was healed"),
            )
            .because(format!("the last fault was healed at {healed}"))
            .because("the readiness check did not succeed from then on"),
        );
    }
    let late: Vec<&&Op<A>> = after.iter().filter(|op| op.invoked.time >= deadline).collect();
    if let (Some(last), true) = (late.last(), late.iter().all(|op| op.reply().is_none())) {
        let tried = count(late.len(), "operation that was", "operations that were");
        found.push(
            Anomaly::new(
                "no-recovery",
                format!(
                    "no operation succeeded any more, though {limit:.1} s had passed since \
                     everything was healed"
                ),
            )
            .because(format!("the last fault was healed at {healed}"))
            .because(format!("none succeeded of {tried} invoked after {deadline}"))
            .with_op(last),
        );
    }
    found
}
