//! Broadcast, and wait for everybody: the first idea of how to agree.
//!
//! ```text
//! propose(v):            send v to every node
//! on value v of node p:  keep it; with a value of every node: decide the smallest
//! ```
//!
//! All nodes that decide have seen the same values, so they decide the same (Agreement), and what
//! they decide was proposed (Validity). It breaks because a node can't tell a slow node from a dead
//! one: with one node gone nobody ever decides (Termination). Links are reliable: a message is sent
//! until it has been received. A node that was killed stays out of the instances that it had a part
//! in, and takes part in later ones, so what is stuck stays so.
//!
//! To see it: `schism test naive-broadcast --faults kill:one`.

use crate::decisions::Decisions;
use crate::host::{NodeConfig, Service, serve};
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::Protocol;
use schism_core::api::Payload;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "naive-broadcast",
    about: "broadcast, and wait for proposals from all",
    serves: &["consensus"],
    nodes: 2..=usize::MAX,
    last_node: None,
    options: &[],
    node: |config| Box::pin(node(config)),
};

#[derive(Clone, Serialize, Deserialize)]
struct Proposal {
    instance: i64,
    value: i64,
}

struct NaiveBroadcast {
    config: NodeConfig,
    peers: Peers<Proposal>,
    decisions: Decisions,
    heard: RefCell<HashMap<i64, BTreeMap<usize, i64>>>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let decisions = Decisions::open(&config)?;
    let (peers, inbox) = Peers::join(&config, Delivery::UntilReceived).await?;
    let node = Rc::new(NaiveBroadcast {
        config: config.clone(),
        peers,
        decisions,
        heard: RefCell::default(),
    });
    let hearing = listen(inbox, |from, proposal| node.hear(from, &proposal));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl NaiveBroadcast {
    fn hear(&self, from: usize, proposal: &Proposal) {
        let Proposal { instance, value } = *proposal;
        if !self.decisions.takes_part(instance) {
            return;
        }
        let mut heard = self.heard.borrow_mut();
        let values = heard.entry(instance).or_default();
        values.insert(from, value);
        if values.len() == self.config.size()
            && let Some(smallest) = values.values().min().copied()
        {
            heard.remove(&instance);
            self.decisions.decide(instance, smallest, format_args!("the smallest of all"));
        }
    }
}

impl Service for NaiveBroadcast {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let propose = |instance, value| {
            self.decisions.takes_part(instance);
            self.peers.broadcast(&Proposal { instance, value });
            Ok(())
        };
        self.decisions.answer(&api, &payload, propose).await
    }

    fn status(&self) -> NodeStatus {
        let everybody = self.peers.reached() == self.config.size();
        self.decisions.status(everybody, false, "")
    }
}
