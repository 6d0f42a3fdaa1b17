//! Rechecks what the levels' graphs say, by the axioms alone.

use super::seen::Derived;
use super::sources::Sources;
use super::{Level, ReadFrom};
use crate::transactions::history::TxnId;
use rustc_hash::{FxHashMap, FxHashSet};
use schism_core::limits::Limits;

/// Did the reader see `before`, which wrote the key, and read the key from another? For causality
/// `O(transactions)`.
pub(super) fn derived(sources: &Sources<'_>, level: Level, derived: &Derived) -> bool {
    let Derived { before, after, reader, key } = *derived;
    let reads: Vec<_> = sources.reads(reader).collect();
    if !sources.writes(before, key) || after == Some(before) || !reads.contains(&(key, after)) {
        return false;
    }
    match level {
        Level::ReadCommitted => {
            let first = reads.iter().position(|(_, from)| *from == Some(before));
            first.is_some_and(|first| reads[first..].contains(&(key, after)))
        }
        Level::ReadAtomic => {
            let read = reads.iter().any(|(_, from)| *from == Some(before));
            read || std::iter::successors(Some(reader), |txn| sources.before(*txn))
                .skip(1)
                .any(|txn| txn == before)
        }
        Level::Causal => {
            let mut known: FxHashSet<TxnId> = FxHashSet::default();
            let mut todo = vec![reader];
            while let Some(txn) = todo.pop() {
                let froms = sources.reads(txn).filter_map(|(_, from)| from);
                for from in froms.chain(sources.before(txn)) {
                    if from == before {
                        return true;
                    }
                    if known.insert(from) {
                        todo.push(from);
                    }
                }
            }
            false
        }
    }
}

/// Is this an order of commits as the level's axioms want it? `None` if a limit was reached first.
pub(super) fn order(
    sources: &Sources<'_>,
    level: Level,
    order: &[TxnId],
    limits: &Limits,
) -> Option<bool> {
    let history = sources.history();
    let mut places: Vec<u32> = vec![0; history.len()];
    for (place, txn) in (1..).zip(order) {
        places[*txn as usize] = place;
    }
    let place = |txn: Option<TxnId>| txn.map_or(0, |txn| places[txn as usize]);
    let agrees = |txn: TxnId| {
        let earlier = |from: Option<TxnId>| place(from) < places[txn as usize];
        earlier(sources.before(txn)) && sources.reads(txn).all(|(_, from)| earlier(from))
    };
    if places.contains(&0) || !history.txns().filter(|txn| sources.happened(*txn)).all(agrees) {
        return Some(false);
    }
    if level == Level::Causal {
        return history_fits(sources, order, &place, limits);
    }
    let mut fits = Fits::new(sources, level);
    for readers in history.returns().chunks(4096) {
        if limits.are_exceeded() {
            return None;
        }
        if !readers.iter().all(|reader| fits.reads(*reader, &place)) {
            return Some(false);
        }
    }
    Some(level == Level::ReadCommitted || sessions_fit(sources, &place))
}

/// Does each read come from the last that the reader saw of those who wrote the key?
struct Fits<'s> {
    sources: &'s Sources<'s>,
    level: Level,
    reads: Vec<ReadFrom>,
    /// By key: the reader that read it last, plus 1; the last place of a writer that it saw.
    latest: Vec<(u32, u32)>,
    /// By writer: the last reader that saw it, plus 1.
    met: Vec<u32>,
}

impl<'s> Fits<'s> {
    fn new(sources: &'s Sources<'s>, level: Level) -> Self {
        let history = sources.history();
        let latest = vec![(0, 0); history.keys().len()];
        Self { sources, level, reads: Vec::new(), latest, met: vec![0; history.len()] }
    }

    fn reads(&mut self, reader: TxnId, place: &impl Fn(Option<TxnId>) -> u32) -> bool {
        let mut reads = std::mem::take(&mut self.reads);
        reads.clear();
        reads.extend(self.sources.reads(reader));
        for (key, _) in &reads {
            self.latest[*key as usize] = (reader + 1, 0);
        }
        if self.level == Level::ReadAtomic {
            for (_, from) in &reads {
                self.see(reader, &reads, *from, place);
            }
        }
        let fits = reads.iter().all(|(key, from)| {
            self.see(reader, &reads, *from, place);
            self.latest[*key as usize].1 <= place(*from)
        });
        self.reads = reads;
        fits
    }

    fn see(
        &mut self,
        reader: TxnId,
        reads: &[ReadFrom],
        writer: Option<TxnId>,
        place: &impl Fn(Option<TxnId>) -> u32,
    ) {
        let Some(writer) = writer else { return };
        if std::mem::replace(&mut self.met[writer as usize], reader + 1) == reader + 1 {
            return;
        }
        let at = place(Some(writer));
        let latest = &mut self.latest;
        let mut add = |key: u32| {
            let (of, last) = &mut latest[key as usize];
            if *of == reader + 1 {
                *last = (*last).max(at);
            }
        };
        let written = self.sources.written(writer);
        if written.len() <= reads.len() {
            written.iter().copied().for_each(&mut add);
        } else {
            let keys = reads.iter().map(|(key, _)| *key);
            keys.filter(|key| self.sources.writes(writer, *key)).for_each(&mut add);
        }
    }
}

/// Does each read come from no earlier than what its session had written before?
fn sessions_fit(sources: &Sources<'_>, place: &impl Fn(Option<TxnId>) -> u32) -> bool {
    let history = sources.history();
    let mut wrote: FxHashMap<(u32, u32), TxnId> = FxHashMap::default();
    // Sessions go forward in the order of invocations.
    history.txns().filter(|txn| sources.happened(*txn)).all(|txn| {
        let session = sources.at(txn).session;
        let fits = sources.reads(txn).all(|(key, from)| {
            let before = wrote.get(&(session, key)).copied();
            place(before) <= place(from)
        });
        wrote.extend(sources.written(txn).iter().map(|key| ((session, *key), txn)));
        fits
    })
}

/// The same for all that leads to a reader: by clocks along the order itself. What these leave out
/// leads to whom was read from, and then its place is earlier, as has been seen.
fn history_fits(
    sources: &Sources<'_>,
    order: &[TxnId],
    place: &impl Fn(Option<TxnId>) -> u32,
    limits: &Limits,
) -> Option<bool> {
    let mut fits = true;
    let check = &mut |derived: Derived| {
        fits &= place(Some(derived.before)) <= place(derived.after);
    };
    super::seen::derive(sources, Level::Causal, Some(order), limits, check).ok()?;
    Some(fits)
}
