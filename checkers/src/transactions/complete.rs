//! Serializability and snapshot isolation of registers, decided completely where a budget allows.
//!
//! What Elle infers from registers is little: without assumptions, which version came after which
//! is open, and then a history counts as valid because nothing was found. Here an order is looked
//! for that explains it, or shown not to exist. Sources: Papadimitriou (1979), for polygraphs; Tan
//! et al., Cobra (2020), Huang et al., `PolySI` (2023), and Zhang et al., Viper (2023), for
//! looking at writers in pairs, and for snapshots as a start and a commit; Biswas and Enea (2019)
//! for what follows without choosing.
//!
//! 0. `demand`: for strict serializability, the quick attempt that mostly succeeds.
//! 1. `problem`: the transactions that happened; for snapshot isolation each as two nodes, its
//!    start and its commit, with a writer's commit before the start of whoever read it or wrote
//!    the key next, and a reader's start before the commit of whoever replaced what it read. For
//!    serializability both are one node. Sessions or real time as the model wants.
//! 2. `saturate`: what follows for the order of versions. A contradiction refutes the model.
//! 3. `execute`: the transactions one after the other. If that succeeds, it is a proof, and
//!    `recheck` repeats it on a store.
//! 4. Else one pair of writers whose order is open is ordered one way and then the other, from 2.
//!
//! Soundness: valid is proved by an execution. Refuted means that every way to order the writers of
//! a key ends in a contradiction: two writers of a key are ordered in every explanation, and what
//! saturation adds holds in all that contain what is known. A transaction of unknown fate that
//! nobody read is left out, which harms no explanation.
//!
//! Cost: NP-complete in general; a pass is `O(n × chains)` where chains are sessions, or as many
//! transactions as ever ran at once; the quick attempt needs none of these. Beyond a number of
//! steps it is not decided, which is said.
//! Refused: histories with reads that are anomalies by themselves, or of which a key would have had
//! to begin as two things. A value that nobody wrote is what its key began as.

use super::models::{self, Model};
use super::registers::Registers;
use super::report;
use problem::{Member, Node, Problem};
use recheck::Step;
use saturate::{Contradiction, Saturation};
use schism_core::checker::Finding;
use schism_core::limits::Limits;
use schism_core::verdict::Anomaly;
use serde_json::json;
use std::collections::BTreeSet;

mod demand;
mod execute;
mod problem;
mod recheck;
mod saturate;
mod times;

pub(super) use recheck::lists as list_order_explains;

/// How transactions are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Each happens at once.
    Serializable,
    /// Each reads a snapshot, and no two that overlap write one key.
    Snapshot,
}

/// Which transactions keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// None.
    None,
    /// Those of one process.
    Session,
    /// Those of which one had returned before the other began.
    Real,
}

/// A model that can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) isolation: Isolation,
    pub(super) order: Order,
}

impl Target {
    /// What the model is, if it can be decided.
    pub(super) fn of(model: Model) -> Option<Self> {
        let (isolation, order) = match model.canonical() {
            "PL-SS" => (Isolation::Serializable, Order::Real),
            "strong-session-serializable" => (Isolation::Serializable, Order::Session),
            "PL-3" => (Isolation::Serializable, Order::None),
            "strong-snapshot-isolation" => (Isolation::Snapshot, Order::Real),
            "strong-session-snapshot-isolation" => (Isolation::Snapshot, Order::Session),
            "PL-SI" => (Isolation::Snapshot, Order::None),
            _ => return None,
        };
        Some(Self { isolation, order })
    }

    /// What it is called if there is no such order.
    fn violation(self) -> &'static str {
        match (self.isolation, self.order) {
            (Isolation::Serializable, Order::None) => "non-serializable",
            (Isolation::Serializable, Order::Session) => "non-serializable-process",
            (Isolation::Serializable, Order::Real) => "non-serializable-realtime",
            (Isolation::Snapshot, Order::None) => "non-snapshot-isolation",
            (Isolation::Snapshot, Order::Session) => "non-snapshot-isolation-process",
            (Isolation::Snapshot, Order::Real) => "non-snapshot-isolation-realtime",
        }
    }
}

/// What was found of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// An execution explains the history.
    Proved,
    /// None does; that took so many choices.
    Refuted {
        /// How many pairs of writers were ordered one way and the other.
        choices: usize,
    },
    /// Why it is not known.
    Undecided(String),
}

/// How much memory clocks may take, in entries of four bytes; and how many steps may be taken, of
/// which a processor does some hundred million in a second.
const WIDEST: usize = 48 << 20;
const STEPS: u64 = 1 << 30;

/// How many transactions a history may have for an order to be searched for, if none is found at
/// once, so that this takes no longer than all else.
const LARGEST: usize = 300_000;

/// How many transactions are looked at of which any may be next.
const MOST: usize = 5_000;

/// A pair of writers that was ordered: how many edges there were before, the other way, and
/// whether that has been tried.
struct Choice {
    edges: usize,
    other: (Member, Member),
    tried: bool,
}

/// Decides what can be decided of the models that are expected, after nothing was found otherwise.
/// What was proved goes into the finding's details, and what was refuted makes it invalid.
pub(super) fn complete(
    registers: &Registers<'_>,
    models: &[Model],
    limits: &Limits,
    finding: &mut Finding,
) {
    let mut said: Vec<String> = Vec::new();
    let mut proved: BTreeSet<&'static str> = BTreeSet::new();
    for model in models {
        let Some(target) = Target::of(*model) else { continue };
        let decision = decide(registers, target, limits);
        said.push(match &decision {
            Decision::Proved => format!("{model}: proved by an order"),
            Decision::Refuted { choices } => {
                format!("{model}: refuted by search, with {choices} choices")
            }
            Decision::Undecided(why) => format!("{model}: not decided: {why}"),
        });
        match decision {
            Decision::Proved => proved.extend(models::implied([*model])),
            Decision::Refuted { choices } => {
                let plain = Target { order: Order::None, ..target };
                let even_so = target.order != Order::None
                    && matches!(decide(registers, plain, limits), Decision::Refuted { .. });
                let target = if even_so { plain } else { target };
                let anomaly = refutation(registers, *model, target, choices);
                report::refute(finding, target.violation(), anomaly);
            }
            Decision::Undecided(_) => {}
        }
    }
    if !said.is_empty() {
        finding.details["complete"] = json!(said.join("; "));
    }
    report::add_proved(finding, proved);
}

fn refutation(registers: &Registers<'_>, model: Model, target: Target, choices: usize) -> Anomaly {
    let history = registers.history();
    let count = history.returns().len();
    let order = match target.order {
        Order::None => "",
        Order::Session => ", in the order of each process,",
        Order::Real => ", in the order of real time,",
    };
    let text = format!(
        "no order of {count} transactions{order} explains what they read: they are not {model}"
    );
    let how = match choices {
        0 => "what is known of the order of versions contradicts itself".to_owned(),
        _ => format!("{choices} pairs of writers were ordered one way and the other, in vain"),
    };
    let anomaly = Anomaly::new(target.violation(), text).because(how);
    if registers.given().is_empty() {
        return anomaly;
    }
    anomaly.because("what was read and never written is taken for what was there at the beginning")
}

/// Decides a target. What allows less is tried first, for it leaves least open, and an order that
/// explains the history there explains it here too.
fn decide(registers: &Registers<'_>, target: Target, limits: &Limits) -> Decision {
    let whole = Target { isolation: Isolation::Serializable, order: Order::Real };
    let timely = Target { order: Order::Real, ..target };
    for easier in [whole, timely] {
        if easier != target && search(registers, easier, limits) == Decision::Proved {
            return Decision::Proved;
        }
        if easier == target {
            break;
        }
    }
    search(registers, target, limits)
}

fn search(registers: &Registers<'_>, target: Target, limits: &Limits) -> Decision {
    let Target { isolation, order } = target;
    if (isolation, order) == (Isolation::Serializable, Order::Real)
        && let Some(txns) = demand::execute(registers, limits)
    {
        let steps: Vec<Step> = txns.into_iter().map(Step::Whole).collect();
        return certified(registers, target, &steps);
    }
    if registers.history().len() > LARGEST {
        let why = format!("no order was found at once, of more than {LARGEST} transactions");
        return Decision::Undecided(why);
    }
    let problem = Problem::new(registers, isolation, order);
    let size = problem.nodes().saturating_mul(problem.chain_count as usize);
    if size > WIDEST || order != Order::Real && problem.members.len() > MOST {
        let (count, chains) = (problem.members.len(), problem.chain_count);
        return Decision::Undecided(format!(
            "{count} transactions of which up to {chains} have no order"
        ));
    }
    let mut saturation = Saturation::new(&problem);
    let mut choices: Vec<Choice> = Vec::new();
    let mut made = 0;
    loop {
        if let Some(limit) = limits.exceeded() {
            return Decision::Undecided(limit.to_owned());
        }
        if saturation.steps > STEPS {
            return Decision::Undecided(format!("not within {made} choices"));
        }
        let open = match attempt(&problem, &mut saturation, limits) {
            Attempt::Explained(steps) => return certified(registers, target, &steps),
            Attempt::Open(open) => Some(open),
            Attempt::Contradicted => None,
            Attempt::Stuck => return Decision::Undecided("no order was found".to_owned()),
        };
        match open {
            Some((first, second)) => {
                made += 1;
                let edges = saturation.edges.len();
                choices.push(Choice { edges, other: (first, second), tried: false });
                saturation.edges.push((problem.commit(second), problem.start(first)));
            }
            None if !back(&problem, &mut saturation, &mut choices) => {
                return Decision::Refuted { choices: made };
            }
            None => {}
        }
    }
}

/// Proved, if a store that executes these steps shows what the history does.
fn certified(registers: &Registers<'_>, target: Target, steps: &[Step]) -> Decision {
    let Target { isolation, order } = target;
    if recheck::registers(registers.history(), registers.given(), isolation, order, steps) {
        return Decision::Proved;
    }
    Decision::Undecided("the certificate of an order was rejected: please report this".to_owned())
}

/// Goes back to the last choice of which the other way is untried; false if there is none.
fn back(problem: &Problem<'_>, saturation: &mut Saturation<'_>, choices: &mut Vec<Choice>) -> bool {
    while let Some(choice) = choices.last_mut() {
        saturation.edges.truncate(choice.edges);
        if !choice.tried {
            choice.tried = true;
            let (first, second) = choice.other;
            saturation.edges.push((problem.commit(first), problem.start(second)));
            return true;
        }
        choices.pop();
    }
    false
}

enum Attempt {
    Explained(Vec<Step>),
    /// The first was executed before the second, and that got stuck; or nothing is known of them.
    Open((Member, Member)),
    Contradicted,
    /// All writers are ordered, and yet there is no execution.
    Stuck,
}

fn attempt(problem: &Problem<'_>, saturation: &mut Saturation<'_>, limits: &Limits) -> Attempt {
    if saturation.run(STEPS, limits) == Err(Contradiction) {
        return Attempt::Contradicted;
    }
    let (executed, steps) = execute::execute(problem, saturation);
    saturation.steps += steps;
    match executed {
        Ok(order) => {
            Attempt::Explained(order.into_iter().map(|node| step(problem, node)).collect())
        }
        Err(conflict) => {
            let open = conflict.filter(|(one, other)| saturation.is_open(*one, *other));
            open.or_else(|| saturation.open_pair()).map_or(Attempt::Stuck, Attempt::Open)
        }
    }
}

fn step(problem: &Problem<'_>, node: Node) -> Step {
    let txn = problem.members[problem.member(node) as usize];
    match (problem.is_start(node), problem.is_commit(node)) {
        (true, true) => Step::Whole(txn),
        (true, false) => Step::Start(txn),
        _ => Step::Commit(txn),
    }
}
