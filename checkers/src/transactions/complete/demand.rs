//! Executes transactions at the last moment: when one returns, it goes, after what it demands.
//!
//! Most histories that real time explains have an order that is found so, without clocks and almost
//! without going back. A transaction demands
//!
//! - whoever wrote a version that it read and that is not the current one;
//! - all who still have to read a version that it replaces;
//! - whoever wrote a version of a key that it writes and must be before it, because it goes, by the
//!   returns of who read from it, before somebody who met the other version can go (zones, as in
//!   Gibbons and Korach, "Testing shared memories", 1997);
//! - what was decided on the way to be before it.
//!
//! All but the last follow from the order so far, so only *choices* can be wrong: that one went
//! before another that replaces a version of the first. It shows when somebody is demanded who had
//! not begun, or who is waiting for the one that demands. Then the choices on that path exclude
//! each other; the last of them is taken back, with all that went since, and is decided the other
//! way for as long as the others stand: conflict analysis as in SAT solvers (Marques-Silva and
//! Sakallah, GRASP, 1996), with one clause at a time.
//!
//! The outcome is an order that `recheck` has yet to accept, or none, which proves nothing: then
//! the search of the parent module goes on.
//!
//! Cost: `O(operations + undone)`, and a sort of each key's versions. How much may be undone is
//! bounded by how many transactions there are; of 100,000 by ten clients it is some 2,000.

use super::times::Times;
use crate::transactions::history::{KeyId, TxnHistory, TxnId};
use crate::transactions::registers::{Access, Registers, Version};
use rustc_hash::FxHashMap;
use schism_core::limits::Limits;
use std::collections::BinaryHeap;

/// Where a transaction is: its place in the order, or one of these.
type State = u32;

const WAITING: State = u32::MAX;

/// What it demands is being looked for.
const DEMANDING: State = u32::MAX - 1;

/// Why a transaction demands the next.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// There is no other way.
    Must,
    /// It can't replace the version of this one yet.
    Behind(TxnId),
    /// It was decided, and is this decision.
    Decided(usize),
}

impl Why {
    fn decided(self) -> Option<usize> {
        match self {
            Self::Decided(decision) => Some(decision),
            Self::Must | Self::Behind(_) => None,
        }
    }
}

/// A transaction that is to go, and why it demands the next.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    txn: TxnId,
    why: Why,
}

/// The first went before the second, which would replace a version of the first.
type Choice = (TxnId, TxnId);

/// That a choice is made the other way, as long as those stand that leave nothing else.
#[derive(Debug)]
struct Decision {
    early: TxnId,
    /// It goes after one of these; the last is tried.
    lates: Vec<TxnId>,
    because: Vec<Choice>,
}

/// Who could not go as it stood: what demanded what, and the one that can't go.
#[derive(Debug)]
struct Stuck {
    path: Vec<Wanted>,
    last: TxnId,
}

/// A key's version before it was replaced, and from where on its versions were looked at.
type Saved = (KeyId, Version, u32);

#[derive(Debug)]
struct Execution<'r, 'h> {
    registers: &'r Registers<'h>,
    history: &'h TxnHistory,
    states: Vec<State>,
    /// By key: the version that is there.
    current: Vec<Version>,
    /// By version: how many still have to read it.
    unread: Vec<u32>,
    /// Key by key, its versions in the order of the times before which they must be written.
    by_end: Vec<Version>,
    /// By key: of those, all before this place have been written.
    next: Vec<u32>,
    order: Vec<TxnId>,
    saved: Vec<Saved>,
    /// By return: how many had gone before.
    before: Vec<u32>,
    decisions: Vec<Decision>,
    /// The decisions that depend on a choice: how much of the order has to stand, and which it is.
    depending: BinaryHeap<(u32, usize)>,
    /// By transaction: which decisions say what goes before it.
    decided: FxHashMap<TxnId, Vec<usize>>,
    times: Times,
}

/// How many transactions may be taken back, beside as many as there are.
const UNDONE: usize = 10_000;

/// How many versions are looked at for one that must be before another.
const LOOKED_AT: usize = 64;

/// How many turns pass between two looks at the limits.
const POLL: usize = 4096;

/// All transactions that happened, in an order that keeps real time and should explain what they
/// read; `None` if none was found so.
pub(super) fn execute(registers: &Registers<'_>, limits: &Limits) -> Option<Vec<TxnId>> {
    let mut execution = Execution::new(registers);
    let returns = registers.history().returns();
    let mut left = returns.len() + UNDONE;
    let (mut event, mut turns) = (0, 0_usize);
    while let Some(txn) = returns.get(event) {
        if turns.is_multiple_of(POLL) && limits.are_exceeded() {
            return None;
        }
        turns += 1;
        let gone = execution.order.len();
        if execution.before.len() == event {
            execution.before.push(u32::try_from(gone).unwrap_or(u32::MAX));
        }
        match execution.demand(*txn) {
            Ok(()) => event += 1,
            Err(stuck) => {
                let gone = execution.order.len();
                event = execution.back(&stuck)?;
                left = left.checked_sub(1 + gone - execution.order.len())?;
            }
        }
    }
    Some(execution.order)
}

impl<'r, 'h> Execution<'r, 'h> {
    fn new(registers: &'r Registers<'h>) -> Self {
        let history = registers.history();
        let versions = registers.version_count();
        let keys = u32::try_from(history.keys().len()).unwrap_or(u32::MAX);
        let times = Times::new(registers);
        let mut of_key: Vec<(u64, Version)> = Vec::new();
        let mut by_end = Vec::with_capacity(versions);
        let mut next = Vec::with_capacity(keys as usize);
        for key in 0..keys {
            let range = registers.of_key(key);
            next.push(range.start);
            of_key.clear();
            of_key.extend(range.map(|version| (times.end(registers, version), version)));
            of_key.sort_unstable();
            by_end.extend(of_key.iter().map(|(_, version)| *version));
        }
        let unread = |version| u32::try_from(registers.readers(version).len()).unwrap_or(u32::MAX);
        Self {
            registers,
            history,
            states: vec![WAITING; history.len()],
            current: (0..keys).map(|key| registers.initial(key)).collect(),
            unread: (0..).take(versions).map(unread).collect(),
            by_end,
            next,
            order: Vec::with_capacity(history.len()),
            saved: Vec::new(),
            before: Vec::with_capacity(history.returns().len()),
            decisions: Vec::new(),
            depending: BinaryHeap::new(),
            decided: FxHashMap::default(),
            times,
        }
    }

    /// Lets a transaction go that returns now, after all that it demands. If that can't be: what
    /// demanded what.
    fn demand(&mut self, txn: TxnId) -> Result<(), Stuck> {
        let mut wanted = vec![Wanted { txn, why: Why::Must }];
        while let Some(top) = wanted.last().copied() {
            if self.is_gone(top.txn) {
                wanted.pop();
                continue;
            }
            let place = wanted.len() - 1;
            self.states[top.txn as usize] = DEMANDING;
            wanted[place].why = self.demands(top.txn, &mut wanted);
            let more = &wanted[place + 1..];
            if more.is_empty() {
                self.go(top.txn);
                wanted.pop();
                continue;
            }
            let demanding = |one: &Wanted| self.states[one.txn as usize] == DEMANDING;
            let impossible = |one: &&Wanted| demanding(one) || !self.may_go(one.txn, txn);
            if let Some(last) = more.iter().find(impossible).map(|one| one.txn) {
                wanted.truncate(place + 1);
                wanted.retain(demanding);
                return Err(Stuck { path: wanted, last });
            }
        }
        Ok(())
    }

    fn is_gone(&self, txn: TxnId) -> bool {
        self.states[txn as usize] < DEMANDING
    }

    /// Had a transaction begun when this one returned?
    fn may_go(&self, txn: TxnId, returning: TxnId) -> bool {
        !self.history.precedes(returning, txn)
    }

    /// Adds what must go before a transaction, and says why. If nothing is added, it may go; if it
    /// is added itself, it never may.
    fn demands(&mut self, txn: TxnId, wanted: &mut Vec<Wanted>) -> Why {
        let registers = self.registers;
        let want = |txn: TxnId| Wanted { txn, why: Why::Must };
        for decision in self.decided.get(&txn).into_iter().flatten() {
            let lates = &self.decisions[*decision].lates;
            if let Some(late) = lates.last().filter(|_| !lates.iter().any(|one| self.is_gone(*one)))
            {
                wanted.push(want(*late));
                return Why::Decided(*decision);
            }
        }
        for (access, key, version) in registers.accesses(txn) {
            let current = self.current[key as usize];
            if access == Access::Read {
                if current != version {
                    let writer = registers.writer(version).filter(|txn| !self.is_gone(*txn));
                    wanted.push(want(writer.unwrap_or(txn)));
                    return Why::Must;
                }
                continue;
            }
            if self.unread[current as usize] > 0 {
                let place = wanted.len();
                let readers = registers.readers(current).iter().copied();
                let others = readers.filter(|reader| *reader != txn && !self.is_gone(*reader));
                wanted.extend(others.map(want));
                if wanted.len() > place {
                    return registers.writer(current).map_or(Why::Must, Why::Behind);
                }
            }
            if let Some(earlier) = self.sooner(key, version) {
                wanted.push(want(earlier));
                return Why::Must;
            }
        }
        Why::Must
    }

    /// The writer of another version of the key that must be before this one.
    fn sooner(&mut self, key: KeyId, version: Version) -> Option<TxnId> {
        let registers = self.registers;
        let end = registers.of_key(key).end;
        let left = |at: u32| {
            let writer = registers.writer(self.by_end[at as usize]);
            writer.filter(|txn| !self.is_gone(*txn))
        };
        let next = (self.next[key as usize]..end).find(|at| left(*at).is_some()).unwrap_or(end);
        let mut places = (next..end).take(LOOKED_AT);
        let other = places.find_map(|at| {
            let writer = left(at).filter(|_| self.by_end[at as usize] != version)?;
            Some((self.by_end[at as usize], writer))
        });
        self.next[key as usize] = next;
        let (other, writer) = other?;
        (self.times.end(registers, other) < self.times.start(registers, version)).then_some(writer)
    }

    fn go(&mut self, txn: TxnId) {
        for (access, key, version) in self.registers.accesses(txn) {
            match access {
                Access::Read => self.unread[version as usize] -= 1,
                Access::Write => {
                    let current = &mut self.current[key as usize];
                    self.saved.push((key, *current, self.next[key as usize]));
                    *current = version;
                }
            }
        }
        self.states[txn as usize] = u32::try_from(self.order.len()).unwrap_or(DEMANDING);
        self.order.push(txn);
    }

    /// Of the choices that led here, the last is made the other way; says from which return on it
    /// is gone on. `None` if there was no choice.
    fn back(&mut self, stuck: &Stuck) -> Option<usize> {
        for one in &stuck.path {
            self.states[one.txn as usize] = WAITING;
        }
        // If the last is among them, only what comes after that is to blame.
        let start = stuck.path.iter().position(|one| one.txn == stuck.last).unwrap_or(0);
        let path = &stuck.path[start..];
        let mut choices = self.choices(path);
        let decided = path.iter().rev().filter_map(|one| one.why.decided());
        let untried = |decision: &usize| self.decisions[*decision].lates.len() > 1;
        if let Some(decision) = decided.clone().find(untried) {
            self.depend(decision, &choices);
            let decision = &mut self.decisions[decision];
            decision.lates.pop();
            decision.because = choices;
            return self.before.len().checked_sub(1);
        }
        let (early, _) = *choices.last()?;
        let place = self.states[early as usize];
        let same = choices.partition_point(|(other, _)| self.states[*other as usize] < place);
        let lates = choices.split_off(same).into_iter().map(|(_, late)| late).collect();
        let event = self.before.partition_point(|before| *before <= place).checked_sub(1)?;
        self.before.truncate(event + 1);
        self.undo_to(place);
        let decision = self.decisions.len();
        self.depend(decision, &choices);
        self.decided.entry(early).or_default().push(decision);
        self.decisions.push(Decision { early, lates, because: choices });
        Some(event)
    }

    /// The choices that a path rests on, in the order in which they were made.
    fn choices(&self, path: &[Wanted]) -> Vec<Choice> {
        let mut choices: Vec<Choice> = Vec::new();
        for one in path {
            match one.why {
                Why::Must => {}
                Why::Behind(early) => choices.push((early, one.txn)),
                Why::Decided(decision) => {
                    choices.extend_from_slice(&self.decisions[decision].because);
                }
            }
        }
        choices.sort_unstable_by_key(|(early, late)| (self.states[*early as usize], *late));
        choices.dedup();
        choices
    }

    /// Notes that a decision falls with the last of these choices.
    fn depend(&mut self, decision: usize, choices: &[Choice]) {
        let last = choices.last().map(|(early, _)| self.states[*early as usize]);
        self.depending.extend(last.map(|place| (place, decision)));
    }

    /// Undoes all from this place on, and what was decided because of it.
    fn undo_to(&mut self, place: u32) {
        while self.order.len() > place as usize {
            self.undo();
        }
        while let Some((depends, decision)) = self.depending.peek().copied() {
            if depends < place {
                break;
            }
            self.depending.pop();
            let early = self.decisions[decision].early;
            if let Some(decided) = self.decided.get_mut(&early) {
                decided.retain(|one| *one != decision);
            }
        }
    }

    fn undo(&mut self) {
        let Some(txn) = self.order.pop() else { return };
        self.states[txn as usize] = WAITING;
        for (access, _, version) in self.registers.accesses(txn) {
            if access == Access::Read {
                self.unread[version as usize] += 1;
            } else if let Some((key, current, next)) = self.saved.pop() {
                self.current[key as usize] = current;
                self.next[key as usize] = next;
            }
        }
    }
}
