//! The pasts of the strings that were got; see the module above.

use super::{did, shown, what};
use crate::objects::{Object, Violation};
use crate::words::{asked, ended};
use rustc_hash::FxHashMap;
use schism_core::api::kv::{Kv, KvOp, Reply};
use schism_core::limits::Limits;
use schism_core::op::Op;

/// How many steps back are taken between two looks at the limits.
const POLLED: usize = 4096;

/// A string that was there at some time.
pub(super) struct State {
    /// What made it.
    pub(super) made: Made,
    /// What an append made from it.
    pub(super) after: Option<usize>,
    /// Who got it.
    pub(super) gets: Vec<usize>,
}

/// What made a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// Nothing: it was there at the beginning.
    Beginning,
    /// The put at this position.
    Put(usize),
    /// One of the appends of this group.
    Append(usize),
}

/// Appends of one string, and what they made, as far as anybody saw it.
#[derive(Default)]
pub(super) struct Group {
    pub(super) appends: Vec<usize>,
    pub(super) states: Vec<usize>,
}

/// The strings that were there, with what made them.
pub(super) struct Pasts {
    pub(super) states: Vec<State>,
    pub(super) groups: Vec<Group>,
}

/// What can be known of the pasts.
pub(super) enum Known<'h> {
    Certain(Pasts),
    /// Some string can have been made in several ways.
    Ambiguous,
    /// Some string can't have been made.
    Wrong(Violation<'h, Kv>),
    /// A limit was exceeded.
    Stopped(String),
}

/// Who can have changed the key, by the string put or appended.
struct Writers<'h> {
    puts: FxHashMap<&'h str, Vec<usize>>,
    /// Numbers of groups.
    appends: FxHashMap<&'h str, usize>,
    groups: Vec<Group>,
    /// Lengths of what was appended, in bytes.
    lengths: Vec<usize>,
}

/// What can have made a string last.
enum Last<'h> {
    Beginning,
    Put(usize),
    /// An append of this group, and what was there before.
    Append(usize, &'h str),
    Nothing,
    Several,
}

impl<'h> Writers<'h> {
    fn of(object: &Object<'h, Kv>) -> Self {
        let mut puts: FxHashMap<&'h str, Vec<usize>> = FxHashMap::default();
        let mut appends: FxHashMap<&'h str, usize> = FxHashMap::default();
        let mut groups: Vec<Group> = Vec::new();
        for (position, timed) in object.ops.iter().enumerate() {
            match &timed.op.call.op {
                KvOp::Get => {}
                KvOp::Put(text) => puts.entry(text).or_default().push(position),
                KvOp::Append(text) => {
                    let group = *appends.entry(text).or_insert(groups.len());
                    if group == groups.len() {
                        groups.push(Group::default());
                    }
                    groups[group].appends.push(position);
                }
            }
        }
        let mut lengths: Vec<usize> = appends.keys().map(|text| text.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Self { puts, appends, groups, lengths }
    }

    fn last(&self, text: &'h str) -> Last<'h> {
        let mut last = if text.is_empty() { Last::Beginning } else { Last::Nothing };
        let mut add = |found: Last<'h>| {
            last = if matches!(last, Last::Nothing) { found } else { Last::Several };
        };
        for put in self.puts.get(text).into_iter().flatten() {
            add(Last::Put(*put));
        }
        for length in self.lengths.iter().take_while(|length| **length <= text.len()) {
            let Some((before, end)) = text.split_at_checked(text.len() - length) else { continue };
            if let Some(group) = self.appends.get(end) {
                add(Last::Append(*group, before));
            }
        }
        last
    }
}

impl Pasts {
    /// Goes back from every string that was got.
    pub(super) fn of<'h>(object: &Object<'h, Kv>, limits: &Limits) -> Known<'h> {
        let mut writers = Writers::of(object);
        if writers.lengths.first() == Some(&0) {
            return Known::Ambiguous;
        }
        let mut pasts = Self { states: Vec::new(), groups: std::mem::take(&mut writers.groups) };
        let mut known: FxHashMap<&'h str, usize> = FxHashMap::default();
        for (position, timed) in object.ops.iter().enumerate() {
            let Some(Reply::Got(got)) = timed.reply() else { continue };
            let mut text: &'h str = got;
            let mut newer: Option<usize> = None;
            loop {
                let seen = known.get(text).copied();
                let place = seen.unwrap_or(pasts.states.len());
                if seen.is_none() {
                    known.insert(text, place);
                    let (made, after, gets) = (Made::Beginning, None, Vec::new());
                    pasts.states.push(State { made, after, gets });
                }
                match newer {
                    None => pasts.states[place].gets.push(position),
                    Some(newer) => {
                        if let Some(other) = pasts.states[place].after.replace(newer) {
                            return Known::Wrong(pasts.fork(object, [other, newer], text));
                        }
                    }
                }
                if seen.is_some() {
                    break;
                }
                if pasts.states.len().is_multiple_of(POLLED)
                    && let Some(limit) = limits.exceeded()
                {
                    return Known::Stopped(limit.to_owned());
                }
                match writers.last(text) {
                    Last::Beginning => break,
                    Last::Put(by) => {
                        pasts.states[place].made = Made::Put(by);
                        break;
                    }
                    Last::Append(group, before) => {
                        pasts.states[place].made = Made::Append(group);
                        pasts.groups[group].states.push(place);
                        if pasts.groups[group].states.len() > pasts.groups[group].appends.len() {
                            return Known::Wrong(pasts.too_often(object, group, timed.op));
                        }
                        (text, newer) = (before, Some(place));
                    }
                    Last::Several => return Known::Ambiguous,
                    Last::Nothing => return Known::Wrong(unmade(object, timed.op, text)),
                }
            }
        }
        Known::Certain(pasts)
    }

    /// Somebody who got a string, or one that was made from it.
    fn seen_by<'h>(&self, object: &Object<'h, Kv>, state: usize) -> Option<&'h Op<Kv>> {
        let mut at = Some(state);
        while let Some(state) = at {
            if let Some(get) = self.states[state].gets.first() {
                return Some(object.ops[*get].op);
            }
            at = self.states[state].after;
        }
        None
    }

    /// Two appends to one string.
    fn fork<'h>(
        &self,
        object: &Object<'h, Kv>,
        states: [usize; 2],
        text: &str,
    ) -> Violation<'h, Kv> {
        let gets = states.iter().filter_map(|state| self.seen_by(object, *state));
        let appends = states.iter().filter_map(|state| match self.states[*state].made {
            Made::Append(group) => self.groups[group].appends.first(),
            Made::Beginning | Made::Put(_) => None,
        });
        let appended: Vec<String> = appends.map(|by| what(object.ops[*by].op)).collect();
        let summary = format!(
            "two gets disagree on what was appended to {}: {}",
            shown(text),
            crate::words::and(&appended)
        );
        let core = gets.map(|op| (op, did(op))).collect();
        Violation { kind: "incompatible-order", summary, core, because: None }
    }

    /// More strings that end with an append than there are such appends.
    fn too_often<'h>(
        &self,
        object: &Object<'h, Kv>,
        group: usize,
        get: &'h Op<Kv>,
    ) -> Violation<'h, Kv> {
        let Group { appends, states } = &self.groups[group];
        let appended = appends.iter().map(|by| object.ops[*by].op);
        let append = appended.clone().next().map(what).unwrap_or_default();
        // The last is being gone back from: what was made from it is what this get returned.
        let (others, last) = states.split_at(states.len() - 1);
        let mut at = last.first().copied();
        let mut past = Vec::new();
        while let Some(state) = at {
            past.push(state);
            at = self.states[state].after;
        }
        let times = if appends.len() == 1 { "once" } else { "not so often" };
        let (kind, summary) = if others.iter().all(|other| past.contains(other)) {
            let summary = format!(
                "{} got the effect of {append} {} times, which was asked for {times}",
                asked(get),
                states.len()
            );
            ("duplicated", summary)
        } else {
            let summary = format!("gets disagree on what was there before {append}");
            ("incompatible-order", summary)
        };
        let seen = others.iter().filter_map(|other| self.seen_by(object, *other));
        let mut ops: Vec<&'h Op<Kv>> = appended.chain(seen).chain([get]).collect();
        ops.dedup_by_key(|op| op.invoked.index);
        let core = ops.into_iter().map(|op| (op, did(op))).collect();
        Violation { kind, summary, core, because: None }
    }
}

/// A string that nothing can have made.
fn unmade<'h>(object: &Object<'h, Kv>, get: &'h Op<Kv>, text: &str) -> Violation<'h, Kv> {
    let failed = object.failed.iter().copied().find(|op| match &op.call.op {
        KvOp::Get => false,
        KvOp::Put(put) => **put == *text,
        KvOp::Append(end) => !end.is_empty() && text.ends_with(&**end),
    });
    let (kind, why) = match failed {
        Some(_) => ("aborted-read", "although that write certainly failed"),
        None => ("garbage-read", "which nobody can have written"),
    };
    let summary = format!("{} got {} at {}, {why}", asked(get), shown(text), ended(get));
    let core = [failed, Some(get)].into_iter().flatten().map(|op| (op, did(op))).collect();
    Violation { kind, summary, core, because: None }
}
