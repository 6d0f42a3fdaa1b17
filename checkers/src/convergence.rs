//! Convergence: once everything has healed, all replicas of a register hold one value.
//!
//! For each key the last final read of each node is taken (see `finals`). Two values, both read,
//! are `diverged` if neither can have been written since the first of these reads began: then no
//! single register can have held first one and then the other. A write is taken to be possible
//! since then if its fate is unknown, if it had not returned yet, or if it returned so shortly
//! before that a replica may lag. Everything that these reads could not decide counts in their
//! favour.
//!
//! It says less than linearizability, but says it of the state at rest: replicas that went
//! different ways and stay there. Fewer than two nodes to compare for every key: unknown. `O(n log
//! n)`.

use crate::finals::had_time;
use crate::tally::Tally;
use crate::words::{and, asked, count, ended, value};
use schism_core::api::Key;
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

/// The checker's name.
pub const NAME: &str = "convergence";

/// Judges whether replicas of a register agree at rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Convergence;

/// The final reads of one key: what each node answered.
type Finals<'h> = BTreeMap<String, (Option<i64>, &'h Op<Register>)>;

impl Checker<Register> for Convergence {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, run: &RunFacts, _: &Limits) -> Finding {
        let mut keys: BTreeMap<Option<&Key>, Vec<&Op<Register>>> = BTreeMap::new();
        for op in history.ops() {
            keys.entry(op.call.key.as_ref()).or_default().push(op);
        }
        let mut tally = Tally::default();
        let mut compared = 0;
        for (key, ops) in &keys {
            let finals = last_reads(ops, run);
            if finals.len() > 1 {
                compared += 1;
                compare(*key, ops, &finals, run, &mut tally);
            }
        }
        let details = json!({
            "keys": keys.len(),
            "compared": compared,
            "diverged": tally.count("diverged"),
        });
        let checked = count(compared, "key", "keys");
        let (verdict, summary) = if !tally.is_empty() {
            let summary = format!("of {checked} compared, {}", tally.in_words());
            (tally.into_verdict(), summary)
        } else if compared == 0 {
            let why = "no key was read at the end on two nodes".to_owned();
            (Verdict::Unknown(why.clone()), why)
        } else {
            (Verdict::Valid, format!("all nodes hold the same in {checked}"))
        };
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn last_reads<'h>(ops: &[&'h Op<Register>], run: &RunFacts) -> Finals<'h> {
    let quiet = ops
        .iter()
        .filter(|op| !matches!(op.call.op, RegisterOp::Read))
        .map(|op| op.completed.map_or(op.invoked.index, |stamp| stamp.index))
        .max();
    let is_final = |op: &Op<Register>| match run.final_phase_at {
        Some(at) => op.invoked.time >= at,
        None => run.nodes.is_empty() && quiet.is_none_or(|quiet| op.invoked.index > quiet),
    };
    let reads = ops.iter().filter(|op| is_final(op));
    reads
        .filter_map(|op| match op.reply() {
            Some(Reply::Read(value)) => Some((asked(op), (*value, *op))),
            Some(Reply::Written) | None => None,
        })
        .collect()
}

fn compare(
    key: Option<&Key>,
    ops: &[&Op<Register>],
    finals: &Finals<'_>,
    run: &RunFacts,
    tally: &mut Tally,
) {
    let reads = || finals.values().map(|(_, op)| *op);
    let from = reads().map(|op| op.invoked.index).min().unwrap_or_default();
    let begin = reads().map(|op| op.invoked.time).min().unwrap_or_default();
    let unsettled: HashSet<Option<i64>> = ops
        .iter()
        .filter(|op| op.outcome.may_have_happened())
        .filter(|op| {
            let since = ended(op).max(run.healed_at.unwrap_or_default());
            op.returned().is_none_or(|returned| returned > from) || !had_time(run, since, begin)
        })
        .filter_map(|op| match op.call.op {
            RegisterOp::Read => None,
            RegisterOp::Write(new) | RegisterOp::Cas(_, new) => Some(Some(new)),
        })
        .collect();
    let mut settled: BTreeMap<Option<i64>, Vec<(&str, &Op<Register>)>> = BTreeMap::new();
    for (node, (value, op)) in finals {
        if !unsettled.contains(value) {
            settled.entry(*value).or_default().push((node, op));
        }
    }
    if settled.len() < 2 {
        return;
    }
    tally.add("diverged", || {
        let camps: Vec<String> = settled
            .iter()
            .map(|(held, nodes)| {
                let names: Vec<&str> = nodes.iter().map(|(node, _)| *node).collect();
                let verb = if names.len() == 1 { "holds" } else { "hold" };
                format!("{} {verb} {}", and(&names), value(*held))
            })
            .collect();
        let of = key.map_or_else(String::new, |key| format!("key {key}: "));
        let mut anomaly =
            Anomaly::new("diverged", format!("{of}after everything had healed, {}", and(&camps)));
        for (held, nodes) in &settled {
            for (node, op) in nodes {
                anomaly = anomaly
                    .because(format!("{node} answered {} at {}", value(*held), ended(op)))
                    .with_op(op);
            }
        }
        anomaly.because("none of these values can have been written since these reads began")
    });
}
