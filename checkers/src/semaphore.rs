//! Semaphores: at most n permits are held at a time, and only who holds one gives it back.
//!
//! A process holds the permits that it acquired, unless the history names the holder. `Fail` means
//! that nothing happened. How many permits there are is an option (`--total`); else 1.
//!
//! *Sessions.* A holder does one thing after the other. Its permits are alike, so which of them a
//! release gives back makes no difference; take it to be the one acquired first. So each permit
//! is surely held from the end of its acquisition, f, to the beginning of its release, s: an
//! interval [f, s]. A release by who holds none breaks the promise alone.
//!
//! *Rule.* There is an order if and only if no moment lies in more than n intervals with f < s.
//! *Only if*: at that moment all of them are held. *If*: let each acquisition take effect at
//! its end and each release at its beginning; of those at one moment releases first (the events
//! of a history are distinct anyway). Whoever holds by then is in an interval, so there are never
//! more than n. An interval with s < f can't be: a release begins after its holder's acquisition
//! has ended. Which release is paired with which acquisition of one holder changes the intervals,
//! but not how many of them a moment lies in.
//!
//! *Unknown fates.* A process whose operation has an unknown fate does no more, so that operation
//! is its last: an acquisition can be left out, and a release may be taken to have happened as
//! soon as it began; both can only help the others. Where a holder has several operations at once,
//! or goes on after one of unknown fate, the general engine decides.
//!
//! Kinds: `too-many-holders`, `not-held`, and `not-linearizable` where only the engine knows.
//! `O(n log n)`; the order is verified by `linearizable::verify`, a violation by the general engine
//! on its core, if that is small enough.
//!
//! ```
//! use schism_checkers::semaphore::Semaphore;
//! use schism_core::{api::lock::Lock, checker::Checker, history::History};
//! let mut lines = String::new();
//! for process in 0..3 {
//!     for kind in ["invoke", "ok"] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":{process},\"f\":\"acquire\"}}\n");
//!     }
//! }
//! let history = History::<Lock>::from_jsonl(lines.as_bytes())?.history;
//! let two = Semaphore { permits: 2 }.check(&history, &Default::default(), &Default::default());
//! assert_eq!(two.verdict.anomalies()[0].kind, "too-many-holders");
//! let three = Semaphore { permits: 3 }.check(&history, &Default::default(), &Default::default());
//! assert_eq!(three.verdict.word(), "valid");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::locks::holders::{Holder, Resolved, did, holder, one_by_one};
use crate::model::{BadOption, Model, typed};
use crate::objects::{self, Decided, Kind, Object, PLEASE_REPORT, Ruling, Violation};
use crate::words::{count, ended};
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::lock::{Call, Lock, LockOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model;
use schism_core::record::RunFacts;
use std::collections::{BTreeMap, VecDeque};

/// The checker's name.
pub const NAME: &str = "semaphore";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "semaphores (acquire, release), each key on its own: at most n permits at a time",
    page: "\
Operations: {f: acquire, value: nil}, {f: release, value: nil}, of one permit each; with a `key`
each key is a semaphore of its own. The holder is the process that acquired, or {client: name} in
the value; it may hold several permits, and only it can give them back. A permit that could not be
had is a `fail`.
Options: --total N, how many permits there are (1).
Decided in O(n log n).
Finds: too-many-holders, not-held.",
    make: |options| {
        options.only(NAME, &["--total"])?;
        let permits = u32::try_from(options.total.unwrap_or(1)).ok().filter(|n| *n > 0);
        let permits = permits.ok_or_else(|| {
            BadOption("--total: expected how many permits there are, at least 1".to_owned())
        })?;
        Ok(typed(Semaphore { permits }))
    },
};

/// Judges semaphores, each key on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semaphore {
    /// How many can be held at a time.
    pub permits: u32,
}

impl Checker<Lock> for Semaphore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Lock>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for Semaphore {
    type Api = Lock;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["semaphore", "semaphores"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Lock>, limits: &Limits) -> Decided<'h, Lock> {
        let resolved = Resolved::of(object);
        let free = || Permits { left: self.permits, held: BTreeMap::new() };
        let Some(ops) = one_by_one(object) else {
            return resolved.by_search_from(&free(), object, limits);
        };
        let ruling = match order(object, &ops, self.permits) {
            Ok(order) if resolved.certifies_from(free(), &order) => Ruling::Linearizable,
            Err(broken) if resolved.impossible_from(free(), &broken.core) != Some(false) => {
                Ruling::Violated(broken.describe(object, self.permits))
            }
            Ok(_) | Err(_) => Ruling::Open(PLEASE_REPORT.to_owned()),
        };
        Decided::new("intervals", ruling)
    }
}

/// How many permits are left, and who holds how many.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Permits {
    left: u32,
    held: BTreeMap<Key, u32>,
}

impl model::Model for Permits {
    type Api = Lock;

    /// With one permit; a semaphore of more begins from another state.
    fn init() -> Self {
        Self { left: 1, held: BTreeMap::new() }
    }

    fn step(&self, call: &Call, _: Option<&Reply>) -> Option<Self> {
        let by = call.by.as_ref()?;
        let mut next = self.clone();
        match call.op {
            LockOp::Acquire => {
                next.left = next.left.checked_sub(1)?;
                *next.held.entry(by.clone()).or_default() += 1;
            }
            LockOp::Release => {
                let times = next.held.get_mut(by)?;
                *times -= 1;
                if *times == 0 {
                    next.held.remove(by);
                }
                next.left += 1;
            }
        }
        Some(next)
    }
}

/// A promise that was broken, and by which operations: they can't all have happened.
struct Broken {
    kind: &'static str,
    core: Vec<usize>,
}

/// A permit from the end of its acquisition on.
struct Permit {
    acquired: usize,
    released: Option<usize>,
}

/// The operations in an order: acquisitions by their ends, releases by their beginnings.
fn order(
    object: &Object<'_, Lock>,
    ops: &[(usize, Holder<'_>)],
    permits: u32,
) -> Result<Vec<usize>, Broken> {
    let mut all: Vec<Permit> = Vec::new();
    let mut open: FxHashMap<Holder<'_>, VecDeque<usize>> = FxHashMap::default();
    // When, whose permit, and by which operation.
    let mut moments: Vec<(u64, usize, usize)> = Vec::new();
    for (position, holder) in ops {
        let timed = &object.ops[*position];
        let open = open.entry(*holder).or_default();
        match timed.op.call.op {
            // Nobody gives it back: taken not to have happened.
            LockOp::Acquire if !timed.completed() => {}
            LockOp::Acquire => {
                moments.push((timed.end, all.len(), *position));
                open.push_back(all.len());
                all.push(Permit { acquired: *position, released: None });
            }
            LockOp::Release => match open.pop_front() {
                Some(permit) => {
                    moments.push((timed.start, permit, *position));
                    all[permit].released = Some(*position);
                }
                None if !timed.completed() => {}
                None => return Err(Broken { kind: "not-held", core: vec![*position] }),
            },
        }
    }
    moments.sort_unstable();
    let permits = usize::try_from(permits).unwrap_or(usize::MAX);
    let mut held: rustc_hash::FxHashSet<usize> = rustc_hash::FxHashSet::default();
    for (_, permit, position) in &moments {
        if all[*permit].acquired != *position {
            held.remove(permit);
        } else if held.insert(*permit) && held.len() > permits {
            let mut core: Vec<usize> = held
                .iter()
                .map(|permit| &all[*permit])
                .flat_map(|permit| [Some(permit.acquired), permit.released])
                .flatten()
                .collect();
            core.sort_unstable();
            return Err(Broken { kind: "too-many-holders", core });
        }
    }
    Ok(moments.into_iter().map(|(_, _, position)| position).collect())
}

impl Broken {
    fn describe<'h>(&self, object: &Object<'h, Lock>, permits: u32) -> Violation<'h, Lock> {
        let ops = self.core.iter().map(|position| object.ops[*position].op);
        let acquired = ops.clone().filter(|op| op.call.op == LockOp::Acquire);
        let last = acquired.clone().max_by_key(|op| op.returned());
        let summary = match (last, ops.clone().next()) {
            (Some(last), _) => format!(
                "{} acquired it at {}, when all of {} were held and not yet being released",
                holder(last),
                ended(last),
                count(permits as usize, "permit", "permits"),
            ),
            (None, Some(release)) => {
                format!("{} released it at {} without holding it", holder(release), ended(release))
            }
            (None, None) => String::new(),
        };
        let core = ops.map(|op| (op, did(op))).collect();
        Violation { kind: self.kind, summary, core, because: None }
    }
}
