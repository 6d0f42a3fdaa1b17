//! Many keys, each worked on by a group of threads (Jepsen's `independent/concurrent-generator`).
//!
//! The client threads are divided into groups. A group works on one key until the key's generator
//! is exhausted, then takes the next key. Histories of single keys stay short, which is what makes
//! them cheap to judge, while the run as a whole is long.

use super::soonest::spread;
use super::{Context, Emit, Gen, Generator, NOT_PEEKED, Next, Thread, ThreadSet};
use crate::api::Api;
use crate::event::Event;
use std::cell::{Cell, OnceCell, RefCell};

/// Groups of `group_size` client threads each, which run what `generator` makes for one key after
/// the other out of `keys`, which may be endless. The nemesis has no part in it.
///
/// Threads are divided evenly: where their number isn't a multiple of `group_size` some groups are
/// larger; where there are too few there is one smaller group. A key's generator sees only its
/// group's threads and what happens on them. Groups take turns; a peek costs `O(groups)` while none
/// has an operation at once.
pub fn per_key<A, K>(
    group_size: usize,
    keys: impl IntoIterator<Item = K, IntoIter: 'static>,
    generator: impl FnMut(K) -> Gen<A> + 'static,
) -> Gen<A>
where
    A: Api,
    K: 'static,
{
    let supply = Box::new(keys.into_iter().map(generator));
    super::on_threads::clients(Box::new(PerKey {
        group_size: group_size.max(1),
        supply: RefCell::new(supply),
        groups: OnceCell::new(),
        count: 0,
        chosen: Cell::new(None),
    }))
}

/// How many keys in a row may have nothing to do before it waits for a moment.
const EMPTY_KEYS: usize = 1000;

struct PerKey<A: Api> {
    group_size: usize,
    /// The generators of the keys to come.
    supply: RefCell<Box<dyn Iterator<Item = Gen<A>>>>,
    groups: OnceCell<Groups<A>>,
    /// Operations so far.
    count: u64,
    /// What the last `peek` chose.
    chosen: Cell<Option<usize>>,
}

struct Groups<A: Api> {
    groups: Vec<Group<A>>,
    of_thread: Vec<usize>,
}

struct Group<A: Api> {
    threads: ThreadSet,
    /// Behind a cell because `peek` goes on to the next key; none when there are no more keys.
    current: RefCell<Option<Gen<A>>>,
}

impl<A: Api> Group<A> {
    /// What this group does next; goes on to the next key where one is exhausted.
    fn peek(
        &self,
        context: &Context<'_>,
        supply: &RefCell<Box<dyn Iterator<Item = Gen<A>>>>,
    ) -> Next<A> {
        let mut current = self.current.borrow_mut();
        for _ in 0..EMPTY_KEYS {
            let Some(generator) = current.as_ref() else { return Next::Done };
            let next = generator.peek(&context.restricted(&self.threads));
            if next != Next::Done {
                return next;
            }
            *current = supply.borrow_mut().next();
        }
        Next::Pending
    }
}

impl<A: Api> PerKey<A> {
    fn groups(&self, context: &Context<'_>) -> &Groups<A> {
        self.groups.get_or_init(|| {
            let threads: Vec<Thread> = context.threads().iter().collect();
            let count = (threads.len() / self.group_size).max(1);
            let mut of_thread = vec![0; threads.last().map_or(0, |last| last + 1)];
            let groups = (0..count).map(|at| {
                let share = at * threads.len() / count..(at + 1) * threads.len() / count;
                let members = &threads[share];
                for thread in members {
                    of_thread[*thread] = at;
                }
                let current = RefCell::new(self.supply.borrow_mut().next());
                Group { threads: members.iter().copied().collect(), current }
            });
            Groups { groups: groups.collect(), of_thread }
        })
    }
}

impl<A: Api> Generator<A> for PerKey<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        let Groups { groups, of_thread } = self.groups(context);
        let mut best: Option<Emit<A>> = None;
        let mut last_asked = None;
        for thread in context.free_from(spread(self.count)) {
            let at = of_thread[thread];
            // The members of a group are neighbours.
            if last_asked.replace(at) == Some(at) {
                continue;
            }
            let Next::Op(emit) = groups[at].peek(context, &self.supply) else { continue };
            if best.as_ref().is_none_or(|best| emit.time < best.time) {
                // Nothing can be sooner than now, and whose turn it is was chosen fairly.
                let now = emit.time <= context.time;
                self.chosen.set(Some(at));
                best = Some(emit);
                if now {
                    break;
                }
            }
        }
        match best {
            Some(emit) => Next::Op(emit),
            None if groups.iter().any(|group| group.current.borrow().is_some()) => Next::Pending,
            None => Next::Done,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let at = self.chosen.take().expect(NOT_PEEKED);
        self.count += 1;
        let group = &mut self.groups.get_mut().expect(NOT_PEEKED).groups[at];
        let generator = group.current.get_mut().as_mut().expect(NOT_PEEKED);
        generator.take(&context.restricted(&group.threads))
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        let Some(Groups { groups, of_thread }) = self.groups.get_mut() else { return };
        let Some(at) = of_thread.get(thread) else { return };
        let group = &mut groups[*at];
        if let Some(generator) = group.current.get_mut() {
            generator.update(&context.restricted(&group.threads), thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, run_with, summary};
    use super::super::{GenExt as _, per_key};
    use std::collections::BTreeMap;

    /// The threads that worked on each key, and on how many elements.
    fn keys(clients: usize, group: usize, count: i64) -> BTreeMap<i64, (Vec<usize>, usize)> {
        let generator = per_key(group, 0..count, |key| adds(key * 100).limit(12));
        let mut keys: BTreeMap<i64, (Vec<usize>, usize)> = BTreeMap::new();
        for (_, thread, element) in summary(&run_with(clients, generator)) {
            let (threads, elements) = keys.entry(element / 100).or_default();
            *elements += 1;
            if !threads.contains(&thread) {
                threads.push(thread);
                threads.sort_unstable();
            }
        }
        keys
    }

    #[test]
    fn each_key_belongs_to_one_group_until_it_is_exhausted() {
        let keys = keys(6, 2, 10);
        assert_eq!(keys.len(), 10);
        for (key, (threads, elements)) in keys {
            assert_eq!(elements, 12, "of {key}");
            assert!([vec![0, 1], vec![2, 3], vec![4, 5]].contains(&threads), "{threads:?}");
        }
    }

    #[test]
    fn no_thread_is_left_over() {
        let of = |clients, group| -> Vec<Vec<usize>> {
            let mut groups: Vec<_> = keys(clients, group, 4).into_values().map(|k| k.0).collect();
            groups.sort();
            groups.dedup();
            groups
        };
        assert_eq!(of(5, 2), [vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(of(3, 9), [vec![0, 1, 2]]);
    }

    #[test]
    fn fewer_keys_than_groups_and_endless_empty_keys_are_fine() {
        assert_eq!(keys(6, 2, 1).len(), 1);
        assert!(keys(6, 2, 0).is_empty());
        let mostly_empty = per_key(2, 0.., |key: i64| adds(key).limit(u64::from(key == 2500)));
        assert_eq!(summary(&run_with(2, mostly_empty.limit(1))).len(), 1);
    }
}
