//! Mutexes: at most one holder at a time, and only the holder releases.
//!
//! A process holds what it acquired, unless the history names the holder; a reentrant mutex may be
//! acquired again by its holder, and is free after as many releases. `Fail` means that nothing
//! happened: a lock that could not be had, or was not held, says nothing.
//!
//! *Sessions.* Whoever is alone does one thing after the other. So the acquisitions and releases of
//! one holder fall into sessions, each from an acquisition to the release that lets go. One that
//! acquires what it holds (if the mutex isn't reentrant), or releases what it doesn't hold, breaks
//! the promise alone.
//!
//! *Rule.* A session surely holds the mutex from the end of its acquisition, f, to the beginning of
//! its release, s. There is an order if and only if no two of these intervals [f, s] overlap: put
//! the sessions in the order of f. Then an operation of an earlier session began before s, thus
//! before the f, and the end, of every later one.
//!
//! *Unknown fates.* A process whose operation has an unknown fate does no more, so that operation
//! is its last. An acquisition of unknown fate can be left out: if it took effect, nobody released
//! it. A release of unknown fate may be taken to have happened, at its place or at the very end:
//! that can only help the others. A session without a release never ends, s = ∞.
//!
//! Where a holder has several operations at once, or goes on after one of unknown fate (other
//! histories than ours may), the general engine decides.
//!
//! Kinds: `double-acquire`, `not-held`, and `not-linearizable` where only the engine knows.
//! `O(n log n)`; the order is verified by `linearizable::verify`, a violation by the general engine
//! on its core.
//!
//! The rule for sessions is that of Gibbons and Korach, "Testing shared memories" (1997), for
//! blocks that all take up time.
//!
//! ```
//! use schism_checkers::locks::Mutex;
//! use schism_core::{api::lock::Lock, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"acquire"}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"acquire"}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"acquire"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"acquire"}"#, "\n",
//! );
//! let history = History::<Lock>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Mutex.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "double-acquire");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

pub(crate) mod holders;
mod sessions;

use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object, PLEASE_REPORT, Ruling};
use holders::Resolved;
use schism_core::api::Key;
use schism_core::api::lock::{Call, Lock, LockOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model;
use schism_core::record::RunFacts;
use sessions::Sessions;

/// The name of the checker of plain mutexes.
pub const NAME: &str = "mutex";

/// The name of the checker of reentrant ones.
pub const REENTRANT_NAME: &str = "reentrant-mutex";

/// How `schism check` names it.
pub const MUTEX: Model = Model {
    name: NAME,
    about: "mutexes (acquire, release), each key on its own: one holder at a time",
    page: "\
Operations: {f: acquire, value: nil}, {f: release, value: nil}; with a `key` each key is a mutex
of its own.
The holder is the process that acquired, or {client: name} in the value; only the holder can
release. A lock that could not be had, or was not held, is a `fail`, and says nothing. An
acquisition of unknown fate may have taken effect or not, and so may a release.
Decided in O(n log n).
Finds: double-acquire, not-held.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(Mutex))
    },
};

/// How `schism check` names it.
pub const REENTRANT_MUTEX: Model = Model {
    name: REENTRANT_NAME,
    about: "reentrant mutexes: the holder may acquire again, and releases as often",
    page: "\
Operations: {f: acquire, value: nil}, {f: release, value: nil}; with a `key` each key is a mutex
of its own.
The holder is the process that acquired, or {client: name} in the value; it may acquire again, and
the mutex is free after as many releases. Otherwise as `mutex`.
Finds: double-acquire (by another), not-held.",
    make: |options| {
        options.only(REENTRANT_NAME, &[])?;
        Ok(typed(ReentrantMutex))
    },
};

/// Judges mutexes, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutex;

/// Judges reentrant mutexes, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReentrantMutex;

impl Checker<Lock> for Mutex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Lock>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Checker<Lock> for ReentrantMutex {
    fn name(&self) -> &'static str {
        REENTRANT_NAME
    }

    fn check(&self, history: &History<Lock>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for Mutex {
    type Api = Lock;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["mutex", "mutexes"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Lock>, limits: &Limits) -> Decided<'h, Lock> {
        decide::<false>(object, limits)
    }
}

impl Kind for ReentrantMutex {
    type Api = Lock;
    const NAME: &'static str = REENTRANT_NAME;
    const WORDS: [&'static str; 2] = ["mutex", "mutexes"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Lock>, limits: &Limits) -> Decided<'h, Lock> {
        decide::<true>(object, limits)
    }
}

/// Who holds a mutex, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held<const REENTRANT: bool>(Option<(Key, u32)>);

impl<const REENTRANT: bool> model::Model for Held<REENTRANT> {
    type Api = Lock;

    fn init() -> Self {
        Self(None)
    }

    fn step(&self, call: &Call, _: Option<&Reply>) -> Option<Self> {
        let by = call.by.as_ref()?;
        match (&self.0, call.op) {
            (None, LockOp::Acquire) => Some(Self(Some((by.clone(), 1)))),
            (Some((holder, times)), LockOp::Acquire) if REENTRANT && holder == by => {
                Some(Self(Some((by.clone(), times + 1))))
            }
            (Some((holder, 1)), LockOp::Release) if holder == by => Some(Self(None)),
            (Some((holder, times)), LockOp::Release) if holder == by => {
                Some(Self(Some((by.clone(), times - 1))))
            }
            _ => None,
        }
    }

    fn explain(&self) -> String {
        match &self.0 {
            None => "free".to_owned(),
            Some((holder, _)) => format!("held by {holder}"),
        }
    }
}

fn decide<'h, const REENTRANT: bool>(
    object: &Object<'h, Lock>,
    limits: &Limits,
) -> Decided<'h, Lock> {
    let resolved = Resolved::of(object);
    let Some(sessions) = Sessions::of(object, REENTRANT) else {
        return resolved.by_search::<Held<REENTRANT>>(object, limits);
    };
    let ruling = match sessions.and_then(Sessions::order) {
        Ok(order) if resolved.certifies::<Held<REENTRANT>>(&order) => Ruling::Linearizable,
        Err(broken) if resolved.impossible::<Held<REENTRANT>>(&broken.core) != Some(false) => {
            Ruling::Violated(broken.describe(object))
        }
        Ok(_) | Err(_) => Ruling::Open(PLEASE_REPORT.to_owned()),
    };
    Decided::new("intervals", ruling)
}
