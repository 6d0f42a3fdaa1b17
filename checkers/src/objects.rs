//! What the checkers of objects other than registers share: one object after the other, decided,
//! certified, and a violation put into words.
//!
//! A history is linearizable if and only if its part on each object is (Herlihy and Wing 1990), so
//! objects are decided one by one, side by side on all cores. What enters: operations that
//! succeeded, and those of unknown fate, which may take effect at any time after their invocation,
//! or never. Failed operations did not happen.
//!
//! A [`Kind`] says what is one object and decides it, by a method of its own where that is exact,
//! and else [`by_search`]: the general engine, within a budget of steps, over which the object is
//! unknown. Whoever finds an order has it checked by a verifier that shares nothing with the
//! method; whoever finds a violation names its *core*, the few operations that can't all have
//! happened so, which the general engine has to find impossible too ([`core_is_impossible`]). What
//! a check rejects becomes unknown, with the request to report it.

use crate::linearizable::timed::{Answer, NEVER, Timed};
use crate::linearizable::{search, verify};
use crate::tally::Tally;
use crate::words::{and, asked, count, ended};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use schism_core::api::{Api, Key};
use schism_core::checker::Finding;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model::Model;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

/// How many steps the general engine may take for one object.
const BUDGET: u64 = 20_000_000;

/// How many it may take for each prefix, to find the operation that makes an object impossible.
const CULPRIT_BUDGET: u64 = 2_000_000;

/// How many steps it may take to check a core, and for how many operations that is tried.
const CORE_BUDGET: u64 = 200_000;
const CORE_LEN: usize = 64;

/// What is asked of whoever sees that two methods differ.
pub(crate) const PLEASE_REPORT: &str = "two methods differ on it: please report this";

/// A kind of object.
pub(crate) trait Kind: Sync {
    /// Its calls and replies.
    type Api: Api;
    /// The checker's name.
    const NAME: &'static str;
    /// One of them and several, such as `queue` and `queues`.
    const WORDS: [&'static str; 2];
    /// What objects are counted as, if one is made of several.
    const COUNTED: [&'static str; 2] = Self::WORDS;

    /// Which object a call concerns.
    fn key(call: &<Self::Api as Api>::Call) -> Option<&Key>;

    /// False if an operation says nothing and does nothing.
    fn matters(_: &Timed<'_, Self::Api>) -> bool {
        true
    }

    /// The objects of a history, each with its operations in the order of invocation.
    fn objects<'h>(&self, history: &'h History<Self::Api>) -> Vec<Object<'h, Self::Api>> {
        by_key(history, |call| Self::key(call), |op| Self::matters(op))
    }

    /// What an object is called in a sentence.
    fn name(object: &Object<'_, Self::Api>) -> String {
        object.name(Self::WORDS)
    }

    /// Decides one object.
    fn decide<'h>(&self, object: &Object<'h, Self::Api>, limits: &Limits)
    -> Decided<'h, Self::Api>;
}

/// The operations on one object.
pub(crate) struct Object<'h, A: Api> {
    /// Its key, or the keys of all that it is made of; none if it is the only one.
    pub(crate) keys: Vec<&'h Key>,
    /// Those that may have happened, in the order of invocation.
    pub(crate) ops: Vec<Timed<'h, A>>,
    /// Those that certainly did not.
    pub(crate) failed: Vec<&'h Op<A>>,
}

/// What was found out about an object, and by which method.
pub(crate) struct Decided<'h, A: Api> {
    pub(crate) by: &'static str,
    pub(crate) ruling: Ruling<'h, A>,
}

/// What was found out about an object.
pub(crate) enum Ruling<'h, A: Api> {
    /// There is an order, and a verifier has accepted it.
    Linearizable,
    /// There is none.
    Violated(Violation<'h, A>),
    /// It isn't known, for this reason.
    Open(String),
}

/// Why there is no order.
pub(crate) struct Violation<'h, A: Api> {
    /// Its name in the field's terms.
    pub(crate) kind: &'static str,
    /// One sentence, without the object's name.
    pub(crate) summary: String,
    /// The operations that can't all have happened so, each with what it did.
    pub(crate) core: Vec<(&'h Op<A>, String)>,
    /// A last step of the argument.
    pub(crate) because: Option<String>,
}

impl<'h, A: Api> Decided<'h, A> {
    pub(crate) fn new(by: &'static str, ruling: Ruling<'h, A>) -> Self {
        Self { by, ruling }
    }

    /// The same of the operations of the history, where copies of them were judged.
    pub(crate) fn of_originals<'o, B: Api>(self, ops: &[Timed<'o, B>]) -> Decided<'o, B> {
        let ruling = match self.ruling {
            Ruling::Linearizable => Ruling::Linearizable,
            Ruling::Open(why) => Ruling::Open(why),
            Ruling::Violated(violation) => Ruling::Violated(violation.of_originals(ops)),
        };
        Decided { by: self.by, ruling }
    }
}

/// The objects of a history by their keys. `O(n)`, and sorting the keys.
pub(crate) fn by_key<'h, A: Api>(
    history: &'h History<A>,
    key: impl Fn(&A::Call) -> Option<&Key>,
    matters: impl Fn(&Timed<'_, A>) -> bool,
) -> Vec<Object<'h, A>> {
    let mut places: FxHashMap<Option<&Key>, usize> = FxHashMap::default();
    let mut objects: Vec<Object<'h, A>> = Vec::new();
    for op in history.ops() {
        let key = key(&op.call);
        let place = *places.entry(key).or_insert_with(|| {
            objects.push(Object {
                keys: key.into_iter().collect(),
                ops: Vec::new(),
                failed: Vec::new(),
            });
            objects.len() - 1
        });
        match Timed::of(op) {
            Some(timed) if matters(&timed) => objects[place].ops.push(timed),
            Some(_) => {}
            None => objects[place].failed.push(op),
        }
    }
    objects.sort_by(|left, right| left.keys.cmp(&right.keys));
    objects
}

/// Judges every object of a history.
pub(crate) fn check<K: Kind>(
    kind: &K,
    history: &History<K::Api>,
    run: &RunFacts,
    limits: &Limits,
) -> Finding {
    let objects = kind.objects(history);
    let decided: Vec<Decided<'_, K::Api>> = objects
        .par_iter()
        .map(|object| match limits.exceeded() {
            Some(limit) => {
                let why = format!("not decided within {limit}");
                Decided::new("none", Ruling::Open(why))
            }
            None => kind.decide(object, limits),
        })
        .collect();
    let mut tally = Tally::default();
    let mut methods: BTreeMap<&'static str, usize> = BTreeMap::new();
    let (mut open, mut invalid, mut certified) = (Vec::new(), Vec::new(), 0);
    for (object, decided) in objects.iter().zip(decided) {
        *methods.entry(decided.by).or_default() += 1;
        match decided.ruling {
            Ruling::Linearizable => certified += 1,
            Ruling::Violated(violation) => {
                invalid.push(K::name(object));
                tally.add(violation.kind, || violation.describe(&K::name(object), run));
            }
            Ruling::Open(why) => open.push(format!("{}: {why}", K::name(object))),
        }
    }
    let completed = objects.iter().flat_map(|object| &object.ops).filter(|op| op.completed());
    let completed = completed.count();
    let details = json!({
        "objects": objects.len(),
        "operations": objects.iter().map(|object| object.ops.len()).sum::<usize>(),
        "decided_by": methods,
        "certified": certified,
        "invalid": invalid,
        "undecided": open,
        "anomalies": tally.to_json(),
    });
    let [one, many] = K::COUNTED;
    let work = format!(
        "{} on {}",
        count(completed, "operation", "operations"),
        count(objects.len(), one, many)
    );
    let (verdict, summary) =
        conclude(tally, &open, completed, &work, &decided_of(certified, open.len()));
    Finding::new(K::NAME, verdict, summary).with_details(details)
}

/// How many were decided, if not all were.
fn decided_of(certified: usize, open: usize) -> String {
    format!("{certified} of {} were found linearizable", certified + open)
}

fn conclude(
    tally: Tally,
    open: &[String],
    completed: usize,
    work: &str,
    decided: &str,
) -> (Verdict, String) {
    if !tally.is_empty() {
        let summary = format!("{work}: not linearizable ({})", tally.in_words());
        return (tally.into_verdict(), summary);
    }
    let unknown = match open {
        [] if completed == 0 => Some("vacuous: no operation succeeded".to_owned()),
        [] => None,
        [why] if decided.starts_with('0') => Some(why.clone()),
        [why, ..] => Some(format!("{why} ({decided})")),
    };
    match unknown {
        Some(why) => (Verdict::Unknown(why.clone()), why),
        None => (Verdict::Valid, format!("{work} are linearizable")),
    }
}

impl<A: Api> Object<'_, A> {
    /// `the queue`, `queue 7`, `registers x and y`
    pub(crate) fn name(&self, [one, many]: [&str; 2]) -> String {
        match self.keys.as_slice() {
            [] => format!("the {one}"),
            [key] => format!("{one} {key}"),
            keys => format!("{many} {}", and(keys)),
        }
    }
}

impl<A: Api> Violation<'_, A> {
    /// The same with the operations of the history, where it was found on copies of them.
    pub(crate) fn of_originals<'h, B: Api>(self, ops: &[Timed<'h, B>]) -> Violation<'h, B> {
        let original = |op: &Op<A>| {
            let at = ops.binary_search_by_key(&op.invoked.index, |timed| timed.start);
            at.ok().map(|at| ops[at].op)
        };
        let core = self.core.into_iter();
        Violation {
            kind: self.kind,
            summary: self.summary,
            core: core.filter_map(|(op, did)| Some((original(op)?, did))).collect(),
            because: self.because,
        }
    }

    fn describe(self, object: &str, run: &RunFacts) -> Anomaly {
        let ops = self.core.iter().map(|(op, _)| *op);
        let from = ops.clone().map(|op| op.invoked.time).min().unwrap_or_default();
        let to = ops.map(ended).max().unwrap_or_default();
        let during = run.faults_in_words(from, to);
        let mut anomaly = Anomaly::new(self.kind, format!("{object}: {}{during}", self.summary));
        for (op, did) in self.core {
            anomaly = anomaly.because(step(op, &did)).with_op(op);
        }
        match self.because {
            Some(because) => anomaly.because(because),
            None => anomaly,
        }
    }
}

/// An operation with its times, as a step of an argument.
fn step<A: Api>(op: &Op<A>, did: &str) -> String {
    let until = match op.reply() {
        Some(_) => format!("to {}", ended(op)),
        None => "on, and its fate is unknown".to_owned(),
    };
    format!("{} {did}, from {} {until}", asked(op), op.invoked.time)
}

/// Decides by the general engine. `did` says what an operation did, such as `dequeued 3`.
pub(crate) fn by_search<'h, M: Model>(
    ops: &[Timed<'h, M::Api>],
    limits: &Limits,
    did: impl Fn(&Op<M::Api>) -> String,
) -> Decided<'h, M::Api> {
    by_search_from(&M::init(), ops, limits, did)
}

/// Decides by the general engine, from this state on.
pub(crate) fn by_search_from<'h, M: Model>(
    state: &M,
    ops: &[Timed<'h, M::Api>],
    limits: &Limits,
    did: impl Fn(&Op<M::Api>) -> String,
) -> Decided<'h, M::Api> {
    let verify = |order: &[usize]| verify::is_linearization_from(state.clone(), ops, order);
    searched(state, ops, limits, did, verify)
}

/// Decides by the general engine, with a verifier of one's own.
pub(crate) fn by_search_verified<'h, M: Model>(
    ops: &[Timed<'h, M::Api>],
    limits: &Limits,
    did: impl Fn(&Op<M::Api>) -> String,
    verify: impl Fn(&[usize]) -> bool,
) -> Decided<'h, M::Api> {
    searched(&M::init(), ops, limits, did, verify)
}

fn searched<'h, M: Model>(
    state: &M,
    ops: &[Timed<'h, M::Api>],
    limits: &Limits,
    did: impl Fn(&Op<M::Api>) -> String,
    verify: impl Fn(&[usize]) -> bool,
) -> Decided<'h, M::Api> {
    let ruling = match search::decide_beginning(state.clone(), ops, BUDGET) {
        Answer::Linearizable(order) if verify(&order) => Ruling::Linearizable,
        Answer::Linearizable(_) => Ruling::Open(PLEASE_REPORT.to_owned()),
        Answer::Impossible => Ruling::Violated(unexplained(state, ops, limits, did)),
        Answer::Exhausted => Ruling::Open(format!(
            "not decided within the budget of {BUDGET} steps, {}",
            count(ops.len(), "operation", "operations")
        )),
    };
    Decided::new("search", ruling)
}

/// A violation of which only this is known: with the return of one operation, the history so far
/// became impossible.
fn unexplained<'h, M: Model>(
    state: &M,
    ops: &[Timed<'h, M::Api>],
    limits: &Limits,
    did: impl Fn(&Op<M::Api>) -> String,
) -> Violation<'h, M::Api> {
    let culprit = culprit(ops, |ops| {
        if limits.are_exceeded() {
            Answer::Exhausted
        } else {
            search::decide_beginning(state.clone(), ops, CULPRIT_BUDGET)
        }
    });
    let Some(culprit) = culprit else {
        let summary =
            format!("no order of {} explains them", count(ops.len(), "operation", "operations"));
        return Violation { kind: "not-linearizable", summary, core: Vec::new(), because: None };
    };
    let op = culprit.op;
    let summary = format!(
        "no order of the operations explains that {} {} at {}",
        asked(op),
        did(op),
        ended(op)
    );
    Violation { kind: "not-linearizable", summary, core: vec![(op, did(op))], because: None }
}

/// Does the general engine find the operations at these positions impossible by themselves? `None`
/// if it takes too long.
pub(crate) fn core_is_impossible<M: Model>(
    ops: &[Timed<'_, M::Api>],
    core: &[usize],
) -> Option<bool> {
    core_is_impossible_from(M::init(), ops, core)
}

/// The same, from this state on.
pub(crate) fn core_is_impossible_from<M: Model>(
    state: M,
    ops: &[Timed<'_, M::Api>],
    core: &[usize],
) -> Option<bool> {
    if core.len() > CORE_LEN {
        return None;
    }
    let mut core = core.to_vec();
    core.sort_unstable();
    core.dedup();
    let core: Vec<Timed<'_, M::Api>> = core.into_iter().map(|position| ops[position]).collect();
    match search::decide_beginning(state, &core, CORE_BUDGET) {
        Answer::Linearizable(_) => Some(false),
        Answer::Impossible => Some(true),
        Answer::Exhausted => None,
    }
}

/// The operation with whose return `ops` become impossible, by bisection: a prefix of a
/// linearizable history is linearizable. `None` if some prefix could not be decided. `O(log n)`
/// decisions.
fn culprit<'h, A: Api>(
    ops: &[Timed<'h, A>],
    decide: impl Fn(&[Timed<'h, A>]) -> Answer,
) -> Option<Timed<'h, A>> {
    let mut returns: Vec<&Timed<'h, A>> = ops.iter().filter(|op| op.completed()).collect();
    returns.sort_unstable_by_key(|op| op.end);
    let (mut possible, mut impossible) = (0, returns.len());
    while possible + 1 < impossible {
        let middle = usize::midpoint(possible, impossible);
        let until = returns[middle - 1].end;
        let begun = ops.iter().filter(|op| op.start <= until);
        let prefix: Vec<Timed<'h, A>> = begun
            .map(|op| if op.end > until { Timed { end: NEVER, ..*op } } else { *op })
            .collect();
        match decide(&prefix) {
            Answer::Linearizable(_) => possible = middle,
            Answer::Impossible => impossible = middle,
            Answer::Exhausted => return None,
        }
    }
    returns.get(impossible.checked_sub(1)?).map(|op| **op)
}
