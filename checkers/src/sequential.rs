//! Sequential consistency of registers: one order of all operations, on all keys together, in which
//! each process does what it did in its own order, and each read returns the last write.
//!
//! It says less than linearizability: nothing of real time between processes. And it can't be
//! decided key by key: each register may be sequential, and all together not. To decide it is
//! NP-complete, also if no value is written twice (Gibbons and Korach, "Testing shared memories",
//! 1997). So it goes in steps, each exact where it decides:
//!
//! 1. *Linearizability* implies it: what is linearizable key by key is so altogether (Herlihy and
//!    Wing 1990).
//! 2. *Causal consistency* is demanded by it: if that is broken (see
//!    [`session_guarantees`]), so is this.
//! 3. *What must come before what* (`forced`): if w was read by r, another write of that register
//!    is before w or behind r; where one of the two is ruled out, the other is forced. Repeated
//!    until nothing is new. If it goes round in a circle, there is no order.
//! 4. *A search* for an order (`search`): a state is how far each process has come and what each
//!    register holds; states from which there was no way are remembered. A read that fits is done
//!    at once, since doing it early rules nothing out. What step 3 has forced is kept to, and
//!    writes are tried in the order that would be right if the store were linearizable. Over its
//!    budget of states the verdict is unknown.
//!
//! The order found is the certificate; a verifier of its own replays it.
//!
//! Which operations count, and which reads no store may show: see
//! [`session_guarantees`]. A value that is written twice to one key:
//! unknown. A compare-and-set is one step: it reads the old value and writes the new one. The kind
//! of an anomaly is that of the broken guarantee, or `not-sequential`, with the circle of what is
//! forced or, where the search ended without a way, the operations that stopped it.
//!
//! ```
//! use schism_checkers::sequential::Sequential;
//! use schism_core::{api::register::Register, checker::Checker, history::History};
//! let mut lines = String::new();
//! // Each reads nothing of what the other wrote before: causal, but in no one order.
//! for (process, f, key, value) in [
//!     (0, "write", "x", "1"),
//!     (1, "write", "y", "2"),
//!     (0, "read", "y", "null"),
//!     (1, "read", "x", "null"),
//! ] {
//!     for kind in ["invoke", "ok"] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"key\":\"{key}\",");
//!         lines += &format!("\"process\":{process},\"f\":\"{f}\",\"value\":{value}}}\n");
//!     }
//! }
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Sequential::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "not-sequential");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::linearizable::Linearizable;
use crate::model::{Model, typed};
use crate::session_guarantees::explain::circle;
use crate::session_guarantees::sessions::Sessions;
use crate::session_guarantees::{self, Answer, Guarantees};
use crate::tally::Tally;
use crate::words::{count, some, stopped};
use schism_core::api::register::Register;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;

mod forced;
mod search;
mod steps;

use forced::Forced;
use search::Found;
use steps::{StepId, Steps};

/// The checker's name.
pub const NAME: &str = "sequential";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "registers: one order of all operations that agrees with each process's",
    page: "\
Operations: as of `register`. No value may be written twice to one key. All keys together have one
order, in which each process keeps its own; real time between processes plays no part.
Finds: not-sequential; the broken session guarantees where one is; garbage-read, aborted-read,
future-read. Exact within a budget of steps, else unknown.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(Sequential::default()))
    },
};

/// Judges registers, all keys together.
#[derive(Clone, Copy, Debug)]
pub struct Sequential {
    /// How many steps the search may do.
    pub step_budget: u64,
}

impl Default for Sequential {
    fn default() -> Self {
        Self { step_budget: 20_000_000 }
    }
}

/// Whether there is one order of all operations.
pub(crate) enum Decision {
    /// There is: an order was found and verified.
    Sequential,
    /// There is none.
    Impossible(&'static str, Vec<Anomaly>),
    /// It was given up, for this reason.
    Unknown(String),
}

impl Sequential {
    /// Decides of sessions whose reads can all be traced to a write.
    pub(crate) fn decide(self, sessions: &Sessions<'_>, limits: &Limits) -> Decision {
        match session_guarantees::decide(sessions, Guarantees::CAUSAL, limits) {
            Answer::Broken(_) => {
                let broken =
                    session_guarantees::smallest_broken(sessions, Guarantees::CAUSAL, limits);
                let anomalies = broken.into_iter().map(|(_, anomaly)| anomaly);
                return Decision::Impossible("causal", anomalies.collect());
            }
            Answer::Unknown(why) => return Decision::Unknown(why),
            Answer::Kept(_) => {}
        }
        let steps = Steps::new(sessions);
        let graph = steps.graph();
        let forced = forced::forced(&steps, &graph, limits);
        let order = graph.order(&forced.edges);
        if order.len() < graph.len() {
            let circle = circle(&graph, &order, &forced.edges);
            return Decision::Impossible("forced", vec![in_a_circle(&steps, &circle, &forced)]);
        }
        match search::search(&steps, &forced, self.step_budget, limits) {
            Found::Order(order) if steps::verify(&steps, &order) => Decision::Sequential,
            Found::Order(_) => {
                Decision::Unknown("certificate rejected: please report this".to_owned())
            }
            Found::None(longest) => Decision::Impossible("search", vec![no_way(&steps, &longest)]),
            Found::Exhausted(why) => Decision::Unknown(why),
        }
    }
}

impl Checker<Register> for Sequential {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, run: &RunFacts, limits: &Limits) -> Finding {
        let mut tally = Tally::default();
        let sessions = Sessions::gather(history, &mut tally);
        let linearizable = Linearizable::default().check(history, run, limits);
        let mut unknown = sessions.ambiguous.clone();
        let mut by = "reads";
        if linearizable.verdict == Verdict::Valid {
            (by, unknown) = ("linearizable", None);
        } else if unknown.is_none() && tally.is_empty() {
            match self.decide(&sessions, limits) {
                Decision::Sequential => by = "search",
                Decision::Unknown(why) => unknown = Some(why),
                Decision::Impossible(method, anomalies) => {
                    by = method;
                    for anomaly in anomalies {
                        session_guarantees::add(&mut tally, anomaly);
                    }
                }
            }
        }
        let checked = format!(
            "{} in {}",
            count(sessions.operations, "operation", "operations"),
            count(sessions.processes as usize, "session", "sessions")
        );
        let details = json!({
            "operations": sessions.operations,
            "sessions": sessions.processes,
            "keys": sessions.keys.len(),
            "decided_by": if unknown.is_some() { None } else { Some(by) },
            "anomalies": tally.to_json(),
        });
        if sessions.completed() == 0 {
            unknown.get_or_insert("vacuous: no operation on a register succeeded".to_owned());
        }
        let unknown = unknown.or_else(|| stopped(limits));
        let (verdict, summary) =
            tally.conclude(&checked, unknown, || format!("{checked} are sequentially consistent"));
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn in_a_circle(steps: &Steps<'_>, circle: &[StepId], forced: &Forced) -> Anomaly {
    let first = circle.first().map_or_else(String::new, |step| steps.said(*step));
    let mut anomaly = Anomaly::new(
        "not-sequential",
        format!("{} would have to come before itself in any one order: {first}", "an operation"),
    );
    for (at, from) in circle.iter().enumerate() {
        let to = circle[(at + 1) % circle.len()];
        let edge = forced.edges.iter().position(|edge| *edge == (*from, to));
        let (one, other) = (steps.said(*from), steps.said(to));
        let read = edge.map(|edge| forced.reads[edge]).filter(|read| ![*from, to].contains(read));
        let why = match (edge, read) {
            (None, _) => String::new(),
            (Some(_), None) => {
                ", since nothing was written between a read and its write".to_owned()
            }
            (Some(_), Some(read)) => {
                format!(", since {} and so nothing came between", steps.said(read))
            }
        };
        anomaly = anomaly.because(format!("{one}, before {other}{why}"));
        for step in [Some(*from), read].into_iter().flatten() {
            let op = steps.step(step).op;
            if !anomaly.ops.contains(&op.invoked.index) {
                anomaly = anomaly.with_op(op);
            }
        }
    }
    anomaly
}

fn no_way(steps: &Steps<'_>, longest: &[StepId]) -> Anomaly {
    let mut done = vec![false; steps.all.len()];
    for step in longest {
        done[*step as usize] = true;
    }
    let next: Vec<StepId> = steps
        .ids()
        .filter(|id| !done[*id as usize])
        .filter(|id| steps.step(*id).follows.is_none_or(|before| done[before as usize]))
        .collect();
    let names: Vec<String> = next.iter().map(|step| steps.said(*step)).collect();
    let all = steps.all.len();
    let anomaly = Anomaly::new(
        "not-sequential",
        format!("no order of all {all} operations fits; the best has {} of them", longest.len()),
    )
    .because(format!(
        "every order was tried, and then none of these can be next: {}",
        some(&names)
    ));
    next.iter().take(8).fold(anomaly, |anomaly, step| anomaly.with_op(steps.step(*step).op))
}
