//! Linearizability of registers: every operation takes effect at one moment between question and
//! answer, as if there were one copy.
//!
//! Registers are judged one key at a time, in parallel where it pays: a history is linearizable if
//! and only if its part on each object is (Herlihy and Wing 1990). What enters: operations that
//! succeeded, and writes and compare-and-sets of unknown fate, which may take effect at any time
//! after their invocation, or never. Failed operations did not happen, and a read of unknown fate
//! says nothing.
//!
//! Each key is decided by the first of these that applies, named in the details as `decided_by`:
//! - `unique`: no value is written twice. `O(n log n)`; see `unique`.
//! - `sweep`: a sweep over the events with the live configurations; see `sweep`.
//!
//! The last has limits, because the problem is NP-complete; over a limit a key is unknown, and how
//! much of it is known to be linearizable is said. A key that is found linearizable comes with an
//! order as certificate, which a verifier of its own checks (`verify`). A key that is found not to
//! be comes with the operation at which the shortest impossible prefix of its history ends; if its
//! values are distinct, also with a few operations that contradict each other, and they are checked
//! too (`conflict`). A rejected certificate makes the key unknown. The names of anomalies
//! (`stale-read`, `split-brain`, …) only describe a violation: they play no part in the verdict.
//!
//! Objects other than registers are judged by [`search`] and [`LinearizableModel`], from a model of
//! what they answer one operation after the other.
//!
//! ```
//! use schism_checkers::models::{self, Options};
//! use schism_core::{event::Line, form::Tape};
//! let mut judge = models::find("cas-register").unwrap().make(&Options::default())?;
//! let mut tape = Tape::default();
//! for line in [
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":1}"#,
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"write","value":1}"#,
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"cas","value":[7,8]}"#,
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"cas","value":[7,8]}"#,
//! ] {
//!     let line: Line<'_> = serde_json::from_str(line)?;
//!     judge.event(&line.raw(&mut tape)).map_err(|refused| refused.message)?;
//! }
//! let judged = judge.judge(&Default::default());
//! assert_eq!(judged.verdict.anomalies()[0].kind, "not-linearizable");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::model::{BadOption, Judge, Judged, Model, Options};
use schism_core::api::register::Register;
use schism_core::checker::{Checker, Finding};
use schism_core::event::RawEvent;
use schism_core::history::{History, Refused, Sink};
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;

mod build;
mod conflict;
mod explain;
pub mod history;
mod minimal;
mod model;
mod part;
mod prefix;
mod registers;
pub mod search;
mod split_brain;
mod sweep;
pub mod timed;
mod unique;
pub mod verify;

pub use history::{RegisterBuilder, RegisterHistory};
pub use model::LinearizableModel;

/// The checker's name.
pub const NAME: &str = "linearizable";

/// How `schism check` names it.
pub const REGISTER: Model = Model {
    name: "register",
    about: "registers (read, write), linearizable, each key on its own",
    page: "\
Operations: {f: read, value: nil, then what was read}, {f: write, value: 3} and
{f: cas, value: [old new]};
with a `key`, or with [key argument] as value, each key is a register of its own. Values may be
anything; only whether they are equal matters.
A register that was never written reads nil, or what --init says (a whole number or nil). With
an --init other than nil, a read that answers nil says nothing, unless somebody writes nil.",
    make: |options| make("register", options),
};

/// How `schism check` names it.
pub const CAS_REGISTER: Model = Model {
    name: "cas-register",
    about: "registers with compare-and-set, linearizable, each key on its own",
    page: "\
Operations: {f: read, value: nil, then what was read}, {f: write, value: 3} and
{f: cas, value: [old new]};
with a `key`, or with [key argument] as value, each key is a register of its own. Values may be
anything; only whether they are equal matters. A cas that found another value is a `fail`.
A register that was never written reads nil, or what --init says (a whole number or nil). With
an --init other than nil, a read that answers nil says nothing, unless somebody writes nil.",
    make: |options| make("cas-register", options),
};

fn make(name: &str, options: &Options) -> Result<Box<dyn Judge>, BadOption> {
    options.only(name, &["--init", "--consistency-models"])?;
    let wanted = options.consistency_models.iter().flatten();
    if let Some(other) = wanted.map(String::as_str).find(|model| *model != NAME) {
        return Err(BadOption(format!(
            "model {name} judges by consistency model {NAME} only, found {other}"
        )));
    }
    let mut builder = RegisterBuilder::default();
    let mut first = history::NIL;
    if let Some(init) = &options.init {
        let init = init.root();
        init.int_or_nil().map_err(|error| BadOption(format!("--init: {error}")))?;
        first = builder.value(init).map_err(|refused| BadOption(refused.message))?;
    }
    Ok(Box::new(RegisterJudge { builder, first }))
}

/// Takes events and judges them as registers, without ever making typed operations of them.
struct RegisterJudge {
    builder: RegisterBuilder,
    first: crate::transactions::ValueId,
}

impl Sink for RegisterJudge {
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        self.builder.event(raw)
    }
}

impl Judge for RegisterJudge {
    fn operations(&self) -> usize {
        self.builder.len()
    }

    fn judge(self: Box<Self>, limits: &Limits) -> Judged {
        let history = self.builder.finish();
        let budget = sweep::Budget { steps: u64::MAX, limits };
        registers::check(&history, self.first, &RunFacts::default(), budget).into()
    }
}

/// Judges registers, each key on its own.
#[derive(Clone, Copy, Debug)]
pub struct Linearizable {
    /// How many steps may be taken for one key that needs a sweep. A step is a configuration made
    /// or compared; ten million take about a tenth of a second.
    pub step_budget: u64,
}

impl Default for Linearizable {
    fn default() -> Self {
        Self { step_budget: 5_000_000_000 }
    }
}

impl Checker<Register> for Linearizable {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, run: &RunFacts, limits: &Limits) -> Finding {
        match RegisterBuilder::of(history) {
            Ok(history) => {
                let budget = sweep::Budget { steps: self.step_budget, limits };
                unless_vacuous(registers::check(&history, history::NIL, run, budget))
            }
            Err(refused) => {
                let why = refused.message;
                Finding::new(NAME, Verdict::Unknown(why.clone()), why)
            }
        }
    }
}

/// A run in which nothing succeeded shows nothing; of a history by itself that is no reproach.
fn unless_vacuous(mut finding: Finding) -> Finding {
    if finding.verdict == Verdict::Valid && finding.details["completed"] == 0 {
        let why = "vacuous: no operation on a register succeeded".to_owned();
        finding.summary.clone_from(&why);
        finding.verdict = Verdict::Unknown(why);
    }
    finding
}

/// Why a register is not linearizable.
enum Why {
    /// Its values are distinct, and some operations contradict each other.
    Conflict(conflict::Conflict, unique::Writers),
    /// Nothing was possible after the return of the operation at this position.
    Swept { last: u32, shortest: bool },
}

#[cfg(test)]
mod tests;
