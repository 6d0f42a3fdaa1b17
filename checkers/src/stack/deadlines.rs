//! By when open elements of a stack have to be gone.
//!
//! Only of elements that are certainly in at some time, and that somebody popped, is the time
//! known. Let u be open. It is pushed in some gap, and has to be popped before all that is in
//! then: the first of these has to be, at the end of its pop. The gap that leaves most time gives
//! the bound D; if nothing is in in one of them, u may stay. And u is popped in some gap before D
//! in which nothing is in that was pushed after u's push had ended. The last such gap is the
//! deadline.

use super::trees::Least;
use crate::collections::parts::{Fate, Item, Parts};
use std::collections::BinaryHeap;

/// For each element the rank of the event before which its removal has to begin; `u32::MAX` if it
/// may stay, or isn't open. `O(n log n)`.
pub(super) fn deadlines(parts: &Parts) -> Vec<u32> {
    let is_inside =
        |item: &&Item| matches!(item.fate, Fate::Removed(_)) && !item.inside().is_empty();
    let mut inside: Vec<&Item> = parts.items.iter().filter(is_inside).collect();
    inside.sort_unstable_by_key(|item| item.inside().start);
    // By gap: how little time before all events end the first pop leaves; 0 if nothing is in.
    let hurry = most(&inside, parts.events, |item| parts.events - item.de);
    let hurry = Least::of(hurry.into_iter());
    // By gap: when the last of what is in was pushed.
    let pushed = most(&inside, parts.events, |item| item.es);
    let pushed = Least::of(pushed.into_iter());
    let mut deadlines = vec![u32::MAX; parts.items.len()];
    for at in parts.open() {
        let item = &parts.items[at];
        let Some((least, _)) = hurry.within(item.es as usize, item.ee as usize) else { continue };
        if least > 0 {
            let until = (parts.events - least) as usize;
            let gap = pushed.last_below(until, item.ee);
            deadlines[at] = gap.map_or(0, |gap| u32::try_from(gap + 1).unwrap_or(u32::MAX));
        }
    }
    deadlines
}

/// For each gap, and one beyond, the greatest key of what is in; 0 if nothing is.
fn most(inside: &[&Item], events: u32, key: impl Fn(&Item) -> u32) -> Vec<u32> {
    let mut begun = inside.iter().peekable();
    let mut heap: BinaryHeap<(u32, u32)> = BinaryHeap::new();
    let of_gap = |gap: u32| {
        while let Some(item) = begun.next_if(|item| item.inside().start <= gap) {
            heap.push((key(item), item.inside().end));
        }
        while heap.peek().is_some_and(|(_, end)| *end <= gap) {
            heap.pop();
        }
        heap.peek().map_or(0, |(key, _)| *key)
    };
    (0..=events).map(of_gap).collect()
}
