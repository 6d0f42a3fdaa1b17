//! Counts, rates, latencies and the reasons of errors. It judges nothing: always valid.
//!
//! The reasons are those of operations that failed or stayed open, most frequent first: whatever a
//! client did not foresee shows up here. `O(n log n)`.

use crate::latency::{Latencies, Sorted};
use crate::words::{count, ended};
use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// The checker's name.
pub const NAME: &str = "stats";

/// How many reasons are listed.
const REASONS: usize = 10;

/// Counts, and judges nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats;

#[derive(Debug, Default)]
struct Counts {
    ok: usize,
    fail: usize,
    info: usize,
    latencies: Latencies,
}

impl Counts {
    fn add<A: Api>(&mut self, op: &Op<A>) {
        match op.outcome {
            Outcome::Ok(_) => {
                self.ok += 1;
                self.latencies.add(ended(op).since(op.invoked.time));
            }
            Outcome::Fail(_) => self.fail += 1,
            Outcome::Info(_) => self.info += 1,
        }
    }

    fn into_json(self) -> (Value, Sorted) {
        let all = self.ok + self.fail + self.info;
        let sorted = self.latencies.sorted();
        let ok_rate = if all == 0 { Value::Null } else { json!(self.ok as f64 / all as f64) };
        let json = json!({
            "count": all, "ok": self.ok, "fail": self.fail, "info": self.info,
            "ok_rate": ok_rate,
            "latency_ms": sorted.to_json(),
        });
        (json, sorted)
    }
}

impl<A: Api> Checker<A> for Stats {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<A>, _: &RunFacts, _: &Limits) -> Finding {
        let mut all = Counts::default();
        let mut by_f: BTreeMap<String, Counts> = BTreeMap::new();
        let mut reasons: HashMap<(&str, &str), usize> = HashMap::new();
        for op in history.ops() {
            all.add(op);
            by_f.entry(A::encode_call(&op.call).f.into_owned()).or_default().add(op);
            let kind = if op.outcome.may_have_happened() { "info" } else { "fail" };
            if let Some(reason) = op.outcome.reason() {
                *reasons.entry((kind, reason)).or_default() += 1;
            }
        }
        let (ok, fail, info) = (all.ok, all.fail, all.info);
        let (mut details, latencies) = all.into_json();
        let seconds = history.end().as_secs_f64();
        details["seconds"] = json!(seconds);
        details["ok_per_s"] = if seconds > 0.0 { json!(ok as f64 / seconds) } else { Value::Null };
        let by_f: Map<_, _> =
            by_f.into_iter().map(|(f, counts)| (f, counts.into_json().0)).collect();
        details["by_f"] = Value::Object(by_f);
        details["errors"] = most_frequent(reasons);
        let mut summary = format!(
            "{}: {ok} ok, {fail} failed, {info} indeterminate",
            count(ok + fail + info, "operation", "operations")
        );
        if let (Some(median), Some(high)) = (latencies.quantile(0.5), latencies.quantile(0.99)) {
            summary = format!("{summary}; latency {median:.1} ms median, {high:.1} ms p99");
        }
        Finding::new(NAME, Verdict::Valid, summary).with_details(details)
    }
}

fn most_frequent(reasons: HashMap<(&str, &str), usize>) -> Value {
    let mut sorted: Vec<_> = reasons.into_iter().collect();
    sorted.sort_unstable_by(|(left, n), (right, m)| m.cmp(n).then(left.cmp(right)));
    sorted
        .into_iter()
        .take(REASONS)
        .map(|((kind, reason), count)| json!({ "type": kind, "reason": reason, "count": count }))
        .collect()
}
