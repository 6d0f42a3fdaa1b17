//! One designated node decides for all.
//!
//! ```text
//! propose(v) at the leader:     send v to the other nodes, one after the other; decide v
//! propose(v) at another node:   wait
//! on the leader's value:        decide it
//! ```
//!
//! The leader is the first node. Everybody decides its value (Agreement), which it proposed
//! (Validity). It breaks because all hangs on one node: killed before it has sent, nobody ever
//! decides; killed between two sends (`gap_ms` apart), some have decided and the rest never do
//! (Termination). The leader's memory dies with it: started again, it stays out of the instances
//! that it had begun, and leads the ones that come.
//!
//! The naive repair is `takeover=true`: a node that has heard nothing of the leader for a while,
//! the last node first, leads in its place and sends its own proposals. But those that had heard
//! the old leader decided its value (Agreement); and a leader who was only slow to be heard goes on
//! too.
//!
//! To see it: `schism test designated-leader --faults kill:leader`, and the same with
//! `--option takeover=true`.

use crate::decisions::Decisions;
use crate::host::{NodeConfig, Service, serve};
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use schism_core::api::Payload;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "designated-leader",
    about: "one designated node decides for all",
    serves: &["consensus"],
    nodes: 2..=usize::MAX,
    last_node: None,
    options: &[
        ProtocolOption { name: "gap_ms", about: "between two sends of the leader, default 50" },
        ProtocolOption { name: "takeover", about: "false or true, default false" },
        ProtocolOption {
            name: "silence_ms",
            about: "the leader's silence after which the last node takes over, default 500",
        },
    ],
    node: |config| Box::pin(node(config)),
};

/// How often the leader says that it lives, where others may take over.
const ALIVE_EVERY: Duration = Duration::from_millis(50);

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    Decide { instance: i64, value: i64 },
    Alive,
}

struct DesignatedLeader {
    config: NodeConfig,
    gap: Duration,
    takeover: bool,
    silence: Duration,
    peers: Peers<Message>,
    decisions: Decisions,
    leader: Cell<usize>,
    heard_leader: Cell<Instant>,
    /// This node's proposals that are not decided here, nor sent by it as a leader.
    waiting: RefCell<BTreeMap<i64, i64>>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let gap = config.millis("gap_ms", 50)?;
    let takeover = config.one_of("takeover", &["false", "true"])? == "true";
    let silence = config.millis("silence_ms", 500)?;
    let decisions = Decisions::open(&config)?;
    let (peers, inbox) = Peers::join(&config, Delivery::UntilReceived).await?;
    let node = Rc::new(DesignatedLeader {
        config: config.clone(),
        gap,
        takeover,
        silence,
        peers,
        decisions,
        leader: Cell::new(0),
        heard_leader: Cell::new(Instant::now()),
        waiting: RefCell::default(),
    });
    if takeover {
        tokio::task::spawn_local(node.clone().watch());
    }
    let hearing = listen(inbox, |from, message| node.hear(from, &message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl DesignatedLeader {
    fn leads(&self) -> bool {
        self.leader.get() == self.config.me
    }

    fn propose(self: &Rc<Self>, instance: i64, value: i64) {
        if !self.decisions.takes_part(instance) {
            return;
        }
        if self.leads() {
            tokio::task::spawn_local(self.clone().decide_for_all(instance, value));
        } else {
            self.waiting.borrow_mut().insert(instance, value);
        }
    }

    async fn decide_for_all(self: Rc<Self>, instance: i64, value: i64) {
        say!(self.config, "instance {instance}: sends its value {value} to the others");
        for peer in (0..self.config.size()).filter(|peer| *peer != self.config.me) {
            self.peers.send(peer, &Message::Decide { instance, value });
            sleep(self.gap).await;
        }
        self.decisions.decide(instance, value, format_args!("its own, being the leader"));
    }

    fn hear(&self, from: usize, message: &Message) {
        match *message {
            Message::Alive => {
                // The one that spoke last is believed, except by a leader with a smaller number.
                if !self.leads() || from < self.config.me {
                    self.leader.set(from);
                    self.heard_leader.set(Instant::now());
                }
            }
            Message::Decide { instance, value } => {
                self.waiting.borrow_mut().remove(&instance);
                if self.decisions.takes_part(instance) {
                    let leader = &self.config.nodes[from].0;
                    self.decisions.decide(instance, value, format_args!("as {leader} says"));
                }
            }
        }
    }

    /// Says that the leader lives, or takes over from one that doesn't.
    async fn watch(self: Rc<Self>) {
        // One after the other, so that not everybody takes over at once.
        let patience = self.silence + Duration::from_millis(150) * self.rank_from_last();
        loop {
            if self.leads() {
                self.peers.tell_others(&Message::Alive);
            } else if self.heard_leader.get().elapsed() > patience {
                let silent = &self.config.nodes[self.leader.get()].0;
                say!(self.config, "has heard nothing of {silent}, and leads in its place");
                self.leader.set(self.config.me);
                for (instance, value) in std::mem::take(&mut *self.waiting.borrow_mut()) {
                    tokio::task::spawn_local(self.clone().decide_for_all(instance, value));
                }
            }
            sleep(ALIVE_EVERY).await;
        }
    }

    fn rank_from_last(&self) -> u32 {
        u32::try_from(self.config.size() - 1 - self.config.me).unwrap_or(u32::MAX)
    }
}

impl Service for DesignatedLeader {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let propose = |instance, value| {
            self.propose(instance, value);
            Ok(())
        };
        self.decisions.answer(&api, &payload, propose).await
    }

    fn status(&self) -> NodeStatus {
        let leader = &self.config.nodes[self.leader.get()].0;
        let takeover = if self.takeover { ", until it goes silent" } else { "" };
        let ready = self.peers.reached() >= self.config.majority();
        self.decisions.status(ready, self.leads(), &format!("{leader} leads{takeover}"))
    }
}
