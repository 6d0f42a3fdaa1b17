//! Locks with fencing tokens: every grant has a greater token than all grants before it.
//!
//! A lock with leases may be held by two at once: one of them doesn't know yet that its lease has
//! lapsed. Its token protects what the lock is for, if the store behind it refuses smaller tokens
//! than it has seen. So of such a lock only this is asked:
//! - tokens are unique, and grow with the order of grants; whoever acquires again what it still
//!   holds may be given its token once more (reentrant locks do so);
//! - nobody releases what it does not hold, lapsed or not.
//!
//! Whoever wants mutual exclusion too judges by `mutex` or `reentrant-mutex`, which pass over
//! tokens.
//!
//! *Rule.* Let the grants stand in the order of their tokens, those of one token (which has to be
//! of one holder that held on in between) in the order of their invocations. That is the only order
//! there can be. Let each take effect as soon as it and all before it have begun. If one has ended
//! by then, it ended before one with a smaller token began: `token-not-monotonic`. Else that is an
//! order; all other operations take effect when they begin, and what one holder does stays in its
//! order.
//!
//! *Unknown fates.* An acquisition without a known token says nothing of tokens; if it is of
//! unknown fate it is the last of its holder, and may be left out, as may such a release. Where a
//! holder has several operations at once, or goes on after one of unknown fate, the general engine
//! decides.
//!
//! Kinds: `duplicate-token`, `token-not-monotonic`, `not-held`. `O(n log n)`. Unknown if no
//! acquisition was answered with a token.
//!
//! ```
//! use schism_checkers::fencing_lock::FencingLock;
//! use schism_core::{api::lock::Lock, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"acquire"}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"acquire","value":8}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"acquire"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"acquire","value":7}"#, "\n",
//! );
//! let history = History::<Lock>::from_jsonl(lines.as_bytes())?.history;
//! let finding = FencingLock.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "token-not-monotonic");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::locks::holders::{Holder, Resolved, did, holder, one_by_one};
use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object, PLEASE_REPORT, Ruling, Violation};
use crate::words::ended;
use rustc_hash::FxHashMap;
use schism_core::api::Key;
use schism_core::api::lock::{Call, Lock, LockOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model;
use schism_core::record::RunFacts;
use std::collections::BTreeMap;

/// The checker's name.
pub const NAME: &str = "fencing-lock";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "locks with fencing tokens: tokens are unique and grow",
    page: "\
Operations: {f: acquire, value: nil, then the token, or {fence: token}}, {f: release, value: nil};
with a `key` each key is a lock of its own. The holder is the process, or {client: name} in the
value.
Tokens have to be unique and to grow with the order of grants; a holder that acquires again what
it still holds may be given its token again. Leases may lapse, so that two hold the lock at once:
whoever wants mutual exclusion too judges by `mutex` or `reentrant-mutex` as well, which take the
same histories.
Decided in O(n log n).
Finds: duplicate-token, token-not-monotonic, not-held.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(FencingLock))
    },
};

/// Judges locks with fencing tokens, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct FencingLock;

impl Checker<Lock> for FencingLock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Lock>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for FencingLock {
    type Api = Lock;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["lock", "locks"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Lock>, limits: &Limits) -> Decided<'h, Lock> {
        let resolved = Resolved::of(object);
        let Some(ops) = one_by_one(object) else {
            return told(object, resolved.by_search::<Fence>(object, limits));
        };
        let ruling = match grants(object, &ops).and_then(|grants| order(object, &ops, grants)) {
            Ok(order) if resolved.certifies::<Fence>(&order) => Ruling::Linearizable,
            Err(broken) if resolved.impossible::<Fence>(&broken.core) != Some(false) => {
                Ruling::Violated(broken.describe(object))
            }
            Ok(_) | Err(_) => Ruling::Open(PLEASE_REPORT.to_owned()),
        };
        told(object, Decided::new("intervals", ruling))
    }
}

/// Locks that gave no token are not found right.
fn told<'h>(object: &Object<'h, Lock>, decided: Decided<'h, Lock>) -> Decided<'h, Lock> {
    let mut acquired = object.ops.iter().filter(|op| is_acquired(op.reply())).peekable();
    let any = acquired.peek().is_some();
    let told = acquired.any(|op| token(op.reply()).is_some());
    match decided.ruling {
        Ruling::Linearizable if any && !told => {
            let why = "no acquisition was answered with a token".to_owned();
            Decided::new(decided.by, Ruling::Open(why))
        }
        _ => decided,
    }
}

fn is_acquired(reply: Option<&Reply>) -> bool {
    matches!(reply, Some(Reply::Acquired(_)))
}

fn token(reply: Option<&Reply>) -> Option<i64> {
    match reply {
        Some(Reply::Acquired(token)) => *token,
        Some(Reply::Released) | None => None,
    }
}

/// The last token, with its holder unless that has let go since, and how often each holder has the
/// lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Fence {
    last: Option<(i64, Option<Key>)>,
    held: BTreeMap<Key, u32>,
}

impl model::Model for Fence {
    type Api = Lock;

    fn init() -> Self {
        Self::default()
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        let by = call.by.as_ref()?;
        let times = self.held.get(by).copied().unwrap_or(0);
        let mut next = self.clone();
        match call.op {
            LockOp::Acquire => {
                if let Some(token) = token(reply) {
                    let grows = self.last.as_ref().is_none_or(|(last, _)| *last < token);
                    let again = Some((token, Some(by.clone())));
                    if !grows && self.last != again {
                        return None;
                    }
                    next.last = again;
                }
                next.held.insert(by.clone(), times + 1);
            }
            LockOp::Release if times > 1 => {
                next.held.insert(by.clone(), times - 1);
            }
            LockOp::Release => {
                next.held.remove(by)?;
                if let Some((_, holder)) = &mut next.last {
                    holder.take_if(|holder| holder == by);
                }
            }
        }
        Some(next)
    }
}

/// A promise that was broken, and by which operations.
struct Broken {
    kind: &'static str,
    core: Vec<usize>,
}

/// Tokens that were given, and where.
type Grants = Vec<(i64, usize)>;

/// The grants with tokens, if nobody released what it did not hold, and nobody was given the token
/// of another.
fn grants(object: &Object<'_, Lock>, ops: &[(usize, Holder<'_>)]) -> Result<Grants, Broken> {
    let mut held: FxHashMap<Holder<'_>, u32> = FxHashMap::default();
    // By token: where it was given last, to whom, and where that holder had let go before.
    let mut given: FxHashMap<i64, (usize, Holder<'_>, Option<usize>)> = FxHashMap::default();
    let mut let_go: FxHashMap<Holder<'_>, usize> = FxHashMap::default();
    let mut grants = Vec::new();
    for (position, holder) in ops {
        let timed = &object.ops[*position];
        if !timed.completed() {
            continue;
        }
        let depth = held.entry(*holder).or_default();
        if timed.op.call.op == LockOp::Release {
            if *depth == 0 {
                return Err(Broken { kind: "not-held", core: vec![*position] });
            }
            *depth -= 1;
            if *depth == 0 {
                let_go.insert(*holder, *position);
            }
            continue;
        }
        *depth += 1;
        let Some(token) = token(timed.reply()) else { continue };
        let gone = let_go.get(holder).copied();
        if let Some((before, other, then)) = given.insert(token, (*position, *holder, gone))
            && (other, then) != (*holder, gone)
        {
            let between = gone.filter(|_| other == *holder);
            let core = [Some(before), between, Some(*position)].into_iter().flatten().collect();
            return Err(Broken { kind: "duplicate-token", core });
        }
        grants.push((token, *position));
    }
    Ok(grants)
}

/// All operations in the only order there can be, or two grants that contradict it.
fn order(
    object: &Object<'_, Lock>,
    ops: &[(usize, Holder<'_>)],
    mut grants: Grants,
) -> Result<Vec<usize>, Broken> {
    grants.sort_unstable();
    let mut turns: Vec<Option<(u64, usize)>> = vec![None; object.ops.len()];
    let mut latest: Option<usize> = None;
    for (turn, (_, position)) in grants.into_iter().enumerate() {
        let timed = &object.ops[position];
        let later = latest.filter(|latest| object.ops[*latest].start > timed.start);
        if later.is_none() {
            latest = Some(position);
        }
        let start = later.map_or(timed.start, |later| object.ops[later].start);
        if let Some(later) = later.filter(|_| timed.end < start) {
            return Err(Broken { kind: "token-not-monotonic", core: vec![position, later] });
        }
        turns[position] = Some((start, turn));
    }
    let completed = ops.iter().map(|(position, _)| *position);
    let mut order: Vec<usize> =
        completed.filter(|position| object.ops[*position].completed()).collect();
    order.sort_by_key(|position| turns[*position].unwrap_or((object.ops[*position].start, 0)));
    Ok(order)
}

impl Broken {
    fn describe<'h>(&self, object: &Object<'h, Lock>) -> Violation<'h, Lock> {
        let ops: Vec<_> = self.core.iter().map(|position| object.ops[*position].op).collect();
        let token = |op| token(schism_core::op::Op::reply(op)).unwrap_or_default();
        let summary = match ops.as_slice() {
            [one, two] if self.kind == "duplicate-token" => {
                format!("{} and {} were both given token {}", holder(one), holder(two), token(two))
            }
            [_, _, again] => format!(
                "{} was given token {} again, after it had let go",
                holder(again),
                token(again)
            ),
            [first, second] => format!(
                "{} was given token {} at {}, and {} after that the smaller token {}",
                holder(first),
                token(first),
                ended(first),
                holder(second),
                token(second)
            ),
            ops => {
                let release = ops.first();
                let (by, at) = release.map(|op| (holder(op), ended(op))).unwrap_or_default();
                format!("{by} released it at {at} without holding it")
            }
        };
        let core = ops.into_iter().map(|op| (op, did(op))).collect();
        Violation { kind: self.kind, summary, core, because: None }
    }
}
