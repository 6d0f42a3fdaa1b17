//! Linearizability of any object that a model describes: a checker for types of one's own.
//!
//! A person writes what the object answers, one operation after the other (a `SequentialSpec`), and
//! says which object a call concerns; this is a checker then. Objects are judged one by one, in
//! parallel, by the search of [`super::search`]: exact, exponential in the worst case, within a
//! budget of steps and the user's limits. An order found is checked by the verifier; a violation
//! comes with the operation at which the shortest impossible prefix ends, and the states that were
//! possible before.
//!
//! ```
//! use schism_checkers::linearizable::LinearizableModel;
//! use schism_core::api::set::{Call, Reply, Set};
//! use schism_core::{checker::Checker, history::History, model::SequentialSpec};
//! #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
//! struct GrowSet(std::collections::BTreeSet<i64>);
//! impl SequentialSpec for GrowSet {
//!     type Api = Set;
//!     fn apply(&mut self, call: &Call) -> Reply {
//!         match call {
//!             Call::Add(element) => { self.0.insert(*element); Reply::Added }
//!             Call::Read => Reply::Read(self.0.iter().copied().collect()),
//!         }
//!     }
//! }
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"add","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"add","value":1}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"read"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"read","value":[]}"#, "\n",
//! );
//! let history = History::<Set>::from_jsonl(lines.as_bytes())?.history;
//! let checker = LinearizableModel::new("grow-set", GrowSet::default(), |_: &Call| None)
//!     .with_reads(|call| *call == Call::Read);
//! let finding = checker.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].ops, [2]);
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use super::search::{self, Found, Reads};
use super::timed::Timed;
use super::verify;
use crate::tally::Tally;
use crate::words::{asked, count, ended, some};
use rayon::prelude::*;
use schism_core::api::{Api, Key};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model::Model;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Judges objects by a model of one.
#[derive(Clone, Copy, Debug)]
pub struct LinearizableModel<M: Model> {
    name: &'static str,
    init: M,
    key: fn(&<M::Api as Api>::Call) -> Option<Key>,
    reads: Reads<M::Api>,
    /// How often the model may be asked for one object.
    pub step_budget: u64,
}

/// What was found out about one object.
enum Decided {
    Linearizable,
    Invalid { anomaly: Box<Anomaly>, details: Value },
    Undecided(String),
}

impl<M: Model> LinearizableModel<M> {
    /// A checker of that name, by what an object is at first and which object a call concerns
    /// (`None`: the only one).
    pub fn new(
        name: &'static str,
        init: M,
        key: fn(&<M::Api as Api>::Call) -> Option<Key>,
    ) -> Self {
        Self { name, init, key, reads: |_| false, step_budget: 200_000_000 }
    }

    /// Says which calls leave any object as it is, whatever they are answered; that makes it
    /// quicker.
    #[must_use]
    pub fn with_reads(self, reads: Reads<M::Api>) -> Self {
        Self { reads, ..self }
    }

    fn decide(&self, key: Option<&Key>, ops: &[Timed<'_, M::Api>], limits: &Limits) -> Decided {
        let of = key.map_or_else(|| "the object".to_owned(), |key| format!("key {key}"));
        match search::decide_from(self.init.clone(), self.reads, ops, self.step_budget, limits) {
            Found::Linearizable(order) => {
                if verify::is_linearization_from(self.init.clone(), ops, &order) {
                    Decided::Linearizable
                } else {
                    Decided::Undecided(format!("{of}: certificate rejected: please report this"))
                }
            }
            Found::Impossible { last, states } => {
                let states: Vec<String> = states.iter().map(Model::explain).collect();
                let op = ops[last].op;
                let known = ops.iter().filter(|op| op.start <= ops[last].end).count();
                let details = json!({
                    "key": key,
                    "prefix_operations": known,
                    "last": op.invoked.index,
                    "states": states,
                });
                Decided::Invalid { anomaly: Box::new(violation(&of, op, &states)), details }
            }
            Found::Exhausted { possible } => {
                let within = limits.exceeded().map_or_else(
                    || format!("the budget of {} steps, or the memory", self.step_budget),
                    str::to_owned,
                );
                let all = ops.iter().filter(|op| op.completed()).count();
                Decided::Undecided(format!(
                    "{of}: not decided within {within}; linearizable up to the return of the first \
                     {possible} of {all} operations that completed"
                ))
            }
        }
    }
}

fn violation<A: Api>(of: &str, op: &Op<A>, states: &[String]) -> Anomaly {
    let call = A::encode_call(&op.call);
    let argument = if call.value.is_null() { String::new() } else { format!(" {}", call.value) };
    let answer = op.reply().map_or(Value::Null, |reply| A::encode_reply(&op.call, reply));
    let summary = format!(
        "no order of the operations on {of} explains that {} was answered {answer} to {}{argument} \
         at {}",
        asked(op),
        call.f,
        ended(op)
    );
    let possible = some(states).replace(" and ", " or ");
    Anomaly::new("not-linearizable", summary)
        .because(format!("before that answer, {of} can only have been {possible}"))
        .with_op(op)
}

impl<M: Model + Send + Sync + 'static> Checker<M::Api> for LinearizableModel<M> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn check(&self, history: &History<M::Api>, run: &RunFacts, limits: &Limits) -> Finding {
        let mut objects: BTreeMap<Option<Key>, Vec<Timed<'_, M::Api>>> = BTreeMap::new();
        for op in history.ops().iter().filter_map(Timed::of) {
            objects.entry((self.key)(&op.op.call)).or_default().push(op);
        }
        let keys = objects.len();
        let completed = objects.values().flatten().filter(|op| op.completed()).count();
        let objects: Vec<_> = objects.into_iter().collect();
        let decided: Vec<Decided> =
            objects.par_iter().map(|(key, ops)| self.decide(key.as_ref(), ops, limits)).collect();
        let mut tally = Tally::default();
        let (mut unknown, mut violations, mut certified) = (Vec::new(), Vec::new(), 0);
        for decided in decided {
            match decided {
                Decided::Linearizable => certified += 1,
                Decided::Undecided(why) => unknown.push(why),
                Decided::Invalid { mut anomaly, details } => {
                    let times =
                        history.ops().iter().filter(|op| anomaly.ops.contains(&op.invoked.index));
                    for op in times {
                        anomaly.summary += &run.faults_in_words(op.invoked.time, ended(op));
                    }
                    violations.push(details);
                    tally.add("not-linearizable", || *anomaly);
                }
            }
        }
        let details = json!({
            "keys": keys,
            "certified_keys": certified,
            "undecided": unknown,
            "anomalies": tally.to_json(),
            "violations": violations,
        });
        let work = format!(
            "{} on {}",
            count(completed, "operation", "operations"),
            count(keys, "object", "objects")
        );
        let (verdict, summary) = if !tally.is_empty() {
            let summary = format!("{work}: not linearizable ({})", tally.in_words());
            (tally.into_verdict(), summary)
        } else if let Some(why) = unknown.first() {
            let why = format!("{why}; {certified} of {keys} objects are linearizable");
            (Verdict::Unknown(why.clone()), why)
        } else if completed == 0 {
            let why = "vacuous: no operation succeeded".to_owned();
            (Verdict::Unknown(why.clone()), why)
        } else {
            (Verdict::Valid, format!("{work} are linearizable"))
        };
        Finding::new(self.name, verdict, summary).with_details(details)
    }
}
