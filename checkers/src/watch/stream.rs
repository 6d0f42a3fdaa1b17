//! What one watcher was told, response by response.

use super::{Change, Changes, Watcher};
use crate::tally::Tally;
use crate::words::{asked, ended};
use rustc_hash::FxHashSet;
use schism_core::api::Key;
use schism_core::api::watch::{Event, Response};
use schism_core::verdict::Anomaly;

/// How far the watcher has been told.
#[derive(Default)]
struct Told<'h> {
    /// The highest revision of an event so far.
    highest: Option<i64>,
    bookmark: Option<i64>,
    compacted: Option<i64>,
    all: FxHashSet<(i64, &'h Key)>,
}

pub(super) fn check(watcher: &Watcher<'_>, changes: &Changes<'_>, tally: &mut Tally) {
    let mut told = Told::default();
    for response in watcher.responses {
        if let Some(compacted) = told.compacted {
            tally.add("after-compaction", || {
                let what = format!("something after it was told that {compacted} was compacted");
                about(watcher, "after-compaction", &what)
            });
        }
        match response {
            Response::Compacted(revision) => {
                told.compacted = told.compacted.max(Some(*revision));
            }
            Response::Bookmark(revision) => {
                told.bookmark = told.bookmark.max(Some(*revision));
            }
            Response::Events { events, whole } => {
                let continues = events
                    .first()
                    .is_some_and(|first| *whole && told.highest == Some(first.revision));
                if continues && let Some(first) = events.first() {
                    tally.add("torn", || {
                        let revision = first.revision;
                        let what = format!("revision {revision} in more than one response");
                        about(watcher, "torn", &what)
                    });
                }
                for event in events {
                    one(watcher, event, &mut told, tally);
                }
            }
        }
    }
    nothing_missed(watcher, &told, changes, tally);
}

fn one<'h>(watcher: &Watcher<'h>, event: &'h Event, told: &mut Told<'h>, tally: &mut Tally) {
    let revision = event.revision;
    let name = || format!("revision {revision} of key {}", event.key);
    if !told.all.insert((revision, &event.key)) {
        tally.add("repeated", || about(watcher, "repeated", &format!("{} again", name())));
        return;
    }
    if watcher.key.is_some_and(|key| *key != event.key) {
        tally.add("not-asked", || {
            about(watcher, "not-asked", &format!("{}, which it does not watch", name()))
        });
    }
    if let Some(from) = watcher.from
        && revision < from
    {
        tally.add("too-early", || {
            about(watcher, "too-early", &format!("{}, and had asked from {from} on", name()))
        });
    }
    if let Some(bookmark) = told.bookmark
        && revision <= bookmark
    {
        tally.add("after-bookmark", || {
            let what = format!("{} after a bookmark of {bookmark}", name());
            about(watcher, "after-bookmark", &what)
        });
    }
    if let Some(highest) = told.highest
        && revision < highest
    {
        tally.add("unordered", || {
            about(watcher, "unordered", &format!("{} after revision {highest}", name()))
        });
    }
    told.highest = told.highest.max(Some(revision));
}

/// Whatever is known to be, from where the watcher began up to where it has been told, was told.
fn nothing_missed(
    watcher: &Watcher<'_>,
    told: &Told<'_>,
    changes: &Changes<'_>,
    tally: &mut Tally,
) {
    let first = told.all.iter().map(|(revision, _)| *revision).min();
    let Some(from) = watcher.from.or(first) else { return };
    let Some(upto) = told.highest.max(told.bookmark).filter(|upto| from <= *upto) else { return };
    // Of the revision told last the rest may be on its way, unless it came whole or is behind a
    // bookmark; the same goes for where it began without saying so.
    let is_due = |revision: i64| {
        let behind = told.highest.is_some_and(|highest| revision < highest)
            || told.bookmark.is_some_and(|bookmark| revision <= bookmark);
        behind && (watcher.from.is_some() || Some(revision) > first)
    };
    let mut miss = |revision: i64, key: &Key, change: &Change<'_>| {
        if is_due(revision) && !told.all.contains(&(revision, key)) {
            tally.add("missed", || missed(watcher, revision, key, change, upto));
        }
    };
    if let Some(key) = watcher.key {
        let known = changes.of_key.get(key).into_iter().flat_map(|all| all.range(from..=upto));
        known.for_each(|(revision, change)| miss(*revision, key, change));
    } else {
        let least = Key::Int(i64::MIN);
        let known = changes.all.range((from, &least)..);
        known
            .take_while(|((revision, _), _)| *revision <= upto)
            .for_each(|((revision, key), change)| miss(*revision, key, change));
    }
}

fn missed(
    watcher: &Watcher<'_>,
    revision: i64,
    key: &Key,
    change: &Change<'_>,
    upto: i64,
) -> Anomaly {
    let value = change.value.map_or_else(|| "a deletion".to_owned(), Key::to_string);
    let what = format!("everything up to revision {upto}, but not of {value} in {revision}");
    about(watcher, "missed", &format!("{what} of key {key}"))
        .because(format!("{} knew of that change by {}", asked(change.op), ended(change.op)))
        .with_op(change.op)
}

fn about(watcher: &Watcher<'_>, kind: &'static str, what: &str) -> Anomaly {
    let who = asked(watcher.op);
    let which = watcher.key.map_or_else(|| "all keys".to_owned(), |key| format!("key {key}"));
    Anomaly::new(kind, format!("a watcher of {which} at {who} was told of {what}"))
        .because(format!("it was asked for at {}", watcher.op.invoked.time))
        .with_op(watcher.op)
}
