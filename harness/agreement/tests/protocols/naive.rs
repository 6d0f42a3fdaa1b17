//! The naive consensus protocols.

use crate::testbed::{Cluster, values};
use schism_core::wire::Response;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_millis(800);

/// The different values that were decided.
fn decided(decisions: &[Option<i64>]) -> BTreeSet<i64> {
    decisions.iter().copied().flatten().collect()
}

#[test]
fn naive_broadcast_agrees_and_hangs_when_a_node_is_missing() {
    let mut cluster = Cluster::start("naive-broadcast", 3, &[]);
    let all = |instance: i64| -> Vec<(usize, i64)> {
        (0..3).map(|node| (node as usize, instance * 100 + 9 - node)).collect()
    };
    assert_eq!(cluster.propose(SOON, 1, &all(1)), [Some(107); 3]);
    cluster.kill(2);
    assert_eq!(cluster.propose(LATER, 2, &all(2)[..2]), [None; 2]);
    assert_eq!(cluster.learn(0, 2), None);
    // It comes back, hears what was sent to it, and is asked.
    cluster.restart(2);
    assert_eq!(cluster.propose(SOON, 2, &all(2)[2..]), [Some(207)]);
    cluster.wait("the others hear of it", |cluster| cluster.learn(0, 2) == Some(207));
    assert_eq!(cluster.learn(2, 1), Some(107), "it remembers what it decided");
}

#[test]
fn a_restarted_node_stays_out_of_what_it_had_a_part_in() {
    let mut cluster = Cluster::start("naive-broadcast", 3, &[]);
    assert_eq!(cluster.propose(LATER, 5, &[(0, 1), (1, 2)]), [None; 2]);
    cluster.kill(0);
    cluster.restart(0);
    let again = json!({"api": "consensus", "f": "propose", "key": 5, "value": 7});
    let Response::Fail { error } = cluster.ask(0, &again) else { panic!("it proposes twice") };
    assert!(error.contains("restart"), "{error}");
    assert_eq!(cluster.propose(SOON, 6, &[(0, 4), (1, 5), (2, 6)]), [Some(4); 3]);
}

#[test]
fn a_quiet_link_is_given_up_and_nothing_that_was_sent_is_lost() {
    let cluster = Cluster::start_with_proxies("naive-broadcast", 3, &[]);
    cluster.wait_until_ready();
    cluster.hold(0, 1, true);
    for instance in 0..4 {
        let decisions = cluster.propose(LATER, instance, &values(3));
        assert_eq!(decisions, [None, None, Some(10)], "only n3 hears everybody");
    }
    assert!(cluster.status(0).is_some_and(|status| !status.ready), "n1 knows that n2 is away");
    cluster.hold(0, 1, false);
    cluster.wait("all is heard", |cluster| {
        (0..4).all(|instance| (0..3).all(|node| cluster.learn(node, instance) == Some(10)))
    });
    cluster.wait_until_ready();
}

#[test]
fn naive_majority_disagrees_without_any_fault() {
    let cluster = Cluster::start("naive-majority", 5, &[]);
    let split = (0..20).filter(|instance| {
        let decisions = cluster.propose(SOON, *instance, &values(5));
        assert!(decisions.iter().all(Option::is_some), "everybody decides: {decisions:?}");
        decided(&decisions).len() > 1
    });
    assert!(split.count() > 0, "no instance of 20 was split");
}

#[test]
fn the_five_colours_end_in_three_decisions() {
    let cluster = Cluster::start("naive-majority", 5, &[("trace", "five-colours")]);
    for instance in 0..3 {
        let decisions = cluster.propose(SOON, instance, &values(5));
        assert_eq!(decisions, [Some(10), Some(11), Some(12), Some(10), Some(10)]);
    }
}

#[test]
fn two_phase_vote_is_busy_for_ever() {
    let cluster = Cluster::start("two-phase-vote", 5, &[]);
    for instance in 0..3 {
        assert_eq!(cluster.propose(LATER, instance, &values(5)), [None; 5]);
    }
    let says = cluster.status(0).expect("it answers").says;
    let round = says.split("in round ").nth(1).and_then(|rest| rest.split(' ').next());
    let round: u64 = round.and_then(|round| round.parse().ok()).unwrap_or(0);
    assert!(round > 3, "many rounds: {says}");
}

#[test]
fn two_phase_vote_with_the_smallest_value_splits_over_rounds_or_gets_stuck() {
    let cluster = Cluster::start("two-phase-vote", 5, &[("ties", "smallest")]);
    let (mut whole, mut broken) = (0, 0);
    for instance in 0..15 {
        let decisions = cluster.propose(LATER, instance, &values(5));
        let all = decisions.iter().all(Option::is_some);
        if all && decided(&decisions).len() == 1 { whole += 1 } else { broken += 1 }
    }
    assert!(broken > 0, "all of {whole} instances went well");
}

#[test]
fn a_designated_leader_killed_during_its_broadcast_leaves_some_undecided() {
    let mut cluster = Cluster::start("designated-leader", 4, &[("gap_ms", "400")]);
    assert_eq!(cluster.propose(SOON, 0, &values(4)), [Some(10); 4]);
    cluster.propose(Duration::from_millis(200), 1, &values(4));
    cluster.kill(0);
    std::thread::sleep(LATER);
    assert_eq!(cluster.learn(1, 1), Some(10));
    assert_eq!((cluster.learn(2, 1), cluster.learn(3, 1)), (None, None));
    cluster.restart(0);
    assert_eq!(cluster.propose(SOON, 2, &values(4)), [Some(10); 4], "it leads what comes");
    assert_eq!(cluster.learn(3, 1), None, "but not what it had begun");
}

#[test]
fn a_naive_takeover_decides_otherwise() {
    let options = [("gap_ms", "400"), ("takeover", "true"), ("silence_ms", "300")];
    let mut cluster = Cluster::start("designated-leader", 4, &options);
    cluster.propose(Duration::from_millis(200), 1, &values(4));
    cluster.kill(0);
    cluster.wait("the others decide", |cluster| cluster.learn(3, 1).is_some());
    assert_eq!(cluster.learn(1, 1), Some(10), "it heard the old leader");
    assert_ne!(cluster.learn(3, 1), Some(10), "it heard another");
}
