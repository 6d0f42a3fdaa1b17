//! What reads of lists say about the order of transactions.
//!
//! Source: Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental
//! observations" (2020). A list shows every append before it, so the longest read of a key is the
//! order of its appends, and every other read has to be a prefix of it. From that order:
//!
//! - ww: who appended an element, before who appended the next;
//! - wr: who appended the last element of a read, before the reader (those before it follow by ww);
//! - rw: who read a list, before who appended the element that comes next;
//! - an append that no read has seen comes after all that were seen: the last one's writer before
//!   its writer (ww), and everybody who read the whole list before it (rw).
//!
//! Soundness. Each edge's source comes before its target in every order of transactions in which
//! appends append and reads read what is there. Transactions that failed have no part in it. One of
//! unknown fate has an edge from it only if an element of it was read, and then it happened, as a
//! whole. Where reads contradict each other, only the elements on which all of them agree are
//! ordered, and nothing is said of appends that were not seen: unlike Elle, which takes the longest
//! read's word even there, and so may accuse a store of G0 that only exposed a state which it then
//! rolled back. The same holds after an element that stands in a list twice. That such reads are
//! anomalies themselves is not affected.
//!
//! Refused, as by Elle: two appends of one element to one list. Its reads would be ambiguous.
//!
//! Every line has, position by position, who appended what stands there; all edges come from
//! looking that up, so the cost is `O(operations + length of lines)`, with no hashing where values
//! are small numbers.

use super::graph::{Dependencies, Edge, Edges, Kind, Reason};
use super::history::{Fate, KeyId, LineId, Mop, TxnHistory, TxnId};
use super::intern::ValueId;
use super::verify;
use rustc_hash::FxHashSet;
use std::collections::HashMap;

mod appends;
mod reads;

pub(super) use reads::anomalies;

/// Who appended an element: a transaction, and whether it then appended more to that list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Writer(u32);

const MORE: u32 = 1 << 31;

impl Writer {
    /// Nobody appended it.
    const NOBODY: Self = Self(u32::MAX);

    fn new(txn: TxnId, more: bool) -> Self {
        Self(if more { txn | MORE } else { txn })
    }

    fn txn(self) -> Option<TxnId> {
        (self != Self::NOBODY).then_some(self.0 & !MORE)
    }

    /// Its transaction then appended more to that list.
    fn more(self) -> bool {
        self != Self::NOBODY && self.0 & MORE != 0
    }
}

/// The order of a key's appends.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// The longest line.
    line: LineId,
    /// How much of it every read agrees with.
    trusted: u32,
    /// True if that is all of it.
    total: bool,
}

/// What was inferred from the lists of a history.
#[derive(Debug)]
pub(super) struct Lists<'h> {
    history: &'h TxnHistory,
    /// Where each key's main line begins in `writers`; then where each line apart does.
    starts: Vec<u32>,
    writers: Vec<Writer>,
    /// The orders of keys whose order is not simply their main line.
    orders: HashMap<KeyId, Order>,
    /// By key, where its appends begin in `appends`.
    append_starts: Vec<u32>,
    appends: Vec<Append>,
    /// Lines in which an element has a writer that failed, or none, or stands twice.
    suspect: Vec<LineId>,
    /// Transactions of unknown fate of which something was read.
    witnessed: FxHashSet<TxnId>,
}

/// One append to a key. Those of a key are in the order of transactions, and within them in order.
#[derive(Clone, Copy, Debug)]
struct Append {
    value: ValueId,
    txn: TxnId,
    /// Where it stands in the key's order, or [`UNSEEN`]; [`ELSEWHERE`] if only other lines have
    /// it.
    place: u32,
}

const UNSEEN: u32 = u32::MAX;
const ELSEWHERE: u32 = u32::MAX - 1;

impl Lists<'_> {
    /// Who appended each element of a line.
    fn writers(&self, line: LineId) -> &[Writer] {
        let place = match line {
            LineId::Main(key) => key as usize,
            LineId::Apart(line) => self.history.keys().len() + line as usize,
        };
        let start = self.starts[place] as usize;
        &self.writers[start..start + self.history.line(line).len()]
    }

    fn order(&self, key: KeyId) -> Order {
        let main = || {
            let len = self.history.line(LineId::Main(key)).len();
            let trusted = u32::try_from(len).unwrap_or(u32::MAX);
            Order { line: LineId::Main(key), trusted, total: true }
        };
        self.orders.get(&key).copied().unwrap_or_else(main)
    }

    /// The appends to a key.
    fn appends(&self, key: KeyId) -> &[Append] {
        let range = self.append_starts[key as usize]..self.append_starts[key as usize + 1];
        &self.appends[range.start as usize..range.end as usize]
    }

    /// A writer that may have taken effect.
    fn effective(&self, writer: Writer) -> Option<TxnId> {
        writer.txn().filter(|txn| self.history.fate(*txn) != Fate::Fail)
    }

    /// All edges of data.
    pub(super) fn edges(&self) -> Edges {
        let mut edges = Edges::new(self.history.len());
        // By key with unseen appends, who read all of the list.
        let mut readers: Vec<(KeyId, TxnId)> = Vec::new();
        let unseen: Vec<bool> = (0..)
            .zip(self.history.keys())
            .map(|(key, _)| self.appends(key).iter().any(|append| append.place == UNSEEN))
            .collect();
        for txn in self.history.returns() {
            for mop in self.history.mops(*txn) {
                let Mop::ReadList { key, line, len } = mop else { continue };
                self.read_edges(&mut edges, *txn, (line, len));
                let order = self.order(key);
                if let Some(next) = self.next_after(order, line, len) {
                    if let Some(writer) = self.effective(next) {
                        edges.push(*txn, Kind::Rw, writer);
                    }
                } else if unseen[key as usize] && self.saw_all(order, line, len) {
                    readers.push((key, *txn));
                }
            }
        }
        for (key, _) in (0..).zip(self.history.keys()) {
            let order = self.order(key);
            let writers = &self.writers(order.line)[..order.trusted as usize];
            for pair in writers.windows(2) {
                let (first, second) = (self.effective(pair[0]), self.effective(pair[1]));
                if let Some((first, second)) = first.zip(second) {
                    edges.push(first, Kind::Ww, second);
                }
            }
        }
        self.unseen_edges(&mut edges, &unseen, readers);
        edges
    }

    /// From who appended the last element of a read.
    fn read_edges(&self, edges: &mut Edges, reader: TxnId, (line, len): (LineId, u32)) {
        let last = len.checked_sub(1).map(|last| self.writers(line)[last as usize]);
        if let Some(writer) = last.and_then(|last| self.effective(last)) {
            edges.push(writer, Kind::Wr, reader);
        }
    }

    /// Who appended the element that comes after a read, if that is known.
    fn next_after(&self, order: Order, line: LineId, len: u32) -> Option<Writer> {
        let placed = line == order.line || self.placed(order, line, len);
        (len < order.trusted && placed).then(|| self.writers(order.line)[len as usize])
    }

    /// Is a read a prefix of the order?
    fn placed(&self, order: Order, line: LineId, len: u32) -> bool {
        line == order.line
            || len <= order.trusted
                && self.history.list(line, len) == self.history.list(order.line, len)
    }

    /// Did a read see all that anybody saw of an order that is known?
    fn saw_all(&self, order: Order, line: LineId, len: u32) -> bool {
        order.total && len == order.trusted && self.placed(order, line, len)
    }

    /// Edges to the appends that nobody saw, of keys whose order is known.
    fn unseen_edges(&self, edges: &mut Edges, unseen: &[bool], mut readers: Vec<(KeyId, TxnId)>) {
        readers.sort_unstable();
        readers.dedup();
        let mut rest = readers.as_slice();
        for (key, _) in (0..).zip(self.history.keys()).filter(|(key, _)| unseen[*key as usize]) {
            let order = self.order(key);
            if !order.total {
                continue;
            }
            let appends = self.appends(key).iter().filter(|append| append.place == UNSEEN);
            let effective = appends.filter(|append| self.history.fate(append.txn) != Fate::Fail);
            let mut later: Vec<TxnId> = effective.map(|append| append.txn).collect();
            later.dedup();
            if let Some(last) = self.writers(order.line).last().and_then(|w| self.effective(*w)) {
                for writer in &later {
                    edges.push(last, Kind::Ww, *writer);
                }
            }
            rest = &rest[rest.partition_point(|(other, _)| *other < key)..];
            let (of_key, others) = rest.split_at(rest.partition_point(|(other, _)| *other == key));
            let first: Vec<TxnId> = of_key.iter().map(|(_, txn)| *txn).collect();
            edges.all_before_all(&first, Kind::Rw, &later);
            rest = others;
        }
    }

    /// The element before an append in its key's order; for one that nobody saw, the last element
    /// seen. `None` if that is the beginning, or if the order is not known there.
    fn before(&self, key: KeyId, append: Append) -> Option<(ValueId, Writer)> {
        let order = self.order(key);
        let place = match append.place {
            UNSEEN if order.total => order.trusted,
            UNSEEN | ELSEWHERE => return None,
            place if place < order.trusted => place,
            _ => return None,
        };
        let before = place.checked_sub(1)? as usize;
        Some((self.history.line(order.line)[before], self.writers(order.line)[before]))
    }

    fn why_ww(&self, edge: &Edge) -> Option<Reason> {
        self.history.mops(edge.to).find_map(|mop| {
            let (key, append) = self.append(edge.to, mop)?;
            let (earlier, writer) = self.before(key, append)?;
            let reason = Reason { key, earlier: Some(earlier), later: append.value, note: None };
            (writer.txn() == Some(edge.from)).then_some(reason)
        })
    }

    fn why_wr(&self, edge: &Edge) -> Option<Reason> {
        self.history.mops(edge.to).find_map(|mop| {
            let Mop::ReadList { key, line, len } = mop else { return None };
            let last = len.checked_sub(1)? as usize;
            let later = self.history.line(line)[last];
            let writer = self.writers(line)[last].txn();
            let reason = Reason { key, earlier: None, later, note: None };
            (writer == Some(edge.from)).then_some(reason)
        })
    }

    fn why_rw(&self, edge: &Edge) -> Option<Reason> {
        self.history.mops(edge.from).find_map(|read| {
            let Mop::ReadList { key, line, len } = read else { return None };
            let order = self.order(key);
            let earlier = self.history.list(line, len).last().copied();
            let reason = |later| Reason { key, earlier, later, note: None };
            if let Some(next) = self.next_after(order, line, len) {
                let later = self.history.line(order.line)[len as usize];
                return (next.txn() == Some(edge.to)).then(|| reason(later));
            }
            if !self.saw_all(order, line, len) {
                return None;
            }
            let unseen = |append: &&Append| append.place == UNSEEN && append.txn == edge.to;
            self.appends(key).iter().find(unseen).map(|append| reason(append.value))
        })
    }

    /// The append that an operation is.
    fn append(&self, txn: TxnId, mop: Mop) -> Option<(KeyId, Append)> {
        let Mop::Append { key, value } = mop else { return None };
        let appends = self.appends(key);
        let start = appends.partition_point(|append| append.txn < txn);
        appends[start..].iter().find(|append| append.value == value).map(|append| (key, *append))
    }
}

impl Dependencies for Lists<'_> {
    fn happened(&self, txn: TxnId) -> bool {
        self.history.fate(txn) == Fate::Ok || self.witnessed.contains(&txn)
    }

    fn reason(&self, edge: &Edge) -> Option<Reason> {
        match edge.kind {
            Kind::Ww => self.why_ww(edge),
            Kind::Wr => self.why_wr(edge),
            Kind::Rw => self.why_rw(edge),
            Kind::Process | Kind::Realtime | Kind::Pass => None,
        }
    }

    fn holds(&self, edge: &Edge, reason: &Reason) -> bool {
        verify::list_edge(self.history, edge, reason)
    }
}
