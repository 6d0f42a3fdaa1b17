//! Read committed, read atomic and causal consistency of registers, decided exactly.
//!
//! Source: Biswas and Enea, "On the complexity of checking transactional consistency" (2019), for
//! the axioms; Møldrup and Pavlogiannis, "AWDIT: an optimal weak database isolation tester"
//! (2025), for what of them has to be looked at. Since a value is written once, a read names the
//! transaction it read from. A level holds exactly if there is one order of commits that contains
//! the order of each session and the reads (wr), and in which, whenever a transaction `t3` read a
//! key from `t1` though it saw `t2`, which wrote the key too, `t2` comes before `t1`. What `t3`
//! sees is:
//!
//! - *read committed*: whom it had read from before that read;
//! - *read atomic*: whom it read from at all, and what its session did before;
//! - *causal*: all that leads to it through reads and sessions.
//!
//! So each level is a graph, and holds exactly if that has no cycle. The initial state counts as a
//! transaction before all others. Sessions are processes. A cycle whose reasons include a session
//! ends in `-process`, and then it rules out only models with sessions.
//!
//! Names: these axioms' first two levels are `axiomatic-read-committed` and
//! `axiomatic-read-atomic`. Plain `read-committed` is Adya's PL-2, where a transaction may go back
//! to older states: nothing is decided here for it. Plain `read-atomic` is that of Cerone,
//! Bernardi and Gotsman (2015): the same axioms, in which no session counts.
//!
//! Soundness: a cycle is shown edge by edge and each edge rechecked. Without a cycle an order is
//! made and rechecked against the axioms. That an order is enough needs that reads by themselves
//! are right; where they are not, they are anomalies of their own (`registers::reads`), with
//! `unread-own-write` added for a read that misses what its own transaction wrote.
//!
//! Cost: for the first two `O(n^1.5)`, for each reader and whom it read from the smaller of what
//! the one reads and the other wrote; for the last `O(n × sessions)`, and a binary search where a
//! reader knows more of a session than whom it read from did; clocks lie in one array and are used
//! again when nobody needs them. Refused: 2³⁵ steps of clocks and more.

use super::graph::{Edge, Edges, Graph, Kind};
use super::history::{KeyId, TxnId};
use super::models::{Model, Options};
use super::part::{PROCESS, Part, Places, WR, WW};
use super::registers::Registers;
use super::report::Anomalies;
use super::words::{labels, with_txn};
use super::{cycles, scc, verify};
use schism_core::limits::Limits;
use schism_core::verdict::Anomaly;
use seen::Derived;
use sources::Sources;

mod recheck;
mod seen;
mod sources;

/// A level, from weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    ReadCommitted,
    ReadAtomic,
    Causal,
}

impl Level {
    /// A violation without, and with sessions among its reasons.
    fn kinds(self) -> [&'static str; 2] {
        match self {
            Self::ReadCommitted => ["read-committed-cycle", "read-committed-cycle-process"],
            Self::ReadAtomic => ["read-atomic-cycle", "read-atomic-cycle-process"],
            Self::Causal => ["causal-cycle", "causal-cycle-process"],
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    level: Level,
    /// Do sessions count?
    sessions: bool,
    name: &'static str,
}

impl Wanted {
    /// The levels that are asked for, the weakest first.
    fn all(models: &[Model]) -> Vec<Self> {
        let wanted = |model: &Model| {
            let (level, sessions, name) = match model.canonical() {
                name @ "axiomatic-read-committed" => (Level::ReadCommitted, true, name),
                name @ "axiomatic-read-atomic" => (Level::ReadAtomic, true, name),
                name @ "read-atomic" => (Level::ReadAtomic, false, name),
                "causal" | "causal-cerone" => (Level::Causal, true, "causal"),
                _ => return None,
            };
            Some(Self { level, sessions, name })
        };
        let mut all: Vec<Self> = models.iter().filter_map(wanted).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What can be said of a level.
#[derive(Debug)]
enum Decision {
    /// There is an order, and it was rechecked.
    Holds,
    Violated(Vec<Anomaly>),
    Undecided(String),
}

/// What became of the levels that were asked for.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Those that hold.
    pub(super) proved: Vec<&'static str>,
    /// Why one could not be decided.
    pub(super) undecided: Option<String>,
}

/// Adds to the options that what is found here is not to be.
pub(super) fn expect(options: &mut Options) {
    for Wanted { level, sessions, .. } in Wanted::all(&options.consistency_models) {
        options.anomalies.push(level.kinds()[usize::from(sessions)].to_owned());
        options.anomalies.push("unread-own-write".to_owned());
    }
}

/// Are all of these decided here?
pub(super) fn decides(models: &[Model]) -> bool {
    models.iter().all(|model| !Wanted::all(&[*model]).is_empty())
}

/// Decides the levels that are asked for.
pub(super) fn decide(
    registers: &Registers<'_>,
    models: &[Model],
    limits: &Limits,
    anomalies: &mut Anomalies,
) -> Outcome {
    let mut outcome = Outcome::default();
    let levels = Wanted::all(models);
    if levels.is_empty() {
        return outcome;
    }
    let wrong = ["G1a", "G1b", "garbage-read", "future-read"];
    let plausible =
        registers.all_written() && wrong.iter().all(|kind| anomalies.first.count(kind) == 0);
    for anomaly in registers.unread_own_writes() {
        anomalies.first.add("unread-own-write", || anomaly);
    }
    let own = anomalies.first.count("unread-own-write") == 0;
    for Wanted { level, sessions, name } in levels {
        let sources = Sources::new(registers, sessions);
        match decide_one(&sources, level, limits) {
            Decision::Holds => outcome.proved.extend((plausible && own).then_some(name)),
            Decision::Undecided(why) => outcome.undecided = Some(why),
            Decision::Violated(found) => {
                let alone = Sources::new(registers, false);
                let without = level != Level::Causal
                    && matches!(decide_one(&alone, level, limits), Decision::Violated(_));
                let kind = level.kinds()[usize::from(!without)];
                for anomaly in found {
                    anomalies.last.add(kind, || Anomaly { kind: kind.to_owned(), ..anomaly });
                }
            }
        }
    }
    outcome
}

fn decide_one(sources: &Sources<'_>, level: Level, limits: &Limits) -> Decision {
    let history = sources.history();
    let exceeded = || Decision::Undecided(limits.exceeded().unwrap_or("a limit").to_owned());
    let mut order = None;
    if level == Level::Causal {
        let graph = sources.graph();
        if let Some(cycle) = cycle_of(sources, &graph, limits) {
            return violated(sources, level, &cycle, limits);
        }
        order = Some(order_of(&scc::numbered(&graph).0));
    }
    let mut edges = Edges::new(history.len());
    sources.sessions_and_reads(&mut edges);
    let mut before_all: Option<Derived> = None;
    let result = seen::derive(
        sources,
        level,
        order.as_deref(),
        limits,
        &mut |derived| match derived.after {
            None => before_all = before_all.or(Some(derived)),
            Some(after) => edges.push(derived.before, Kind::Ww, after),
        },
    );
    if let Err(why) = result {
        return Decision::Undecided(why);
    }
    if let Some(derived) = before_all {
        return if recheck::derived(sources, level, &derived) {
            Decision::Violated(vec![missed(sources, &derived)])
        } else {
            rejected()
        };
    }
    let graph = Graph::new(edges, None);
    if limits.are_exceeded() {
        return exceeded();
    }
    if let Some(cycle) = cycle_of(sources, &graph, limits) {
        return violated(sources, level, &cycle, limits);
    }
    if limits.are_exceeded() {
        return exceeded();
    }
    let order = order_of(&scc::numbered(&graph).0);
    match recheck::order(sources, level, &order, limits) {
        Some(true) => Decision::Holds,
        Some(false) => rejected(),
        None => exceeded(),
    }
}

fn rejected() -> Decision {
    Decision::Undecided("a certificate was rejected: please report this".to_owned())
}

/// The nodes in an order that all edges follow: those to which no edge leads come first.
fn order_of(numbers: &[u32]) -> Vec<TxnId> {
    let mut order: Vec<TxnId> = (0..).zip(numbers).map(|(txn, _)| txn).collect();
    order.sort_unstable_by_key(|txn| std::cmp::Reverse(numbers[*txn as usize]));
    order
}

/// A short cycle, if there is one.
fn cycle_of(sources: &Sources<'_>, graph: &Graph, limits: &Limits) -> Option<cycles::Cycle> {
    let smallest = graph.components().into_iter().min_by_key(Vec::len)?;
    let part = Part::new(graph, sources.history(), smallest, &mut Places::default());
    cycles::shortest(part.view(true, WW | WR | PROCESS), limits).ok().flatten()
}

/// The cycle in words, if each edge holds.
fn violated(sources: &Sources<'_>, level: Level, cycle: &[Edge], limits: &Limits) -> Decision {
    let history = sources.history();
    let wanted = |derived: &Derived| {
        cycle.iter().any(|edge| {
            edge.kind == Kind::Ww && edge.from == derived.before && Some(edge.to) == derived.after
        })
    };
    let mut reasons: Vec<Derived> = Vec::new();
    let causal = level == Level::Causal;
    let order = causal.then(|| order_of(&scc::numbered(&sources.graph()).0));
    if cycle.iter().any(|edge| edge.kind == Kind::Ww) {
        let found = seen::derive(sources, level, order.as_deref(), limits, &mut |one| {
            let known = |other: &Derived| (other.before, other.after) == (one.before, one.after);
            if wanted(&one) && !reasons.iter().any(known) {
                reasons.push(one);
            }
        });
        if let Err(why) = found {
            return Decision::Undecided(why);
        }
    }
    let steps: Option<Vec<String>> =
        cycle.iter().map(|edge| step(sources, level, edge, &reasons)).collect();
    let Some(steps) = steps else { return rejected() };
    let mut members: Vec<TxnId> = cycle.iter().map(|edge| edge.from).collect();
    let each = labels(history, &members);
    members.extend(members.first().copied());
    let path: Vec<String> = members.iter().map(|txn| labels(history, &[*txn])).collect();
    let text = format!("{each} would each have to commit before the next: {}", path.join(" → "));
    let mut anomaly = Anomaly::new(level.kinds()[1], text);
    for (edge, step) in cycle.iter().zip(steps) {
        anomaly = with_txn(history, anomaly.because(step), edge.from);
    }
    Decision::Violated(vec![anomaly])
}

fn step(sources: &Sources<'_>, level: Level, edge: &Edge, reasons: &[Derived]) -> Option<String> {
    let history = sources.history();
    let (from, to) = (labels(history, &[edge.from]), labels(history, &[edge.to]));
    match edge.kind {
        Kind::Process => verify::order_edge(history, edge)
            .then(|| format!("process {} did {from} before {to}", history.process(edge.from))),
        Kind::Wr => {
            let key = sources.read_from(edge.to, edge.from)?;
            Some(format!("{to} read {} from {from}", history.key(key)))
        }
        _ => {
            let matches = |one: &&Derived| (one.before, one.after) == (edge.from, Some(edge.to));
            let derived = reasons.iter().find(matches)?;
            recheck::derived(sources, level, derived).then(|| why(sources, derived))
        }
    }
}

/// Why one transaction commits before another.
fn why(sources: &Sources<'_>, derived: &Derived) -> String {
    let history = sources.history();
    let label = |txn: TxnId| labels(history, &[txn]);
    let (reader, before) = (label(derived.reader), label(derived.before));
    let key = history.key(derived.key);
    let from = derived.after.map_or_else(|| "the initial state".to_owned(), label);
    format!("{reader} saw {before}, which wrote {key}, and yet read {key} from {from}")
}

/// A transaction that read the initial state of what it saw written.
fn missed(sources: &Sources<'_>, derived: &Derived) -> Anomaly {
    let history = sources.history();
    let text = why(sources, derived);
    let anomaly = with_txn(history, Anomaly::new("", text), derived.reader);
    with_txn(history, anomaly, derived.before)
}

/// A key by its id, and who wrote what is read there; `None` for the initial state.
type ReadFrom = (KeyId, Option<TxnId>);
