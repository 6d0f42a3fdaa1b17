//! Decide on the first majority of proposals: nobody waits for the dead any more.
//!
//! ```text
//! propose(v):        send v to every node
//! on the first n/2+1 values:
//!                    decide the most frequent of them; of equally frequent ones the smallest
//! ```
//!
//! It breaks because each node sees another majority first: any two majorities share a node, but
//! that doesn't make their most frequent values the same. So nodes decide differently (Agreement),
//! with no fault at all; only the order of arrival is needed, and delayed links make it worse.
//! Messages take a random time below `jitter_ms` here, as they do in a real network with queues.
//!
//! The chapter's trace, with `trace=five-colours` and five nodes: n1 to n5 propose red, green,
//! blue, yellow and white, and each node hears itself and then the next two, in a circle. No value
//! is among the three of every node, not even the smallest, which the three nodes that hear it
//! decide; so the nodes decide differently whatever the five values are. Their logs tell it in
//! words.
//!
//! To see it: `schism test naive-majority --faults none`, and the trace with
//! `--option trace=five-colours`.

use crate::decisions::Decisions;
use crate::host::{NodeConfig, Service, serve};
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use schism_core::api::Payload;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "naive-majority",
    about: "decide on the first majority of proposals",
    serves: &["consensus"],
    nodes: 3..=usize::MAX,
    last_node: None,
    options: &[
        ProtocolOption { name: "jitter_ms", about: "messages take up to so long, default 10" },
        ProtocolOption { name: "trace", about: "none or five-colours, default none" },
    ],
    node: |config| Box::pin(node(config)),
};

const COLOURS: [&str; 5] = ["red", "green", "blue", "yellow", "white"];

#[derive(Clone, Serialize, Deserialize)]
struct Proposal {
    instance: i64,
    value: i64,
}

struct NaiveMajority {
    config: NodeConfig,
    five_colours: bool,
    peers: Peers<Proposal>,
    decisions: Decisions,
    /// Proposals in the order of their arrival: who, and what.
    heard: RefCell<HashMap<i64, Vec<(usize, i64)>>>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let jitter = config.millis("jitter_ms", 10)?;
    let five_colours = config.one_of("trace", &["none", "five-colours"])? == "five-colours";
    anyhow::ensure!(
        !five_colours || config.size() == COLOURS.len(),
        "trace=five-colours is a story of 5 nodes, not {}",
        config.size()
    );
    let decisions = Decisions::open(&config)?;
    let (peers, inbox) = Peers::join(&config, Delivery::UntilReceived).await?;
    let node = Rc::new(NaiveMajority {
        config: config.clone(),
        five_colours,
        peers: peers.with_jitter(config.rng("jitter"), jitter),
        decisions,
        heard: RefCell::default(),
    });
    let hearing = listen(inbox, |from, proposal| node.hear(from, &proposal));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl NaiveMajority {
    fn hear(&self, from: usize, proposal: &Proposal) {
        let Proposal { instance, value } = *proposal;
        if !self.decisions.takes_part(instance) {
            return;
        }
        let mut heard = self.heard.borrow_mut();
        let proposals = heard.entry(instance).or_default();
        proposals.push((from, value));
        let Some(majority) = self.first_majority(proposals) else { return };
        let values: Vec<i64> = majority.iter().map(|(_, value)| *value).collect();
        let Some(decision) = most_frequent(&values) else { return };
        self.tell(instance, &majority);
        heard.remove(&instance);
        let names: Vec<&str> = majority.iter().map(|(node, _)| self.name(*node)).collect();
        let names = names.join(", ");
        self.decisions.decide(instance, decision, format_args!("out of the majority {names}"));
    }

    /// The proposals that count: those that came first, or those that the script lets come first.
    fn first_majority(&self, arrived: &[(usize, i64)]) -> Option<Vec<(usize, i64)>> {
        let majority = self.config.majority();
        if !self.five_colours {
            return (arrived.len() >= majority).then(|| arrived[..majority].to_vec());
        }
        let script = (0..majority).map(|step| (self.config.me + step) % self.config.size());
        script.map(|node| arrived.iter().find(|(from, _)| *from == node).copied()).collect()
    }

    fn tell(&self, instance: i64, majority: &[(usize, i64)]) {
        if !self.five_colours {
            return;
        }
        let heard: Vec<String> = majority
            .iter()
            .map(|(node, value)| format!("{} ({value}) of {}", COLOURS[*node], self.name(*node)))
            .collect();
        let heard = heard.join(", then ");
        say!(
            self.config,
            "instance {instance}: hears {heard}; that is a majority, it waits no more"
        );
    }

    fn name(&self, node: usize) -> &str {
        &self.config.nodes[node].0
    }
}

/// The most frequent value; of equally frequent ones the smallest.
fn most_frequent(values: &[i64]) -> Option<i64> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(*value).or_insert(0_usize) += 1;
    }
    // Of equal maxima `max_by_key` takes the last, so the smallest value has to come last.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

impl Service for NaiveMajority {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let propose = |instance, value| {
            self.decisions.takes_part(instance);
            self.peers.broadcast(&Proposal { instance, value });
            Ok(())
        };
        self.decisions.answer(&api, &payload, propose).await
    }

    fn status(&self) -> NodeStatus {
        let ready = self.peers.reached() >= self.config.majority();
        self.decisions.status(ready, false, "")
    }
}

#[cfg(test)]
mod tests {
    use super::most_frequent;

    #[test]
    fn the_most_frequent_value_wins_and_of_equals_the_smallest() {
        assert_eq!(most_frequent(&[3, 1, 2]), Some(1));
        assert_eq!(most_frequent(&[1, 3, 3]), Some(3));
        assert_eq!(most_frequent(&[]), None);
    }
}
