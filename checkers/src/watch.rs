//! Watching changes: every watcher is told of every change, once, in order, and whole.
//!
//! What etcd promises to watchers, each with its kinds:
//! - *ordered*: `unordered`: an event of an earlier revision comes after one of a later;
//! - *unique*: `repeated`: the same key and revision twice to one watcher;
//! - *reliable*: `missed`: a change that is known to be, of a watched key, is not told, although
//!   the watcher was told of a later one, or that everything up to a later revision had been told;
//! - *resumable*: `too-early`: an event from before the revision that was asked for;
//! - *atomic*: `torn`: a revision goes on in another response than it began in (where the history
//!   says what came together);
//! - *bookmarkable*: `after-bookmark`: an event up to a bookmark comes after that bookmark;
//! - *compacted*: `after-compaction`: something is told after the watcher was told that what it
//!   needs was compacted, which ends a watch;
//! - *filtered*: `not-asked`: an event of a key that is not watched;
//! - *true*: `inconsistent`: two tell different things of one key and revision, or a write was
//!   acknowledged with a revision in which something else is told; `garbage-event`: a value that
//!   nobody wrote to that key.
//!
//! Besides, revisions grow in real time: `nonmonotonic-revision`: a write that began after another
//! had been acknowledged was given no later revision.
//!
//! *Sound.* A change is known to be if it was acknowledged with its revision, or told to some
//! watcher. A watcher that is told of revision r, or given a bookmark r, has by then been told of
//! all that is watched from where it began up to r. Where it began is what it asked for; if it
//! didn't say, then at the first event that it was told. A watcher that is told of a compaction has
//! been told of nothing by that: what it lost to it is no violation, a gap before or instead of
//! that answer is one (`missed`), since a watcher that resumes below what was compacted has to be
//! told so. What a write of unknown fate did counts only if it was told. A watch whose fate is
//! unknown says nothing. `garbage-event` needs the writes to be in the history: it is looked for
//! only if there are any. The order of writes itself is for other checkers. `O(n log n)`, and a
//! watcher costs what there is to be told to it.
//!
//! ```
//! use schism_checkers::watch::Watch;
//! use schism_core::{api::watch::Watch as Api, checker::Checker, history::History};
//! let mut lines = String::new();
//! for (f, asked, got) in [
//!     ("write", r#"{"x":1}"#, r#"{"revision":2}"#),
//!     ("write", r#"{"x":2}"#, r#"{"revision":3}"#),
//!     ("watch", r#"{"from":1}"#, r#"[{"revision":3,"key":"x","value":2}]"#),
//! ] {
//!     for (kind, value) in [("invoke", asked), ("ok", got)] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":0,\"f\":\"{f}\",\"value\":{value}}}\n");
//!     }
//! }
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Watch.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "missed");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, stopped};
use rustc_hash::{FxHashMap, FxHashSet};
use schism_core::api::Key;
use schism_core::api::watch::{Call, Event, Reply, Response, Watch as Api};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;
use std::collections::BTreeMap;

mod stream;

/// The checker's name.
pub const NAME: &str = "watch";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "watchers are told of every change, once, in order, and whole (as etcd promises)",
    page: "\
Operations: {f: write, value: {key: value, ...}, then {revision: 7}}; {f: watch, value: {key: k (or
nil for all), from: revision}, then the responses: lists of events {revision, key, value}, or
{bookmark: revision}, or {compacted: revision}, which ends the watch}; a flat list of events says
nothing of what came together. {f: compact, value: revision} is passed over.
Finds: unordered, repeated, missed, too-early, torn, after-bookmark, after-compaction, not-asked,
inconsistent, garbage-event, nonmonotonic-revision.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(Watch))
    },
};

/// Judges what watchers are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch;

/// A change that is known to be: to what, and who said so first.
#[derive(Clone, Copy)]
struct Change<'h> {
    value: Option<&'h Key>,
    op: &'h Op<Api>,
}

/// All changes that are known to be, by revision and key; and by key.
#[derive(Default)]
struct Changes<'h> {
    all: BTreeMap<(i64, &'h Key), Change<'h>>,
    of_key: FxHashMap<&'h Key, BTreeMap<i64, Change<'h>>>,
}

impl<'h> Changes<'h> {
    fn add(&mut self, revision: i64, key: &'h Key, change: Change<'h>, tally: &mut Tally) {
        let known = *self.all.entry((revision, key)).or_insert(change);
        self.of_key.entry(key).or_default().entry(revision).or_insert(change);
        if known.value != change.value {
            tally.add("inconsistent", || inconsistent(revision, key, known, change));
        }
    }
}

/// What a watcher was told, and of what it was to be told.
#[derive(Clone, Copy)]
struct Watcher<'h> {
    op: &'h Op<Api>,
    key: Option<&'h Key>,
    from: Option<i64>,
    responses: &'h [Response],
}

fn watcher(op: &Op<Api>) -> Option<Watcher<'_>> {
    match (&op.call, op.reply()) {
        (Call::Watch { key, from }, Some(Reply::Watched(responses))) => {
            Some(Watcher { op, key: key.as_ref(), from: *from, responses })
        }
        _ => None,
    }
}

impl<'h> Watcher<'h> {
    fn events(&self) -> impl Iterator<Item = &'h Event> + use<'h> {
        self.responses.iter().flat_map(|response| match response {
            Response::Events { events, .. } => events.as_slice(),
            Response::Bookmark(_) | Response::Compacted(_) => &[],
        })
    }
}

impl Checker<Api> for Watch {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, _: &RunFacts, limits: &Limits) -> Finding {
        let mut tally = Tally::default();
        let changes = changes(history, &mut tally);
        revisions_grow(history, &mut tally);
        let watchers: Vec<Watcher<'_>> = history.ops().iter().filter_map(watcher).collect();
        let mut told = 0;
        for watcher in &watchers {
            if limits.are_exceeded() {
                break;
            }
            stream::check(watcher, &changes, &mut tally);
            told += watcher.events().count();
        }
        nothing_from_nowhere(history, &watchers, &mut tally);
        let details = json!({
            "watchers": watchers.len(),
            "events": told,
            "changes": changes.all.len(),
            "anomalies": tally.to_json(),
        });
        let checked = format!(
            "{} to {}",
            count(told, "event", "events"),
            count(watchers.len(), "watcher", "watchers")
        );
        let vacuous = (told == 0 && changes.all.is_empty() || watchers.is_empty())
            .then(|| "vacuous: nothing was watched".to_owned());
        let (verdict, summary) = tally.conclude(&checked, stopped(limits).or(vacuous), || {
            let changes = count(changes.all.len(), "change", "changes");
            format!("{checked} tell {changes} in order, once and without gaps")
        });
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn changes<'h>(history: &'h History<Api>, tally: &mut Tally) -> Changes<'h> {
    let mut changes = Changes::default();
    for op in history.ops() {
        if let (Call::Write(writes), Some(Reply::Written(Some(revision)))) = (&op.call, op.reply())
        {
            for (key, value) in writes {
                let change = Change { value: value.as_ref(), op };
                changes.add(*revision, key, change, tally);
            }
        }
        for event in watcher(op).iter().flat_map(Watcher::events) {
            let change = Change { value: event.value.as_ref(), op };
            changes.add(event.revision, &event.key, change, tally);
        }
    }
    changes
}

fn inconsistent(revision: i64, key: &Key, known: Change<'_>, change: Change<'_>) -> Anomaly {
    let said = |change: Change<'_>| {
        let value = change.value.map_or_else(|| "deleted".to_owned(), Key::to_string);
        let verb = if watcher(change.op).is_some() { "told as" } else { "written as" };
        format!("{verb} {value} by {}", asked(change.op))
    };
    let (first, second) = (said(known), said(change));
    Anomaly::new(
        "inconsistent",
        format!("revision {revision} of key {key} is {first}, and {second}"),
    )
    .because("a revision changes a key once, and to one value")
    .with_op(known.op)
    .with_op(change.op)
}

/// A write that began after another was acknowledged has a later revision.
fn revisions_grow(history: &History<Api>, tally: &mut Tally) {
    let mut events: Vec<(u64, bool, i64, &Op<Api>)> = Vec::new();
    for op in history.ops() {
        if let (Some(Reply::Written(Some(revision))), Some(returned)) = (op.reply(), op.returned())
        {
            events.push((op.invoked.index, false, *revision, op));
            events.push((returned, true, *revision, op));
        }
    }
    events.sort_unstable_by_key(|(index, ..)| *index);
    let mut highest: Option<(i64, &Op<Api>)> = None;
    for (_, ends, revision, op) in events {
        match highest {
            Some((high, earlier)) if !ends && revision <= high => {
                tally.add("nonmonotonic-revision", || {
                    let (who, whose) = (asked(op), asked(earlier));
                    let summary = format!(
                        "{who} gave revision {revision} to a write that began after {whose} had \
                         acknowledged one with {high}"
                    );
                    Anomaly::new("nonmonotonic-revision", summary)
                        .because(format!("the earlier one was acknowledged at {}", ended(earlier)))
                        .because(format!("the later one began at {}", op.invoked.time))
                        .with_op(earlier)
                        .with_op(op)
                });
            }
            Some((high, _)) if ends && revision > high => highest = Some((revision, op)),
            None if ends => highest = Some((revision, op)),
            _ => {}
        }
    }
}

/// Each value that is told was written to its key, before the watch ended.
fn nothing_from_nowhere(history: &History<Api>, watchers: &[Watcher<'_>], tally: &mut Tally) {
    let mut written: FxHashMap<(&Key, Option<&Key>), u64> = FxHashMap::default();
    for op in history.ops().iter().filter(|op| op.outcome.may_have_happened()) {
        let Call::Write(writes) = &op.call else { continue };
        for (key, value) in writes {
            written.entry((key, value.as_ref())).or_insert(op.invoked.index);
        }
    }
    if written.is_empty() {
        return;
    }
    let mut reported = FxHashSet::default();
    for watcher in watchers {
        for event in watcher.events() {
            let name = (&event.key, event.value.as_ref());
            let began = written.get(&name);
            let possible = began.is_some_and(|began| {
                watcher.op.returned().is_none_or(|returned| *began < returned)
            });
            // Leases delete keys without being asked.
            if !possible && event.value.is_some() && reported.insert(name) {
                tally.add("garbage-event", || {
                    let value = event.value.as_ref().map_or_else(String::new, Key::to_string);
                    let why = if began.is_some() { "written only later" } else { "never written" };
                    let summary = format!(
                        "a watcher at {} was told of {value} for key {}, which was {why}",
                        asked(watcher.op),
                        event.key
                    );
                    Anomaly::new("garbage-event", summary).with_op(watcher.op)
                });
            }
        }
    }
}
