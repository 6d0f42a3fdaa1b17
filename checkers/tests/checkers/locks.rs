//! Mutexes, reentrant ones, and locks with fencing tokens.

use crate::build::{Did, NEVER, cases, fail, history, info, ok};
use crate::{check, only_anomaly};
use proptest::prelude::*;
use schism_checkers::fencing_lock::FencingLock;
use schism_checkers::locks::{Mutex, ReentrantMutex};
use schism_checkers::semaphore::Semaphore;
use schism_core::api::Key;
use schism_core::api::lock::{Call, Lock, LockOp, Reply};
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeMap;
use std::ops::Range;

const ACQUIRE: Call = Call { key: None, by: None, op: LockOp::Acquire };
const RELEASE: Call = Call { key: None, by: None, op: LockOp::Release };

fn acquired(process: u64, span: Range<u64>, token: Option<i64>) -> Did<Lock> {
    ok("n1", span, ACQUIRE, Reply::Acquired(token)).by(process)
}

fn released(process: u64, span: Range<u64>) -> Did<Lock> {
    ok("n1", span, RELEASE, Reply::Released).by(process)
}

#[test]
fn two_that_hold_a_mutex_at_once_break_it() {
    let ops = || {
        [
            acquired(1, 0..10, None),
            acquired(2, 5..30, None),
            released(1, 40..50),
            released(2, 45..60),
        ]
    };
    let finding = check(&Mutex, ops(), &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        (
            "double-acquire",
            "the mutex: process 1 at n1 acquired it at 0.010 s and process 2 at n1 at 0.030 s, and \
             neither had released it before the other held it"
        )
    );
    assert_eq!(finding.verdict.anomalies()[0].ops, [0, 4, 1, 5]);
    assert_eq!(
        finding.verdict.anomalies()[0].because[1],
        "n1 took it back from process 1, from 0.040 s to 0.050 s"
    );
    assert_eq!(check(&ReentrantMutex, ops(), &RunFacts::default()).verdict.word(), "invalid");
}

#[test]
fn only_the_holder_releases() {
    let ops = [acquired(1, 0..10, None), released(2, 20..30)];
    let finding = check(&Mutex, ops, &RunFacts::default());
    let summary = "the mutex: process 2 at n1 released it at 0.030 s without holding it";
    assert_eq!(only_anomaly(&finding), ("not-held", summary));
    let ops = [acquired(1, 0..10, None), released(1, 20..30), released(1, 40..50)];
    let finding = check(&ReentrantMutex, ops, &RunFacts::default());
    assert_eq!(finding.verdict.anomalies()[0].kind, "not-held");
    assert_eq!(finding.verdict.anomalies()[0].ops, [2, 4]);
}

#[test]
fn only_a_reentrant_mutex_is_acquired_twice() {
    let ops = || {
        [
            acquired(1, 0..10, None),
            acquired(1, 20..30, None),
            released(1, 40..50),
            released(1, 60..70),
            acquired(2, 45..90, None),
        ]
    };
    assert_eq!(check(&Mutex, ops(), &RunFacts::default()).verdict.word(), "invalid");
    assert_eq!(check(&ReentrantMutex, ops(), &RunFacts::default()).verdict, Verdict::Valid);
}

#[test]
fn what_crashed_need_not_have_happened_or_may_have() {
    let ops = [
        info("n1", 0..NEVER, ACQUIRE).by(1),
        acquired(2, 5..10, None),
        info("n1", 20..NEVER, RELEASE).by(2),
        acquired(3, 30..40, None),
        fail("n1", 50..60, ACQUIRE).by(4),
    ];
    assert_eq!(check(&Mutex, ops, &RunFacts::default()).verdict, Verdict::Valid);
    // It goes on after a crash, so it must have acquired after all.
    let ops = || vec![info("n1", 0..5, ACQUIRE).by(1), released(1, 20..30)];
    let finding = check(&Mutex, ops(), &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.details["decided_by"]["search"], 1);
    let finding =
        check(&Mutex, ops().into_iter().chain([released(1, 40..50)]), &RunFacts::default());
    assert_eq!(finding.verdict.anomalies()[0].kind, "not-linearizable");
}

#[test]
fn a_semaphore_has_no_more_holders_than_permits() {
    let ops = || {
        [
            acquired(1, 0..10, None),
            acquired(2, 5..30, None),
            acquired(2, 35..36, None),
            released(1, 40..50),
            released(2, 45..60),
        ]
    };
    let finding = check(&Semaphore { permits: 2 }, ops(), &RunFacts::default());
    let summary = "the semaphore: process 2 at n1 acquired it at 0.036 s, when all of 2 permits \
                   were held and not yet being released";
    assert_eq!(only_anomaly(&finding), ("too-many-holders", summary));
    assert_eq!(finding.verdict.anomalies()[0].ops, [0, 1, 4, 6, 7]);
    let finding = check(&Semaphore { permits: 3 }, ops(), &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    // One that is being released may have been given to the next.
    let handed = [acquired(1, 0..10, None), acquired(2, 5..30, None), released(1, 20..40)];
    let finding = check(&Semaphore { permits: 1 }, handed, &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    let finding = check(&Semaphore { permits: 9 }, [released(1, 0..10)], &RunFacts::default());
    assert_eq!(finding.verdict.anomalies()[0].kind, "not-held");
}

#[test]
fn each_key_is_a_lock_of_its_own_and_a_holder_may_be_named() {
    let call = |key: i64, by: &str, op| Call {
        key: Some(Key::Int(key)),
        by: Some(Key::Text(by.into())),
        op,
    };
    let ops = [
        ok("n1", 0..10, call(1, "a", LockOp::Acquire), Reply::Acquired(None)),
        ok("n1", 20..30, call(2, "b", LockOp::Acquire), Reply::Acquired(None)),
        ok("n1", 40..50, call(1, "a", LockOp::Release), Reply::Released),
    ];
    assert_eq!(check(&Mutex, ops, &RunFacts::default()).verdict, Verdict::Valid);
}

#[test]
fn tokens_grow_and_are_given_once() {
    let by = |ops: Vec<Did<Lock>>| check(&FencingLock, ops, &RunFacts::default());
    let shrinks = by(vec![acquired(1, 0..10, Some(8)), acquired(2, 20..30, Some(7))]);
    assert_eq!(
        only_anomaly(&shrinks),
        (
            "token-not-monotonic",
            "the lock: process 1 at n1 was given token 8 at 0.010 s, and process 2 at n1 after \
             that the smaller token 7"
        )
    );
    let both = by(vec![acquired(1, 0..10, Some(8)), acquired(2, 5..30, Some(8))]);
    assert_eq!(
        only_anomaly(&both),
        (
            "duplicate-token",
            "the lock: process 1 at n1 and process 2 at n1 were both given token 8"
        )
    );
    let again =
        by(vec![acquired(1, 0..10, Some(8)), released(1, 20..30), acquired(1, 40..50, Some(8))]);
    assert_eq!(
        only_anomaly(&again),
        (
            "duplicate-token",
            "the lock: process 1 at n1 was given token 8 again, after it had let go"
        )
    );
    // Both at once, the later one with the greater token; and one that is reentrant.
    let lapsed = by(vec![
        acquired(1, 0..10, Some(8)),
        acquired(2, 20..30, Some(9)),
        acquired(2, 40..50, Some(9)),
        released(1, 60..70),
    ]);
    assert_eq!(lapsed.verdict, Verdict::Valid);
    let untold = by(vec![acquired(1, 0..10, None)]);
    assert_eq!(
        untold.verdict,
        Verdict::Unknown("the lock: no acquisition was answered with a token".to_owned())
    );
}

/// Which lock.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Mutex,
    Reentrant,
    Fencing,
    Semaphore(u32),
}

/// What a lock is like.
#[derive(Clone, Debug, Default)]
struct State {
    held: BTreeMap<u64, u32>,
    /// The last token, and its holder unless that has let go since.
    last: Option<(i64, Option<u64>)>,
}

impl State {
    fn may_acquire(&self, rule: Rule, by: u64) -> bool {
        match rule {
            Rule::Fencing => true,
            Rule::Mutex => self.held.is_empty(),
            Rule::Semaphore(permits) => self.held.values().sum::<u32>() < permits,
            Rule::Reentrant => self.held.keys().all(|holder| *holder == by),
        }
    }

    fn acquire(&mut self, by: u64) {
        *self.held.entry(by).or_default() += 1;
    }

    fn release(&mut self, by: u64) -> bool {
        let Some(times) = self.held.get_mut(&by) else { return false };
        *times -= 1;
        if *times == 0 {
            self.held.remove(&by);
            if let Some((_, holder)) = &mut self.last {
                holder.take_if(|holder| *holder == by);
            }
        }
        true
    }

    fn perform(&mut self, rule: Rule, op: &Op<Lock>) -> bool {
        let by = op.process;
        match op.call.op {
            LockOp::Release => self.release(by),
            LockOp::Acquire => {
                if let (Rule::Fencing, Some(Reply::Acquired(Some(token)))) = (rule, op.reply()) {
                    let again = self.last == Some((*token, Some(by)));
                    if !again && self.last.is_some_and(|(last, _)| last >= *token) {
                        return false;
                    }
                    self.last = Some((*token, Some(by)));
                }
                let may = self.may_acquire(rule, by);
                self.acquire(by);
                may
            }
        }
    }
}

/// One operation as it is drawn.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    process: u64,
    f: u8,
    pause: u64,
    length: u64,
    crashed: bool,
    goes_on: bool,
    effective: bool,
    moment: f64,
    spoiled: u8,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        (0..3_u64, 0..2_u8, 0..8_u64, 1..12_u64),
        (prop::bool::weighted(0.15), prop::bool::weighted(0.2), any::<bool>(), 0.0..1.0, 0..20_u8),
    )
        .prop_map(|((process, f, pause, length), rest)| {
            let (crashed, goes_on, effective, moment, spoiled) = rest;
            Drawn { process, f, pause, length, crashed, goes_on, effective, moment, spoiled }
        })
}

/// What a lock would have answered; some answers are spoiled.
fn executed(rule: Rule, drawn: &[Drawn]) -> History<Lock> {
    let mut clocks: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut planned: Vec<(f64, u64, Range<u64>, Drawn)> = Vec::new();
    for drawn in drawn {
        let (clock, process) = clocks.entry(drawn.process).or_insert((0, drawn.process));
        let span = *clock + drawn.pause..*clock + drawn.pause + drawn.length;
        let moment = span.start as f64 + drawn.length as f64 * drawn.moment;
        planned.push((moment, *process, span.clone(), *drawn));
        *clock = span.end;
        if drawn.crashed && !drawn.goes_on {
            *process += 10;
        }
    }
    planned.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut state, mut token) = (State::default(), 0);
    let mut dids = Vec::new();
    for (_, process, span, drawn) in planned {
        let happens = !drawn.crashed || drawn.effective;
        // Mostly what makes sense.
        let acquires =
            if drawn.spoiled < 4 { drawn.f == 0 } else { !state.held.contains_key(&process) };
        let (call, reply, works) = if acquires {
            let may = state.may_acquire(rule, process) || drawn.spoiled == 1;
            let works = may && happens;
            if works {
                state.acquire(process);
                token += i64::from(drawn.spoiled != 2) - i64::from(drawn.spoiled == 3) * 2;
            }
            (ACQUIRE, Reply::Acquired((drawn.spoiled != 0).then_some(token)), works)
        } else {
            let works = happens && (state.release(process) || drawn.spoiled == 1);
            (RELEASE, Reply::Released, works)
        };
        dids.push(match (drawn.crashed, works) {
            (true, _) if drawn.goes_on => info("n1", span, call).by(process),
            (true, _) => info("n1", span.start..NEVER, call).by(process),
            (false, true) => ok("n1", span, call, reply).by(process),
            (false, false) => fail("n1", span, call).by(process),
        });
    }
    history(dids)
}

/// Tries every order.
fn oracle(rule: Rule, left: &[&Op<Lock>], state: &State) -> bool {
    if left.iter().all(|op| op.returned().is_none()) {
        return true;
    }
    (0..left.len()).any(|at| {
        let op = left[at];
        let mut after = state.clone();
        let mut rest = left.to_vec();
        rest.remove(at);
        left.iter().all(|other| !other.precedes(op))
            && after.perform(rule, op)
            && oracle(rule, &rest, &after)
    })
}

fn agrees(rule: Rule, checker: &impl Checker<Lock>, drawn: &[Drawn]) -> Result<(), TestCaseError> {
    let history = executed(rule, drawn);
    let happened: Vec<&Op<Lock>> =
        history.ops().iter().filter(|op| op.outcome.may_have_happened()).collect();
    let truth = oracle(rule, &happened, &State::default());
    let finding = checker.check(&history, &RunFacts::default(), &Limits::default());
    match &finding.verdict {
        Verdict::Valid => prop_assert!(truth, "{finding:#?}"),
        Verdict::Invalid(_) => prop_assert!(!truth, "{finding:#?}"),
        Verdict::Unknown(why) => {
            let allowed = why.starts_with("vacuous") || why.contains("with a token");
            prop_assert!(truth && allowed, "{truth} {finding:#?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn mutexes_are_what_the_oracle_says(drawn in prop::collection::vec(drawn(), 2..9)) {
        agrees(Rule::Mutex, &Mutex, &drawn)?;
    }

    #[test]
    fn reentrant_mutexes_are_what_the_oracle_says(drawn in prop::collection::vec(drawn(), 2..9)) {
        agrees(Rule::Reentrant, &ReentrantMutex, &drawn)?;
    }

    #[test]
    fn semaphores_are_what_the_oracle_says(
        drawn in prop::collection::vec(drawn(), 2..9),
        permits in 1..4_u32,
    ) {
        agrees(Rule::Semaphore(permits), &Semaphore { permits }, &drawn)?;
    }

    #[test]
    fn fencing_locks_are_what_the_oracle_says(drawn in prop::collection::vec(drawn(), 2..9)) {
        agrees(Rule::Fencing, &FencingLock, &drawn)?;
    }
}
