//! Long fork: two reads that see two writes in opposite orders.
//!
//! Keys are written once each, and read several at a time. A read that has key a and lacks key b
//! says that a was written before b; one that has b and lacks a says the opposite. Parallel
//! snapshot isolation allows that; snapshot isolation and all that is stronger forbid it.
//!
//! Kinds:
//! - `long-fork`: two such reads; or more, whose orders form a cycle (a before b, b before c, c
//!   before a), which is possible only where reads ask for different keys;
//! - `garbage-read`: a value that nobody wrote to this key; `aborted-read`: whose write certainly
//!   failed; `future-read`: whose write began only after the read had ended.
//!
//! *Sound*: under snapshot isolation a read sees what committed before some moment. So if one that
//! has a lacks b, then a committed before that moment and b after it; commits have one order.
//! *Complete* for this promise: if the orders that the reads give form no cycle, put the writes in
//! an order that agrees with all, and each read directly after the last write that it has: what it
//! lacks comes later. Real time is not judged: see `causal-reverse` and `strict-serializable`.
//!
//! A key that is written more than once can't be judged this way: unknown, unless the others
//! convict. Jepsen's `long-fork`, the source, compares reads of the same group only; here all reads
//! count together, a read of one key or none says nothing, and the group size is held against the
//! history only if it was given.
//!
//! `O(reads × group size²)`.
//!
//! ```
//! use schism_checkers::long_fork::LongFork;
//! use schism_core::{api::long_fork::LongFork as Api, checker::Checker, history::History};
//! let mut lines = String::new();
//! let mut op = |process: u64, asked: &str, got: &str| {
//!     for (kind, value) in [("invoke", asked), ("ok", got)] {
//!         let index = lines.lines().count();
//!         lines += &format!(
//!             r#"{{"index":{index},"time":{index},"type":"{kind}","process":{process},"#
//!         );
//!         lines += &format!("\"f\":\"txn\",\"value\":{value}}}\n");
//!     }
//! };
//! op(0, r#"[["w",1,1]]"#, r#"[["w",1,1]]"#);
//! op(1, r#"[["w",2,1]]"#, r#"[["w",2,1]]"#);
//! op(2, r#"[["r",1,null],["r",2,null]]"#, r#"[["r",1,1],["r",2,null]]"#);
//! op(3, r#"[["r",1,null],["r",2,null]]"#, r#"[["r",1,null],["r",2,1]]"#);
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = LongFork::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "long-fork");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, stopped};
use rustc_hash::{FxHashMap, FxHashSet};
use schism_core::api::Key;
use schism_core::api::long_fork::{Call, LongFork as Api, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;
use std::collections::VecDeque;

/// The checker's name.
pub const NAME: &str = "long-fork";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "keys written once: no two reads see two writes in opposite orders",
    page: "\
Operations: {f: txn (or write), value: [[:w key 1]]}, each key once; {f: txn (or read), value:
[[:r key nil] [:r key nil] ...], then with what each held}.
Finds: long-fork: reads that see writes in orders that contradict each other; garbage-read,
aborted-read, future-read. Real time is not judged.
Options: --group-size N: every read has exactly N keys, else unknown (default: any number).",
    make: |options| {
        options.only(NAME, &["--group-size"])?;
        Ok(typed(LongFork { group_size: options.group_size }))
    },
};

/// Judges reads of groups of keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongFork {
    /// How many keys every read has; `None`: any number.
    pub group_size: Option<usize>,
}

type Found = [(Key, Option<i64>)];

impl Checker<Api> for LongFork {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, _: &RunFacts, limits: &Limits) -> Finding {
        let writes = Writes::gather(history);
        let reads: Vec<(&Op<Api>, &Found)> = history.ops().iter().filter_map(found).collect();
        let mut tally = Tally::default();
        let mut orders = Orders::default();
        let mut odd = None;
        for (at, (op, found)) in reads.iter().enumerate() {
            if at % 1024 == 0 && limits.are_exceeded() {
                break;
            }
            if self.group_size.is_some_and(|size| size != found.len()) {
                odd.get_or_insert(found.len());
            }
            writes.plausible(op, found, &mut tally);
            orders.add(op, found, &writes, &mut tally);
        }
        if tally.count("long-fork") == 0 {
            orders.cycle(&mut tally);
        }
        tally.put_first("long-fork");
        let details = json!({
            "keys": orders.keys.len(),
            "reads": reads.len(),
            "writes": writes.all.len(),
            "written_more_than_once": writes.several.len(),
            "anomalies": tally.to_json(),
        });
        let checked = count(reads.len(), "read", "reads");
        let unknown = stopped(limits).or_else(|| self.unknown(&writes, odd, &orders));
        let (verdict, summary) =
            tally.conclude(&checked, unknown, || format!("{checked} agree on one order of writes"));
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

impl LongFork {
    fn unknown(
        &self,
        writes: &Writes<'_>,
        odd: Option<usize>,
        orders: &Orders<'_>,
    ) -> Option<String> {
        if let Some(key) = writes.several.iter().min() {
            return Some(format!("key {key} is written more than once, so its order isn't known"));
        }
        if let Some((odd, size)) = odd.zip(self.group_size) {
            return Some(format!("a read of {odd} keys, where every group has {size}"));
        }
        orders.groups.eq(&0).then(|| "vacuous: no read of two keys or more succeeded".to_owned())
    }
}

fn found(op: &Op<Api>) -> Option<(&Op<Api>, &Found)> {
    match op.reply() {
        Some(Reply::Read(found)) => Some((op, found)),
        Some(Reply::Written) | None => None,
    }
}

/// Who wrote what.
struct Writes<'h> {
    /// By key and value, the write that may have happened and was invoked first.
    all: FxHashMap<(&'h Key, i64), &'h Op<Api>>,
    failed: FxHashMap<(&'h Key, i64), &'h Op<Api>>,
    /// Keys with more than one write that may have happened.
    several: FxHashSet<&'h Key>,
}

impl<'h> Writes<'h> {
    fn gather(history: &'h History<Api>) -> Self {
        let mut all = FxHashMap::default();
        let mut failed = FxHashMap::default();
        let mut once = FxHashSet::default();
        let mut several = FxHashSet::default();
        for op in history.ops() {
            let Call::Write(key, value) = &op.call else { continue };
            if !op.outcome.may_have_happened() {
                failed.entry((key, *value)).or_insert(op);
                continue;
            }
            all.entry((key, *value)).or_insert(op);
            if !once.insert(key) {
                several.insert(key);
            }
        }
        Self { all, failed, several }
    }

    fn plausible(&self, read: &Op<Api>, found: &Found, tally: &mut Tally) {
        for (key, value) in found {
            let Some(value) = value else { continue };
            let (kind, why, write) =
                match (self.all.get(&(key, *value)), self.failed.get(&(key, *value))) {
                    (Some(write), _) if read.precedes(write) => {
                        ("future-read", "which was written only later", Some(write))
                    }
                    (Some(_), _) => continue,
                    (None, Some(write)) => {
                        ("aborted-read", "whose write certainly failed", Some(write))
                    }
                    (None, None) => ("garbage-read", "which nobody wrote", None),
                };
            tally.add(kind, || {
                let summary = format!("a read at {} has {value} for key {key}, {why}", asked(read));
                let anomaly = Anomaly::new(kind, summary)
                    .because(format!("the read ended at {}", ended(read)))
                    .with_op(read);
                write.into_iter().fold(anomaly, |anomaly, write| {
                    anomaly
                        .because(format!("the write began at {}", write.invoked.time))
                        .with_op(write)
                })
            });
        }
    }
}

/// The orders between keys that reads give.
#[derive(Default)]
struct Orders<'h> {
    numbers: FxHashMap<&'h Key, u32>,
    keys: Vec<&'h Key>,
    /// (a, b): the first read that has a and lacks b.
    before: FxHashMap<(u32, u32), &'h Op<Api>>,
    /// How many reads have two keys or more.
    groups: usize,
    reported: FxHashSet<(u32, u32)>,
}

impl<'h> Orders<'h> {
    fn number(&mut self, key: &'h Key) -> u32 {
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(key).or_insert_with(|| {
            self.keys.push(key);
            next
        })
    }

    fn add(&mut self, read: &'h Op<Api>, found: &'h Found, writes: &Writes<'_>, tally: &mut Tally) {
        self.groups += usize::from(found.len() > 1);
        let (mut has, mut lacks) = (Vec::new(), Vec::new());
        for (key, value) in found.iter().filter(|(key, _)| !writes.several.contains(key)) {
            let number = self.number(key);
            if value.is_some() { has.push(number) } else { lacks.push(number) }
        }
        for a in &has {
            for b in &lacks {
                self.before.entry((*a, *b)).or_insert(read);
                let Some(other) = self.before.get(&(*b, *a)) else { continue };
                let (other, pair) = (*other, (*a.min(b), *a.max(b)));
                if self.reported.insert(pair) {
                    tally.add("long-fork", || self.fork(*a, *b, read, other));
                }
            }
        }
    }

    fn fork(&self, a: u32, b: u32, read: &Op<Api>, other: &Op<Api>) -> Anomaly {
        let [a, b] = [a, b].map(|number| self.keys[number as usize]);
        let (who, whose) = (asked(read), asked(other));
        Anomaly::new(
            "long-fork",
            format!("a read at {who} has key {a} but not {b}, and one at {whose} {b} but not {a}"),
        )
        .because(format!("the first, which ended at {}, says that {a} came first", ended(read)))
        .because(format!("the second, which ended at {}, says that {b} did", ended(other)))
        .with_op(read)
        .with_op(other)
    }

    /// Looks for a cycle of more than two keys: whatever is left once keys that nothing precedes
    /// are taken away, one after the other, has one.
    fn cycle(&self, tally: &mut Tally) {
        let mut after: Vec<Vec<u32>> = vec![Vec::new(); self.keys.len()];
        let mut preceding = vec![0_u32; self.keys.len()];
        for (a, b) in self.before.keys() {
            after[*a as usize].push(*b);
            preceding[*b as usize] += 1;
        }
        let mut free: VecDeque<u32> =
            (0..).zip(&preceding).filter(|(_, n)| **n == 0).map(|(key, _)| key).collect();
        while let Some(key) = free.pop_front() {
            for next in &after[key as usize] {
                preceding[*next as usize] -= 1;
                if preceding[*next as usize] == 0 {
                    free.push_back(*next);
                }
            }
        }
        let Some(start) = preceding.iter().position(|n| *n > 0) else { return };
        // Each key that is left has one before it that is left: going back ends in a circle.
        let mut back: FxHashMap<u32, u32> = FxHashMap::default();
        for (a, b) in self.before.keys() {
            if preceding[*a as usize] > 0 && preceding[*b as usize] > 0 {
                let least = back.entry(*b).or_insert(*a);
                *least = (*least).min(*a);
            }
        }
        let mut path: Vec<u32> = Vec::new();
        let mut seen = FxHashSet::default();
        let mut at = u32::try_from(start).unwrap_or(u32::MAX);
        while seen.insert(at) {
            path.push(at);
            let Some(previous) = back.get(&at) else { return };
            at = *previous;
        }
        let from = path.iter().position(|key| *key == at).unwrap_or_default();
        tally.add("long-fork", || self.ring(&path[from..]));
    }

    /// `backwards`: each key is preceded by the next, and the last by the first.
    fn ring(&self, backwards: &[u32]) -> Anomaly {
        let size = count(backwards.len(), "key", "keys");
        let mut anomaly = Anomaly::new(
            "long-fork",
            format!("reads put {size} into an order that goes round in a circle"),
        );
        for (at, later) in backwards.iter().enumerate() {
            let earlier = backwards[(at + 1) % backwards.len()];
            let Some(read) = self.before.get(&(earlier, *later)) else { continue };
            let [a, b] = [earlier, *later].map(|number| self.keys[number as usize]);
            anomaly = anomaly
                .because(format!("a read at {} has key {a} but not {b}", asked(read)))
                .with_op(read);
        }
        anomaly
    }
}
