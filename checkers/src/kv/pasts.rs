//! The pasts of the strings that were got; see the module above.

use super::{did, shown};
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
    /// The operation that made it; `None`: it was there at the beginning.
    pub(super) by: Option<usize>,
    /// What an append made from it.
    pub(super) after: Option<usize>,
    /// Who got it.
    pub(super) gets: Vec<usize>,
}

/// The strings that were there, with what made them.
pub(super) struct Pasts {
    pub(super) states: Vec<State>,
    /// By operation: what it made, if anybody saw it.
    pub(super) made: Vec<Option<usize>>,
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

/// Who can have changed the key, by the string put or appended; `None`: several.
struct Writers<'h> {
    puts: FxHashMap<&'h str, Option<usize>>,
    appends: FxHashMap<&'h str, Option<usize>>,
    /// Lengths of what was appended, in bytes.
    lengths: Vec<usize>,
}

/// What can have made a string last.
enum Last<'h> {
    Beginning,
    Put(usize),
    /// The append, and what was there before.
    Append(usize, &'h str),
    Nothing,
    Several,
}

impl<'h> Writers<'h> {
    fn of(object: &Object<'h, Kv>) -> Self {
        let (mut puts, mut appends) = (FxHashMap::default(), FxHashMap::default());
        for (position, timed) in object.ops.iter().enumerate() {
            let (writers, text) = match &timed.op.call.op {
                KvOp::Get => continue,
                KvOp::Put(text) => (&mut puts, text),
                KvOp::Append(text) => (&mut appends, text),
            };
            let writer = writers.entry(&**text).or_insert(Some(position));
            writer.take_if(|first| *first != position);
        }
        let mut lengths: Vec<usize> = appends.keys().map(|text| text.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Self { puts, appends, lengths }
    }

    fn last(&self, text: &'h str) -> Last<'h> {
        let mut last = if text.is_empty() { Last::Beginning } else { Last::Nothing };
        let mut add = |found: Option<Last<'h>>| {
            last = match (&last, found) {
                (Last::Nothing, Some(found)) => found,
                _ => Last::Several,
            };
        };
        if let Some(put) = self.puts.get(text) {
            add(put.map(Last::Put));
        }
        for length in self.lengths.iter().take_while(|length| **length <= text.len()) {
            let Some((before, end)) = text.split_at_checked(text.len() - length) else { continue };
            if let Some(append) = self.appends.get(end) {
                add(append.map(|append| Last::Append(append, before)));
            }
        }
        last
    }
}

impl Pasts {
    /// Goes back from every string that was got.
    pub(super) fn of<'h>(object: &Object<'h, Kv>, limits: &Limits) -> Known<'h> {
        let writers = Writers::of(object);
        if writers.lengths.first() == Some(&0) {
            return Known::Ambiguous;
        }
        let mut pasts = Self { states: Vec::new(), made: vec![None; object.ops.len()] };
        let mut known: FxHashMap<&'h str, usize> = FxHashMap::default();
        let mut steps = 0;
        for (position, timed) in object.ops.iter().enumerate() {
            let Some(Reply::Got(got)) = timed.reply() else { continue };
            let mut text: &'h str = got;
            let mut newer: Option<usize> = None;
            loop {
                let seen = known.get(text).copied();
                let place = seen.unwrap_or(pasts.states.len());
                if seen.is_none() {
                    known.insert(text, place);
                    pasts.states.push(State { by: None, after: None, gets: vec![] });
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
                steps += 1;
                if steps % POLLED == 0
                    && let Some(limit) = limits.exceeded()
                {
                    return Known::Stopped(limit.to_owned());
                }
                let (by, before) = match writers.last(text) {
                    Last::Beginning => break,
                    Last::Put(by) => (by, None),
                    Last::Append(by, before) => (by, Some(before)),
                    Last::Several => return Known::Ambiguous,
                    Last::Nothing => return Known::Wrong(unmade(object, timed.op, text)),
                };
                pasts.states[place].by = Some(by);
                if let Some(other) = pasts.made[by].replace(place) {
                    let op = object.ops[by].op;
                    return Known::Wrong(pasts.twice(object, op, [other, place], timed.op));
                }
                let Some(before) = before else { break };
                (text, newer) = (before, Some(place));
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
        let appends = states.iter().filter_map(|state| self.states[*state].by);
        let appended: Vec<String> =
            appends.map(|by| did(object.ops[by].op).replace("acknowledged ", "")).collect();
        let summary = format!(
            "two gets disagree on what was appended to {}: {}",
            shown(text),
            crate::words::and(&appended)
        );
        let core = gets.map(|op| (op, did(op))).collect();
        Violation { kind: "incompatible-order", summary, core, because: None }
    }

    /// One operation in two pasts.
    fn twice<'h>(
        &self,
        object: &Object<'h, Kv>,
        op: &'h Op<Kv>,
        states: [usize; 2],
        get: &'h Op<Kv>,
    ) -> Violation<'h, Kv> {
        let [first, second] = states;
        // The second is being gone back from: what was made from it is what this get returned.
        let mut at = Some(second);
        while let Some(state) = at.filter(|state| *state != first) {
            at = self.states[state].after;
        }
        let same = at == Some(first);
        let mut core = vec![(op, did(op))];
        let (kind, summary) = if same {
            let summary = format!("{} got the effect of {} twice", asked(get), did(op));
            ("duplicated", summary)
        } else {
            core.extend(self.seen_by(object, first).map(|other| (other, did(other))));
            let summary = format!("two gets disagree on what was there before {}", did(op));
            ("incompatible-order", summary)
        };
        core.push((get, did(get)));
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
