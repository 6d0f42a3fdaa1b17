//! Durability of registers: at rest, each key holds something that was not overwritten for certain.
//!
//! Kind `lost-write`: a final read of a key returned a value although an acknowledged write of
//! another had begun after that value's write had returned, and no write of it can have come later.
//! So the acknowledged write is gone: rolled back, or never kept.
//!
//! Which reads are final, and when a replica may still lag: see `finals`. A value may have been
//! written often: a read of it is fine if any of its writes may have taken effect last, which is so
//! unless an acknowledged write of another value lies between that write's return and the read's
//! begin. A write of unknown fate may take effect at any later time, so it may always have been
//! last. What was there before any write is fine only if no write was acknowledged. *Sound*, since
//! in each of these cases one register could not have held the value at the read; *not complete*:
//! it looks at the state at rest only, which is all that is said of it. Linearizability says more
//! of stores that are to have one copy; this also holds for those that are to converge.
//!
//! No final read: unknown. `O(n log n)`.
//!
//! ```
//! use schism_checkers::durability::Durability;
//! use schism_core::{api::register::Register, checker::Checker, history::History};
//! let mut lines = String::new();
//! for (f, value) in [("write", 1), ("write", 2), ("read", 1)] {
//!     for kind in ["invoke", "ok"] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":0,\"f\":\"{f}\",\"value\":{value}}}\n");
//!     }
//! }
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Durability.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "lost-write");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::finals::had_time;
use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, value};
use schism_core::api::Key;
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;
use std::collections::BTreeMap;

/// The checker's name.
pub const NAME: &str = "durability";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "registers: the final reads show no acknowledged write undone",
    page: "\
Operations: as of `register`, each key by itself. Final are the reads that began after every write
had ended.
Finds: lost-write: a final read shows a value that an acknowledged write had certainly replaced.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(Durability))
    },
};

/// Judges what registers hold at rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Durability;

/// The operations on one register.
#[derive(Default)]
struct Object<'h> {
    /// What may have been written, by whom.
    writes: Vec<(i64, &'h Op<Register>)>,
    /// The index at which the last of them was heard of.
    quiet: Option<u64>,
    /// What each node answered last.
    finals: BTreeMap<String, (Option<i64>, &'h Op<Register>)>,
}

impl Checker<Register> for Durability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, run: &RunFacts, _: &Limits) -> Finding {
        let objects = objects(history, run);
        let mut tally = Tally::default();
        let mut reads = 0;
        for (key, object) in &objects {
            reads += object.finals.len();
            for (found, read) in object.finals.values() {
                if let Some(newer) = object.replaced_by(*found, read, run) {
                    tally.add("lost-write", || describe(*key, *found, read, newer, run));
                }
            }
        }
        let read_back = objects.values().filter(|object| !object.finals.is_empty()).count();
        let details = json!({
            "keys": objects.len(),
            "keys_read_back": read_back,
            "final_reads": reads,
            "anomalies": tally.to_json(),
        });
        let checked = format!(
            "{} of {}",
            count(reads, "final read", "final reads"),
            count(read_back, "key", "keys")
        );
        let unknown = (reads == 0)
            .then(|| "no final read succeeded, so what was kept isn't known".to_owned());
        let (verdict, summary) =
            tally.conclude(&checked, unknown, || format!("{checked} show nothing undone"));
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn objects<'h>(
    history: &'h History<Register>,
    run: &RunFacts,
) -> BTreeMap<Option<&'h Key>, Object<'h>> {
    let mut objects: BTreeMap<Option<&Key>, Object<'_>> = BTreeMap::new();
    for op in history.ops().iter().filter(|op| op.outcome.may_have_happened()) {
        if let RegisterOp::Write(new) | RegisterOp::Cas(_, new) = op.call.op {
            objects.entry(op.call.key.as_ref()).or_default().writes.push((new, op));
        }
    }
    for object in objects.values_mut() {
        let ends = object.writes.iter();
        object.quiet = ends.map(|(_, by)| by.completed.unwrap_or(by.invoked).index).max();
    }
    let is_final = |op: &Op<Register>, object: &Object<'_>| {
        run.final_phase_at.map_or_else(
            || run.nodes.is_empty() && object.quiet.is_none_or(|quiet| op.invoked.index > quiet),
            |at| op.invoked.time >= at,
        )
    };
    for op in history.ops() {
        if let Some(Reply::Read(found)) = op.reply() {
            let object = objects.entry(op.call.key.as_ref()).or_default();
            if is_final(op, object) {
                object.finals.insert(asked(op), (*found, op));
            }
        }
    }
    objects
}

impl<'h> Object<'h> {
    /// The acknowledged write that had certainly replaced what a final read found, if there is one.
    fn replaced_by(
        &self,
        found: Option<i64>,
        read: &Op<Register>,
        run: &RunFacts,
    ) -> Option<&'h Op<Register>> {
        // The latest moment at which a write of the value was certainly over.
        let mut over = 0;
        for (_, by) in self.writes.iter().filter(|(new, _)| Some(*new) == found) {
            over = over.max(by.returned()? + 1);
        }
        if found.is_some() && over == 0 {
            // Nobody wrote it: that is for others to judge.
            return None;
        }
        let replaces = |(new, by): &&(i64, &Op<Register>)| {
            let since = ended(by).max(run.healed_at.unwrap_or_default());
            Some(*new) != found
                && by.reply().is_some()
                && by.invoked.index >= over
                && by.precedes(read)
                && had_time(run, since, read.invoked.time)
        };
        self.writes.iter().find(replaces).map(|(_, by)| *by)
    }
}

fn describe(
    key: Option<&Key>,
    found: Option<i64>,
    read: &Op<Register>,
    newer: &Op<Register>,
    run: &RunFacts,
) -> Anomaly {
    let of = key.map_or_else(String::new, |key| format!("key {key}: "));
    let (RegisterOp::Write(new) | RegisterOp::Cas(_, new)) = newer.call.op else {
        return Anomaly::new("lost-write", of);
    };
    let during = run.faults_in_words(newer.invoked.time, ended(newer));
    let found = value(found);
    let (who, when) = (asked(newer), ended(newer));
    let summary = format!(
        "{of}{who} acknowledged {new} at {when}{during}, and the final read at {} shows {found}",
        asked(read)
    );
    Anomaly::new("lost-write", summary)
        .because(format!("no write of {found} can have taken effect after that of {new} began"))
        .because(format!("the write of {new} began at {}", newer.invoked.time))
        .because(format!("the final read began at {}", read.invoked.time))
        .with_op(newer)
        .with_op(read)
}
