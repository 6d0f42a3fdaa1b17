//! The replicated stores.

use crate::testbed::Cluster;
use schism_core::wire::Response;
use serde_json::{Value, json};
use std::time::Duration;

fn add(element: i64) -> Value {
    json!({"api": "set", "f": "add", "value": element})
}

fn read_set() -> Value {
    json!({"api": "set", "f": "read"})
}

fn write(value: i64) -> Value {
    json!({"api": "register", "f": "write", "key": 1, "value": value})
}

fn read() -> Value {
    json!({"api": "register", "f": "read", "key": 1})
}

fn leads(cluster: &Cluster, node: usize) -> bool {
    cluster.status(node).is_some_and(|status| status.leader)
}

fn has(cluster: &Cluster, node: usize, element: i64) -> bool {
    let elements = cluster.value(node, &read_set());
    elements.as_array().is_some_and(|elements| elements.contains(&json!(element)))
}

#[test]
fn a_primary_serves_and_a_failover_loses_nothing_when_the_primary_is_really_dead() {
    let mut cluster = Cluster::start("primary-replica", 3, &[]);
    cluster.wait_until_ready();
    cluster.wait("the replica is in step", |cluster| {
        cluster.status(0).is_some_and(|status| status.says.contains("1 replicas in step"))
    });
    assert_eq!(cluster.value(0, &write(5)), json!(5));
    assert_eq!(cluster.value(0, &read()), json!(5));
    for request in [read(), write(6)] {
        let Response::Fail { error } = cluster.ask(1, &request) else { panic!("it is a replica") };
        assert_eq!(error, "not primary");
    }
    let cas = json!({"api": "register", "f": "cas", "key": 1, "value": [4, 7]});
    assert!(matches!(cluster.ask(0, &cas), Response::Fail { .. }));
    assert!(matches!(cluster.ask(2, &read()), Response::Fail { .. }), "the monitor serves nobody");
    cluster.kill(0);
    cluster.wait("the replica is promoted", |cluster| leads(cluster, 1));
    assert_eq!(cluster.value(1, &read()), json!(5));
    cluster.restart(0);
    cluster.wait_until_ready();
    assert!(!leads(&cluster, 0));
}

#[test]
fn a_monitor_that_cannot_hear_the_primary_makes_two_of_them() {
    let cluster = Cluster::start_with_proxies("primary-replica", 3, &[]);
    cluster.wait_until_ready();
    assert_eq!(cluster.value(0, &add(1)), json!(1));
    cluster.cut(0, 2, true);
    cluster.wait("the replica is promoted", |cluster| leads(cluster, 1));
    assert!(leads(&cluster, 0), "the old one has not been told");
    assert_eq!(cluster.value(0, &add(2)), json!(2), "the old one acknowledges");
    assert_eq!(cluster.value(1, &add(3)), json!(3), "so does the new one");
    assert!(has(&cluster, 0, 2) && !has(&cluster, 1, 2), "they differ");
    assert!(has(&cluster, 1, 3) && !has(&cluster, 0, 3), "they differ");
    cluster.cut(0, 2, false);
    cluster.wait("the old one is dismissed", |cluster| !leads(cluster, 0));
    cluster.wait_until_ready();
    assert!(has(&cluster, 1, 1) && has(&cluster, 1, 3));
    assert!(!has(&cluster, 1, 2), "what the old one acknowledged is gone");
}

#[test]
fn replicas_answer_reads_if_they_are_told_to() {
    let cluster = Cluster::start("primary-replica", 4, &[("reads", "any")]);
    cluster.wait_until_ready();
    assert_eq!(cluster.value(0, &add(1)), json!(1));
    cluster.wait("both replicas have it", |cluster| has(cluster, 1, 1) && has(cluster, 2, 1));
}

#[test]
fn asynchronous_replication_loses_what_a_killed_primary_had_acknowledged() {
    let mut cluster = Cluster::start("async-failover", 3, &[("replicate_ms", "300")]);
    cluster.wait_until_ready();
    let primary = (0..3).find(|node| leads(&cluster, *node)).expect("a primary");
    let other = (primary + 1) % 3;
    assert_eq!(cluster.value(other, &add(1)), json!(1), "a secondary hands calls on");
    assert!(has(&cluster, other, 1));
    std::thread::sleep(Duration::from_secs(1));
    for element in 10..60 {
        assert_eq!(cluster.value(primary, &add(element)), json!(element));
    }
    cluster.kill(primary);
    cluster.wait("another is elected", |cluster| {
        (0..3).any(|node| node != primary && leads(cluster, node))
    });
    cluster.wait("it serves", |cluster| matches!(cluster.ask(other, &add(2)), Response::Ok { .. }));
    cluster.restart(primary);
    cluster.wait_until_ready();
    assert!(has(&cluster, primary, 1) && has(&cluster, primary, 2));
    assert!(!has(&cluster, primary, 59), "the last ones are rolled back");
}

#[test]
fn a_primary_that_is_cut_off_acknowledges_what_will_be_rolled_back() {
    let cluster = Cluster::start_with_proxies("async-failover", 3, &[]);
    cluster.wait_until_ready();
    let primary = (0..3).find(|node| leads(&cluster, *node)).expect("a primary");
    cluster.isolate(primary, true);
    cluster.wait("another is elected", |cluster| {
        (0..3).any(|node| node != primary && leads(cluster, node))
    });
    for element in 10..60 {
        assert_eq!(cluster.value(primary, &add(element)), json!(element), "it goes on");
    }
    cluster.isolate(primary, false);
    cluster.wait("it follows", |cluster| !leads(cluster, primary));
    cluster.wait_until_ready();
    assert_eq!(cluster.value(primary, &add(70)), json!(70));
    assert!(has(&cluster, primary, 70));
    assert!((10..60).all(|element| !has(&cluster, primary, element)));
}

#[test]
fn a_replica_answers_with_what_it_had() {
    let mut cluster = Cluster::start("stale-replicas", 3, &[("lag_ms", "200")]);
    cluster.wait_until_ready();
    let stale = (1..30).filter(|value| {
        assert_eq!(cluster.value(1, &write(*value)), json!(value), "a replica hands writes on");
        assert_eq!(cluster.value(0, &read()), json!(value), "the primary has it");
        cluster.value(2, &read()) != json!(value)
    });
    assert!(stale.count() > 0, "no stale read");
    cluster.wait("it has the last", |cluster| cluster.value(2, &read()) == json!(29));
    // Both come back with everything.
    cluster.kill(0);
    cluster.kill(2);
    cluster.restart(0);
    cluster.restart(2);
    cluster.wait_until_ready();
    assert_eq!((cluster.value(0, &read()), cluster.value(2, &read())), (json!(29), json!(29)));
}
