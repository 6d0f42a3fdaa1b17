//! The coordinated attack: two generals attack together or not at all.
//!
//! It speaks the Api of consensus: an instance is one battle, 1 is to attack and 0 to retreat. What
//! differs from plain consensus is the wording, and two rules. To retreat is always allowed, so
//! only an attack has to have been proposed. And a general who never decides does not attack: one
//! who attacked while another, asked after the deadline of Termination (see [`crate::consensus`]),
//! still has not decided, attacked alone. A general that was killed is not held to that.
//!
//! Kinds: `attacks-alone`, `validity`, `integrity`. Nobody ever attacked: unknown, because
//! retreating for ever agrees trivially. `O(n log n)`.

use crate::consensus::{deadline, integrity, was_killed};
use crate::decisions::{Instance, Unproposed};
use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{and, count, ended};
use schism_core::api::consensus::Consensus as Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;

/// The checker's name.
pub const NAME: &str = "coordinated-attack";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: "coordinated-attack",
    about: "no general attacks alone",
    page: "\
Operations: {f: propose, value: 1 to attack or 0 to retreat, then what the general decided}, {f:
learn, value: nil, then what it has decided}; with a `key`, each key is a battle of its own.
Finds: attacks-alone, validity (an attack that nobody proposed), integrity (a general changed its
mind).
A history in which nobody ever attacked is unknown, for retreating for ever agrees trivially.
Decided in O(n log n).",
    make: |options| {
        options.only("coordinated-attack", &[])?;
        Ok(typed(CoordinatedAttack))
    },
};

const ATTACK: i64 = 1;
const RETREAT: i64 = 0;

/// Judges whether anybody attacks alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoordinatedAttack;

impl Checker<Api> for CoordinatedAttack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, run: &RunFacts, _: &Limits) -> Finding {
        let battles = Instance::gather(history);
        let mut tally = Tally::default();
        let (mut attacks, mut retreats) = (0, 0);
        for (number, battle) in &battles {
            let values = battle.by_value();
            attacks += usize::from(values.contains_key(&ATTACK));
            retreats += usize::from(values.len() == 1 && values.contains_key(&RETREAT));
            alone(*number, battle, run, &mut tally);
            validity(*number, battle, &mut tally);
            integrity("battle", *number, battle, &mut tally);
        }
        let details = json!({
            "battles": battles.len(),
            "attacks": attacks,
            "retreats": retreats,
            "anomalies": tally.to_json(),
        });
        let fought = count(battles.len(), "battle", "battles");
        let (verdict, summary) = if !tally.is_empty() {
            let summary = format!("{fought}, {attacks} with an attack: {}", tally.in_words());
            (tally.into_verdict(), summary)
        } else if attacks == 0 {
            let why = format!("vacuous: in {fought} nobody attacked");
            (Verdict::Unknown(why.clone()), why)
        } else {
            (
                Verdict::Valid,
                format!("{fought}, {attacks} with an attack, and nobody attacked alone"),
            )
        };
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn alone(number: i64, battle: &Instance<'_>, run: &RunFacts, tally: &mut Tally) {
    let values = battle.by_value();
    let Some(attackers) = values.get(&ATTACK) else { return };
    let attacks = |node: &str| attackers.iter().any(|(name, _)| *name == node);
    let mut others: Vec<(&str, &Op<Api>, &str)> = Vec::new();
    for (node, op) in values.get(&RETREAT).into_iter().flatten() {
        if !attacks(node) {
            others.push((node, op, "retreated"));
        }
    }
    for (node, answers) in &battle.undecided {
        let late = answers.iter().rfind(|op| deadline(run).is_some_and(|at| op.invoked.time >= at));
        let Some(op) = late else { continue };
        if !battle.decisions.contains_key(node) && !was_killed(run, node) {
            others.push((node, op, "never decided"));
        }
    }
    if others.is_empty() {
        return;
    }
    tally.add("attacks-alone", || {
        let names: Vec<&str> = attackers.iter().map(|(node, _)| *node).collect();
        let rest: Vec<String> =
            others.iter().map(|(node, _, what)| format!("{node} {what}")).collect();
        let from = attackers.iter().map(|(_, op)| op.invoked.time).min().unwrap_or_default();
        let to = attackers.iter().map(|(_, op)| ended(op)).max().unwrap_or_default();
        let mut anomaly = Anomaly::new(
            "attacks-alone",
            format!(
                "{} attacked alone in battle {number}: {}{}",
                and(&names),
                and(&rest),
                run.faults_in_words(from, to)
            ),
        );
        for (node, op) in attackers {
            anomaly = anomaly
                .because(format!("{node} answered at {} that it attacks", ended(op)))
                .with_op(op);
        }
        for (node, op, what) in &others {
            anomaly = anomaly
                .because(format!("{node} {what}, as its answer at {} shows", ended(op)))
                .with_op(op);
        }
        anomaly
    });
}

/// Attacks that nobody proposed by then, and decisions that are neither.
fn validity(number: i64, battle: &Instance<'_>, tally: &mut Tally) {
    for Unproposed { value, node, op, .. } in battle.unproposed() {
        if value == RETREAT {
            continue;
        }
        tally.add("validity", || {
            let what = match value {
                ATTACK => "attacks".to_owned(),
                other => format!("decided {other}"),
            };
            Anomaly::new(
                "validity",
                format!("{node} {what} in battle {number}, which nobody had proposed"),
            )
            .because(format!("its answer came at {}", ended(op)))
            .with_op(op)
        });
    }
}
