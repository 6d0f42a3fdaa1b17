//! The two generals.

use crate::testbed::Cluster;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn with_a_good_link_both_attack() {
    let cluster = Cluster::start("two-generals", 2, &[("dawn_ms", "50")]);
    for instance in 0..5 {
        assert_eq!(cluster.propose(SOON, instance, &[(0, 1), (1, 1)]), [Some(1); 2]);
    }
    assert_eq!(cluster.propose(SOON, 9, &[(1, 0)]), [Some(0)], "B is not willing");
    assert_eq!(cluster.propose(SOON, 9, &[(0, 1)]), [Some(0)], "so A hears no acknowledgement");
    assert_eq!(cluster.propose(SOON, 10, &[(0, 7)]), [None], "7 is no order");
}

#[test]
fn over_a_lossy_link_one_attacks_alone_however_many_acknowledgements_there_are() {
    for acks in ["0", "1", "2", "3"] {
        let options = [("dawn_ms", "50"), ("sends", "1"), ("acks", acks)];
        let cluster = Cluster::start_with_proxies("two-generals", 2, &options);
        cluster.wait_until_ready();
        cluster.lose(35);
        let alone = (0..60).any(|round| {
            // Several at once, because each takes until its dawn.
            let instances: Vec<i64> = (0..8).map(|step| round * 8 + step).collect();
            std::thread::scope(|scope| {
                let calls: Vec<_> = instances
                    .iter()
                    .map(|instance| {
                        let cluster = &cluster;
                        scope.spawn(move || cluster.propose(SOON, *instance, &[(0, 1), (1, 1)]))
                    })
                    .collect();
                calls.into_iter().any(|call| {
                    let decisions = call.join().expect("a client's thread");
                    assert!(decisions.iter().all(Option::is_some), "dawn comes: {decisions:?}");
                    decisions[0] != decisions[1]
                })
            })
        });
        assert!(alone, "with {acks} acknowledgements nobody attacked alone");
    }
}
