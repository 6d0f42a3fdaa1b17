//! Executes an order of transactions on a store, to see that it explains the history.
//!
//! Nothing here uses what was inferred; only which transactions of unknown fate happened is taken
//! from the order itself.

use super::{Isolation, Order};
use crate::transactions::history::{Fate, KeyId, LineId, Mop, TxnHistory, TxnId};
use crate::transactions::intern::ValueId;
use rustc_hash::FxHashMap;

/// A step of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transactions) enum Step {
    /// It takes its snapshot.
    Start(TxnId),
    /// Its writes show.
    Commit(TxnId),
    /// Both at once.
    Whole(TxnId),
}

impl Step {
    fn txn(self) -> TxnId {
        match self {
            Self::Start(txn) | Self::Commit(txn) | Self::Whole(txn) => txn,
        }
    }

    fn starts(self) -> bool {
        !matches!(self, Self::Commit(_))
    }

    fn commits(self) -> bool {
        !matches!(self, Self::Start(_))
    }
}

/// Does this execution of registers, of which some are given something at the beginning, explain
/// the history? `O(operations)`.
pub(super) fn registers(
    history: &TxnHistory,
    given: &[(KeyId, ValueId)],
    isolation: Isolation,
    order: Order,
    steps: &[Step],
) -> bool {
    complete(history, isolation, steps) && in_order(history, order, steps) && {
        let mut store = Store::new(history.keys().len(), given);
        steps.iter().all(|step| {
            (!step.starts() || store.start(history, step.txn()))
                && (!step.commits() || store.commit(history, step.txn()))
        })
    }
}

/// Each transaction that succeeded, and none that failed, once.
fn complete(history: &TxnHistory, isolation: Isolation, steps: &[Step]) -> bool {
    let mut started = vec![false; history.len()];
    let mut committed = vec![false; history.len()];
    let once = steps.iter().all(|step| {
        let txn = step.txn() as usize;
        let whole = matches!(step, Step::Whole(_)) == (isolation == Isolation::Serializable);
        let fresh = !step.starts() || !std::mem::replace(&mut started[txn], true);
        let ends = !step.commits() || started[txn] && !std::mem::replace(&mut committed[txn], true);
        whole && fresh && ends && history.fate(step.txn()) != Fate::Fail
    });
    once && history.txns().all(|txn| {
        let (started, committed) = (started[txn as usize], committed[txn as usize]);
        started == committed && (committed || history.fate(txn) != Fate::Ok)
    })
}

/// Does nothing start before something commits that had returned before the other began?
fn in_order(history: &TxnHistory, order: Order, steps: &[Step]) -> bool {
    let slot = |txn: TxnId| match order {
        Order::Session => history.session(txn) as usize,
        Order::None | Order::Real => 0,
    };
    // Of those that commit later, the one that had returned first; by session if only those count.
    let mut first: Vec<Option<TxnId>> = vec![None; history.session_count().max(1)];
    order == Order::None
        || steps.iter().rev().all(|step| {
            let txn = step.txn();
            let first = &mut first[slot(txn)];
            let fits = !step.starts() || first.is_none_or(|later| !history.precedes(later, txn));
            if step.commits() {
                let returned = |txn: TxnId| history.returned(txn).unwrap_or(u64::MAX);
                *first =
                    Some(first.filter(|other| returned(*other) < returned(txn)).unwrap_or(txn));
            }
            fits
        })
}

/// Registers, and transactions between start and commit.
struct Store {
    /// By key: what is there.
    committed: Vec<Option<ValueId>>,
    /// By key: is somebody between start and commit who writes it?
    held: Vec<bool>,
    /// By key: what the transaction that starts has written itself, of which transaction that was.
    own: Vec<Option<(TxnId, ValueId)>>,
}

impl Store {
    fn new(keys: usize, given: &[(KeyId, ValueId)]) -> Self {
        let mut committed = vec![None; keys];
        for (key, value) in given {
            committed[*key as usize] = Some(*value);
        }
        Self { committed, held: vec![false; keys], own: vec![None; keys] }
    }

    /// Does it read what is there, or what it wrote itself? Nobody else may hold what it writes.
    fn start(&mut self, history: &TxnHistory, txn: TxnId) -> bool {
        let known = history.fate(txn) == Fate::Ok;
        history.mops(txn).all(|mop| match mop {
            Mop::Write { key, value } => {
                let own = self.own[key as usize].replace((txn, value));
                let again = own.is_some_and(|(writer, _)| writer == txn);
                !std::mem::replace(&mut self.held[key as usize], true) || again
            }
            Mop::Read { key, value } => {
                let own = self.own[key as usize].filter(|(writer, _)| *writer == txn);
                let there = own.map(|(_, value)| value).or(self.committed[key as usize]);
                !known || there == value
            }
            _ => true,
        })
    }

    fn commit(&mut self, history: &TxnHistory, txn: TxnId) -> bool {
        for (key, value) in history.mops(txn).filter_map(Mop::write) {
            self.committed[key as usize] = Some(value);
            self.held[key as usize] = false;
        }
        true
    }
}

/// Does this order of transactions over lists explain the history? `O(operations)`, and the length
/// of reads that contradict their key's main line.
pub(in crate::transactions) fn lists(history: &TxnHistory, order: Order, txns: &[TxnId]) -> bool {
    let steps: Vec<Step> = txns.iter().map(|txn| Step::Whole(*txn)).collect();
    if !complete(history, Isolation::Serializable, &steps) || !in_order(history, order, &steps) {
        return false;
    }
    // By key, what was appended: as a length while it is the beginning of the main line.
    let mut lengths: Vec<usize> = vec![0; history.keys().len()];
    let mut strayed: FxHashMap<KeyId, Vec<ValueId>> = FxHashMap::default();
    txns.iter().all(|txn| {
        let known = history.fate(*txn) == Fate::Ok;
        history.mops(*txn).all(|mop| match mop {
            Mop::Append { key, value } => {
                let main = history.line(LineId::Main(key));
                let length = &mut lengths[key as usize];
                if let Some(list) = strayed.get_mut(&key) {
                    list.push(value);
                } else if main.get(*length) == Some(&value) {
                    *length += 1;
                } else {
                    let mut list = main[..*length].to_vec();
                    list.push(value);
                    strayed.insert(key, list);
                }
                true
            }
            Mop::ReadList { key, line, len } if known => match strayed.get(&key) {
                Some(list) => list.as_slice() == history.list(line, len),
                None if line == LineId::Main(key) => lengths[key as usize] == len as usize,
                None => {
                    let main = history.line(LineId::Main(key));
                    &main[..lengths[key as usize]] == history.list(line, len)
                }
            },
            _ => true,
        })
    })
}
