//! Judges every register of a history, and says what was found.

use super::NAME;
use super::build::of_key;
use super::explain::Case;
use super::history::{OnKey, RegisterHistory, Registers};
use super::part::Part;
use super::sweep::{self, Budget, Swept};
use super::unique::{self, Writers};
use super::{Why, minimal, prefix, verify};
use crate::tally::{LISTED, Tally};
use crate::transactions::ValueId;
use crate::words::count;
use rayon::prelude::*;
use schism_core::checker::Finding;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many steps may be spent on finding the shortest prefix and a minimal part of a violation.
const EXPLAINED: u64 = 200_000_000;
/// How many steps may be spent on finding the states that were possible.
const STATES: u64 = 20_000_000;
/// Below this many operations, other threads cost more than they save.
const PARALLEL: usize = 20_000;

/// What was found out about one register.
struct Decided {
    by: &'static str,
    completed: usize,
    counted: usize,
    found: Found,
}

enum Found {
    Linearizable,
    Invalid(Box<Violation>),
    /// The reason, with what is known all the same.
    Undecided(String),
}

struct Violation {
    kind: &'static str,
    anomaly: Anomaly,
    details: Value,
    minimal: Vec<u64>,
}

/// Judges all registers, which hold `first` before anything is written.
pub(super) fn check(
    history: &RegisterHistory,
    first: ValueId,
    run: &RunFacts,
    budget: Budget<'_>,
) -> Finding {
    let registers = history.registers();
    let judge = Judge { history, first, run, budget };
    let decided: Vec<Decided> = if registers.len() > 1 && history.len() >= PARALLEL {
        (0..registers.len()).into_par_iter().map(|at| judge.decide(registers.get(at))).collect()
    } else {
        (0..registers.len()).map(|at| judge.decide(registers.get(at))).collect()
    };
    report(&registers, decided)
}

struct Judge<'a> {
    history: &'a RegisterHistory,
    first: ValueId,
    run: &'a RunFacts,
    budget: Budget<'a>,
}

impl Judge<'_> {
    fn decide(&self, on: OnKey<'_>) -> Decided {
        let part = Part::new(self.history, on, self.first);
        let decided =
            |by, found| Decided { by, completed: part.completed(), counted: part.ops.len(), found };
        let of = of_key(on.key);
        if self.budget.limits.are_exceeded() {
            return decided("nothing", Found::Undecided(format!("{of}{}", self.budget.why())));
        }
        let (by, swept) = match Writers::of(&part, self.first) {
            Some(writers) => (
                "unique",
                unique::decide(part.whole(), &writers).map_err(|conflict| {
                    let holds = conflict.holds(part.whole(), self.first);
                    holds.then_some(Why::Conflict(conflict, writers))
                }),
            ),
            None => match sweep::decide(part.whole(), self.first, self.budget) {
                Swept::Linearizable(order) => ("sweep", Ok(order)),
                Swept::Impossible { last, shortest } => {
                    ("sweep", Err(Some(Why::Swept { last, shortest })))
                }
                Swept::Undecided { possible_until, why } => {
                    let why = undecided(&part, possible_until, &why);
                    return decided("sweep", Found::Undecided(format!("{of}{why}")));
                }
            },
        };
        let rejected = || Found::Undecided(format!("{of}certificate rejected: please report this"));
        match swept {
            Ok(order) if verify::is_order(part.whole(), self.first, &order) => {
                decided(by, Found::Linearizable)
            }
            Ok(_) | Err(None) => decided(by, rejected()),
            Err(Some(why)) => decided(by, Found::Invalid(Box::new(self.explain(on, &part, &why)))),
        }
    }

    /// What is wrong with a register that is not linearizable.
    fn explain(&self, on: OnKey<'_>, part: &Part, why: &Why) -> Violation {
        let within = |steps| Budget { steps, limits: self.budget.limits };
        let culprit = prefix::culprit(part, self.first, why, within(EXPLAINED));
        let position = culprit.position;
        let op = self.history.op(part.ids[position as usize]);
        let end = part.ops[position as usize].end;
        let failing = part.until(end);
        let states = sweep::states_during(failing, self.first, position, within(STATES));
        let states = states.unwrap_or_default();
        let case = Case {
            history: self.history,
            on,
            part,
            first: self.first,
            culprit: op,
            states: &states,
            run: self.run,
        };
        let (kind, anomaly) = case.explain();
        let minimal = minimal::of(part, self.first, end, why, within(EXPLAINED));
        let index = |position: &u32| self.history.op(part.ids[*position as usize]).invoked().index;
        let minimal: Vec<u64> = minimal.iter().map(index).collect();
        let states: Vec<Value> = states.iter().map(|value| self.history.json(*value)).collect();
        let details = json!({
            "key": on.key,
            "prefix_operations": failing.len(),
            "shortest_prefix": culprit.shortest,
            "last": op.invoked().index,
            "states": states,
            "minimal": minimal,
        });
        Violation { kind, anomaly, details, minimal }
    }
}

fn undecided(part: &Part, possible_until: Option<u32>, why: &str) -> String {
    let all = part.completed();
    let known = possible_until.map_or(0, |position| {
        let end = part.ops[position as usize].end;
        part.ops.iter().filter(|op| op.end <= end).count()
    });
    let operations = count(part.ops.len(), "operation", "operations");
    format!(
        "{why}, {operations}; linearizable up to the return of the first {known} of {all} that \
         completed"
    )
}

fn report(registers: &Registers<'_>, decided: Vec<Decided>) -> Finding {
    let mut tally = Tally::default();
    let mut methods: BTreeMap<&'static str, usize> = BTreeMap::new();
    let (mut unknown, mut invalid): (Vec<String>, Vec<String>) = Default::default();
    let (mut violations, mut minimal) = (Vec::new(), Vec::new());
    let (mut certified, mut operations, mut completed) = (0, 0, 0);
    let keys = decided.len();
    for (at, decided) in decided.into_iter().enumerate() {
        *methods.entry(decided.by).or_default() += 1;
        operations += decided.counted;
        completed += decided.completed;
        match decided.found {
            Found::Linearizable => certified += 1,
            Found::Undecided(why) => unknown.push(why),
            Found::Invalid(violation) => {
                let Violation { kind, anomaly, details, minimal: part } = *violation;
                let key = registers.get(at).key;
                invalid.push(key.map_or_else(|| "the register".to_owned(), ToString::to_string));
                if violations.is_empty() {
                    minimal = part;
                }
                if violations.len() < LISTED {
                    violations.push(details);
                }
                tally.add(kind, || anomaly);
            }
        }
    }
    tally.put_first("split-brain");
    let details = json!({
        "keys": keys,
        "operations": operations,
        "completed": completed,
        "decided_by": methods,
        "certified_keys": certified,
        "invalid_keys": invalid,
        "undecided": unknown,
        "anomalies": tally.to_json(),
        "violations": violations,
        "minimal": minimal,
    });
    let work = format!(
        "{} on {}",
        count(completed, "operation", "operations"),
        count(keys, "key", "keys")
    );
    let (verdict, summary) = if !tally.is_empty() {
        let invalid = count(invalid.len(), "key is", "keys are");
        let summary = format!("{work}: {invalid} not linearizable ({})", tally.in_words());
        (tally.into_verdict(), summary)
    } else if let Some(why) = unknown.first() {
        let why = conclude_unknown(why, unknown.len(), keys, certified);
        (Verdict::Unknown(why.clone()), why)
    } else {
        (Verdict::Valid, format!("{work} are linearizable"))
    };
    Finding::new(NAME, verdict, summary).with_details(details)
}

fn conclude_unknown(first: &str, unknown: usize, keys: usize, certified: usize) -> String {
    let more = match unknown {
        1 => String::new(),
        n => format!(" (and {} like it)", count(n - 1, "key", "keys")),
    };
    let others = match keys {
        1 => String::new(),
        _ => format!("; {certified} of {keys} keys are linearizable"),
    };
    format!("{first}{more}{others}")
}
