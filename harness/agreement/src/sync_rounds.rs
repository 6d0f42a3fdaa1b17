//! f+1 synchronous rounds, then the smallest value: what becomes possible once delays are bounded.
//!
//! ```text
//! known := {my proposal}
//! for round 1 to f+1:
//!   send known to every node; add what arrives of this round before the round ends
//! decide the smallest of known
//! ```
//!
//! This is flooding as in Lynch, Distributed Algorithms, 1996, section 6.2. With at most f crashes
//! among f+1 rounds, one round has none; after it all know the same, and stay so. It breaks when a
//! message takes longer than `delta_ms`: it comes after its round, and doesn't count. A node whose
//! links are slow then decides on what it knows alone (Agreement).
//!
//! How the rounds are kept, without a shared clock: a node begins an instance when its client
//! proposes, or when it hears of round 1. All that live hear of it at most one delta after the
//! first one began, so two nodes' rounds are at most one delta apart; a round lasts two, so that
//! what was sent at the start of a round arrives before the same round ends anywhere. A proposal
//! that comes after its node has begun is not among the values any more; its client gets the
//! decision.
//!
//! A node that was killed has crashed for the instances that it had a part in. Coming back, it
//! joins none for the length of one instance, so that what it then hears of round 1 is new; it
//! hears the decision of every other, because whoever decides tells everybody, and answers with it
//! whoever speaks of that instance later. That answer reaches a node that starts an old instance
//! anew before its first round ends. So it holds with up to f kills, as long as delays stay below
//! delta.
//!
//! To see it: `schism test sync-rounds --faults kill:minority` (valid), and with
//! `--faults delay=400ms:minority` (not valid).

use crate::decisions::Decisions;
use crate::host::{NodeConfig, Service, serve};
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use schism_core::api::Payload;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "sync-rounds",
    about: "f+1 synchronous rounds, then the smallest value",
    serves: &["consensus"],
    nodes: 2..=usize::MAX,
    last_node: None,
    options: &[
        ProtocolOption { name: "delta_ms", about: "no message takes longer, default 100" },
        ProtocolOption { name: "f", about: "how many nodes may crash, default (nodes-1)/2" },
    ],
    node: |config| Box::pin(node(config)),
};

/// After a round's end: what has arrived in time may still be on its way through this process.
const GRACE: Duration = Duration::from_millis(2);

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    Round { instance: i64, round: u32, values: BTreeSet<i64> },
    Decided { instance: i64, value: i64 },
}

/// An instance whose rounds are under way here.
struct Flood {
    round: u32,
    known: BTreeSet<i64>,
    heard: BTreeMap<u32, BTreeSet<i64>>,
}

struct SyncRounds {
    config: NodeConfig,
    /// f+1
    rounds: u32,
    round_length: Duration,
    joins_from: Instant,
    peers: Peers<Message>,
    decisions: Decisions,
    floods: RefCell<BTreeMap<i64, Flood>>,
    /// It came too late to have a part in these.
    missed: RefCell<HashSet<i64>>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let delta = config.millis("delta_ms", 100)?;
    let f = config.number("f", (config.size() as u64 - 1) / 2)?;
    anyhow::ensure!(!delta.is_zero(), "option delta_ms=0: messages take longer");
    anyhow::ensure!(f < config.size() as u64, "option f={f}: there are {} nodes", config.size());
    let rounds = u32::try_from(f)? + 1;
    let decisions = Decisions::open(&config)?;
    let (peers, inbox) = Peers::join(&config, Delivery::UntilReceived).await?;
    let round_length = delta * 2;
    let node = Rc::new(SyncRounds {
        config: config.clone(),
        rounds,
        round_length,
        joins_from: Instant::now() + round_length * rounds + delta * 2,
        peers,
        decisions,
        floods: RefCell::default(),
        missed: RefCell::default(),
    });
    let hearing = listen(inbox, |from, message| node.hear(from, message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl SyncRounds {
    fn hear(self: &Rc<Self>, from: usize, message: Message) {
        match message {
            Message::Decided { instance, value } => {
                self.decisions.takes_part(instance);
                self.missed.borrow_mut().remove(&instance);
                let name = &self.config.nodes[from].0;
                self.decisions.decide(instance, value, format_args!("as {name} decided"));
            }
            Message::Round { instance, round, values } => {
                if let Some(value) = self.decisions.decided(instance) {
                    // Only a node that is late speaks of a decided instance.
                    self.peers.send(from, &Message::Decided { instance, value });
                } else if self.takes_part(instance, round) {
                    self.hear_round(from, instance, round, values);
                }
            }
        }
    }

    /// May this node count what it hears of an instance? Begins the instance if it is new.
    fn takes_part(self: &Rc<Self>, instance: i64, round: u32) -> bool {
        if self.missed.borrow().contains(&instance) || !self.decisions.takes_part(instance) {
            return false;
        }
        if self.floods.borrow().contains_key(&instance) {
            return true;
        }
        if round > 1 || Instant::now() < self.joins_from {
            say!(self.config, "instance {instance}: has missed its beginning, and stays out");
            self.missed.borrow_mut().insert(instance);
            return false;
        }
        self.begin(instance, BTreeSet::new());
        true
    }

    fn hear_round(&self, from: usize, instance: i64, round: u32, values: BTreeSet<i64>) {
        let mut floods = self.floods.borrow_mut();
        let Some(flood) = floods.get_mut(&instance) else { return };
        if flood.round == 0 {
            // Its first round begins with what it has been told of.
            flood.known.extend(values);
        } else if round >= flood.round {
            flood.heard.entry(round).or_default().extend(values);
        } else {
            say!(
                self.config,
                "instance {instance}: round {round} of {} comes in round {}, too late",
                self.config.nodes[from].0,
                flood.round
            );
        }
    }

    fn begin(self: &Rc<Self>, instance: i64, known: BTreeSet<i64>) {
        let flood = Flood { round: 0, known, heard: BTreeMap::new() };
        self.floods.borrow_mut().insert(instance, flood);
        tokio::task::spawn_local(self.clone().flood(instance, Instant::now()));
    }

    async fn flood(self: Rc<Self>, instance: i64, began: Instant) {
        for round in 1..=self.rounds {
            let values = self.enter_round(instance, round);
            self.peers.tell_others(&Message::Round { instance, round, values });
            sleep_until(began + self.round_length * round).await;
            sleep(GRACE).await;
            if let Some(flood) = self.floods.borrow_mut().get_mut(&instance) {
                let heard = flood.heard.remove(&round);
                flood.known.extend(heard.into_iter().flatten());
            }
        }
        let known = self.floods.borrow_mut().remove(&instance).map(|flood| flood.known);
        if self.decisions.decided(instance).is_none()
            && let Some(known) = known
            && let Some(value) = known.first().copied()
        {
            let why = format_args!("the smallest of {known:?} after {} rounds", self.rounds);
            self.decisions.decide(instance, value, why);
            self.peers.tell_others(&Message::Decided { instance, value });
        }
    }

    fn enter_round(&self, instance: i64, round: u32) -> BTreeSet<i64> {
        let mut floods = self.floods.borrow_mut();
        floods.get_mut(&instance).map_or_else(BTreeSet::new, |flood| {
            flood.round = round;
            flood.known.clone()
        })
    }

    fn propose(self: &Rc<Self>, instance: i64, value: i64) -> Result<(), String> {
        if self.floods.borrow().contains_key(&instance) || self.missed.borrow().contains(&instance)
        {
            return Ok(());
        }
        let wait = self.joins_from.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            return Err(format!("joins no instance for another {} ms", wait.as_millis()));
        }
        if self.decisions.takes_part(instance) {
            self.begin(instance, BTreeSet::from([value]));
        }
        Ok(())
    }
}

impl Service for SyncRounds {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let propose = |instance, value| self.propose(instance, value);
        self.decisions.answer(&api, &payload, propose).await
    }

    fn status(&self) -> NodeStatus {
        let joins = Instant::now() >= self.joins_from;
        let more = if joins { "" } else { "has just started, and joins no instance yet" };
        let reached = self.peers.reached() >= self.config.majority();
        self.decisions.status(joins && reached, false, more)
    }
}
