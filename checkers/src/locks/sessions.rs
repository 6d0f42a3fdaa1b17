//! The sessions of a mutex, and the two that overlap.

use super::holders::{Holder, did, holder, one_by_one};
use crate::linearizable::timed::NEVER;
use crate::objects::{Object, Violation};
use crate::words::ended;
use rustc_hash::FxHashMap;
use schism_core::api::lock::{Lock, LockOp};

/// From an acquisition to the release that lets go.
struct Session {
    /// Positions, in order.
    ops: Vec<usize>,
    /// When it surely holds the mutex: the end of its first acquisition.
    held_from: u64,
    /// And the beginning of its last release.
    held_until: u64,
}

/// The sessions of a mutex.
pub(super) struct Sessions(Vec<Session>);

/// A promise that was broken, and by which operations.
pub(super) struct Broken {
    kind: &'static str,
    /// Which can't all have happened, whatever else did.
    pub(super) core: Vec<usize>,
    /// What the holder had done before, to be shown.
    before: Option<usize>,
}

/// What a holder is about.
#[derive(Default)]
struct Open {
    depth: u32,
    session: usize,
    /// The last release that let go.
    released: Option<usize>,
}

impl Sessions {
    /// Takes the operations apart; `None` if a holder has several at once.
    pub(super) fn of(object: &Object<'_, Lock>, reentrant: bool) -> Option<Result<Self, Broken>> {
        Some(Self::split(object, &one_by_one(object)?, reentrant))
    }

    fn split(
        object: &Object<'_, Lock>,
        ops: &[(usize, Holder<'_>)],
        reentrant: bool,
    ) -> Result<Self, Broken> {
        let mut open: FxHashMap<Holder<'_>, Open> = FxHashMap::default();
        let mut sessions: Vec<Session> = Vec::new();
        for (position, holder) in ops {
            let (position, timed) = (*position, &object.ops[*position]);
            let open = open.entry(*holder).or_default();
            match (timed.op.call.op, open.depth) {
                // Nobody releases it, or there is nothing to release: taken not to have happened.
                (LockOp::Acquire, _) | (LockOp::Release, 0) if !timed.completed() => {}
                (LockOp::Acquire, 0) => {
                    open.depth = 1;
                    open.session = sessions.len();
                    sessions.push(Session {
                        ops: vec![position],
                        held_from: timed.end,
                        held_until: NEVER,
                    });
                }
                (LockOp::Acquire, _) if reentrant => {
                    open.depth += 1;
                    sessions[open.session].ops.push(position);
                }
                (LockOp::Acquire, _) => {
                    let core = vec![sessions[open.session].ops[0], position];
                    return Err(Broken { kind: "double-acquire", core, before: None });
                }
                (LockOp::Release, 0) => {
                    let before = open.released;
                    return Err(Broken { kind: "not-held", core: vec![position], before });
                }
                (LockOp::Release, _) => {
                    open.depth -= 1;
                    let session = &mut sessions[open.session];
                    session.ops.push(position);
                    if open.depth == 0 {
                        session.held_until = timed.start;
                        open.released = Some(position);
                    }
                }
            }
        }
        Ok(Self(sessions))
    }

    /// The operations in an order, or two sessions that overlap.
    pub(super) fn order(mut self) -> Result<Vec<usize>, Broken> {
        self.0.sort_unstable_by_key(|session| session.held_from);
        let overlapping = self.0.windows(2).find(|pair| pair[1].held_from < pair[0].held_until);
        match overlapping {
            None => Ok(self.0.into_iter().flat_map(|session| session.ops).collect()),
            Some(pair) => {
                let core = [pair[0].ends(), pair[1].ends()].concat();
                Err(Broken { kind: "double-acquire", core, before: None })
            }
        }
    }
}

impl Session {
    /// Its first acquisition, and the release that lets go.
    fn ends(&self) -> Vec<usize> {
        let released = self.ops.last().filter(|_| self.held_until != NEVER);
        self.ops.first().into_iter().chain(released).copied().collect()
    }
}

impl Broken {
    pub(super) fn describe<'h>(&self, object: &Object<'h, Lock>) -> Violation<'h, Lock> {
        let shown = self.before.iter().chain(&self.core);
        let ops = shown.map(|position| object.ops[*position].op);
        let acquired: Vec<_> = ops.clone().filter(|op| op.call.op == LockOp::Acquire).collect();
        let summary = if let [first, second] = acquired.as_slice() {
            format!(
                "{} acquired it at {} and {} at {}, and neither had released it before the other \
                 held it",
                holder(first),
                ended(first),
                holder(second),
                ended(second),
            )
        } else {
            let release = self.core.last().map(|position| object.ops[*position].op);
            let (by, at) = release.map(|op| (holder(op), ended(op))).unwrap_or_default();
            format!("{by} released it at {at} without holding it")
        };
        let core = ops.map(|op| (op, did(op))).collect();
        Violation { kind: self.kind, summary, core, because: None }
    }
}
