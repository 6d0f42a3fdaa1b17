//! Which transactions a level puts before which, because of what a reader saw.

use super::sources::{Place, Sources};
use super::{Level, ReadFrom};
use crate::transactions::history::{KeyId, TxnId};
use schism_core::limits::Limits;

/// A reader saw `before`, which wrote the key, and yet read the key from `after`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Derived {
    pub(super) before: TxnId,
    /// `None` for the initial state, which nothing can come before.
    pub(super) after: Option<TxnId>,
    pub(super) reader: TxnId,
    pub(super) key: KeyId,
}

/// Tells `found` all that matters of what the level derives; the rest follows from that, sessions
/// and reads. `order` agrees with sessions and reads; it is needed for causality only.
pub(super) fn derive(
    sources: &Sources<'_>,
    level: Level,
    order: Option<&[TxnId]>,
    limits: &Limits,
    found: &mut dyn FnMut(Derived),
) -> Result<(), String> {
    match level {
        Level::ReadCommitted | Level::ReadAtomic => direct(sources, level, limits, found),
        Level::Causal => Clocks::new(sources).run(order.unwrap_or_default(), limits, found),
    }
}

const NEVER: u32 = u32::MAX;

/// What the transaction at hand read of a key.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Its reader, plus 1.
    stamp: u32,
    /// The first read of the key that is known: its place among the reads.
    first: u32,
}

/// What is seen through reads, and for read atomic through the session.
fn direct(
    sources: &Sources<'_>,
    level: Level,
    limits: &Limits,
    found: &mut dyn FnMut(Derived),
) -> Result<(), String> {
    let mut readings = Readings::new(sources);
    for (count, reader) in sources.history().returns().iter().enumerate() {
        if count % 4096 == 0 && limits.are_exceeded() {
            return Err(limits.exceeded().unwrap_or("a limit").to_owned());
        }
        readings.of(*reader, level, found);
    }
    if level == Level::ReadAtomic {
        session_writes(sources, found);
    }
    Ok(())
}

/// The reads of one transaction after the other, with their memory.
struct Readings<'s> {
    sources: &'s Sources<'s>,
    slots: Vec<Slot>,
    /// By writer: the last reader to have met it, plus 1.
    met: Vec<u32>,
    reads: Vec<ReadFrom>,
    /// By read: is it the first from its writer?
    first: Vec<bool>,
    /// By read, the next one of its key from another writer.
    next: Vec<u32>,
    /// The keys read so far.
    keys: Vec<KeyId>,
}

impl<'s> Readings<'s> {
    fn new(sources: &'s Sources<'s>) -> Self {
        let history = sources.history();
        Self {
            sources,
            slots: vec![Slot { stamp: 0, first: NEVER }; history.keys().len()],
            met: vec![0; history.len()],
            reads: Vec::new(),
            first: Vec::new(),
            next: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// From the last read to the first, so that what is known of keys is what is read later.
    fn of(&mut self, reader: TxnId, level: Level, found: &mut dyn FnMut(Derived)) {
        self.reads.clear();
        self.reads.extend(self.sources.reads(reader));
        self.first.clear();
        for (_, from) in &self.reads {
            let met = from.map(|writer| {
                std::mem::replace(&mut self.met[writer as usize], reader + 1) != reader + 1
            });
            self.first.push(met.unwrap_or(false));
        }
        self.next.clear();
        self.next.resize(self.reads.len(), NEVER);
        self.keys.clear();
        for place in (0..self.reads.len()).rev() {
            if level == Level::ReadCommitted && self.first[place] {
                self.meet(reader, place, found);
            }
            self.note(reader, place);
        }
        if level == Level::ReadAtomic {
            for place in 0..self.reads.len() {
                if self.first[place] {
                    self.meet(reader, place, found);
                }
            }
        }
    }

    fn note(&mut self, reader: TxnId, place: usize) {
        let (key, from) = self.reads[place];
        let slot = &mut self.slots[key as usize];
        if slot.stamp == reader + 1 {
            let after = slot.first as usize;
            let same = self.reads[after].1 == from;
            self.next[place] = if same { self.next[after] } else { slot.first };
        } else {
            slot.stamp = reader + 1;
            self.keys.push(key);
        }
        slot.first = u32::try_from(place).unwrap_or(NEVER);
    }

    /// The reader saw the writer of a read: what of it did it miss in the reads that are known?
    fn meet(&self, reader: TxnId, place: usize, found: &mut dyn FnMut(Derived)) {
        let Some(before) = self.reads[place].1 else { return };
        let mut miss = |key: KeyId| {
            let Slot { stamp, first } = self.slots[key as usize];
            if stamp != reader + 1 {
                return;
            }
            let own = self.reads[first as usize].1 == Some(before);
            let other = if own { self.next[first as usize] } else { first };
            if other != NEVER {
                found(Derived { before, after: self.reads[other as usize].1, reader, key });
            }
        };
        let written = self.sources.written(before);
        if written.len() <= self.keys.len() {
            written.iter().copied().for_each(&mut miss);
        } else {
            let keys = self.keys.iter().copied();
            keys.filter(|key| self.sources.writes(before, *key)).for_each(&mut miss);
        }
    }
}

/// What a session had written before, and a reader of it missed.
fn session_writes(sources: &Sources<'_>, found: &mut dyn FnMut(Derived)) {
    let history = sources.history();
    let mut by_session: Vec<(Place, TxnId)> = history
        .txns()
        .filter(|txn| sources.happened(*txn))
        .map(|txn| (sources.at(txn), txn))
        .collect();
    by_session.sort_unstable();
    // By key: who of which session last wrote it.
    let mut wrote: Vec<(u32, TxnId)> = vec![(NEVER, 0); history.keys().len()];
    for (Place { session, .. }, reader) in by_session {
        for (key, after) in sources.reads(reader) {
            let (of, before) = wrote[key as usize];
            if of == session && after != Some(before) {
                found(Derived { before, after, reader, key });
            }
        }
        for key in sources.written(reader) {
            wrote[*key as usize] = (session, reader);
        }
    }
}

/// How much work clocks may be.
const MOST: u64 = 1 << 35;

/// Causality by vector clocks: by session, how many of its transactions lead to one.
struct Clocks<'s> {
    sources: &'s Sources<'s>,
    /// By key, where its writers begin; those are in the order of sessions.
    starts: Vec<u32>,
    writers: Vec<(Place, TxnId)>,
    /// By transaction, how many others still need its clock.
    uses: Vec<u32>,
    known: Vec<Option<Box<[u32]>>>,
    spare: Vec<Box<[u32]>>,
}

impl<'s> Clocks<'s> {
    fn new(sources: &'s Sources<'s>) -> Self {
        let history = sources.history();
        let mut starts = vec![0_u32; history.keys().len() + 1];
        let mut writers: Vec<(Place, TxnId)> = Vec::new();
        for (key, txn) in sources.left_behind() {
            starts[key as usize + 1] += 1;
            writers.push((sources.at(txn), txn));
        }
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        for pair in starts.windows(2) {
            writers[pair[0] as usize..pair[1] as usize].sort_unstable();
        }
        let mut uses = vec![0; history.len()];
        for txn in history.txns().filter(|txn| sources.happened(*txn)) {
            let froms = sources.reads(txn).filter_map(|(_, from)| from);
            for from in froms.chain(sources.before(txn)) {
                uses[from as usize] += 1;
            }
        }
        let known = history.txns().map(|_| None).collect();
        Self { sources, starts, writers, uses, known, spare: Vec::new() }
    }

    fn run(
        mut self,
        order: &[TxnId],
        limits: &Limits,
        found: &mut dyn FnMut(Derived),
    ) -> Result<(), String> {
        let sessions = self.sources.sessions() as usize;
        if order.len() as u64 * sessions as u64 > MOST {
            return Err(format!("{sessions} sessions are too many for causality"));
        }
        let mut froms: Vec<TxnId> = Vec::new();
        for (count, txn) in order.iter().copied().enumerate() {
            if count % 1024 == 0 && limits.are_exceeded() {
                return Err(limits.exceeded().unwrap_or("a limit").to_owned());
            }
            if !self.sources.happened(txn) {
                continue;
            }
            let mut clock =
                self.spare.pop().unwrap_or_else(|| vec![0; sessions].into_boxed_slice());
            clock.fill(0);
            froms.clear();
            froms.extend(self.sources.reads(txn).filter_map(|(_, from)| from));
            froms.extend(self.sources.before(txn));
            for from in &froms {
                self.join(&mut clock, *from);
            }
            self.derive(txn, &clock, found);
            let Place { session, nth } = self.sources.at(txn);
            clock[session as usize] = nth + 1;
            if self.uses[txn as usize] > 0 {
                self.known[txn as usize] = Some(clock);
            } else {
                self.spare.push(clock);
            }
        }
        Ok(())
    }

    fn join(&mut self, clock: &mut [u32], from: TxnId) {
        let slot = &mut self.known[from as usize];
        if let Some(other) = slot {
            for (left, right) in clock.iter_mut().zip(other.iter()) {
                *left = (*left).max(*right);
            }
        }
        let uses = &mut self.uses[from as usize];
        *uses = uses.saturating_sub(1);
        if *uses == 0 {
            self.spare.extend(slot.take());
        }
    }

    /// Of each session that wrote a key, the last that leads here comes before what was read.
    fn derive(&self, reader: TxnId, clock: &[u32], found: &mut dyn FnMut(Derived)) {
        for (key, after) in self.sources.reads(reader) {
            let range = self.starts[key as usize]..self.starts[key as usize + 1];
            let mut rest = &self.writers[range.start as usize..range.end as usize];
            while let Some((Place { session, .. }, _)) = rest.first() {
                let of_session = rest.partition_point(|(place, _)| place.session == *session);
                let (here, others) = rest.split_at(of_session);
                let known = here.partition_point(|(place, _)| place.nth < clock[*session as usize]);
                rest = others;
                let Some((_, before)) = here[..known].last().copied() else { continue };
                if Some(before) != after {
                    found(Derived { before, after, reader, key });
                }
            }
        }
    }
}
