//! Which version of a register came before which, as far as that may be assumed.
//!
//! nil comes before all. Beyond that, each of these is an assumption that the user makes of the
//! store ([`Options`]):
//!
//! - *writes follow reads*: a transaction that read one version and wrote another replaced the one
//!   by the other, or by something in between;
//! - *sequential keys*: a process meets the versions of a key in their order;
//! - *linearizable keys*: so do transactions of which one ended before the other began.
//!
//! For the last two, a transaction's version at its end is what it wrote, else what it read, and at
//! its beginning what it read, else what it wrote. Only neighbours are joined: of two transactions
//! that both ended before a third began, not the one that also ended before the other began.
//!
//! Taken one after the other; one that makes some key's versions come before themselves is
//! `cyclic-versions`, and then nothing of that assumption is used. Each edge keeps the two
//! transactions it follows from, so that it can be rechecked. `O(edges × log edges)`; at most
//! `operations × concurrency` edges.

use super::{EXTERNAL, NONE, Registers, Version};
use crate::tally::Tally;
use crate::transactions::history::{Fate, KeyId, Mop, TxnHistory, TxnId};
use crate::transactions::scc::{self, Digraph, Next};
use crate::transactions::verify::Witness;
use crate::transactions::words::{labels, named, show};
use crate::words::some;

/// One version comes directly before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Succession {
    pub(super) from: Version,
    pub(super) to: Version,
    pub(super) witness: Witness,
}

/// Which version comes directly before which, in order.
#[derive(Debug, Default)]
pub(super) struct Successions(Vec<Succession>);

impl Successions {
    /// Those from one version.
    pub(super) fn after(&self, from: Version) -> &[Succession] {
        let start = self.0.partition_point(|one| one.from < from);
        let rest = &self.0[start..];
        &rest[..rest.partition_point(|one| one.from == from)]
    }

    /// All of them, those from one version together.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Succession]> {
        self.0.chunk_by(|left, right| left.from == right.from)
    }
}

/// How the order of two versions is known.
pub(super) fn note(history: &TxnHistory, witness: Witness) -> String {
    let label = |txn| labels(history, &[txn]);
    match witness {
        Witness::Update(txn) => format!("{} read the one and wrote the other", label(txn)),
        Witness::Process(first, second) => format!(
            "process {} met the one in {} and then the other in {}",
            history.process(first),
            label(first),
            label(second)
        ),
        Witness::Time(first, second) => format!(
            "{} met the one and ended before {} began, which met the other",
            label(first),
            label(second)
        ),
        Witness::Given(first, second) => {
            format!("{} is said to come before {}", label(first), label(second))
        }
    }
}

/// A transaction's versions of a key, where it begins and where it ends.
#[derive(Clone, Copy, Debug)]
struct Touch {
    txn: TxnId,
    first: Version,
    last: Version,
}

impl Registers<'_> {
    /// Orders versions as the options allow; contradictions go into the tally.
    pub(in crate::transactions) fn order_versions(&mut self, tally: &mut Tally) {
        let options = self.options;
        if !options.transaction_order.is_empty() {
            let found = self.given_order();
            self.accept(found, tally);
        }
        if options.wfr_keys {
            let found = self.writes_follow_reads();
            self.accept(found, tally);
        }
        if options.sequential_keys || options.linearizable_keys {
            let (starts, touches) = self.touches();
            let of_key = || starts.windows(2).map(|pair| &touches[pair[0]..pair[1]]);
            if options.sequential_keys {
                let found = of_key().flat_map(|touches| self.by_process(touches)).collect();
                self.accept(found, tally);
            }
            if options.linearizable_keys {
                let found = of_key().flat_map(|touches| self.by_time(touches)).collect();
                self.accept(found, tally);
            }
        }
    }

    /// Adds orders of versions, unless one then comes before itself.
    fn accept(&mut self, mut found: Vec<Succession>, tally: &mut Tally) {
        let before = std::mem::take(&mut self.successions.0);
        found.extend_from_slice(&before);
        found.sort_unstable();
        found.dedup_by_key(|one| (one.from, one.to));
        let graph = Versions::new(self, &found);
        let mut cycles: Vec<Vec<Version>> = Vec::new();
        scc::components(&graph, |members| {
            let mut members = members.to_vec();
            members.sort_unstable();
            cycles.push(members);
        });
        if cycles.is_empty() {
            self.successions.0 = found;
            return;
        }
        self.successions.0 = before;
        for members in cycles {
            tally.add("cyclic-versions", || self.cyclic(&members, &found));
        }
    }

    fn cyclic(&self, members: &[Version], found: &[Succession]) -> schism_core::verdict::Anomaly {
        let history = self.history;
        let inside = |one: &&Succession| {
            members.binary_search(&one.from).is_ok() && members.binary_search(&one.to).is_ok()
        };
        let word = |version: Version| {
            let value = self.shown(version).1;
            value.map_or_else(|| "nil".to_owned(), |value| show(history, value))
        };
        let edges: Vec<&Succession> = found.iter().filter(inside).take(8).collect();
        let key = history.key(members.first().map_or(0, |version| self.shown(*version).0));
        let words: Vec<String> = members.iter().take(8).map(|version| word(*version)).collect();
        let text = format!("of {key}, {} would each come before the others", some(&words));
        let mut txns: Vec<TxnId> = edges.iter().flat_map(|one| one.witness.txns()).collect();
        txns.sort_unstable();
        txns.dedup();
        let mut anomaly = named(history, "cyclic-versions", text, &txns);
        anomaly.because.clear();
        for one in edges {
            let (from, to) = (word(one.from), word(one.to));
            anomaly =
                anomaly.because(format!("{from} before {to}: {}", note(history, one.witness)));
        }
        anomaly
    }

    fn writes_follow_reads(&self) -> Vec<Succession> {
        let mut found = Vec::new();
        // By key, the last write: of which transaction plus 1, and which version.
        let mut written: Vec<(u32, Version)> = vec![(0, NONE); self.history.keys().len()];
        for txn in self.history.returns() {
            for (mop, seen) in self.steps(*txn) {
                if let Mop::Write { key, .. } = mop {
                    written[key as usize] = (txn + 1, seen);
                }
            }
            for (mop, seen) in self.steps(*txn) {
                // That nil comes first is known without.
                let Mop::Read { key, value: Some(_) } = mop else { continue };
                let (from, (writer, to)) = (seen & !EXTERNAL, written[key as usize]);
                if seen & EXTERNAL != 0 && writer == txn + 1 && to != from {
                    found.push(Succession { from, to, witness: Witness::Update(*txn) });
                }
            }
        }
        found
    }

    /// The versions of each key in an order that the user knows of.
    fn given_order(&self) -> Vec<Succession> {
        let mut found = Vec::new();
        for (key, _) in (0..).zip(self.history.keys()) {
            let happens = |version: &Version| {
                let write = self.writes[*version as usize];
                write.is_last() && self.history.fate(write.txn()) != Fate::Fail
            };
            let mut versions: Vec<Version> = self.of_key(key).filter(happens).collect();
            let place = |version: &Version| {
                verify_order(self.history, self.options, self.writes[*version as usize].txn())
            };
            versions.sort_by_key(place);
            let pairs = versions.windows(2).map(|pair| {
                let txn = |version: Version| self.writes[version as usize].txn();
                let witness = Witness::Given(txn(pair[0]), txn(pair[1]));
                Succession { from: pair[0], to: pair[1], witness }
            });
            found.extend(pairs);
        }
        found
    }

    /// What each transaction that may have happened did to each key, by key and then in the order
    /// of invocations.
    fn touches(&self) -> (Vec<usize>, Vec<Touch>) {
        let mut by_key: Vec<(KeyId, Touch)> = Vec::new();
        // By key, where the transaction at hand is in `by_key`, if that is not before its start.
        let mut places: Vec<usize> = vec![0; self.history.keys().len()];
        for txn in self.history.txns() {
            if self.history.fate(txn) == Fate::Fail {
                continue;
            }
            let start = by_key.len();
            for (mop, seen) in self.steps(txn) {
                let key = mop.key();
                let place = &mut places[key as usize];
                let known = by_key
                    .get_mut(*place)
                    .filter(|(other, touch)| *other == key && touch.txn == txn);
                match (mop, known) {
                    (Mop::Write { .. }, Some((_, touch))) => {
                        // A read of nil says less than what was written after it.
                        if touch.first == self.nil(key) {
                            touch.first = NONE;
                        }
                        touch.last = seen;
                    }
                    (Mop::Write { .. } | Mop::Read { .. }, None) => {
                        *place = by_key.len();
                        let last = seen & !EXTERNAL;
                        let read = matches!(mop, Mop::Read { .. });
                        let first = if read { last } else { NONE };
                        by_key.push((key, Touch { txn, first, last }));
                    }
                    _ => {}
                }
            }
            for (_, touch) in &mut by_key[start..] {
                if touch.first == NONE {
                    touch.first = touch.last;
                }
            }
        }
        by_key.sort_by_key(|(key, _)| *key);
        let keys = u32::try_from(self.history.keys().len()).unwrap_or(NONE);
        let starts =
            (0..=keys).map(|key| by_key.partition_point(|(other, _)| *other < key)).collect();
        (starts, by_key.into_iter().map(|(_, touch)| touch).collect())
    }

    fn by_process(&self, touches: &[Touch]) -> Vec<Succession> {
        let mut sorted: Vec<&Touch> = touches.iter().collect();
        sorted.sort_by_key(|touch| self.history.session(touch.txn));
        let mut found = Vec::new();
        let mut before: Option<&Touch> = None;
        for touch in sorted {
            if let Some(before) = before
                && self.history.session(before.txn) == self.history.session(touch.txn)
                && self.history.precedes(before.txn, touch.txn)
            {
                let witness = Witness::Process(before.txn, touch.txn);
                found.extend(succession(before, touch, witness));
            }
            before = Some(touch);
        }
        found
    }

    fn by_time(&self, touches: &[Touch]) -> Vec<Succession> {
        let history = self.history;
        if !touches.iter().any(|touch| history.began(touch.txn)) {
            return Vec::new();
        }
        let begin =
            (0..).zip(touches).map(|(place, touch)| (history.invoked(touch.txn).index, 1, place));
        let ended = (0..).zip(touches).filter(|(_, touch)| history.fate(touch.txn) == Fate::Ok);
        let end =
            ended.map(|(place, touch)| (history.returned(touch.txn).unwrap_or(u64::MAX), 0, place));
        // One that never began in the log begins where it ends: it has no predecessors.
        let mut events: Vec<(u64, u8, usize)> = begin.chain(end).collect();
        events.sort_unstable();
        let mut found = Vec::new();
        let mut ended: Vec<&Touch> = Vec::new();
        for (_, begins, place) in events {
            let touch = &touches[place];
            if begins == 1 {
                if history.began(touch.txn) {
                    found.extend(ended.iter().filter_map(|before| {
                        succession(before, touch, Witness::Time(before.txn, touch.txn))
                    }));
                }
            } else {
                ended.retain(|before| !history.precedes(before.txn, touch.txn));
                ended.push(touch);
            }
        }
        found
    }
}

fn succession(before: &Touch, after: &Touch, witness: Witness) -> Option<Succession> {
    let (from, to) = (before.last, after.first);
    (from != to).then_some(Succession { from, to, witness })
}

/// The place of a transaction in the order that the user knows of.
pub(in crate::transactions) fn verify_order(
    history: &TxnHistory,
    options: &crate::transactions::models::Options,
    txn: TxnId,
) -> Option<i64> {
    let index = history.completed(txn)?.index;
    options.transaction_order.get(&index).copied()
}

/// The graph of versions, with the way back from nil to what would come before it.
struct Versions<'s> {
    count: usize,
    starts: Vec<u32>,
    found: &'s [Succession],
    /// Versions that would come before nil, by nil.
    from_nil: Vec<(Version, Version)>,
}

impl<'s> Versions<'s> {
    fn new(registers: &Registers<'_>, found: &'s [Succession]) -> Self {
        let count = registers.version_count();
        let mut starts = vec![0_u32; count + 1];
        for one in found {
            starts[one.from as usize + 1] += 1;
        }
        for place in 0..count {
            starts[place + 1] += starts[place];
        }
        let (nil, end) =
            (registers.writes.len(), registers.writes.len() + registers.history.keys().len());
        let into_nil = found.iter().filter(|one| (nil..end).contains(&(one.to as usize)));
        let mut from_nil: Vec<(Version, Version)> =
            into_nil.map(|one| (one.to, one.from)).collect();
        from_nil.sort_unstable();
        Self { count, starts, found, from_nil }
    }
}

impl Digraph for Versions<'_> {
    fn len(&self) -> usize {
        self.count
    }

    fn successor(&self, node: u32, nth: u32) -> Option<Next> {
        let start = self.starts[node as usize];
        let end = self.starts[node as usize + 1];
        if start + nth < end {
            return Some(Next::Node(self.found[(start + nth) as usize].to));
        }
        let nth = (nth - (end - start)) as usize;
        let first = self.from_nil.partition_point(|(nil, _)| *nil < node);
        let (_, to) = self.from_nil.get(first + nth).filter(|(nil, _)| *nil == node)?;
        Some(Next::Node(*to))
    }
}
