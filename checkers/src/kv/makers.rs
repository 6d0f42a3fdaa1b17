//! Which of several equal appends made which string.
//!
//! Everything that can be is tried: there are few such choices in histories as people record them,
//! and an append that began after a get of what it would have made had ended is none.

use super::pasts::{Made, Pasts};
use crate::linearizable::timed::Timed;
use crate::objects::Object;
use schism_core::api::kv::Kv;

/// How many ways there may be for the appends of one string, and how many in all.
const GROUP: usize = 720;
const ALL: usize = 4096;

/// Ways in which strings can have been made.
pub(super) struct Makers {
    /// By string: what made it for certain.
    certain: Vec<Option<usize>>,
    /// For each group with a choice: its states, and the appends that may have made them, in the
    /// same order.
    choices: Vec<(Vec<usize>, Vec<Vec<usize>>)>,
    /// Which way is the next in each group; `None` after the last of all.
    next: Option<Vec<usize>>,
}

impl Makers {
    /// `None` if there are too many ways.
    pub(super) fn of(object: &Object<'_, Kv>, pasts: &Pasts) -> Option<Self> {
        let mut certain: Vec<Option<usize>> = vec![None; pasts.states.len()];
        for (place, state) in pasts.states.iter().enumerate() {
            if let Made::Put(by) = state.made {
                certain[place] = Some(by);
            }
        }
        let bounds = bounds(object, pasts);
        let (mut choices, mut ways) = (Vec::new(), 1_usize);
        for group in pasts.groups.iter().filter(|group| !group.states.is_empty()) {
            if let ([state], [append]) = (group.states.as_slice(), group.appends.as_slice()) {
                certain[*state] = Some(*append);
                continue;
            }
            let fits = |state: usize, append: usize| {
                let (begun_before, ended_after) = bounds[state];
                let timed = &object.ops[append];
                timed.start < ended_after && timed.end > begun_before
            };
            let found = injections(&group.states, &group.appends, fits)?;
            ways = ways.saturating_mul(found.len());
            if ways > ALL {
                return None;
            }
            choices.push((group.states.clone(), found));
        }
        // Where nothing fits, the first way that comes to mind will show that.
        for (states, found) in &mut choices {
            if found.is_empty() {
                let group = pasts.groups.iter().find(|group| group.states == *states)?;
                found.push(group.appends[..states.len()].to_vec());
            }
        }
        let next = Some(vec![0; choices.len()]);
        Some(Self { certain, choices, next })
    }

    /// Was anything left to choose, even if gets exclude all ways but one?
    pub(super) fn are_chosen(&self) -> bool {
        !self.choices.is_empty()
    }

    /// Is there more than one way?
    pub(super) fn several(&self) -> bool {
        self.choices.iter().any(|(_, found)| found.len() > 1)
    }
}

impl Iterator for Makers {
    type Item = Vec<Option<usize>>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next.as_mut()?;
        let mut makers = self.certain.clone();
        for ((states, found), way) in self.choices.iter().zip(&*next) {
            for (state, append) in states.iter().zip(&found[*way]) {
                makers[*state] = Some(*append);
            }
        }
        let more = self.choices.iter().zip(&mut *next).any(|((_, found), way)| {
            *way = (*way + 1) % found.len();
            *way > 0
        });
        if !more {
            self.next = None;
        }
        Some(makers)
    }
}

/// For each string: when the last get of it or of what was there before began, and when the first
/// get of it or of what was made from it ended. Whatever made it ended after the one, as it comes
/// after those before, and began before the other.
fn bounds(object: &Object<'_, Kv>, pasts: &Pasts) -> Vec<(u64, u64)> {
    let mut bounds = vec![(0, u64::MAX); pasts.states.len()];
    for (root, state) in pasts.states.iter().enumerate() {
        if matches!(state.made, Made::Append(_)) {
            continue;
        }
        let mut chain = Vec::new();
        let mut at = Some(root);
        let mut begun = 0;
        while let Some(place) = at {
            bounds[place].0 = begun;
            let gets = pasts.states[place].gets.iter().map(|get| &object.ops[*get]);
            begun = gets.map(|timed: &Timed<'_, Kv>| timed.start).fold(begun, u64::max);
            chain.push(place);
            at = pasts.states[place].after;
        }
        let mut ended = u64::MAX;
        for place in chain.into_iter().rev() {
            let gets = pasts.states[place].gets.iter().map(|get| &object.ops[*get]);
            ended = gets.map(|timed: &Timed<'_, Kv>| timed.end).fold(ended, u64::min);
            bounds[place].1 = ended;
        }
    }
    bounds
}

/// Every way to give each of these states an append of its own that fits; `None` if they are too
/// many.
fn injections(
    states: &[usize],
    appends: &[usize],
    fits: impl Fn(usize, usize) -> bool,
) -> Option<Vec<Vec<usize>>> {
    let mut ways: Vec<Vec<usize>> = vec![Vec::new()];
    for state in states {
        let mut longer = Vec::new();
        for way in &ways {
            for append in appends {
                if !way.contains(append) && fits(*state, *append) {
                    longer.push([way.as_slice(), &[*append]].concat());
                    if longer.len() > GROUP {
                        return None;
                    }
                }
            }
        }
        ways = longer;
    }
    Some(ways)
}
