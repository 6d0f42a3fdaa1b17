//! The sets of a history in columns: elements as small numbers in the order of their values, reads
//! as lists of these. What follows never compares or hashes an element again.

use rustc_hash::FxHashMap;
use schism_core::api::elements::{self, Elements};
use schism_core::api::set::{Call, Reply, Set};
use schism_core::api::{Api, Key};
use schism_core::history::History;
use schism_core::op::{Op, Outcome};
use std::collections::BTreeMap;

/// An Api of sets that only grow, which [`SetFull`](super::SetFull) can judge.
pub trait GrowSet: Api {
    #[doc(hidden)]
    fn columns(history: &History<Self>) -> Vec<OneSet<'_, Self>>;
}

/// One set.
#[derive(Debug)]
pub struct OneSet<'h, A: Api> {
    /// Its key, where there are several.
    pub(crate) key: Option<Key>,
    /// The elements by number, in the order of their values.
    pub(crate) elements: Vec<Element<'h, A>>,
    /// The reads that succeeded, in the order of invocation, with what they returned.
    pub(crate) reads: Vec<Read<'h, A>>,
}

impl<A: Api> OneSet<'_, A> {
    /// The index at which each element was acknowledged first, and its number, in that order.
    pub(crate) fn by_acknowledgement(&self) -> Vec<(u64, usize)> {
        let mut by_ack: Vec<(u64, usize)> = (0..)
            .zip(&self.elements)
            .filter_map(|(number, element)| Some((element.acknowledged?.returned()?, number)))
            .collect();
        by_ack.sort_unstable();
        by_ack
    }
}

/// What is known of one element.
#[derive(Debug)]
pub(crate) struct Element<'h, A: Api> {
    pub(crate) value: Key,
    /// The add that may have happened and was invoked first.
    pub(crate) added: Option<&'h Op<A>>,
    /// The add that was acknowledged first.
    pub(crate) acknowledged: Option<&'h Op<A>>,
    /// An add that certainly failed.
    pub(crate) failed: Option<&'h Op<A>>,
}

/// A read that succeeded.
#[derive(Debug)]
pub(crate) struct Read<'h, A: Api> {
    pub(crate) op: &'h Op<A>,
    /// The distinct elements, ascending.
    pub(crate) has: Vec<u32>,
    /// Those that it returned more than once.
    pub(crate) twice: Vec<u32>,
}

impl<A: Api> Read<'_, A> {
    pub(crate) fn has(&self, element: usize) -> bool {
        self.has.binary_search_by(|other| (*other as usize).cmp(&element)).is_ok()
    }
}

/// A set while it is being gathered: elements numbered as they come.
struct Gathered<'h, A: Api> {
    numbers: FxHashMap<Key, u32>,
    elements: Vec<Element<'h, A>>,
    reads: Vec<(&'h Op<A>, Vec<u32>)>,
}

impl<'h, A: Api> Gathered<'h, A> {
    fn new() -> Self {
        Self { numbers: FxHashMap::default(), elements: Vec::new(), reads: Vec::new() }
    }

    fn number(&mut self, value: &Key) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = u32::try_from(self.elements.len()).unwrap_or(u32::MAX);
        self.numbers.insert(value.clone(), number);
        let value = value.clone();
        self.elements.push(Element { value, added: None, acknowledged: None, failed: None });
        number
    }

    fn add(&mut self, op: &'h Op<A>, value: &Key) {
        let number = self.number(value) as usize;
        let element = &mut self.elements[number];
        match op.outcome {
            Outcome::Fail(_) => {
                element.failed.get_or_insert(op);
                return;
            }
            Outcome::Ok(_) => {
                if element.acknowledged.is_none_or(|by| op.returned() < by.returned()) {
                    element.acknowledged = Some(op);
                }
            }
            Outcome::Info(_) => {}
        }
        element.added.get_or_insert(op);
    }

    fn read(&mut self, op: &'h Op<A>, values: impl Iterator<Item = Key>) {
        let numbers = values.map(|value| self.number(&value)).collect();
        self.reads.push((op, numbers));
    }

    /// Numbers the elements by their order. `O(total length of the reads)`, and sorting.
    fn finish(self, key: Option<Key>) -> OneSet<'h, A> {
        let mut order: Vec<u32> = (0..).take(self.elements.len()).collect();
        order.sort_by(|left, right| {
            let value = |number: &u32| &self.elements[*number as usize].value;
            value(left).cmp(value(right))
        });
        let mut rank = vec![0; order.len()];
        for (position, number) in (0..).zip(&order) {
            rank[*number as usize] = position;
        }
        let mut ranked: Vec<_> = rank.iter().copied().zip(self.elements).collect();
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        let elements = ranked.into_iter().map(|(_, element)| element).collect();
        let reads = self.reads.into_iter().map(|(op, mut has)| {
            for number in &mut has {
                *number = rank[*number as usize];
            }
            has.sort_unstable();
            let mut twice: Vec<u32> =
                has.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
            twice.dedup();
            has.dedup();
            Read { op, has, twice }
        });
        let reads = reads.collect();
        OneSet { key, elements, reads }
    }
}

impl GrowSet for Set {
    fn columns(history: &History<Self>) -> Vec<OneSet<'_, Self>> {
        let mut set = Gathered::new();
        for op in history.ops() {
            match (&op.call, op.reply()) {
                (Call::Add(element), _) => set.add(op, &Key::Int(*element)),
                (Call::Read, Some(Reply::Read(elements))) => {
                    set.read(op, elements.iter().copied().map(Key::Int));
                }
                (Call::Read, _) => {}
            }
        }
        vec![set.finish(None)]
    }
}

impl GrowSet for Elements {
    fn columns(history: &History<Self>) -> Vec<OneSet<'_, Self>> {
        use elements::{Call, Reply};
        let keyed = values_are_keyed(history);
        let mut sets: BTreeMap<Option<&Key>, Gathered<'_, Self>> = BTreeMap::new();
        for op in history.ops() {
            match (&op.call, op.reply()) {
                (Call::Add(add), _) => {
                    let (key, element) = match &add.pair {
                        Some((key, element)) if keyed => (Some(key), element),
                        _ => (add.key.as_ref(), &add.element),
                    };
                    sets.entry(key).or_insert_with(Gathered::new).add(op, element);
                }
                (Call::Read { key, .. }, Some(Reply::Read(contents))) => {
                    let (key, elements) = match &contents.pair {
                        Some((key, members)) if keyed => (Some(key), members),
                        _ => (key.as_ref(), &contents.elements),
                    };
                    let set = sets.entry(key).or_insert_with(Gathered::new);
                    set.read(op, elements.iter().cloned());
                }
                (Call::Read { .. }, _) => {}
            }
        }
        sets.into_iter().map(|(key, set)| set.finish(key.cloned())).collect()
    }
}

/// Are all values `[key element]`, `[key nil]` and `[key elements]`? Only then are they taken so.
fn values_are_keyed(history: &History<Elements>) -> bool {
    use elements::{Call, Reply};
    history.ops().iter().all(|op| match (&op.call, op.reply()) {
        (Call::Add(add), _) => add.key.is_none() && add.pair.is_some(),
        (Call::Read { key, asked }, reply) => {
            let answered = match reply {
                Some(Reply::Read(contents)) => {
                    contents.pair.as_ref().map(|(key, _)| key) == asked.as_ref()
                }
                _ => true,
            };
            key.is_none() && asked.is_some() && answered
        }
    })
}
