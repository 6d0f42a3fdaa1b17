//! Total-order broadcast: distinct messages are sent, and every node is asked what it delivered.

use crate::common::{from_every_node, general, insist, modest, paced, some_ok};
use schism_checkers::total_order::TotalOrder as TotalOrderChecker;
use schism_core::api::log::{Call, Log};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, concat, from_fn, sleep};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};
use std::time::Duration;

/// The same messages in the same order, everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct TotalOrder;

/// An answer carries the whole order, so it is asked for rarely.
const DELIVERED: f64 = 0.02;
/// A node may still be catching up when it is first asked; what it lacks this much later is lost.
const CATCH_UP: Duration = Duration::from_millis(1200);

impl Workload for TotalOrder {
    type Api = Log;

    fn name(&self) -> &'static str {
        "total-order"
    }

    fn about(&self) -> &'static str {
        "broadcasts; every node delivers the same messages in the same order"
    }

    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Log> {
        let calls = from_fn(rng.fork("calls"), 0, |next, rng, _, _| {
            if rng.chance(DELIVERED) {
                return Some(Call::Delivered);
            }
            *next += 1;
            Some(Call::Broadcast(*next - 1))
        });
        paced(calls, params, rng)
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Log>> {
        Some(from_every_node(params, |_| {
            concat([insist(Call::Delivered), sleep(CATCH_UP), insist(Call::Delivered)])
        }))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Log>>> {
        let mut checkers: Vec<Box<dyn Checker<Log>>> = vec![Box::new(TotalOrderChecker::default())];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("broadcast", modest(params, 1.0)), some_ok("delivered", 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::TotalOrder;
    use crate::testing::{Network, assert_all_nodes_read, calls, params, run};
    use schism_core::api::log::{Call, Reply};
    use schism_core::time::Nanos;
    use std::collections::BTreeSet;

    fn apply(messages: &mut Vec<i64>, call: &Call) -> Reply {
        match call {
            Call::Broadcast(message) => {
                messages.push(*message);
                Reply::Sent
            }
            Call::Delivered => Reply::Delivered(messages.clone()),
        }
    }

    #[test]
    fn a_correct_store_is_valid_and_every_node_is_read() {
        for network in [Network::Perfect, Network::Lossy] {
            let mut messages = Vec::new();
            let store = move |_: usize, _: Nanos, call: &Call| Some(apply(&mut messages, call));
            let ran = run(&TotalOrder, &params(), 1, network, store);
            ran.assert_valid();
            assert_all_nodes_read(&ran, &[Call::Delivered]);
        }
    }

    #[test]
    fn no_message_is_sent_twice() {
        let mut sent = BTreeSet::new();
        for call in calls(&TotalOrder, &params(), 4) {
            if let Call::Broadcast(message) = call {
                assert!(sent.insert(message));
            }
        }
        assert!(sent.len() > 1000);
    }

    #[test]
    fn a_node_with_an_order_of_its_own_is_found() {
        let mut messages = Vec::new();
        let swaps = move |node: usize, _: Nanos, call: &Call| {
            Some(match apply(&mut messages, call) {
                Reply::Delivered(mut all) if node == 2 && all.len() > 30 => {
                    all.swap(20, 21);
                    Reply::Delivered(all)
                }
                reply => reply,
            })
        };
        let ran = run(&TotalOrder, &params(), 2, Network::Perfect, swaps);
        assert!(ran.anomalies().contains("different-order"), "{:?}", ran.verdict);
    }
}
