//! A set: distinct elements are added, it is read now and then, and at the end every node is read.

use crate::common::{from_every_node, general, insist, modest, paced, some_ok};
use schism_checkers::set_full::SetFull;
use schism_core::api::set::{Call, Set as Api};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, concat, from_fn, sleep};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};
use std::time::Duration;

/// Adds that must not be lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Set;

/// A read carries the whole set, so there are few.
const READS: f64 = 0.02;
/// A replica may lag for a second after the first final read; what the second one lacks is lost.
const CATCH_UP: Duration = Duration::from_millis(1200);

impl Workload for Set {
    type Api = Api;

    fn name(&self) -> &'static str {
        "set"
    }

    fn about(&self) -> &'static str {
        "adds to a set; nothing acknowledged may be lost"
    }

    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Api> {
        let calls = from_fn(rng.fork("calls"), 0, |next, rng, _, _| {
            if rng.chance(READS) {
                return Some(Call::Read);
            }
            *next += 1;
            Some(Call::Add(*next - 1))
        });
        paced(calls, params, rng)
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(from_every_node(params, |_| {
            concat([insist(Call::Read), sleep(CATCH_UP), insist(Call::Read)])
        }))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> =
            vec![Box::new(SetFull { linearizable: false })];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("add", modest(params, 1.0)), some_ok("read", 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::Set;
    use crate::testing::{Network, assert_all_nodes_read, calls, params, run};
    use schism_core::api::set::{Call, Reply};
    use schism_core::time::Nanos;

    fn apply(elements: &mut Vec<i64>, call: &Call) -> Reply {
        match call {
            Call::Add(element) => {
                elements.push(*element);
                Reply::Added
            }
            Call::Read => Reply::Read(elements.clone()),
        }
    }

    #[test]
    fn a_correct_store_is_valid_and_every_node_is_read() {
        for network in [Network::Perfect, Network::Lossy] {
            let mut elements = Vec::new();
            let store = move |_: usize, _: Nanos, call: &Call| Some(apply(&mut elements, call));
            let ran = run(&Set, &params(), 1, network, store);
            ran.assert_valid();
            assert_all_nodes_read(&ran, &[Call::Read]);
        }
    }

    #[test]
    fn elements_are_distinct_and_reads_few() {
        let calls = calls(&Set, &params(), 4);
        let added: Vec<i64> = calls
            .iter()
            .filter_map(|call| match call {
                Call::Add(element) => Some(*element),
                Call::Read => None,
            })
            .collect();
        assert_eq!(added, (0..i64::try_from(added.len()).unwrap()).collect::<Vec<_>>());
        assert!((10..100).contains(&(calls.len() - added.len())));
    }

    #[test]
    fn a_lost_element_and_a_node_that_lacks_some_are_found() {
        let mut elements = Vec::new();
        let loses = move |_: usize, _: Nanos, call: &Call| {
            let reply = apply(&mut elements, call);
            elements.retain(|element| *element != 77);
            Some(reply)
        };
        let ran = run(&Set, &params(), 2, Network::Perfect, loses);
        assert!(ran.anomalies().contains("lost"), "{:?}", ran.verdict);

        let mut elements = Vec::new();
        let lacks = move |node: usize, _: Nanos, call: &Call| {
            Some(match apply(&mut elements, call) {
                Reply::Read(all) if node == 3 => {
                    Reply::Read(all.into_iter().filter(|element| *element != 9).collect())
                }
                reply => reply,
            })
        };
        let ran = run(&Set, &params(), 2, Network::Perfect, lacks);
        assert!(ran.anomalies().contains("diverged"), "{:?}", ran.verdict);
    }
}
