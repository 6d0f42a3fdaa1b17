//! The schedule in simulated time.

use super::schedule;
use crate::spec::kind;
use schism_core::api::register::Register;
use schism_core::event::{Body, Event, NemesisEvent};
use schism_core::generator::{Act, Context, NemesisCall, Next, ThreadSet};
use schism_core::rng::Rng;
use schism_core::time::Nanos;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(10);
const WORK: Duration = Duration::from_millis(300);

/// Runs a schedule in virtual time, with an idle client beside it. `skips` decides which injections
/// end in an error.
fn run(
    faults: &[&str],
    seed: u64,
    limit: Nanos,
    skips: impl Fn(&str) -> bool,
) -> Vec<(Nanos, NemesisCall)> {
    let faults: Vec<String> = faults.iter().map(|name| (*name).to_owned()).collect();
    let mut generator = schedule::<Register>(&faults, INTERVAL, INTERVAL / 2, &Rng::seeded(seed));
    let (all, processes) = (ThreadSet::from_range(0..2), [0]);
    let mut busy = all.clone();
    busy.remove(1);
    let (mut now, mut log) = (Nanos::ZERO, Vec::new());
    for _ in 0..10_000 {
        let context = Context::new(now, &all, &all, &processes);
        let next = generator.peek(&context);
        assert_eq!(next, generator.peek(&context), "peek is pure");
        let Next::Op(emit) = next else { return log };
        if emit.time > limit {
            return log;
        }
        now = emit.time;
        let context = Context::new(now, &all, &all, &processes);
        let taken = generator.take(&context);
        assert_eq!(taken, emit, "take returns what peek showed");
        assert_eq!(taken.thread, 1, "the nemesis' thread");
        let Act::Nemesis(call) = taken.act else { panic!("the nemesis acts") };
        let context = Context::new(now, &busy, &all, &processes);
        assert_eq!(generator.peek(&context), Next::Pending, "the nemesis is busy");
        let error = matches!(&call, NemesisCall::Inject(name) if skips(name));
        for (at, error) in [(now, None), (now + WORK, error.then_some("no leader".into()))] {
            let body = Body::Nemesis(NemesisEvent { f: "inject".into(), value: ().into(), error });
            let context = Context::new(at, &all, &all, &processes);
            generator.update(&context, 1, &Event { index: 0, time: at, body });
        }
        log.push((now, call));
        now = now + WORK;
    }
    panic!("the schedule never reached its time limit");
}

const SET: [&str; 4] = ["partition-one", "partition-leader", "kill:one", "delay:all"];

#[test]
fn the_first_fault_comes_after_half_an_interval() {
    for seed in 0..20 {
        let log = run(&SET, seed, Nanos::from_secs(300), |_| false);
        assert_eq!(log[0].0, Nanos::from_secs(5));
    }
}

#[test]
fn what_is_injected_is_healed_and_never_more_than_two_at_once() {
    let mut overlaps = 0;
    for seed in 0..50 {
        let mut in_force: Vec<(String, Nanos)> = Vec::new();
        let mut healed = Nanos::ZERO;
        for (time, call) in run(&SET, seed, Nanos::from_secs(600), |_| false) {
            match call {
                NemesisCall::Inject(name) => {
                    if let [(other, _)] = in_force.as_slice() {
                        let family = |name: &str| kind(name).map(|kind| kind.family);
                        assert_ne!(family(other), family(&name), "families differ");
                        overlaps += 1;
                    } else if healed > Nanos::ZERO {
                        let quiet = time - healed;
                        assert!(quiet >= INTERVAL / 4 && quiet <= INTERVAL, "quiet: {quiet:?}");
                    }
                    in_force.push((name, time));
                    assert!(in_force.len() <= 2);
                }
                NemesisCall::Heal(name) => {
                    let at = in_force.iter().position(|(other, _)| *other == name);
                    let (_, since) = in_force.remove(at.expect("only what is in force is healed"));
                    assert!(time - since >= INTERVAL / 2, "held for {:?}", time - since);
                    healed = time;
                }
                NemesisCall::HealAll => panic!("the runner heals at the end"),
            }
        }
    }
    assert!(overlaps > 50, "{overlaps} overlaps in 50 runs of 10 minutes");
}

#[test]
fn no_fault_comes_again_before_each_has_come() {
    for seed in 0..20 {
        // All of one family, so that nothing overlaps and the order is the cards'.
        let set = ["partition-one", "partition-ring", "partition-halves"];
        let mut injected: Vec<String> = Vec::new();
        for (_, call) in run(&set, seed, Nanos::from_secs(600), |_| false) {
            if let NemesisCall::Inject(name) = call {
                injected.push(name);
            }
        }
        for hand in injected.chunks_exact(3) {
            assert!(set.iter().all(|name| hand.iter().any(|card| card == name)), "{hand:?}");
        }
    }
}

#[test]
fn a_skipped_injection_is_not_healed_and_the_next_one_comes_soon() {
    let log = run(&SET, 4, Nanos::from_secs(600), |name| name == "partition-leader");
    let mut since = None;
    let mut skipped = 0;
    for (time, call) in log {
        assert_ne!(call, NemesisCall::Heal("partition-leader".to_owned()));
        if let (Some(at), NemesisCall::Inject(_)) = (since.take(), &call) {
            assert!(time - at < INTERVAL * 2, "the next came after {:?}", time - at);
        }
        if call == NemesisCall::Inject("partition-leader".to_owned()) {
            since = Some(time);
            skipped += 1;
        }
    }
    assert!(skipped > 3, "{skipped} injections were skipped");
}

#[test]
fn nothing_but_skips_does_not_stop_it() {
    let log = run(&["partition-leader"], 1, Nanos::from_secs(60), |_| true);
    assert!(log.len() > 10, "{} attempts in a minute", log.len());
    assert!(log.iter().all(|(_, call)| matches!(call, NemesisCall::Inject(_))));
}

#[test]
fn a_seed_is_a_schedule() {
    let limit = Nanos::from_secs(600);
    assert_eq!(run(&SET, 9, limit, |_| false), run(&SET, 9, limit, |_| false));
    assert_ne!(run(&SET, 9, limit, |_| false), run(&SET, 10, limit, |_| false));
}

#[test]
fn without_faults_it_is_done() {
    assert!(run(&[], 1, Nanos::from_secs(60), |_| false).is_empty());
}
