//! The election by acknowledgements.

use crate::testbed::Cluster;
use schism_core::api::leadership::Reply;
use schism_core::wire::Response;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Who was seen to lead which term, while a time passes.
fn leaders_seen(cluster: &Cluster, during: Duration) -> BTreeMap<u64, Vec<usize>> {
    let mut seen: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let end = Instant::now() + during;
    while Instant::now() < end && seen.values().all(|leaders| leaders.len() < 2) {
        for node in 0..cluster.size() {
            let request = json!({"api": "leadership", "f": "observe"});
            let Response::Ok { value } = cluster.ask(node, &request) else {
                panic!("a node doesn't know how it sees itself");
            };
            let reply: Reply = serde_json::from_value(value).expect("a view");
            let leaders = seen.entry(reply.term).or_default();
            if reply.leader && !leaders.contains(&node) {
                leaders.push(node);
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    seen
}

#[test]
fn with_quick_links_a_term_has_one_leader_and_another_follows_a_killed_one() {
    let mut cluster = Cluster::start("ack-election", 5, &[]);
    cluster.wait_until_ready();
    let seen = leaders_seen(&cluster, Duration::from_millis(500));
    assert!(seen.values().all(|leaders| leaders.len() <= 1), "{seen:?}");
    let leader = (0..5).find(|node| cluster.status(*node).is_some_and(|status| status.leader));
    let leader = leader.expect("somebody leads");
    let campaign = json!({"api": "leadership", "f": "campaign"});
    let other: Reply =
        serde_json::from_value(cluster.value((leader + 1) % 5, &campaign)).expect("a view");
    assert!(!other.leader, "somebody leads already");
    let before = cluster.value(leader, &json!({"api": "leadership", "f": "observe"}));
    cluster.kill(leader);
    cluster.wait("another leads", |cluster| {
        (0..5)
            .filter(|node| *node != leader)
            .any(|node| cluster.status(node).is_some_and(|status| status.leader))
    });
    cluster.restart(leader);
    cluster.wait_until_ready();
    let after: Reply = serde_json::from_value(
        cluster.value(leader, &json!({"api": "leadership", "f": "observe"})),
    )
    .expect("a view");
    assert_ne!(before["boot"], json!(after.boot), "lives differ");
}

#[test]
fn slow_links_make_two_leaders_of_one_term() {
    let cluster = Cluster::start_with_proxies("ack-election", 5, &[]);
    cluster.wait_until_ready();
    let mut found = false;
    for _ in 0..6 {
        for (a, b) in (0..5).flat_map(|a| (0..a).map(move |b| (a, b))) {
            cluster.delay(a, b, Duration::from_millis(300));
        }
        let seen = leaders_seen(&cluster, Duration::from_secs(4));
        found |= seen.values().any(|leaders| leaders.len() > 1);
        if found {
            break;
        }
        for (a, b) in (0..5).flat_map(|a| (0..a).map(move |b| (a, b))) {
            cluster.delay(a, b, Duration::ZERO);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(found, "never two leaders of one term");
}
