//! The methods against an oracle that tries every order, and the names of anomalies.

use super::history::{Action, NIL, RegisterBuilder, RegisterHistory};
use super::part::{Part, RegOp};
use super::search::{self, Found};
use super::sweep::{Budget, Swept};
use super::timed::Timed;
use super::unique::Writers;
use super::{Linearizable, LinearizableModel, Why, minimal, prefix, sweep, unique, verify};
use crate::build::{Did, NEVER, cases, fail, history, info, ok, spans};
use crate::transactions::ValueId;
use proptest::prelude::*;
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::model::Model;
use schism_core::op::Op;
use schism_core::record::{FaultWindow, RunFacts};
use schism_core::time::Nanos;
use schism_core::verdict::Verdict;
use std::ops::Range;

/// Enough for any small history, by far.
const BUDGET: u64 = 1_000_000;
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// One operation as it is drawn.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    f: u8,
    one: i64,
    two: i64,
    crashed: bool,
    node: usize,
    /// Where in its interval it takes effect, in the drawings that begin as valid histories.
    moment: f64,
    /// Spoil its answer in these drawings.
    spoiled: bool,
}

fn drawn(crashed: f64) -> impl Strategy<Value = Drawn> {
    (0..4_u8, 0..4_i64, 0..4_i64, prop::bool::weighted(crashed), 0..3_usize, 0.0..1.0, 0..12_u8)
        .prop_map(|(f, one, two, crashed, node, moment, spoiled)| Drawn {
            f,
            one,
            two,
            crashed,
            node,
            moment,
            spoiled: spoiled == 0,
        })
}

fn register(op: RegisterOp) -> Call {
    Call::unkeyed(op)
}

/// A value of its own for the operation at this position.
fn number(position: usize) -> i64 {
    i64::try_from(position).unwrap_or_default() + 1
}

fn value(drawn: i64) -> Option<i64> {
    (drawn > 0).then_some(drawn)
}

/// The answers as they were drawn.
fn arbitrary(spans: &[Range<u64>], drawn: &[Drawn], unique: bool) -> Vec<Did<Register>> {
    let ops = spans.iter().zip(drawn).enumerate();
    ops.map(|(position, (span, drawn))| {
        let new = if unique { number(position) } else { drawn.two };
        // With few operations, values up to 3 are often written and often not.
        let (call, reply) = match drawn.f {
            0 | 1 => (RegisterOp::Read, Reply::Read(value(drawn.one))),
            2 => (RegisterOp::Write(new), Reply::Written),
            _ => (RegisterOp::Cas(drawn.one, new), Reply::Written),
        };
        finish(span, drawn, call, reply)
    })
    .collect()
}

/// What one register would have answered; some answers are spoiled.
fn executed(spans: &[Range<u64>], drawn: &[Drawn], unique: bool) -> Vec<Did<Register>> {
    let mut order: Vec<usize> = (0..spans.len().min(drawn.len())).collect();
    let moment = |at: &usize| {
        let span = &spans[*at];
        span.start as f64 + (span.end - span.start) as f64 * drawn[*at].moment
    };
    order.sort_by(|left, right| moment(left).total_cmp(&moment(right)));
    let mut state = None;
    let mut dids: Vec<(usize, Did<Register>)> = Vec::new();
    for at in order {
        let drawn = &drawn[at];
        let new = if unique { number(at) } else { drawn.two };
        let (call, reply) = match (drawn.f, state) {
            (0 | 1, _) => {
                let found = if drawn.spoiled { value(drawn.one) } else { state };
                (RegisterOp::Read, Reply::Read(found))
            }
            (3, Some(old)) => {
                state = Some(new);
                (RegisterOp::Cas(if drawn.spoiled { drawn.one } else { old }, new), Reply::Written)
            }
            (_, _) => {
                state = Some(new);
                (RegisterOp::Write(new), Reply::Written)
            }
        };
        dids.push((at, finish(&spans[at], drawn, call, reply)));
    }
    dids.sort_by_key(|(at, _)| *at);
    dids.into_iter().map(|(_, did)| did).collect()
}

fn finish(span: &Range<u64>, drawn: &Drawn, call: RegisterOp, reply: Reply) -> Did<Register> {
    let node = NODES[drawn.node];
    match drawn.crashed {
        true if span.end.is_multiple_of(2) => info(node, span.start..NEVER, register(call)),
        true => info(node, span.clone(), register(call)),
        false => ok(node, span.clone(), register(call), reply),
    }
}

fn histories(unique: bool) -> impl Strategy<Value = History<Register>> {
    let crashed = prop_oneof![Just(0.2), Just(0.5)];
    let drawn = crashed.prop_flat_map(|crashed| prop::collection::vec(drawn(crashed), 9));
    (spans(1..9), drawn, any::<bool>()).prop_map(move |(spans, drawn, plausible)| {
        let make = if plausible { executed } else { arbitrary };
        history(make(&spans, &drawn, unique))
    })
}

/// Tries every order, and every choice of the operations of unknown fate that took effect. Written
/// from the definition, with nothing in common with the methods that it judges.
fn oracle(ops: &[Op<Register>]) -> bool {
    fn place(left: &[&Op<Register>], state: Option<i64>) -> bool {
        if left.iter().all(|op| op.returned().is_none()) {
            return true;
        }
        left.iter().enumerate().any(|(at, op)| {
            let first = left.iter().all(|other| !other.precedes(op));
            let after = match (op.call.op, op.reply()) {
                (RegisterOp::Read, Some(Reply::Read(found))) => (*found == state).then_some(state),
                (RegisterOp::Read, _) => Some(state),
                (RegisterOp::Write(new), _) => Some(Some(new)),
                (RegisterOp::Cas(old, new), _) => (state == Some(old)).then_some(Some(new)),
            };
            let mut rest = left.to_vec();
            rest.remove(at);
            first && after.is_some_and(|after| place(&rest, after))
        })
    }
    place(&ops.iter().collect::<Vec<_>>(), None)
}

/// The same from a list of intervals; what had not returned by `until` has an unknown fate.
fn possible(ops: &[RegOp], until: u64) -> bool {
    fn place(left: &[RegOp], state: ValueId) -> bool {
        if left.iter().all(|op| op.end == u64::MAX) {
            return true;
        }
        left.iter().enumerate().any(|(at, op)| {
            let first = left.iter().all(|other| other.end >= op.start);
            let after = match op.action {
                Action::Read(found) => (found == state || op.end == u64::MAX).then_some(state),
                Action::Write(new) => Some(new),
                Action::Cas(old, new) => (state == old).then_some(new),
            };
            let mut rest = left.to_vec();
            rest.remove(at);
            first && after.is_some_and(|after| place(&rest, after))
        })
    }
    let known = ops.iter().filter(|op| op.start <= until);
    let known = known.map(|op| if op.end > until { RegOp { end: u64::MAX, ..*op } } else { *op });
    place(&known.collect::<Vec<_>>(), NIL)
}

/// A register as a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RegisterState(Option<i64>);

impl Model for RegisterState {
    type Api = Register;

    fn init() -> Self {
        Self(None)
    }

    fn step(&self, call: &Call, reply: Option<&Reply>) -> Option<Self> {
        match (call.op, reply) {
            (RegisterOp::Read, Some(Reply::Read(found))) => (*found == self.0).then_some(*self),
            (RegisterOp::Read, _) => Some(*self),
            (RegisterOp::Write(new), _) => Some(Self(Some(new))),
            (RegisterOp::Cas(old, new), _) => (self.0 == Some(old)).then_some(Self(Some(new))),
        }
    }
}

fn compact(history: &History<Register>) -> RegisterHistory {
    RegisterBuilder::of(history).expect("few operations")
}

fn part(history: &RegisterHistory) -> Part {
    let registers = history.registers();
    if registers.len() == 0 {
        Part::default()
    } else {
        Part::new(history, registers.get(0), super::history::NIL)
    }
}

fn budget(limits: &Limits) -> Budget<'_> {
    Budget { steps: BUDGET, limits }
}

/// Whether the answer is right, and what it is certified by too.
fn agrees(answer: &Swept, part: &Part, truth: bool) -> bool {
    match answer {
        Swept::Linearizable(order) => truth && verify::is_order(part.whole(), NIL, order),
        Swept::Impossible { last, shortest } => {
            let end = part.ops[*last as usize].end;
            let already = part.completed() > 0 && !possible(&part.ops, end - 1);
            // That a value comes from nowhere may show in the whole history only.
            !truth && (!shortest || (!already && !possible(&part.ops, end)))
        }
        Swept::Undecided { .. } => false,
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_sweep_agrees_with_the_oracle(history in histories(false)) {
        let truth = oracle(history.ops());
        let part = part(&compact(&history));
        let limits = Limits::default();
        for width in [0, 1, 8] {
            let swept = sweep::decide_from(part.whole(), NIL, budget(&limits), width);
            prop_assert!(agrees(&swept, &part, truth), "{width}: {swept:?}, oracle: {truth}");
        }
    }

    #[test]
    fn the_search_agrees_with_the_oracle(history in histories(false)) {
        let truth = oracle(history.ops());
        let ops: Vec<_> = history.ops().iter().filter_map(Timed::of).collect();
        let part = part(&compact(&history));
        let reads: [fn(&Call) -> bool; 2] = [|_| false, |call| call.op == RegisterOp::Read];
        for reads in reads {
            let init = RegisterState::init();
            match search::decide_from(init, reads, &ops, BUDGET, &Limits::default()) {
                Found::Linearizable(order) => {
                    prop_assert!(truth && verify::is_linearization::<RegisterState>(&ops, &order));
                }
                Found::Impossible { last, states } => {
                    prop_assert!(!truth && !states.is_empty());
                    let end = ops[last].end;
                    prop_assert!(!possible(&part.ops, end) && possible(&part.ops, end - 1));
                }
                Found::Exhausted { .. } => prop_assert!(false, "few operations"),
            }
        }
    }

    #[test]
    fn the_method_for_unique_values_agrees_with_the_oracle(history in histories(true)) {
        let truth = oracle(history.ops());
        let part = part(&compact(&history));
        let writers = Writers::of(&part, NIL).expect("distinct values");
        match unique::decide(part.whole(), &writers) {
            Ok(order) => {
                prop_assert!(truth && verify::is_order(part.whole(), NIL, &order), "{order:?}");
            }
            Err(conflict) => {
                prop_assert!(!truth, "{conflict:?}");
                prop_assert!(conflict.holds(part.whole(), NIL), "{conflict:?}");
            }
        }
        let limits = Limits::default();
        let swept = sweep::decide(part.whole(), NIL, budget(&limits));
        prop_assert!(agrees(&swept, &part, truth), "sweep: {swept:?}, oracle: {truth}");
    }

    /// The prefix that is said to fail does, the one before does not; and the minimal part fails.
    #[test]
    fn violations_are_cut_down_to_what_fails(
        history in prop_oneof![histories(true), histories(false)],
    ) {
        let part = part(&compact(&history));
        let limits = Limits::default();
        let why = match Writers::of(&part, NIL) {
            Some(writers) => unique::decide(part.whole(), &writers)
                .err()
                .map(|conflict| Why::Conflict(conflict, writers)),
            None => match sweep::decide(part.whole(), NIL, budget(&limits)) {
                Swept::Impossible { last, shortest } => Some(Why::Swept { last, shortest }),
                _ => None,
            },
        };
        if let Some(why) = why {
            let culprit = prefix::culprit(&part, NIL, &why, budget(&limits));
            let end = part.ops[culprit.position as usize].end;
            prop_assert!(culprit.shortest);
            prop_assert!(!possible(&part.ops, end) && possible(&part.ops, end - 1), "{culprit:?}");
            let minimal = minimal::of(&part, NIL, end, &why, budget(&limits));
            let kept: Vec<RegOp> = minimal.iter().map(|at| part.ops[*at as usize]).collect();
            let until = if matches!(why, Why::Conflict(..)) { u64::MAX } else { end };
            prop_assert!(!possible(&kept, until), "{minimal:?}");
        }
    }

    #[test]
    fn the_checker_is_right_and_can_explain_itself(history in histories(true)) {
        let (facts, limits) = (RunFacts::default(), Limits::default());
        let finding = Linearizable::default().check(&history, &facts, &limits);
        let completed = history.ops().iter().any(|op| op.reply().is_some());
        match finding.verdict {
            Verdict::Valid => prop_assert!(completed && oracle(history.ops())),
            Verdict::Unknown(_) => prop_assert!(!completed),
            Verdict::Invalid(anomalies) => {
                prop_assert!(!oracle(history.ops()));
                prop_assert!(!anomalies[0].ops.is_empty() && !anomalies[0].because.is_empty());
            }
        }
    }

    /// Whatever order is offered, the verifier takes it exactly if it follows from the definition.
    #[test]
    fn the_verifier_takes_linearizations_only(
        history in histories(false),
        random in prop::collection::vec(0..9_u32, 0..9),
        swapped in prop::option::weighted(0.9, (0..9_usize, 0..9_usize)),
    ) {
        let part = part(&compact(&history));
        let limits = Limits::default();
        // A right order with two operations swapped is wrong in a less obvious way than chance.
        let order = match (sweep::decide(part.whole(), NIL, budget(&limits)), swapped) {
            (Swept::Linearizable(mut order), Some((one, other))) if !order.is_empty() => {
                let length = order.len();
                order.swap(one % length, other % length);
                order
            }
            _ => random,
        };
        let ids: Vec<usize> = order.iter().map(|at| *at as usize).collect();
        let once = (0..ids.len()).all(|at| !ids[..at].contains(&ids[at]));
        let known = ids.iter().all(|at| *at < part.ops.len());
        let right = once && known && {
            let op = |at: usize| &history.ops()[part.ids[at] as usize];
            let complete =
                (0..part.ops.len()).all(|at| ids.contains(&at) || op(at).returned().is_none());
            let timely = (0..ids.len()).all(|late| {
                (0..late).all(|early| !op(ids[late]).precedes(op(ids[early])))
            });
            complete && timely && answers_follow(ids.iter().map(|at| op(*at)))
        };
        prop_assert_eq!(verify::is_order(part.whole(), NIL, &order), right);
    }
}

fn answers_follow<'h>(ops: impl Iterator<Item = &'h Op<Register>>) -> bool {
    let mut state = None;
    for op in ops {
        match (op.call.op, op.reply()) {
            (RegisterOp::Read, Some(Reply::Read(found))) if *found != state => return false,
            (RegisterOp::Cas(old, _), _) if state != Some(old) => return false,
            (RegisterOp::Write(new) | RegisterOp::Cas(_, new), _) => state = Some(new),
            (RegisterOp::Read, _) => {}
        }
    }
    true
}

#[test]
fn an_order_against_real_time_or_without_a_completed_operation_is_no_certificate() {
    let history = history([wrote("n1", 0..10, 1), wrote("n1", 20..30, 2)]);
    let part = part(&compact(&history));
    let verdict = |order: &[u32]| verify::is_order(part.whole(), NIL, order);
    assert!(verdict(&[0, 1]));
    assert!(!verdict(&[1, 0]));
    assert!(!verdict(&[0]));
    assert!(!verdict(&[0, 0, 1]));
    assert!(!verdict(&[0, 1, 2]));
}

fn on_key(op: RegisterOp) -> Call {
    Call::keyed(3, op)
}

fn wrote(node: &'static str, span: Range<u64>, new: i64) -> Did<Register> {
    ok(node, span, on_key(RegisterOp::Write(new)), Reply::Written)
}

fn replaced(node: &'static str, span: Range<u64>, old: i64, new: i64) -> Did<Register> {
    ok(node, span, on_key(RegisterOp::Cas(old, new)), Reply::Written)
}

fn read(node: &'static str, span: Range<u64>, found: Option<i64>) -> Did<Register> {
    ok(node, span, on_key(RegisterOp::Read), Reply::Read(found))
}

fn check(ops: impl IntoIterator<Item = Did<Register>>, run: &RunFacts) -> Finding {
    Linearizable::default().check(&history(ops), run, &Limits::default())
}

fn only_anomaly(finding: &Finding) -> (&str, &str) {
    let [anomaly] = finding.verdict.anomalies() else { panic!("one anomaly in {finding:?}") };
    (&anomaly.kind, &anomaly.summary)
}

#[test]
fn a_stale_read_names_the_newer_write() {
    let ops = [wrote("n1", 0..10, 4), wrote("n1", 20..30, 5), read("n3", 40..50, Some(4))];
    let finding = check(ops, &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        (
            "stale-read",
            "stale read of key 3: n3 read 4 at 0.050 s, but n1 had acknowledged write 5 at \
             0.030 s, before that read began"
        )
    );
    let anomaly = &finding.verdict.anomalies()[0];
    assert_eq!(anomaly.ops, [0, 2, 4]);
    assert_eq!(
        anomaly.because.last().map(String::as_str),
        Some("while that operation was open, key 3 can only have held 5")
    );
    assert_eq!(finding.details["decided_by"]["unique"], 1);
}

#[test]
fn a_read_that_is_older_than_another_read_is_stale() {
    let ops = [
        wrote("n1", 0..10, 4),
        info("n1", 20..25, on_key(RegisterOp::Write(5))),
        read("n2", 40..50, Some(5)),
        read("n3", 60..70, Some(4)),
    ];
    let finding = check(ops, &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        (
            "stale-read",
            "stale read of key 3: n3 read 4 at 0.070 s, but n2 had already read 5 at 0.050 s, \
             which is newer"
        )
    );
}

#[test]
fn values_from_nowhere_from_failed_writes_and_from_the_future_are_told_apart() {
    let run = RunFacts::default();
    let nowhere = check([wrote("n1", 0..10, 4), read("n2", 20..30, Some(9))], &run);
    assert_eq!(
        only_anomaly(&nowhere),
        ("garbage-read", "n2 read 9 from key 3 at 0.030 s, which nobody ever wrote")
    );
    let failed = fail("n1", 0..10, on_key(RegisterOp::Write(9)));
    let aborted = check([failed, read("n2", 20..30, Some(9))], &run);
    assert_eq!(only_anomaly(&aborted).0, "aborted-read");
    let future = check([read("n2", 0..10, Some(9)), wrote("n1", 20..30, 9)], &run);
    assert_eq!(only_anomaly(&future).0, "future-read");
}

#[test]
fn two_replacements_of_one_value_lose_a_write() {
    let ops = [wrote("n1", 0..10, 4), replaced("n1", 20..40, 4, 5), replaced("n2", 21..41, 4, 6)];
    let finding = check(ops, &RunFacts::default());
    assert_eq!(
        only_anomaly(&finding),
        (
            "lost-write",
            "lost write on key 3: n1 replaced 4 by 5 and n2 replaced 4 by 6, though 4 was written \
             once"
        )
    );
}

fn partition(name: &str, sides: &[&[&str]]) -> RunFacts {
    let side = |names: &&[&str]| names.iter().map(|name| (*name).into()).collect();
    let fault = FaultWindow {
        fault: 1,
        name: name.to_owned(),
        summary: "the monitor n3 was cut off from the leader n1".to_owned(),
        nodes: vec!["n1".into()],
        sides: sides.iter().map(side).collect(),
        start: Nanos::ZERO,
        end: None,
        verified: Some(true),
        heal_verified: None,
        evidence: Vec::new(),
    };
    RunFacts { faults: vec![fault], ..RunFacts::default() }
}

fn two_primaries() -> [Did<Register>; 4] {
    [
        wrote("n1", 1..10, 17),
        wrote("n2", 20..30, 23),
        wrote("n1", 40..45, 29),
        read("n2", 50..60, Some(23)),
    ]
}

#[test]
fn two_primaries_kept_apart_by_the_network_are_called_split_brain() {
    for run in [
        partition("partition-monitor", &[&["n2", "n3"], &["n1", "n2"]]),
        partition("partition-halves", &[&["n1"], &["n2", "n3"]]),
    ] {
        let finding = check(two_primaries(), &run);
        assert_eq!(
            only_anomaly(&finding),
            (
                "split-brain",
                "split brain: n2 acknowledged write 23 to key 3 and n1 acknowledged write 29, \
                 while the monitor n3 was cut off from the leader n1, and neither order of the two \
                 explains the reads"
            )
        );
    }
}

#[test]
fn nodes_that_could_talk_or_that_took_over_once_are_not_called_split_brain() {
    let together = partition("partition-halves", &[&["n1", "n2"], &["n3"]]);
    assert_eq!(only_anomaly(&check(two_primaries(), &together)).0, "stale-read");
    let apart = partition("partition-halves", &[&["n1"], &["n2", "n3"]]);
    let failover = [wrote("n1", 1..10, 17), wrote("n2", 20..30, 23), read("n1", 50..60, Some(17))];
    assert_eq!(only_anomaly(&check(failover, &apart)).0, "stale-read");
}

#[test]
fn values_that_are_written_twice_take_the_sweep_and_keys_are_independent() {
    let other = |op| Call::keyed(4, op);
    let ops = [
        wrote("n1", 0..10, 1),
        wrote("n1", 20..30, 2),
        wrote("n1", 40..50, 1),
        read("n2", 60..70, Some(1)),
        ok("n1", 5..15, other(RegisterOp::Read), Reply::Read(None)),
    ];
    let finding = check(ops, &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.summary, "5 operations on 2 keys are linearizable");
    assert_eq!(finding.details["decided_by"], serde_json::json!({ "sweep": 1, "unique": 1 }));
    assert_eq!(finding.details["certified_keys"], 2);
}

#[test]
fn over_budget_is_unknown_and_nothing_at_all_too() {
    let ops = [wrote("n1", 0..10, 1), wrote("n1", 1..11, 1), read("n2", 20..30, Some(1))];
    let finding = Linearizable { step_budget: 1 }.check(
        &history(ops),
        &RunFacts::default(),
        &Limits::default(),
    );
    assert!(matches!(&finding.verdict, Verdict::Unknown(why) if why.contains("budget of 1 steps")));
    let nothing = check([fail("n1", 0..10, on_key(RegisterOp::Write(1)))], &RunFacts::default());
    assert!(matches!(nothing.verdict, Verdict::Unknown(_)));
}

/// A counter of which each object has its own, as a user may write one.
#[test]
fn any_model_can_be_judged_key_by_key() {
    let checker =
        LinearizableModel::new("cell", RegisterState::init(), |call: &Call| call.key.clone());
    let other = |op| Call::keyed(4, op);
    let mut ops = vec![
        wrote("n1", 0..10, 4),
        wrote("n1", 20..30, 5),
        ok("n2", 1..9, other(RegisterOp::Read), Reply::Read(None)),
    ];
    let judge = |ops: Vec<Did<Register>>| {
        checker.check(&history(ops), &RunFacts::default(), &Limits::default())
    };
    assert_eq!(judge(ops.clone()).verdict, Verdict::Valid);
    ops.push(read("n3", 40..50, Some(4)));
    let finding = judge(ops);
    assert_eq!(
        only_anomaly(&finding),
        (
            "not-linearizable",
            "no order of the operations on key 3 explains that n3 was answered 4 to read at \
             0.050 s"
        )
    );
    let because = &finding.verdict.anomalies()[0].because;
    assert_eq!(because[0], "before that answer, key 3 can only have been RegisterState(Some(5))");
}

/// A run of one register of the given size, with operations of unknown fate.
fn long(operations: u64, values: i64, crashed_of_100: u64) -> Vec<Did<Register>> {
    let mut rng = schism_core::rng::Rng::seeded(7);
    let mut state = None;
    let mut ops = Vec::new();
    for at in 0..operations {
        let moment = at * 20 + 500;
        let span = moment - rng.bits() % 90..moment + 1 + rng.bits() % 90;
        let crashed = rng.bits() % 100 < crashed_of_100;
        let unique = i64::try_from(at).unwrap_or_default() + 1;
        let new =
            if values == 0 { unique } else { i64::try_from(rng.below(5)).unwrap_or_default() };
        let (call, reply) = match (rng.below(10), state) {
            (0..6, _) => (RegisterOp::Read, Reply::Read(state)),
            (9, Some(old)) => (RegisterOp::Cas(old, new), Reply::Written),
            _ => (RegisterOp::Write(new), Reply::Written),
        };
        if !matches!(call, RegisterOp::Read) && (!crashed || rng.chance(0.5)) {
            state = Some(new);
        }
        let node = NODES[rng.below(3)];
        ops.push(if crashed {
            info(node, span, on_key(call))
        } else {
            ok(node, span, on_key(call), reply)
        });
    }
    ops
}

#[test]
fn long_histories_are_decided_and_certified() {
    for (operations, values, crashed) in [(20_000, 0, 5), (2_000, 5, 0)] {
        let mut ops = long(operations, values, crashed);
        let finding = check(ops.clone(), &RunFacts::default());
        assert_eq!(finding.verdict, Verdict::Valid, "{}", finding.summary);
        let end = operations * 20 + 1000;
        ops.push(wrote("n1", end..end + 1, -1));
        ops.push(read("n1", end + 2..end + 3, Some(if values == 0 { 1 } else { 3 })));
        assert!(matches!(check(ops, &RunFacts::default()).verdict, Verdict::Invalid(_)));
    }
}
