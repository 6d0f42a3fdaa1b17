//! Who appended what stands where: the index of all appends, by key and by line.

use super::{Append, ELSEWHERE, Lists, Order, UNSEEN, Writer};
use crate::transactions::by_value::ByValue;
use crate::transactions::history::{Fate, KeyId, LineId, Mop, TxnHistory};
use rustc_hash::FxHashSet;
use std::collections::HashMap;

impl<'h> Lists<'h> {
    /// Indexes a history; or says which append makes its reads ambiguous.
    pub(in crate::transactions) fn new(history: &'h TxnHistory) -> Result<Self, String> {
        let (append_starts, appends) = by_key(history);
        let keys = history.keys().len();
        let mut starts = Vec::with_capacity(keys + history.apart().len());
        let mut total = 0_u32;
        let mut next = |len: usize| {
            let start = total;
            total = total.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
            start
        };
        for (key, _) in (0..).zip(history.keys()) {
            starts.push(next(history.line(LineId::Main(key)).len()));
        }
        starts.extend(history.apart().iter().map(|line| next(line.values.len())));
        let mut lists = Self {
            history,
            starts,
            writers: vec![Writer::NOBODY; total as usize],
            orders: HashMap::new(),
            append_starts,
            appends,
            suspect: Vec::new(),
            witnessed: FxHashSet::default(),
        };
        let mut apart: HashMap<KeyId, Vec<LineId>> = HashMap::new();
        for (place, line) in (0..).zip(history.apart()) {
            apart.entry(line.key).or_default().push(LineId::Apart(place));
        }
        let mut index = Index::default();
        for (key, _) in (0..).zip(history.keys()) {
            let others = apart.get(&key).map(Vec::as_slice).unwrap_or_default();
            lists.place(key, others, &mut index)?;
        }
        let seen = lists.writers.iter().filter_map(|writer| writer.txn());
        lists.witnessed = seen.filter(|txn| history.fate(*txn) == Fate::Info).collect();
        Ok(lists)
    }

    /// Finds the appends of a key in its lines.
    fn place(&mut self, key: KeyId, others: &[LineId], index: &mut Index) -> Result<(), String> {
        let range = self.append_starts[key as usize] as usize
            ..self.append_starts[key as usize + 1] as usize;
        let appends = &mut self.appends[range];
        if let Some((first, second)) = index.fill(appends) {
            let (first, second) = (appends[first as usize], appends[second as usize]);
            let label = |append: Append| format!("T{}", self.history.invoked(append.txn).index);
            return Err(format!(
                "{} and {} both append {} to list {}: reads of it are ambiguous",
                label(first),
                label(second),
                self.history.value(first.value),
                self.history.key(key),
            ));
        }
        let main = LineId::Main(key);
        let lines = || [main].into_iter().chain(others.iter().copied());
        let mut longest = main;
        for line in others {
            if self.history.line(*line).len() > self.history.line(longest).len() {
                longest = *line;
            }
        }
        let mut repeats = u32::MAX;
        for line in lines() {
            let start = match line {
                LineId::Main(key) => self.starts[key as usize],
                LineId::Apart(line) => self.starts[self.history.keys().len() + line as usize],
            } as usize;
            let mut suspect = false;
            for (place, value) in (0..).zip(self.history.line(line)) {
                let Some(found) = index.places.get(*value) else {
                    suspect = true;
                    continue;
                };
                let append = &mut appends[found as usize];
                let txn = append.txn;
                if index.seen(found, line_number(line)) {
                    suspect = true;
                    repeats = if line == longest { repeats.min(place) } else { repeats };
                } else if line == longest {
                    append.place = place;
                } else if append.place == UNSEEN {
                    append.place = ELSEWHERE;
                }
                let more = appends.get(found as usize + 1).is_some_and(|next| next.txn == txn);
                suspect |= self.history.fate(txn) == Fate::Fail;
                self.writers[start + place as usize] = Writer::new(txn, more);
            }
            if suspect {
                self.suspect.push(line);
            }
        }
        index.clear(appends);
        if !others.is_empty() || repeats < u32::MAX {
            let agreed = agreement(self.history, longest, lines()).min(repeats);
            let total = agreed as usize == self.history.line(longest).len();
            self.orders.insert(key, Order { line: longest, trusted: agreed, total });
        }
        Ok(())
    }
}

/// A number for each line of a key, above 0.
fn line_number(line: LineId) -> u32 {
    match line {
        LineId::Main(_) => 1,
        LineId::Apart(line) => line + 2,
    }
}

/// How much of the longest line no other contradicts.
fn agreement(history: &TxnHistory, longest: LineId, lines: impl Iterator<Item = LineId>) -> u32 {
    let order = history.line(longest);
    let mut agreed = order.len();
    for line in lines {
        let other = history.line(line);
        let same = order.iter().zip(other).take_while(|(left, right)| left == right).count();
        if same < other.len() {
            agreed = agreed.min(same);
        }
    }
    u32::try_from(agreed).unwrap_or(u32::MAX)
}

/// Every append, by key.
fn by_key(history: &TxnHistory) -> (Vec<u32>, Vec<Append>) {
    let mut starts = vec![0_u32; history.keys().len() + 1];
    for txn in history.txns() {
        for mop in history.mops(txn) {
            if let Mop::Append { key, .. } = mop {
                starts[key as usize + 1] += 1;
            }
        }
    }
    for key in 0..history.keys().len() {
        starts[key + 1] += starts[key];
    }
    let count = starts.last().copied().unwrap_or(0);
    let mut appends = Vec::new();
    let mut ends = starts.clone();
    for txn in history.txns() {
        for mop in history.mops(txn) {
            let Mop::Append { key, value } = mop else { continue };
            let append = Append { value, txn, place: UNSEEN };
            if appends.is_empty() {
                appends = vec![append; count as usize];
            }
            let end = &mut ends[key as usize];
            appends[*end as usize] = append;
            *end += 1;
        }
    }
    (starts, appends)
}

/// The appends of one key, by their values.
#[derive(Debug, Default)]
struct Index {
    places: ByValue,
    /// By append, the last line in which it was met.
    met: Vec<u32>,
}

impl Index {
    /// Takes these in; or names the first two of one value.
    fn fill(&mut self, appends: &[Append]) -> Option<(u32, u32)> {
        self.met.clear();
        self.met.resize(appends.len(), 0);
        self.places.reserve(appends.iter().map(|append| append.value));
        for (place, append) in (0..).zip(appends) {
            if let Some(before) = self.places.insert(append.value, place) {
                return Some((before, place));
            }
        }
        None
    }

    /// Notes that an append was met in a line; true if it had been already.
    fn seen(&mut self, append: u32, line: u32) -> bool {
        std::mem::replace(&mut self.met[append as usize], line) == line
    }

    fn clear(&mut self, appends: &[Append]) {
        self.places.clear(appends.iter().map(|append| append.value));
    }
}
