//! Paxos, which has to be right whatever happens.

use crate::testbed::{Cluster, values};
use schism_core::rng::Rng;
use schism_core::wire::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(8);

fn broadcast(message: i64) -> Value {
    json!({"api": "log", "f": "broadcast", "value": message})
}

fn delivered(cluster: &Cluster, node: usize) -> Vec<i64> {
    let list = cluster.value(node, &json!({"api": "log", "f": "delivered"}));
    list.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

fn agree(decisions: &[Option<i64>]) -> bool {
    decisions.iter().flatten().collect::<BTreeSet<_>>().len() <= 1
}

#[test]
fn all_decide_the_same_with_and_without_a_minority() {
    let mut cluster = Cluster::start("paxos", 5, &[]);
    cluster.wait_until_ready();
    for instance in 0..10 {
        let decisions = cluster.propose(SOON, instance, &values(5));
        assert!(decisions.iter().all(Option::is_some) && agree(&decisions), "{decisions:?}");
    }
    cluster.kill(0);
    cluster.kill(3);
    let decisions = cluster.propose(SOON, 10, &[(1, 1), (2, 2), (4, 4)]);
    assert!(decisions.iter().all(Option::is_some) && agree(&decisions), "{decisions:?}");
    // A minority decides nothing, and nothing is lost by that.
    cluster.kill(4);
    assert_eq!(cluster.propose(Duration::from_secs(1), 11, &[(1, 1), (2, 2)]), [None; 2]);
    for node in [0, 3, 4] {
        cluster.restart(node);
    }
    cluster.wait("it is decided", |cluster| cluster.learn(1, 11).is_some());
    cluster.wait_until_ready();
    let decision = cluster.learn(1, 11);
    cluster.wait("all learn it", |cluster| (0..5).all(|node| cluster.learn(node, 11) == decision));
    assert_eq!(cluster.learn(0, 10), decisions[0], "one that was away has learned it");
}

#[test]
fn the_log_is_the_same_everywhere_and_has_what_was_acknowledged() {
    let mut cluster = Cluster::start("paxos", 5, &[]);
    cluster.wait_until_ready();
    let mut acknowledged = Vec::new();
    let (mut next, started) = (0, Instant::now());
    while started.elapsed() < Duration::from_secs(5) {
        let down = (started.elapsed().as_millis() / 700 % 5) as usize;
        cluster.kill(down);
        let answers: Vec<(i64, bool)> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..5_i64)
                .filter(|node| *node as usize != down)
                .map(|node| {
                    let (cluster, message) = (&cluster, next + node);
                    scope.spawn(move || {
                        let answer = cluster.ask_within(SOON, node as usize, &broadcast(message));
                        (message, matches!(answer, Some(Response::Ok { .. })))
                    })
                })
                .collect();
            calls.into_iter().map(|call| call.join().expect("a client's thread")).collect()
        });
        next += 5;
        acknowledged.extend(answers.iter().filter(|(_, ok)| *ok).map(|(message, _)| *message));
        cluster.restart(down);
    }
    cluster.wait_until_ready();
    assert!(acknowledged.len() > 20, "only {} messages", acknowledged.len());
    let first = delivered(&cluster, 0);
    for node in 0..5 {
        cluster.wait("it has all", |cluster| delivered(cluster, node).len() >= first.len());
        assert_eq!(delivered(&cluster, node), first, "n{}", node + 1);
    }
    let once: BTreeSet<i64> = first.iter().copied().collect();
    assert_eq!(once.len(), first.len(), "each message once");
    assert!(acknowledged.iter().all(|message| once.contains(message)));
}

#[test]
fn cuts_delays_and_kills_do_not_make_two_decisions() {
    let mut cluster = Cluster::start_with_proxies("paxos", 5, &[]);
    cluster.wait_until_ready();
    let mut rng = Rng::seeded(u64::from(std::process::id()));
    let rounds = 8;
    for instance in 0..rounds {
        let (a, b) = (rng.below(5), rng.below(5));
        let victim = rng.below(5);
        if a != b {
            cluster.cut(a, b, rng.chance(0.6));
            cluster.delay(a, b, Duration::from_millis(rng.below(200) as u64));
        }
        cluster.isolate(rng.below(5), rng.chance(0.4));
        cluster.propose(Duration::from_millis(500), instance, &values(5));
        cluster.kill(victim);
        cluster.restart(victim);
    }
    for (a, b) in (0..5).flat_map(|a| (0..a).map(move |b| (a, b))) {
        cluster.cut(a, b, false);
        cluster.delay(a, b, Duration::ZERO);
    }
    cluster.wait_until_ready();
    for instance in 0..rounds {
        let decisions = cluster.propose(SOON, instance, &values(5));
        assert!(decisions.iter().all(Option::is_some), "{instance}: {decisions:?}");
        assert!(agree(&decisions), "{instance}: {decisions:?}");
    }
}
