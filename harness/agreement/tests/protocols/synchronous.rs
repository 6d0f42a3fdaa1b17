//! The synchronous rounds.

use crate::testbed::{Cluster, values};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn everybody_decides_the_smallest_also_with_crashes_and_restarts() {
    let mut cluster = Cluster::start("sync-rounds", 5, &[("delta_ms", "80")]);
    cluster.wait_until_ready();
    let decisions = cluster.propose(SOON, 0, &values(5));
    assert!(decisions[0].is_some() && decisions.iter().all(|other| *other == decisions[0]));
    for instance in 1..4 {
        // Two of five are killed while the instance runs.
        cluster.propose(Duration::from_millis(120), instance, &values(5));
        cluster.kill(0);
        cluster.kill(1);
        cluster.wait("those that live decide", |cluster| {
            (2..5).all(|node| cluster.learn(node, instance).is_some())
        });
        let decision = cluster.learn(2, instance);
        assert!((3..5).all(|node| cluster.learn(node, instance) == decision));
        cluster.restart(0);
        cluster.restart(1);
        cluster.wait_until_ready();
        for node in 0..2 {
            let late = cluster.learn(node, instance);
            assert!(late.is_none() || late == decision, "n{} came back and differs", node + 1);
        }
    }
}

#[test]
fn a_node_that_was_away_does_not_decide_an_old_instance_alone() {
    let mut cluster = Cluster::start("sync-rounds", 3, &[("delta_ms", "80")]);
    cluster.wait_until_ready();
    cluster.kill(0);
    let decisions = cluster.propose(SOON, 7, &values(3)[1..]);
    assert!(decisions[0].is_some() && decisions[0] == decisions[1]);
    cluster.restart(0);
    cluster.wait_until_ready();
    // Its own value would be smaller.
    assert_eq!(cluster.propose(SOON, 7, &values(3)[..1]), decisions[..1]);
}

#[test]
fn delays_beyond_delta_split_it() {
    let cluster = Cluster::start_with_proxies("sync-rounds", 4, &[("delta_ms", "50"), ("f", "1")]);
    cluster.wait_until_ready();
    let decisions = cluster.propose(SOON, 0, &values(4));
    assert!(decisions[0].is_some() && decisions.iter().all(|other| *other == decisions[0]));
    (0..3).for_each(|node| cluster.delay(3, node, Duration::from_millis(400)));
    let decisions = cluster.propose(SOON, 1, &values(4));
    assert_eq!(decisions[3], Some(13), "it decides on what it knows alone");
    assert_ne!(decisions[0], Some(13));
    assert!(decisions[..3].iter().all(|other| *other == decisions[0]));
}
