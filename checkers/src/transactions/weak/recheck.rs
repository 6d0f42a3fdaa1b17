//! Rechecks what the levels' graphs say, by the axioms alone.

use super::Level;
use super::seen::Derived;
use super::sources::Sources;
use crate::transactions::history::TxnId;
use rustc_hash::{FxHashMap, FxHashSet};

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

/// Is this an order of commits as the level's axioms want it?
pub(super) fn order(sources: &Sources<'_>, level: Level, order: &[TxnId]) -> bool {
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
        return false;
    }
    match level {
        Level::ReadCommitted | Level::ReadAtomic => {
            history.returns().iter().all(|reader| reads_fit(sources, level, *reader, &place))
                && (level == Level::ReadCommitted || sessions_fit(sources, &place))
        }
        Level::Causal => history_fits(sources, order, &place),
    }
}

/// Does each read come from the last that the reader saw of those who wrote the key?
fn reads_fit(
    sources: &Sources<'_>,
    level: Level,
    reader: TxnId,
    place: &impl Fn(Option<TxnId>) -> u32,
) -> bool {
    let reads: Vec<_> = sources.reads(reader).collect();
    let mut keys: Vec<u32> = reads.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    // By key, the last place of a writer that is seen.
    let mut latest: FxHashMap<u32, u32> = FxHashMap::default();
    let mut met: FxHashSet<TxnId> = FxHashSet::default();
    let mut see = |latest: &mut FxHashMap<u32, u32>, writer: Option<TxnId>| {
        let Some(writer) = writer.filter(|writer| met.insert(*writer)) else { return };
        let written = sources.written(writer);
        let mut add = |key: u32| {
            let last = latest.entry(key).or_default();
            *last = (*last).max(place(Some(writer)));
        };
        if written.len() <= keys.len() {
            written.iter().copied().for_each(&mut add);
        } else {
            keys.iter().copied().filter(|key| sources.writes(writer, *key)).for_each(&mut add);
        }
    };
    if level == Level::ReadAtomic {
        for (_, from) in &reads {
            see(&mut latest, *from);
        }
    }
    reads.iter().all(|(key, from)| {
        see(&mut latest, *from);
        latest.get(key).is_none_or(|last| *last <= place(*from))
    })
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

/// The same for all that leads to a reader: by clocks along the order itself.
fn history_fits(
    sources: &Sources<'_>,
    order: &[TxnId],
    place: &impl Fn(Option<TxnId>) -> u32,
) -> bool {
    let mut fits = true;
    let check = &mut |derived: Derived| {
        fits &= place(Some(derived.before)) <= place(derived.after);
    };
    let unlimited = schism_core::limits::Limits::default();
    let run = super::seen::derive(sources, Level::Causal, Some(order), &unlimited, check);
    run.is_ok() && fits
}
