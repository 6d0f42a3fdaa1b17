//! What is wrong with reads, whatever the order of transactions.
//!
//! Of a transaction by itself: `internal` (a read disagrees with the transaction's own earlier
//! reads and appends), `future-read` (it saw what the transaction appended only later). Of a read:
//! `duplicate-elements`, `garbage-read` (an element that nobody appended), `G1a` (appended by a
//! transaction that failed), `G1b` (a state from the middle of another transaction). Of a key:
//! `incompatible-order`, `dirty-update` (a committed append on top of a failed one), `lost-update`
//! (two transactions that read one state and both appended to it).
//!
//! Only transactions that succeeded are accused of their reads. Each element is reported once.

use super::{Append, ELSEWHERE, Lists, UNSEEN};
use crate::tally::Tally;
use crate::transactions::history::{Fate, KeyId, LineId, Mop, TxnHistory, TxnId};
use crate::transactions::intern::ValueId;
use crate::transactions::words::{labels, named, show, values};
use schism_core::verdict::Anomaly;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Adds every anomaly that is no cycle, but for lost updates; those are returned, since they say
/// less than the cycles that they make. `O(operations + length of lines)`.
pub(in crate::transactions) fn anomalies(lists: &Lists<'_>, tally: &mut Tally) -> Vec<Anomaly> {
    let suspects = suspects(lists);
    let mut scan = Scan {
        lists,
        suspects,
        reported: HashSet::new(),
        last: vec![(0, 0); lists.history.keys().len()],
        appended: vec![0; lists.history.keys().len()],
        states: vec![0; lists.writers.len() + lists.starts.len()],
        updates: BTreeMap::new(),
        odd_updates: HashMap::new(),
        examples: HashMap::new(),
    };
    let mut before = Vec::new();
    for txn in lists.history.txns() {
        scan.txn(txn, &mut before, tally);
    }
    scan.incompatible(tally);
    dirty_updates(lists, tally);
    scan.lost_updates()
}

/// One read.
#[derive(Clone, Copy, Debug)]
struct Read {
    key: KeyId,
    line: LineId,
    len: u32,
}

impl Read {
    fn of(mop: Mop) -> Option<Self> {
        match mop {
            Mop::ReadList { key, line, len } => Some(Self { key, line, len }),
            _ => None,
        }
    }

    fn list(self, history: &TxnHistory) -> &[ValueId] {
        history.list(self.line, self.len)
    }
}

/// What is wrong with an element of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Failed(TxnId),
    Garbage,
    Again,
}

/// By line, the places at which something is wrong.
type Suspects = HashMap<LineId, Vec<(u32, Wrong)>>;

fn suspects(lists: &Lists<'_>) -> Suspects {
    let mut suspects = Suspects::new();
    for line in &lists.suspect {
        let values = lists.history.line(*line);
        let mut seen = HashSet::new();
        for ((place, value), writer) in (0..).zip(values).zip(lists.writers(*line)) {
            let mut add = |wrong| suspects.entry(*line).or_default().push((place, wrong));
            if !seen.insert(*value) {
                add(Wrong::Again);
                continue;
            }
            match writer.txn() {
                None => add(Wrong::Garbage),
                Some(txn) if lists.history.fate(txn) == Fate::Fail => add(Wrong::Failed(txn)),
                Some(_) => {}
            }
        }
    }
    suspects
}

struct Scan<'l, 'h> {
    lists: &'l Lists<'h>,
    suspects: Suspects,
    /// What was reported of which element.
    reported: HashSet<(&'static str, KeyId, ValueId)>,
    /// By key, the last operation on it: which transaction plus 1, and the operation's place in it.
    last: Vec<(u32, u32)>,
    /// By key, how many of its appends have been passed.
    appended: Vec<u32>,
    /// By key and length of its main line, who first read that and appended, plus 1.
    states: Vec<u32>,
    /// States that several did so.
    updates: BTreeMap<(KeyId, u32), Vec<TxnId>>,
    /// The same where reads contradict each other.
    odd_updates: HashMap<(KeyId, &'h [ValueId]), Vec<TxnId>>,
    /// By line of a key whose reads contradict each other, its longest read.
    examples: HashMap<LineId, (u32, TxnId)>,
}

const FIRST: u32 = u32::MAX;

impl<'h> Scan<'_, 'h> {
    fn txn(&mut self, txn: TxnId, before: &mut Vec<u32>, tally: &mut Tally) {
        let history = self.lists.history;
        let committed = history.fate(txn) == Fate::Ok;
        let mops = history.mops(txn);
        before.clear();
        let mut consistent = true;
        let mut foreseen = false;
        for (place, mop) in (0..).zip(mops) {
            let key = mop.key() as usize;
            let (who, which) = std::mem::replace(&mut self.last[key], (txn + 1, place));
            before.push(if who == txn + 1 { which } else { FIRST });
            if let Mop::Append { key, .. } = mop {
                let append = self.lists.appends(key)[self.appended[key as usize] as usize];
                self.appended[key as usize] += 1;
                if committed {
                    foreseen = foreseen || self.appends(txn, key, append, before, tally);
                }
            }
            if let Some(read) = Read::of(mop) {
                consistent = consistent && self.agrees(txn, read, before, tally);
                self.plausible(txn, read, tally);
            }
        }
    }

    /// The operations on the same key before the last of `before`, latest first.
    fn earlier<'b>(
        &self,
        txn: TxnId,
        before: &'b [u32],
    ) -> impl Iterator<Item = Mop> + use<'b, 'h> {
        let history = self.lists.history;
        let mut place = before.last().copied().unwrap_or(FIRST);
        std::iter::from_fn(move || {
            let mop = history.mop(txn, (place != FIRST).then_some(place)?);
            place = before[place as usize];
            Some(mop)
        })
    }

    /// Looks at what a committed transaction read of a key before an append. True if it had read
    /// that very element.
    fn appends(
        &mut self,
        txn: TxnId,
        key: KeyId,
        append: Append,
        before: &[u32],
        tally: &mut Tally,
    ) -> bool {
        let mut first = None;
        let mut appended = false;
        let mut foreseen = false;
        let order = self.lists.order(key);
        for mop in self.earlier(txn, before) {
            first = Read::of(mop);
            appended |= first.is_none();
            let Some(read) = first.filter(|_| append.place != UNSEEN) else { continue };
            let saw = if read.line == order.line && append.place != ELSEWHERE {
                append.place < read.len
            } else {
                read.list(self.lists.history).contains(&append.value)
            };
            if saw && !foreseen {
                foreseen = true;
                tally.add("future-read", || self.future_read(txn, key, append.value));
            }
        }
        if let Some(read) = first.filter(|_| !appended) {
            self.updates(txn, read);
        }
        foreseen
    }

    /// Notes that a transaction appended to what it had read.
    fn updates(&mut self, txn: TxnId, read: Read) {
        let history = self.lists.history;
        if self.lists.orders.contains_key(&read.key) {
            let list = read.list(history);
            self.odd_updates.entry((read.key, list)).or_default().push(txn);
            return;
        }
        let place = self.lists.starts[read.key as usize] + read.key + read.len;
        let state = &mut self.states[place as usize];
        match state.checked_sub(1) {
            None => *state = txn + 1,
            Some(first) => {
                let updates = self.updates.entry((read.key, read.len));
                updates.or_insert_with(|| vec![first]).push(txn);
            }
        }
    }

    /// Does a read agree with what the transaction itself did before?
    fn agrees(&self, txn: TxnId, read: Read, before: &[u32], tally: &mut Tally) -> bool {
        let history = self.lists.history;
        let mut own: Vec<ValueId> = Vec::new();
        let mut found = None;
        for mop in self.earlier(txn, before) {
            let Mop::Append { value, .. } = mop else {
                found = Read::of(mop);
                break;
            };
            own.push(value);
        }
        own.reverse();
        let list = read.list(history);
        let Some(rest) = list.len().checked_sub(own.len()) else {
            tally.add("internal", || self.internal(txn, read, found, &own));
            return false;
        };
        let same = match found {
            None => true,
            Some(found) => {
                found.len as usize == rest
                    && (found.line == read.line || found.list(history) == &list[..rest])
            }
        };
        let agrees = same && list[rest..] == own;
        if !agrees {
            tally.add("internal", || self.internal(txn, read, found, &own));
        }
        agrees
    }

    /// Accuses elements that can't be in a committed list.
    fn plausible(&mut self, txn: TxnId, read: Read, tally: &mut Tally) {
        let Read { key, line, len } = read;
        if self.lists.orders.contains_key(&key) {
            let example = self.examples.entry(line).or_insert((len, txn));
            if example.0 < len {
                *example = (len, txn);
            }
        }
        if let Some(suspects) = self.suspects.get(&line).filter(|_| !self.suspects.is_empty()) {
            for (place, wrong) in suspects.iter().take_while(|(place, _)| *place < len) {
                let value = self.lists.history.line(line)[*place as usize];
                let kind = match wrong {
                    Wrong::Failed(_) => "G1a",
                    Wrong::Garbage => "garbage-read",
                    Wrong::Again => "duplicate-elements",
                };
                if self.reported.insert((kind, key, value)) {
                    tally.add(kind, || self.wrong(kind, txn, key, value, *wrong));
                }
            }
        }
        let Some(last) = len.checked_sub(1) else { return };
        let writer = self.lists.writers(line)[last as usize];
        if writer.more() && writer.txn() != Some(txn) {
            let value = self.lists.history.line(line)[last as usize];
            if self.reported.insert(("G1b", key, value)) {
                let writer = writer.txn().unwrap_or(txn);
                tally.add("G1b", || self.intermediate(txn, key, value, writer));
            }
        }
    }

    /// One for each key whose reads contradict each other.
    fn incompatible(&self, tally: &mut Tally) {
        let mut keys: Vec<KeyId> = self.lists.orders.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let order = self.lists.order(key);
            let mut others: Vec<(LineId, (u32, TxnId))> = self
                .examples
                .iter()
                .filter(|(line, _)| self.key_of(**line) == key && **line != order.line)
                .map(|(line, example)| (*line, *example))
                .collect();
            others.sort_unstable();
            let contradicts = |(line, (len, _)): &&(LineId, (u32, TxnId))| {
                let other = self.lists.history.list(*line, *len);
                !self.lists.history.line(order.line).starts_with(other)
            };
            let one = self.examples.get(&order.line);
            if let Some(((len, first), (line, (other_len, second)))) =
                one.zip(others.iter().find(contradicts))
            {
                let first = (*first, Read { key, line: order.line, len: *len });
                let second = (*second, Read { key, line: *line, len: *other_len });
                tally.add("incompatible-order", || self.orders_differ(first, second));
            }
        }
    }

    fn key_of(&self, line: LineId) -> KeyId {
        match line {
            LineId::Main(key) => key,
            LineId::Apart(line) => self.lists.history.apart()[line as usize].key,
        }
    }

    fn lost_updates(self) -> Vec<Anomaly> {
        let history = self.lists.history;
        let main = self
            .updates
            .iter()
            .map(|((key, len), txns)| (*key, history.list(LineId::Main(*key), *len), txns));
        let mut odd: Vec<_> = self
            .odd_updates
            .iter()
            .filter(|(_, txns)| txns.len() > 1)
            .map(|((key, list), txns)| (*key, *list, txns))
            .collect();
        odd.sort_unstable();
        main.chain(odd).map(|(key, list, txns)| lost_update(history, key, list, txns)).collect()
    }

    fn internal(&self, txn: TxnId, read: Read, found: Option<Read>, own: &[ValueId]) -> Anomaly {
        let history = self.lists.history;
        let label = labels(history, &[txn]);
        let list = values(history, read.list(history));
        let key = history.key(read.key);
        let own_words = values(history, own);
        let expected = match found {
            Some(found) => values(history, &[found.list(history), own].concat()),
            None => format!("a list that ends with {own_words}"),
        };
        let text = format!(
            "{label} read {list} from list {key}, where by its own doing it had to find {expected}"
        );
        let step = if own.is_empty() {
            format!("within it, nothing was appended to list {key} between its reads")
        } else {
            format!("within it, {own_words} was appended to list {key} before that read")
        };
        named(history, "internal", text, &[txn]).because(step)
    }

    fn future_read(&self, txn: TxnId, key: KeyId, value: ValueId) -> Anomaly {
        let history = self.lists.history;
        let (label, value) = (labels(history, &[txn]), show(history, value));
        let key = history.key(key);
        let text = format!("{label} read {value} in list {key} before it appended it itself");
        named(history, "future-read", text, &[txn])
    }

    fn wrong(
        &self,
        kind: &'static str,
        txn: TxnId,
        key: KeyId,
        value: ValueId,
        wrong: Wrong,
    ) -> Anomaly {
        let history = self.lists.history;
        let (label, value) = (labels(history, &[txn]), show(history, value));
        let key = history.key(key);
        match wrong {
            Wrong::Failed(writer) => {
                let failed = labels(history, &[writer]);
                let text = format!(
                    "{label} read {value} from list {key}, appended by {failed}, which failed"
                );
                named(history, kind, text, &[txn, writer])
            }
            Wrong::Garbage => {
                let text =
                    format!("{label} read {value} from list {key}, which nobody ever appended");
                named(history, kind, text, &[txn])
            }
            Wrong::Again => {
                let text = format!("{label} read {value} more than once in list {key}");
                named(history, kind, text, &[txn])
            }
        }
    }

    fn intermediate(&self, txn: TxnId, key: KeyId, value: ValueId, writer: TxnId) -> Anomaly {
        let history = self.lists.history;
        let text = format!(
            "{} read list {} up to {}, from the middle of {}, which appended more",
            labels(history, &[txn]),
            history.key(key),
            show(history, value),
            labels(history, &[writer]),
        );
        named(history, "G1b", text, &[txn, writer])
    }

    fn orders_differ(&self, one: (TxnId, Read), other: (TxnId, Read)) -> Anomaly {
        let history = self.lists.history;
        let (first, second) = (one.1.list(history), other.1.list(history));
        let at = first.iter().zip(second).take_while(|(left, right)| left == right).count();
        let text = format!(
            "{} and {} read list {} in different orders: at position {} one found {}, the other {}",
            labels(history, &[one.0]),
            labels(history, &[other.0]),
            history.key(one.1.key),
            at + 1,
            first.get(at).map_or_else(|| "nothing".to_owned(), |value| show(history, *value)),
            second.get(at).map_or_else(|| "nothing".to_owned(), |value| show(history, *value)),
        );
        named(history, "incompatible-order", text, &[one.0, other.0])
            .because("appends have one order, so one read must begin with the other")
    }
}

fn lost_update(history: &TxnHistory, key: KeyId, list: &[ValueId], txns: &[TxnId]) -> Anomaly {
    let text = format!(
        "{} each read list {} as {} and appended to it: all but one did not see another's append",
        labels(history, txns),
        history.key(key),
        values(history, list),
    );
    named(history, "lost-update", text, txns)
}

/// Committed appends on top of failed ones.
fn dirty_updates(lists: &Lists<'_>, tally: &mut Tally) {
    let history = lists.history;
    let mut keys: Vec<KeyId> = lists
        .suspect
        .iter()
        .map(|line| match line {
            LineId::Main(key) => *key,
            LineId::Apart(line) => history.apart()[*line as usize].key,
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let line = lists.order(key).line;
        let mut failed: Option<(TxnId, ValueId)> = None;
        for (value, writer) in history.line(line).iter().zip(lists.writers(line)) {
            let Some(txn) = writer.txn() else { continue };
            match (history.fate(txn), failed) {
                (Fate::Fail, None) => failed = Some((txn, *value)),
                (Fate::Ok, Some((aborted, element))) => {
                    failed = None;
                    tally.add("dirty-update", || {
                        let text = format!(
                            "{} appended {} to list {} on top of {}, which {} had appended and \
                             which failed",
                            labels(history, &[txn]),
                            show(history, *value),
                            history.key(key),
                            show(history, element),
                            labels(history, &[aborted]),
                        );
                        named(history, "dirty-update", text, &[aborted, txn])
                    });
                }
                _ => {}
            }
        }
    }
}
