//! Takes the bottom out of stretches until nothing is left; see the module above.

use super::trees::{Counts, Least};
use crate::collections::parts::{Fate, Item, Parts};
use crate::collections::{Conflict, Sequence};

/// What is still to be done; the last is done first.
enum Task {
    /// Elements from this one on and before that one, in the order of L.
    Stretches(usize, usize),
    /// The pops of these, which close at this gap, the last first.
    Pops(Vec<usize>, u32),
}

struct Stretches<'p> {
    parts: &'p Parts,
    /// The elements that are certainly in at some time, in the order of L.
    order: Vec<usize>,
    /// How many are certainly in.
    inside: Counts,
    /// Where the next element is that is left.
    left: Vec<usize>,
    /// es of those that don't yet fit from below.
    starts: Least,
    /// How far de is from the last rank, of those that do.
    ends: Least,
    tasks: Vec<Task>,
    sequence: Sequence,
}

/// An order without the empties.
pub(super) fn arrange(parts: &Parts) -> Result<Sequence, Conflict> {
    let mut stretches = Stretches::new(parts);
    for item in &parts.items {
        if item.inside().is_empty() {
            stretches.sequence.in_and_out(item);
        }
    }
    while let Some(task) = stretches.tasks.pop() {
        match task {
            Task::Pops(bottoms, gap) => {
                for item in bottoms.into_iter().rev() {
                    stretches.sequence.take_out(&parts.items[item], gap);
                }
            }
            Task::Stretches(from, to) => {
                if let Some(items) = stretches.first(from, to) {
                    return Err(Conflict { items, empties: Vec::new() });
                }
            }
        }
    }
    Ok(stretches.sequence)
}

impl<'p> Stretches<'p> {
    fn new(parts: &'p Parts) -> Self {
        let items = &parts.items;
        let mut order: Vec<usize> =
            (0..items.len()).filter(|item| !items[*item].inside().is_empty()).collect();
        order.sort_unstable_by_key(|item| items[*item].inside().start);
        let starts = Least::of(order.iter().map(|item| items[*item].es));
        Self {
            parts,
            inside: Counts::of(order.iter().map(|item| items[*item].inside()), parts.events),
            left: (0..=order.len()).collect(),
            starts,
            ends: Least::of(order.iter().map(|_| u32::MAX)),
            tasks: vec![Task::Stretches(0, order.len())],
            order,
            sequence: Sequence::default(),
        }
    }

    fn item(&self, at: usize) -> &'p Item {
        &self.parts.items[self.order[at]]
    }

    /// The first element that is left, from this one on.
    fn next(&mut self, at: usize) -> usize {
        let mut root = at;
        while self.left[root] != root {
            root = self.left[root];
        }
        let mut at = at;
        while self.left[at] != root {
            at = std::mem::replace(&mut self.left[at], root);
        }
        root
    }

    /// Takes the bottom out of the first stretch between these elements; answers with the stretch
    /// if it has none.
    fn first(&mut self, from: usize, to: usize) -> Option<Vec<usize>> {
        let first = self.next(from);
        if first >= to {
            return None;
        }
        let begin = self.item(first).inside().start;
        let free = self.inside.first_zero(begin);
        // Where no gap is free any more, an element stays for ever.
        let end = if free == self.parts.events { free + 1 } else { free };
        let after = first
            + self.order[first..to]
                .partition_point(|item| self.parts.items[*item].inside().start < free);
        while let Some((start, at)) = self.starts.within(first, after)
            && start < begin
        {
            self.starts.set(at, u32::MAX);
            self.ends.set(at, u32::MAX - 1 - self.item(at).de);
        }
        let mut bottoms = Vec::new();
        while let Some((distance, at)) = self.ends.within(first, after)
            && u32::MAX - 1 - distance > end
        {
            self.ends.set(at, u32::MAX);
            self.left[at] = at + 1;
            self.inside.remove(self.item(at).inside());
            bottoms.push(self.order[at]);
        }
        if bottoms.is_empty() {
            let mut stretch = Vec::new();
            let mut at = first;
            while at < after {
                stretch.push(self.order[at]);
                at = self.next(at + 1);
            }
            return Some(stretch);
        }
        for item in &bottoms {
            self.sequence.put_in(&self.parts.items[*item], begin - 1);
        }
        bottoms.retain(|item| self.parts.items[*item].fate != Fate::Open);
        self.tasks.push(Task::Stretches(after, to));
        self.tasks.push(Task::Pops(bottoms, end));
        self.tasks.push(Task::Stretches(first, after));
        None
    }
}
