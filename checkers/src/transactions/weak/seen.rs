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

/// The writers of a key in one session, in its order.
#[derive(Clone, Copy, Debug)]
struct Run {
    session: u32,
    /// Where they begin; they end where the next run begins.
    start: u32,
}

/// Causality by vector clocks: by session, how many of its transactions lead to one.
///
/// What leads to whom was read from as well is left out: reads and sessions put it before that one
/// already. So of a session only the transactions count by which the reader's clock is ahead of
/// that of whom it read from, and few sessions have any.
struct Clocks<'s> {
    sources: &'s Sources<'s>,
    sessions: usize,
    /// By key, where its runs begin.
    starts: Vec<u32>,
    runs: Vec<Run>,
    /// The writers of each run: which of its session's transactions, and its name.
    writers: Vec<(u32, TxnId)>,
    /// By transaction, how many others still need its clock.
    uses: Vec<u32>,
    /// By transaction, which of the clocks is its own.
    places: Vec<u32>,
    /// One clock behind the other.
    memory: Vec<u32>,
    /// Clocks that nobody needs any more.
    spare: Vec<u32>,
}

impl<'s> Clocks<'s> {
    fn new(sources: &'s Sources<'s>) -> Self {
        let history = sources.history();
        let mut uses = vec![0; history.len()];
        for txn in history.txns().filter(|txn| sources.happened(*txn)) {
            let froms = sources.reads(txn).filter_map(|(_, from)| from);
            for from in froms.chain(sources.before(txn)) {
                uses[from as usize] += 1;
            }
        }
        let mut clocks = Self {
            sources,
            sessions: sources.sessions() as usize,
            starts: Vec::with_capacity(history.keys().len() + 1),
            runs: Vec::new(),
            writers: Vec::new(),
            uses,
            places: vec![NEVER; history.len()],
            memory: Vec::new(),
            spare: Vec::new(),
        };
        clocks.place_writers();
        clocks
    }

    fn place_writers(&mut self) {
        let sources = self.sources;
        let mut left = sources.left_behind().peekable();
        let mut of_key: Vec<(Place, TxnId)> = Vec::new();
        for (key, _) in (0..).zip(sources.history().keys()) {
            self.starts.push(u32::try_from(self.runs.len()).unwrap_or(NEVER));
            of_key.clear();
            while let Some((_, txn)) = left.next_if(|(other, _)| *other == key) {
                of_key.push((sources.at(txn), txn));
            }
            of_key.sort_unstable();
            let mut last = None;
            for (Place { session, nth }, txn) in &of_key {
                if last.replace(*session) != Some(*session) {
                    let start = u32::try_from(self.writers.len()).unwrap_or(NEVER);
                    self.runs.push(Run { session: *session, start });
                }
                self.writers.push((*nth, *txn));
            }
        }
        self.starts.push(u32::try_from(self.runs.len()).unwrap_or(NEVER));
        let start = u32::try_from(self.writers.len()).unwrap_or(NEVER);
        self.runs.push(Run { session: NEVER, start });
    }

    fn run(
        mut self,
        order: &[TxnId],
        limits: &Limits,
        found: &mut dyn FnMut(Derived),
    ) -> Result<(), String> {
        let sessions = self.sessions;
        if order.len() as u64 * sessions as u64 > MOST {
            return Err(format!("{sessions} sessions are too many for causality"));
        }
        let nothing = vec![0; sessions];
        let mut clock = vec![0; sessions];
        let mut reads: Vec<ReadFrom> = Vec::new();
        for (count, txn) in order.iter().copied().enumerate() {
            if count % 1024 == 0 && limits.are_exceeded() {
                return Err(limits.exceeded().unwrap_or("a limit").to_owned());
            }
            if !self.sources.happened(txn) {
                continue;
            }
            reads.clear();
            reads.extend(self.sources.reads(txn));
            let before = self.sources.before(txn);
            clock.fill(0);
            for from in before.into_iter().chain(reads.iter().filter_map(|(_, from)| *from)) {
                for (left, right) in clock.iter_mut().zip(self.known(from).unwrap_or_default()) {
                    *left = (*left).max(*right);
                }
            }
            for (key, after) in &reads {
                let seen = after.and_then(|after| self.known(after)).unwrap_or(&nothing);
                self.missed(*key, &clock, seen, &mut |before| {
                    found(Derived { before, after: *after, reader: txn, key: *key });
                });
            }
            for from in before.into_iter().chain(reads.iter().filter_map(|(_, from)| *from)) {
                self.release(from);
            }
            let Place { session, nth } = self.sources.at(txn);
            clock[session as usize] = nth + 1;
            self.keep(txn, &clock);
        }
        Ok(())
    }

    /// The clock of a transaction that somebody still needs.
    fn known(&self, txn: TxnId) -> Option<&[u32]> {
        let start = (self.places[txn as usize] as usize).checked_mul(self.sessions)?;
        self.memory.get(start..start.checked_add(self.sessions)?)
    }

    fn keep(&mut self, txn: TxnId, clock: &[u32]) {
        if self.uses[txn as usize] == 0 {
            return;
        }
        let place = self.spare.pop().unwrap_or_else(|| {
            let place = u32::try_from(self.memory.len() / self.sessions).unwrap_or(NEVER);
            self.memory.resize(self.memory.len() + self.sessions, 0);
            place
        });
        self.places[txn as usize] = place;
        let start = place as usize * self.sessions;
        self.memory[start..start + self.sessions].copy_from_slice(clock);
    }

    fn release(&mut self, from: TxnId) {
        let uses = &mut self.uses[from as usize];
        *uses = uses.saturating_sub(1);
        if *uses == 0 {
            let place = std::mem::replace(&mut self.places[from as usize], NEVER);
            self.spare.extend((place != NEVER).then_some(place));
        }
    }

    /// Of each session that wrote a key, the last that this clock knows, unless the other, of whom
    /// the key was read from, knows it too.
    fn missed(&self, key: KeyId, clock: &[u32], seen: &[u32], miss: &mut dyn FnMut(TxnId)) {
        let range = self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize;
        let runs = &self.runs[range.start..=range.end];
        for pair in runs.windows(2) {
            let session = pair[0].session as usize;
            let (known, seen) = (clock[session], seen[session]);
            if known <= seen {
                continue;
            }
            let writers = &self.writers[pair[0].start as usize..pair[1].start as usize];
            let count = writers.partition_point(|(nth, _)| *nth < known);
            if let Some((nth, before)) = writers[..count].last()
                && *nth >= seen
            {
                miss(*before);
            }
        }
    }
}
