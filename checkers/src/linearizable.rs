//! Linearizability of registers: every operation takes effect at one moment between question and
//! answer, as if there were one copy.
//!
//! Registers are judged one key at a time: a history is linearizable if and only if its part on
//! each object is (Herlihy and Wing 1990). What enters: operations that succeeded, and writes and
//! compare-and-sets of unknown fate, which may take effect at any time after their invocation, or
//! never. Failed operations did not happen, and a read of unknown fate says nothing.
//!
//! Each key is decided by the first of these that applies, named in the details as `decided_by`:
//! - `unique`: no value is written twice. `O(n log n)`; see `unique`.
//! - `sweep`: a sweep over the events with the live configurations; see `sweep`.
//! - `search`: a depth-first search with memory, for what the sweep can't hold; see `search`.
//!
//! The last two have a budget of steps, because the problem is NP-complete; over budget a key is
//! unknown. A key that is found linearizable comes with an order as certificate, which a verifier
//! of its own checks (`verify`); a rejected certificate makes the key unknown. A key that is not
//! comes with the operation at which the shortest impossible prefix of its history ends, and the
//! names of anomalies (`stale-read`, `split-brain`, …) only describe it: they play no part in the
//! verdict.

use crate::models::{Model, typed};
use crate::tally::Tally;
use crate::words::count;
use schism_core::api::Key;
use schism_core::api::register::{Register, RegisterOp};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod explain;
mod prefix;
mod register;
pub mod search;
mod split_brain;
mod sweep;
pub mod timed;
mod unique;
pub mod verify;

use register::RegisterState;
use timed::{Answer, Timed};

/// The checker's name.
pub const NAME: &str = "linearizable";

/// How `schism check` names it.
pub const REGISTER: Model = Model {
    name: "register",
    about: "registers (read, write), linearizable, each key on its own",
    page: "\
Operations: {f: read, value: nil, then what was read}, {f: write, value: 3}, {f: cas, value: [old new]};
with a `key`, or with [key argument] as value, each key is a register of its own.
A register that was never written reads nil.",
    make: |options| {
        options.only("register", &[])?;
        Ok(typed(Linearizable::default()))
    },
};

/// How `schism check` names it.
pub const CAS_REGISTER: Model = Model {
    name: "cas-register",
    about: "registers with compare-and-set, linearizable, each key on its own",
    page: "\
Operations: {f: read, value: nil, then what was read}, {f: write, value: 3}, {f: cas, value: [old new]};
with a `key`, or with [key argument] as value, each key is a register of its own.
A register that was never written reads nil. A cas that found another value is a `fail`.",
    make: |options| {
        options.only("cas-register", &[])?;
        Ok(typed(Linearizable::default()))
    },
};

/// Judges registers, each key on its own.
#[derive(Clone, Copy, Debug)]
pub struct Linearizable {
    /// How many steps may be taken for one key, by each method that has a budget. A step is a
    /// configuration made or compared; a million take about a tenth of a second.
    pub step_budget: u64,
}

impl Default for Linearizable {
    fn default() -> Self {
        Self { step_budget: 50_000_000 }
    }
}

/// The operations on one register.
struct Object<'h> {
    key: Option<&'h Key>,
    /// Those that count, in the order of invocation.
    ops: Vec<Timed<'h, Register>>,
    /// Writes and compare-and-sets that certainly did not happen.
    failed: Vec<&'h Op<Register>>,
}

/// What was found out about one register.
struct Decided {
    answer: Answer,
    by: &'static str,
}

impl Checker<Register> for Linearizable {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, run: &RunFacts, _: &Limits) -> Finding {
        let objects = objects(history);
        let mut tally = Tally::default();
        let mut methods: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut unknown: Vec<String> = Vec::new();
        let mut invalid_keys: Vec<String> = Vec::new();
        let mut certified = 0;
        for object in &objects {
            let decided = decide(&object.ops, self.step_budget);
            *methods.entry(decided.by).or_default() += 1;
            match decided.answer {
                Answer::Linearizable(order) => {
                    if verify::is_linearization::<RegisterState>(&object.ops, &order) {
                        certified += 1;
                    } else {
                        unknown.push(format!(
                            "{}certificate rejected: please report this",
                            of_key(object.key)
                        ));
                    }
                }
                Answer::Impossible => {
                    invalid_keys
                        .push(object.key.map_or_else(|| "the register".to_owned(), Key::to_string));
                    let (kind, anomaly) =
                        explain::explain(object, decided.by, self.step_budget, history, run);
                    tally.add(kind, || anomaly);
                }
                Answer::Exhausted => unknown.push(format!(
                    "{}not decided within the budget of {} steps, {}",
                    of_key(object.key),
                    self.step_budget,
                    count(object.ops.len(), "operation", "operations")
                )),
            }
        }
        tally.put_first("split-brain");
        let checked: usize = objects.iter().map(|object| object.ops.len()).sum();
        let details = json!({
            "keys": objects.len(),
            "operations": checked,
            "decided_by": methods,
            "certified_keys": certified,
            "invalid_keys": invalid_keys,
            "undecided": unknown,
            "anomalies": tally.to_json(),
        });
        conclude(tally, &unknown, &objects, invalid_keys.len(), details)
    }
}

fn conclude(
    tally: Tally,
    unknown: &[String],
    objects: &[Object<'_>],
    invalid: usize,
    details: Value,
) -> Finding {
    let completed =
        objects.iter().flat_map(|object| &object.ops).filter(|op| op.completed()).count();
    let work = format!(
        "{} on {}",
        count(completed, "operation", "operations"),
        count(objects.len(), "key", "keys")
    );
    let (verdict, summary) = if !tally.is_empty() {
        let keys = count(invalid, "key is", "keys are");
        let summary = format!("{work}: {keys} not linearizable ({})", tally.in_words());
        (tally.into_verdict(), summary)
    } else if let Some(why) = unknown.first() {
        let more = match unknown.len() {
            1 => String::new(),
            n => format!(" (and {} like it)", count(n - 1, "key", "keys")),
        };
        let why = format!("{why}{more}");
        (Verdict::Unknown(why.clone()), why)
    } else if completed == 0 {
        let why = "vacuous: no operation on a register succeeded".to_owned();
        (Verdict::Unknown(why.clone()), why)
    } else {
        (Verdict::Valid, format!("{work} are linearizable"))
    };
    Finding::new(NAME, verdict, summary).with_details(details)
}

fn of_key(key: Option<&Key>) -> String {
    key.map_or_else(String::new, |key| format!("key {key}: "))
}

/// The registers, each with what counts. `O(n log keys)`.
fn objects(history: &History<Register>) -> Vec<Object<'_>> {
    let mut objects: BTreeMap<Option<&Key>, Object<'_>> = BTreeMap::new();
    for op in history.ops() {
        let key = op.call.key.as_ref();
        let object = objects.entry(key).or_insert_with(|| Object {
            key,
            ops: Vec::new(),
            failed: Vec::new(),
        });
        match op.call.op {
            _ if op.outcome.may_have_happened() => {
                object.ops.extend(Timed::of(op).filter(register::says_something));
            }
            RegisterOp::Read => {}
            RegisterOp::Write(_) | RegisterOp::Cas(..) => object.failed.push(op),
        }
    }
    objects.into_values().collect()
}

fn decide(ops: &[Timed<'_, Register>], budget: u64) -> Decided {
    if unique::applies(ops) {
        return Decided { answer: unique::decide(ops), by: "unique" };
    }
    match sweep::decide(ops, budget) {
        Answer::Exhausted => {
            Decided { answer: search::decide::<RegisterState>(ops, budget), by: "search" }
        }
        answer => Decided { answer, by: "sweep" },
    }
}

/// Decides with the method of that name; for prefixes of a history that it has decided.
fn decide_by(method: &str, ops: &[Timed<'_, Register>], budget: u64) -> Answer {
    match method {
        "unique" => unique::decide(ops),
        "sweep" => sweep::decide(ops, budget),
        _ => search::decide::<RegisterState>(ops, budget),
    }
}

#[cfg(test)]
mod tests;
