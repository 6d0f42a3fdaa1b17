//! Tries to execute the transactions one after the other, so that every read sees what it saw.
//!
//! A transaction may go next if all that must come before it has gone, if the versions that it read
//! are the current ones, and if nobody still has to read a version that it replaces. Of those that
//! may, the one that returned first goes. If none may, a version stands where another should have
//! been written before: everything back to that write is undone, and the two are done in the other
//! order. Where that is of no use, the last steps are varied one by one. Whatever comes out is an
//! order that explains the history; that none does proves nothing.
//!
//! Only those that had been invoked before the next one returned are looked at, so a step costs as
//! much as there were transactions at once.

use super::problem::{Member, Node, Problem};
use super::saturate::{Saturation, Time, sorted};
use crate::transactions::history::KeyId;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// A node that has gone, and what was so before.
struct Gone {
    node: Node,
    admitted: usize,
    open: usize,
    saved: usize,
}

/// A key's version before it was replaced: who had written it, and how many had to read it still.
type Saved = (KeyId, Option<Member>, u32);

struct Execution<'s> {
    problem: &'s Problem<'s>,
    saturation: &'s Saturation<'s>,
    starts: Vec<u32>,
    targets: Vec<Node>,
    missing: Vec<u32>,
    /// By key: who wrote the current version.
    current: Vec<Option<Member>>,
    /// By key: how many still have to read the current version.
    readers: Vec<u32>,
    /// By key: is somebody between start and commit who writes it?
    held: Vec<bool>,
    /// For each key that a member wrote: how many read that version.
    counts: Vec<u32>,
    /// Starts by invocation, and how many of them may go as far as real time is concerned.
    starting: Vec<(u64, Node)>,
    admitted: usize,
    /// Those that may, and have not gone, by return.
    window: BTreeSet<(u64, Node)>,
    time: Time,
    gone: Vec<Gone>,
    saved: Vec<Saved>,
    /// By member: when its commit went.
    when: Vec<usize>,
    /// What was decided to come before what, on the way.
    decided: FxHashMap<Node, Vec<Node>>,
}

const NOT_YET: usize = usize::MAX;

/// How far beyond where it got stuck it goes on trying all that may go.
const CAREFUL: usize = 30;

/// An order of all nodes; or two writers of one key with which it got stuck, if it is known which.
pub(super) type Executed = Result<Vec<Node>, Option<(Member, Member)>>;

/// What came of it, and how many steps that took.
pub(super) fn execute(problem: &Problem<'_>, saturation: &Saturation<'_>) -> (Executed, u64) {
    let mut execution = Execution::new(problem, saturation);
    let mut undone = 0;
    let executed = run(problem, &mut execution, &mut undone);
    (executed, (WINDOW * (problem.nodes() + undone)) as u64)
}

/// How many transactions are looked at for one that goes, about.
const WINDOW: usize = 32;

fn run(problem: &Problem<'_>, execution: &mut Execution<'_>, undone: &mut usize) -> Executed {
    // An execution that goes back more often than forth is better left to the search.
    let most = 100_000 + 4 * problem.nodes();
    // Until it has got that far, it tries what else may go, the last step first.
    let mut careful = 0;
    execution.admit();
    while execution.gone.len() < problem.nodes() {
        if let Some(node) = execution.next() {
            execution.go(node);
            continue;
        }
        let conflict = execution.conflict();
        if *undone > most {
            return Err(conflict);
        }
        let before = execution.gone.len();
        if let Some((early, late)) = conflict.filter(|_| before >= careful) {
            let until = execution.when[early as usize];
            while execution.gone.len() > until {
                execution.undo();
            }
            *undone += before - until;
            execution.decide(late, early);
            continue;
        }
        if before >= careful {
            careful = before + CAREFUL;
            execution.forget();
        }
        if !execution.retreat(undone, most) {
            return Err(conflict);
        }
    }
    Ok(execution.gone.iter().map(|gone| gone.node).collect())
}

impl<'s> Execution<'s> {
    fn new(problem: &'s Problem<'s>, saturation: &'s Saturation<'s>) -> Self {
        let (starts, targets) = sorted(problem.nodes(), &saturation.edges);
        let keys = problem.history.keys().len();
        let mut missing = vec![0; problem.nodes()];
        for target in &targets {
            missing[*target as usize] += 1;
        }
        let mut readers = vec![0; keys];
        let mut counts = vec![0; problem.keys.len()];
        for read in &problem.reads {
            match read.from {
                None => readers[read.key as usize] += 1,
                Some(from) => {
                    if let Some(place) = place(problem, from, read.key) {
                        counts[place] += 1;
                    }
                }
            }
        }
        let moments = (0..)
            .zip(&problem.members)
            .map(|(member, _)| (problem.times(member).0, problem.start(member)));
        let mut starting: Vec<(u64, Node)> = moments.collect();
        starting.sort_unstable();
        Self {
            problem,
            saturation,
            starts,
            targets,
            missing,
            current: vec![None; keys],
            readers,
            held: vec![false; keys],
            counts,
            starting,
            admitted: 0,
            window: BTreeSet::new(),
            time: Time::new(problem),
            gone: Vec::new(),
            saved: Vec::new(),
            when: vec![NOT_YET; problem.members.len()],
            decided: FxHashMap::default(),
        }
    }

    fn entry(&self, node: Node) -> (u64, Node) {
        (self.problem.times(self.problem.member(node)).1, node)
    }

    /// Lets in what real time no longer keeps back.
    fn admit(&mut self) {
        while let Some((invoked, node)) = self.starting.get(self.admitted).copied() {
            if invoked >= self.time.open() {
                break;
            }
            self.admitted += 1;
            self.window.insert(self.entry(node));
        }
    }

    fn next(&self) -> Option<Node> {
        let free = |node: &Node| self.missing[*node as usize] == 0 && self.blocked(*node).is_none();
        self.window.iter().map(|(_, node)| *node).find(free)
    }

    /// The key for which it has to wait.
    fn blocked(&self, node: Node) -> Option<KeyId> {
        let problem = self.problem;
        let member = problem.member(node);
        let (reads, keys) = (problem.reads_of(member), problem.keys_of(member));
        if problem.is_start(node) {
            let unlike = reads.iter().find(|read| self.current[read.key as usize] != read.from);
            if let Some(read) = unlike {
                return Some(read.key);
            }
            if let Some(key) = keys.iter().find(|key| self.held[**key as usize]) {
                return Some(*key);
            }
        }
        if !problem.is_commit(node) {
            return None;
        }
        let unread = keys.iter().find(|key| {
            // Its own read is no matter if it goes as one.
            let own = problem.is_start(node) && reads.iter().any(|read| read.key == **key);
            self.readers[**key as usize] > u32::from(own)
        });
        unread.copied()
    }

    fn go(&mut self, node: Node) {
        let problem = self.problem;
        let member = problem.member(node);
        self.window.remove(&self.entry(node));
        let gone = Gone {
            node,
            admitted: self.admitted,
            open: self.time.passed(),
            saved: self.saved.len(),
        };
        if problem.is_start(node) {
            for read in problem.reads_of(member) {
                self.readers[read.key as usize] -= 1;
            }
            if !problem.is_commit(node) {
                for key in problem.keys_of(member) {
                    self.held[*key as usize] = true;
                }
                self.window.insert(self.entry(problem.commit(member)));
            }
        }
        if problem.is_commit(node) {
            let first = problem.key_starts[member as usize] as usize;
            for (place, key) in (first..).zip(problem.keys_of(member)) {
                let at = *key as usize;
                self.saved.push((*key, self.current[at], self.readers[at]));
                self.held[at] = false;
                self.current[at] = Some(member);
                self.readers[at] = self.counts[place];
            }
            self.when[member as usize] = self.gone.len();
            self.time.end(member);
        }
        self.count(node, |missing| *missing -= 1);
        self.admit();
        self.gone.push(gone);
    }

    /// Counts for all that come after a node.
    fn count(&mut self, node: Node, by: impl Fn(&mut u32)) {
        let range = self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize;
        for target in &self.targets[range] {
            by(&mut self.missing[*target as usize]);
        }
        for target in self.decided.get(&node).into_iter().flatten() {
            by(&mut self.missing[*target as usize]);
        }
    }

    fn undo(&mut self) {
        let Some(Gone { node, admitted, open, saved }) = self.gone.pop() else { return };
        let problem = self.problem;
        let member = problem.member(node);
        while self.admitted > admitted {
            self.admitted -= 1;
            let (_, start) = self.starting[self.admitted];
            self.window.remove(&self.entry(start));
        }
        self.count(node, |missing| *missing += 1);
        if problem.is_commit(node) {
            self.time.reopen(member, open);
            self.when[member as usize] = NOT_YET;
            for (key, current, readers) in self.saved.drain(saved..).rev() {
                let at = key as usize;
                self.held[at] = !problem.is_start(node);
                self.current[at] = current;
                self.readers[at] = readers;
            }
        }
        if problem.is_start(node) {
            if !problem.is_commit(node) {
                for key in problem.keys_of(member) {
                    self.held[*key as usize] = false;
                }
                let commit = self.entry(problem.commit(member));
                self.window.remove(&commit);
            }
            for read in problem.reads_of(member) {
                self.readers[read.key as usize] += 1;
            }
        }
        self.window.insert(self.entry(node));
    }

    /// Undoes steps until something else may go than did, and lets that go. False if nothing may,
    /// or if too much has been undone.
    fn retreat(&mut self, undone: &mut usize, most: usize) -> bool {
        while let Some(last) = self.gone.last() {
            let entry = self.entry(last.node);
            self.undo();
            *undone += 1;
            if *undone > most {
                return false;
            }
            let free =
                |node: &Node| self.missing[*node as usize] == 0 && self.blocked(*node).is_none();
            let after = (std::ops::Bound::Excluded(entry), std::ops::Bound::Unbounded);
            let other = self.window.range(after).map(|(_, node)| *node).find(free);
            if let Some(node) = other {
                self.go(node);
                return true;
            }
        }
        false
    }

    /// Forgets what was decided of those that have not gone.
    fn forget(&mut self) {
        let mut gone = vec![false; self.problem.nodes()];
        for one in &self.gone {
            gone[one.node as usize] = true;
        }
        let missing = &mut self.missing;
        for (first, seconds) in &mut self.decided {
            seconds.retain(|second| {
                let kept = gone[*second as usize];
                if !kept && !gone[*first as usize] {
                    missing[*second as usize] -= 1;
                }
                kept
            });
        }
    }

    /// From now on the one goes before the other. Neither has gone.
    fn decide(&mut self, first: Member, second: Member) {
        let (first, second) = (self.problem.commit(first), self.problem.start(second));
        self.decided.entry(first).or_default().push(second);
        self.missing[second as usize] += 1;
    }

    /// Two writers of a key in the wrong order, as it seems: the one that went, and the one that
    /// has to wait for that. Of several, the one that costs least to undo.
    fn conflict(&self) -> Option<(Member, Member)> {
        let problem = self.problem;
        let mut best: Option<(usize, Member, Member)> = None;
        for (_, node) in &self.window {
            let Some(key) = self.blocked(*node) else { continue };
            let Some(current) = self.current[key as usize] else { continue };
            let member = problem.member(*node);
            let read = problem.reads_of(member).iter().find(|read| read.key == key);
            let from = read.and_then(|read| read.from).filter(|from| *from != current);
            let writes = problem.keys_of(member).contains(&key).then_some(member);
            for other in from.into_iter().chain(writes) {
                let when = self.when[current as usize];
                let late = self.when[other as usize] == NOT_YET && when != NOT_YET;
                let better = best.is_none_or(|(latest, ..)| when > latest);
                if late && better && self.saturation.is_open(current, other) {
                    best = Some((when, current, other));
                }
            }
        }
        best.map(|(_, early, late)| (early, late))
    }
}

/// Where a key is among those of who wrote it.
fn place(problem: &Problem<'_>, member: Member, key: KeyId) -> Option<usize> {
    let place = problem.keys_of(member).binary_search(&key).ok()?;
    Some(problem.key_starts[member as usize] as usize + place)
}
