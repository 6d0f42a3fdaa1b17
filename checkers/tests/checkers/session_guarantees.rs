//! Session guarantees, PRAM and causal consistency, against their definitions.

use crate::build::{Did, cases, history, info, ok};
use crate::{check, kinds, only_anomaly};
use proptest::prelude::*;
use schism_checkers::session_guarantees::{Guarantees, SessionGuarantees};
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::collections::BTreeMap;
use std::ops::Range;

const CAUSAL: SessionGuarantees = SessionGuarantees { keeps: Guarantees::CAUSAL };

/// What a process does, in the order of the list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    W(i64, i64),
    R(i64, Option<i64>),
    Cas(i64, i64, i64),
    Crash(i64, i64),
    CrashCas(i64, i64, i64),
}
use Do::{Cas, Crash, CrashCas, R, W};

pub(crate) fn done(ops: impl IntoIterator<Item = (u64, Do)>) -> Vec<Did<Register>> {
    (0_u64..)
        .zip(ops)
        .map(|(at, (process, what))| one(at * 10..at * 10 + 5, process, what))
        .collect()
}

fn one(span: Range<u64>, process: u64, what: Do) -> Did<Register> {
    let did = match what {
        W(key, value) => ok("n1", span, Call::keyed(key, RegisterOp::Write(value)), Reply::Written),
        R(key, value) => ok("n1", span, Call::keyed(key, RegisterOp::Read), Reply::Read(value)),
        Cas(key, old, new) => {
            ok("n1", span, Call::keyed(key, RegisterOp::Cas(old, new)), Reply::Written)
        }
        CrashCas(key, old, new) => info("n1", span, Call::keyed(key, RegisterOp::Cas(old, new))),
        Crash(key, value) => info("n1", span, Call::keyed(key, RegisterOp::Write(value))),
    };
    did.by(process)
}

fn causal(ops: impl IntoIterator<Item = (u64, Do)>) -> Finding {
    check(&CAUSAL, done(ops), &RunFacts::default())
}

#[test]
fn a_session_that_reads_nothing_after_its_write_does_not_read_its_writes() {
    let finding = causal([(0, W(1, 7)), (0, R(1, None))]);
    assert_eq!(
        only_anomaly(&finding),
        (
            "read-your-writes",
            "n1 read nothing of key 1, where under read-your-writes it sees that process 0 wrote 7 \
             to key 1"
        )
    );
}

#[test]
fn a_session_that_goes_back_and_forth_has_no_monotonic_reads() {
    let ops =
        [(0, W(1, 1)), (1, W(1, 2)), (2, R(1, Some(1))), (2, R(1, Some(2))), (2, R(1, Some(1)))];
    let finding = causal(ops);
    assert_eq!(kinds(&finding), ["monotonic-reads"]);
    assert_eq!(finding.verdict.anomalies()[0].ops.len(), 5);
}

#[test]
fn a_session_that_sees_two_writes_of_another_backwards() {
    let ops = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, Some(2))), (1, R(1, Some(1)))];
    assert_eq!(kinds(&causal(ops)), ["monotonic-reads+monotonic-writes"]);
}

#[test]
fn in_a_long_history_the_first_circle_found_is_judged_by_itself() {
    let long = (0..3000).flat_map(|at| [(7, W(2, at)), (8, R(2, Some(at)))]);
    let ops = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, Some(2))), (1, R(1, Some(1)))];
    let finding = causal(long.chain(ops));
    assert_eq!(kinds(&finding), ["monotonic-reads+monotonic-writes"]);
    assert_eq!(finding.verdict.anomalies()[0].ops.len(), 4);
}

#[test]
fn an_effect_without_its_cause() {
    let ops = [(0, W(1, 1)), (1, R(1, Some(1))), (1, W(2, 2)), (2, R(2, Some(2))), (2, R(1, None))];
    assert_eq!(kinds(&causal(ops)), ["monotonic-reads+writes-follow-reads"]);
    let pram = SessionGuarantees { keeps: Guarantees::PRAM };
    assert_eq!(check(&pram, done(ops), &RunFacts::default()).verdict, Verdict::Valid);
}

#[test]
fn stale_reads_of_other_sessions_are_causal() {
    let ops = [(0, W(1, 1)), (0, W(1, 2)), (1, R(1, None)), (1, R(1, Some(1))), (2, R(1, Some(2)))];
    let finding = causal(ops);
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.details["certified"], true);
}

#[test]
fn a_crashed_write_may_show_late_and_a_value_written_twice_is_not_judged() {
    let ops = [(0, Crash(1, 1)), (1, R(1, None)), (1, R(1, Some(1)))];
    assert_eq!(causal(ops).verdict, Verdict::Valid);
    let twice = causal([(0, W(1, 1)), (1, W(1, 1))]);
    assert!(matches!(twice.verdict, Verdict::Unknown(_)));
}

#[test]
fn values_from_nowhere_break_every_guarantee() {
    let ops = [(0, R(1, Some(4))), (1, R(1, Some(5))), (2, W(1, 5))];
    assert_eq!(kinds(&causal(ops)), ["garbage-read", "future-read"]);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// Of a value; `None`: of what was there before any write.
    Read(Option<i64>),
    Write(i64),
}

/// A read (with the write that it read) or a write, as the oracle sees it.
#[derive(Clone, Debug)]
struct Part {
    key: i64,
    process: u64,
    open: bool,
    what: What,
}

impl Part {
    fn is_write(&self) -> bool {
        matches!(self.what, What::Write(_))
    }
}

fn parts(ops: &[Op<Register>], left_out: &[bool]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (op, left_out) in ops.iter().zip(left_out) {
        if *left_out || matches!(op.outcome, Outcome::Fail(_)) {
            continue;
        }
        let Some(schism_core::api::Key::Int(key)) = op.call.key else { continue };
        let open = op.returned().is_none();
        let part = |what| Part { key, process: op.process, open, what };
        match (op.call.op, op.reply()) {
            (RegisterOp::Read, Some(Reply::Read(value))) => parts.push(part(What::Read(*value))),
            (RegisterOp::Read, _) => {}
            (RegisterOp::Write(new), _) => parts.push(part(What::Write(new))),
            (RegisterOp::Cas(old, new), _) => {
                parts.extend([part(What::Read(Some(old))), part(What::Write(new))]);
            }
        }
    }
    parts
}

/// Is there an order of writes, and a set of visible writes for each read, with these guarantees?
fn explained(parts: &[Part], keeps: Guarantees) -> bool {
    let writes: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].is_write()).collect();
    let reads: Vec<usize> = (0..parts.len()).filter(|at| !parts[*at].is_write()).collect();
    let follows = |a: usize, b: usize| {
        a < b
            && parts[a].process == parts[b].process
            // The write of an open compare-and-set follows its read.
            && (!parts[a].open || (b == a + 1 && !parts[a].is_write()))
    };
    let mut orders = vec![Vec::new()];
    for write in &writes {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut order = order.clone();
                    order.insert(at, *write);
                    order
                })
            })
            .collect();
    }
    orders.into_iter().any(|order| {
        let place = |write: usize| order.iter().position(|other| *other == write).unwrap_or(0);
        let sorted = writes.iter().all(|a| {
            writes
                .iter()
                .all(|b| !(keeps.monotonic_writes && follows(*a, *b)) || place(*a) < place(*b))
        });
        // Sets of visible writes are bits in the order.
        let fits = |read: usize, set: u32| {
            let newest = order
                .iter()
                .enumerate()
                .filter(|(at, write)| set >> at & 1 == 1 && parts[**write].key == parts[read].key)
                .map(|(_, write)| parts[*write].what)
                .next_back();
            match (parts[read].what, newest) {
                (What::Read(Some(value)), Some(newest)) => newest == What::Write(value),
                (what, newest) => what == What::Read(None) && newest.is_none(),
            }
        };
        let choices: Vec<Vec<u32>> = reads
            .iter()
            .map(|read| (0..1_u32 << order.len()).filter(|set| fits(*read, *set)).collect())
            .collect();
        sorted
            && choose(&choices, &mut Vec::new(), &|sets: &[u32]| {
                kept(parts, &reads, &order, sets, keeps, &follows)
            })
    })
}

fn choose(choices: &[Vec<u32>], sets: &mut Vec<u32>, check: &dyn Fn(&[u32]) -> bool) -> bool {
    match choices.get(sets.len()) {
        None => true,
        Some(options) => options.iter().any(|set| {
            sets.push(*set);
            let found = check(sets) && choose(choices, sets, check);
            sets.pop();
            found
        }),
    }
}

/// Do these sets, for the first reads, keep what is demanded?
fn kept(
    parts: &[Part],
    reads: &[usize],
    order: &[usize],
    sets: &[u32],
    keeps: Guarantees,
    follows: &dyn Fn(usize, usize) -> bool,
) -> bool {
    let place = |write: usize| order.iter().position(|other| *other == write).unwrap_or(0);
    let has = |set: u32, write: usize| set >> place(write) & 1 == 1;
    let is_write = |at: usize| parts[at].is_write();
    let all = || reads.iter().copied().zip(sets.iter().copied());
    all().all(|(read, set)| {
        let own = order
            .iter()
            .all(|write| !(keeps.read_your_writes && follows(*write, read)) || has(set, *write));
        let earlier = all().all(|(other, smaller)| {
            !(keeps.monotonic_reads && follows(other, read)) || smaller & !set == 0
        });
        let with_writes = order.iter().filter(|write| has(set, **write)).all(|write| {
            let together = order.iter().all(|before| {
                !(keeps.monotonic_writes && follows(*before, *write)) || has(set, *before)
            });
            let causes = all().all(|(cause, seen)| {
                !(keeps.writes_follow_reads && follows(cause, *write)) || seen & !set == 0
            });
            together && causes
        });
        let after_cause =
            (0..parts.len()).filter(|at| is_write(*at) && follows(read, *at)).all(|write| {
                let newest = u32::BITS - set.leading_zeros();
                !keeps.writes_follow_reads
                    || usize::try_from(newest).is_ok_and(|newest| newest <= place(write))
            });
        own && earlier && with_writes && after_cause
    })
}

/// Up to four writes and five reads by three processes, on two keys; mostly one after the other,
/// and mostly such that reads see what was written before in this order, if perhaps not last.
pub(crate) fn histories() -> impl Strategy<Value = History<Register>> {
    let drawn = (0..6_u64, 0..8_u8, prop::bool::weighted(0.15), 0..9_usize);
    let drawn = prop::collection::vec(drawn, 5..12);
    let lengths = prop::collection::vec(1..30_u64, 8);
    (drawn, lengths, prop::bool::weighted(0.7)).prop_map(|(mut drawn, lengths, in_turn)| {
        // So that there is something to read.
        drawn[0].1 = 1;
        drawn[1].1 = 1;
        let written = |key: bool, before: usize| {
            let all = drawn.iter().zip(1_i64..).take(before);
            let writes = all.filter(move |((_, how, of, _), _)| *how < 3 && *of == key);
            writes.map(|(_, value)| value).collect::<Vec<_>>()
        };
        let (mut writes, mut reads) = (0, 0);
        let ops = drawn.iter().zip(1_i64..).enumerate().filter_map(|(at, (drawn, value))| {
            let (process, how, key, source) = drawn;
            let sources = written(*key, if in_turn { at } else { usize::MAX });
            let seen = match source {
                0 => None,
                _ => sources.get(source % sources.len().max(1)).copied(),
            };
            let is_cas = *how == 2 && seen.is_some_and(|seen| seen != value);
            writes += usize::from(*how < 3);
            reads += usize::from(*how >= 3 || is_cas);
            if writes > 4 || reads > 5 {
                return None;
            }
            let key = i64::from(*key);
            let what = match (how, seen) {
                (0, _) if at % 3 == 0 => Crash(key, value),
                (2, Some(old)) if is_cas && at % 2 == 0 => CrashCas(key, old, value),
                (2, Some(old)) if is_cas => Cas(key, old, value),
                (0..=2, _) => W(key, value),
                _ => R(key, seen),
            };
            // Most reads are of one session, which sees much.
            let process = if matches!(what, R(..)) { process.min(&2) } else { &(process % 3) };
            Some((*process, what))
        });
        let ops: Vec<(u64, Do)> = ops.collect();
        history(if in_turn { done(ops) } else { overlapping(&ops, &lengths) })
    })
}

/// Each process does one after the other; between processes operations overlap, so that one may
/// read what another goes on to write.
fn overlapping(ops: &[(u64, Do)], lengths: &[u64]) -> Vec<Did<Register>> {
    let mut clocks: BTreeMap<u64, u64> = BTreeMap::new();
    let all = (0..).zip(ops).zip(lengths.iter().cycle());
    all.map(|((at, (process, what)), length)| {
        let clock = clocks.entry(*process).or_default();
        // No two events at one time.
        let span = *clock * 16 + at..(*clock + length) * 16 + 8 + at;
        *clock += length + 1;
        one(span, *process, *what)
    })
    .collect()
}

fn oracle(history: &History<Register>, keeps: Guarantees) -> bool {
    let ops = history.ops();
    let crashed: Vec<usize> = (0..ops.len()).filter(|at| ops[*at].returned().is_none()).collect();
    (0..1_u32 << crashed.len()).any(|chosen| {
        let mut left_out = vec![false; ops.len()];
        for (bit, at) in crashed.iter().enumerate() {
            left_out[*at] = chosen >> bit & 1 == 1;
        }
        let mut parts = parts(ops, &left_out);
        parts.sort_by_key(|part| part.process);
        explained(&parts, keeps)
    })
}

fn guarantees() -> impl Strategy<Value = Guarantees> {
    prop::array::uniform4(prop::bool::weighted(0.75)).prop_map(|[ryw, mr, mw, wfr]| Guarantees {
        read_your_writes: ryw,
        monotonic_reads: mr,
        monotonic_writes: mw,
        writes_follow_reads: wfr,
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn guarantees_are_kept_exactly_if_visibility_and_an_order_explain_it(
        history in histories(),
        keeps in guarantees(),
    ) {
        let judge = SessionGuarantees { keeps };
        let finding = judge.check(&history, &RunFacts::default(), &Limits::default());
        let implausible = ["garbage-read", "aborted-read", "future-read"];
        if let Verdict::Unknown(why) = &finding.verdict {
            prop_assert!(why.starts_with("vacuous"), "{why}");
        } else if !kinds(&finding).iter().any(|kind| implausible.contains(kind)) {
            let truth = oracle(&history, keeps);
            let valid = finding.verdict == Verdict::Valid;
            prop_assert_eq!(valid, truth, "{:?}: {:#?}", keeps, finding);
        }
        if finding.verdict == Verdict::Valid {
            prop_assert_eq!(&finding.details["certified"], true);
        }
    }
}
