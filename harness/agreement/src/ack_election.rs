//! A leader by acknowledgements that are not exclusive.
//!
//! ```text
//! candidate:          term := the last term that I know a leader of, plus 1
//!                     ask every node "may I lead?"; acknowledged by a majority: lead, tell all
//! asked by p:         I know a living leader, or have just acknowledged another: refuse
//!                     otherwise acknowledge p
//! on "q leads":       forget whom I acknowledged; follow q, and tell it; if I lead, stop
//! leader:             not told so by a majority for lease_ms: stop
//! ```
//!
//! Two majorities share a node, so two candidates can't both have one, if that node acknowledges
//! only one of them. It breaks because an acknowledgement here is a courtesy, not a vote for a
//! term: a node that hears of no victory for `forget_ms` takes it that there was none, and
//! acknowledges the next who asks (and one that was restarted has forgotten anyway). With links
//! slower than that the victory is still under way. So two candidates, neither of whom has heard of
//! the other, are acknowledged by the same node for the same term: two leaders of one term, and
//! often at one time. With quick links there is one, for a victory comes long before an
//! acknowledgement is forgotten.
//!
//! Nodes become candidates when a client asks them to, and when they have heard nothing of a leader
//! for `lease_ms` and a random time. All is in memory.
//!
//! To see it: `schism test ack-election --faults delay=400ms±390ms:all`. All links have to be slow,
//! by more than half of `lease_ms` each way, so that no leader stays and elections go on.

use crate::host::{NodeConfig, Service, answer, incarnation, not_served, serve};
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use schism_core::api::leadership::{Call, Leadership, Reply};
use schism_core::api::{Api as _, Payload};
use schism_core::op::Outcome;
use schism_core::rng::Rng;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ack-election",
    about: "a leader by acknowledgements that are not exclusive",
    serves: &["leadership"],
    nodes: 3..=usize::MAX,
    last_node: None,
    options: &[
        ProtocolOption {
            name: "forget_ms",
            about: "how long whom one acknowledged is remembered, default 50",
        },
        ProtocolOption {
            name: "lease_ms",
            about: "a leader not heard of for so long is gone, default 200",
        },
    ],
    node: |config| Box::pin(node(config)),
};

/// How often a leader says that it leads.
const LEADING_EVERY: Duration = Duration::from_millis(40);
/// How long a candidate waits for acknowledgements.
const CANDIDACY: Duration = Duration::from_secs(1);

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    /// "May I lead in this term?", as the `candidacy`-th question of this life of the sender.
    Ask {
        term: u64,
        boot: u64,
        candidacy: u64,
    },
    Ack {
        boot: u64,
        candidacy: u64,
    },
    Refuse {
        boot: u64,
        candidacy: u64,
        term: u64,
    },
    Leads {
        term: u64,
    },
    /// The sender follows the leader of this term that it sends this to.
    Follows {
        term: u64,
    },
}

struct Candidacy {
    term: u64,
    acks: BTreeSet<usize>,
    refusals: BTreeSet<usize>,
}

struct State {
    /// The last term that this node knows a leader of.
    term: u64,
    /// The term in which it leads.
    leads: Option<u64>,
    reign: u64,
    heard_leader: Option<(usize, Instant)>,
    /// Of every node: when this leader was last told that it follows.
    followers: Vec<Instant>,
    acknowledged: Option<(usize, Instant)>,
    candidacy: Option<Candidacy>,
    candidacies: u64,
}

struct AckElection {
    config: NodeConfig,
    boot: u64,
    forget: Duration,
    lease: Duration,
    rng: RefCell<Rng>,
    peers: Peers<Message>,
    state: RefCell<State>,
    candidacy_over: Notify,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let forget = config.millis("forget_ms", 50)?;
    let lease = config.millis("lease_ms", 200)?;
    let (peers, inbox) = Peers::join(&config, Delivery::WhileConnected).await?;
    let boot = incarnation();
    let node = Rc::new(AckElection {
        config: config.clone(),
        boot,
        forget,
        lease,
        // Another seed in each life: candidates that met once shouldn't meet for ever.
        rng: RefCell::new(config.rng("candidacies").fork(&boot.to_string())),
        peers,
        state: RefCell::new(State {
            term: 0,
            leads: None,
            reign: 0,
            heard_leader: None,
            followers: vec![Instant::now(); config.size()],
            acknowledged: None,
            candidacy: None,
            candidacies: 0,
        }),
        candidacy_over: Notify::new(),
    });
    tokio::task::spawn_local(node.clone().lead_while_leading());
    tokio::task::spawn_local(node.clone().stand_when_nobody_leads());
    let hearing = listen(inbox, |from, message| node.hear(from, &message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl AckElection {
    fn hear(&self, from: usize, message: &Message) {
        match *message {
            Message::Ask { term, boot, candidacy } => {
                let answer = if self.acknowledges(from, term) {
                    Message::Ack { boot, candidacy }
                } else {
                    Message::Refuse { boot, candidacy, term: self.state.borrow().term }
                };
                self.peers.send(from, &answer);
            }
            Message::Ack { boot, candidacy } => {
                self.count(boot, candidacy, |mine| _ = mine.acks.insert(from));
            }
            Message::Refuse { boot, candidacy, term } => {
                let mut state = self.state.borrow_mut();
                state.term = state.term.max(term);
                drop(state);
                self.count(boot, candidacy, |mine| _ = mine.refusals.insert(from));
            }
            Message::Leads { term } => self.hear_of_leader(from, term),
            Message::Follows { term } => {
                let mut state = self.state.borrow_mut();
                if state.leads == Some(term) {
                    state.followers[from] = Instant::now();
                }
            }
        }
    }

    fn acknowledges(&self, candidate: usize, term: u64) -> bool {
        let knows_leader = self.knows_leader();
        let mut state = self.state.borrow_mut();
        let bound = state
            .acknowledged
            .is_some_and(|(other, when)| other != candidate && when.elapsed() < self.forget);
        if term <= state.term || knows_leader || bound {
            return false;
        }
        state.acknowledged = Some((candidate, Instant::now()));
        true
    }

    fn knows_leader(&self) -> bool {
        let state = self.state.borrow();
        state.leads.is_some()
            || state.heard_leader.is_some_and(|(_, when)| when.elapsed() < self.lease)
    }

    /// Counts an answer to the present candidacy, and sees whether that settles it.
    fn count(&self, boot: u64, candidacy: u64, enter: impl FnOnce(&mut Candidacy)) {
        let mut state = self.state.borrow_mut();
        if boot != self.boot || candidacy != state.candidacies {
            return;
        }
        let Some(mine) = &mut state.candidacy else { return };
        enter(mine);
        let term = mine.term;
        if mine.acks.len() >= self.config.majority() {
            let acks: Vec<&str> =
                mine.acks.iter().map(|node| self.config.nodes[*node].0.as_str()).collect();
            say!(self.config, "leads in term {term}, acknowledged by {}", acks.join(", "));
            state.candidacy = None;
            state.term = state.term.max(term);
            state.leads = Some(term);
            state.followers.fill(Instant::now());
            state.reign += 1;
            drop(state);
            self.peers.tell_others(&Message::Leads { term });
            self.candidacy_over.notify_waiters();
        } else if mine.refusals.len() + self.config.majority() > self.config.size() {
            state.candidacy = None;
            drop(state);
            self.candidacy_over.notify_waiters();
        }
    }

    fn hear_of_leader(&self, leader: usize, term: u64) {
        let mut state = self.state.borrow_mut();
        if term < state.leads.unwrap_or(state.term) {
            return;
        }
        let name = &self.config.nodes[leader].0;
        if state.leads.is_some() {
            say!(self.config, "leads no more: {name} leads in term {term}");
        } else if state.heard_leader.is_none_or(|(known, _)| known != leader) {
            say!(self.config, "follows {name}, which leads in term {term}");
        }
        state.term = state.term.max(term);
        state.leads = None;
        state.heard_leader = Some((leader, Instant::now()));
        state.acknowledged = None;
        if state.candidacy.as_ref().is_some_and(|mine| mine.term <= term) {
            state.candidacy = None;
            self.candidacy_over.notify_waiters();
        }
        drop(state);
        self.peers.send(leader, &Message::Follows { term });
    }

    /// Runs for leader, unless somebody leads; returns when that is settled.
    async fn stand(&self) {
        if self.knows_leader() {
            return;
        }
        let over = self.candidacy_over.notified();
        let candidacy = self.open_candidacy();
        if timeout(CANDIDACY, over).await.is_err() {
            let mut state = self.state.borrow_mut();
            if state.candidacies == candidacy {
                state.candidacy = None;
            }
        }
    }

    /// Asks everybody, unless it has asked already; returns the number of its candidacy.
    fn open_candidacy(&self) -> u64 {
        let mut state = self.state.borrow_mut();
        if state.candidacy.is_none() {
            state.candidacies += 1;
            let term = state.term + 1;
            let (acks, refusals) = (BTreeSet::new(), BTreeSet::new());
            state.candidacy = Some(Candidacy { term, acks, refusals });
            say!(self.config, "asks everybody whether it may lead in term {term}");
            let candidacy = state.candidacies;
            self.peers.broadcast(&Message::Ask { term, boot: self.boot, candidacy });
        }
        state.candidacies
    }

    async fn lead_while_leading(self: Rc<Self>) {
        loop {
            let leads = self.state.borrow().leads;
            if let Some(term) = leads
                && self.is_followed(term)
            {
                self.peers.tell_others(&Message::Leads { term });
            }
            sleep(LEADING_EVERY).await;
        }
    }

    /// Is a majority known to follow? If not, this node stops leading.
    fn is_followed(&self, term: u64) -> bool {
        let mut state = self.state.borrow_mut();
        let me = self.config.me;
        let follows = |(node, heard): (usize, &Instant)| node == me || heard.elapsed() < self.lease;
        let followers = state.followers.iter().enumerate().filter(|follower| follows(*follower));
        if followers.count() >= self.config.majority() {
            return true;
        }
        say!(self.config, "leads no more: no majority is known to follow in term {term}");
        state.leads = None;
        false
    }

    async fn stand_when_nobody_leads(self: Rc<Self>) {
        loop {
            let pause = Duration::from_millis(150) + self.rng.borrow_mut().around(self.lease);
            sleep(pause).await;
            self.stand().await;
        }
    }

    fn view(&self) -> Reply {
        let state = self.state.borrow();
        Reply {
            term: state.leads.unwrap_or(state.term),
            leader: state.leads.is_some(),
            reign: state.reign,
            boot: self.boot,
        }
    }
}

impl Service for AckElection {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        if api != Leadership::NAME {
            return not_served(&api);
        }
        let perform = |call| async move {
            if call == Call::Campaign {
                self.stand().await;
            }
            Outcome::Ok(self.view())
        };
        answer::<Leadership, _>(&payload, perform).await
    }

    fn status(&self) -> NodeStatus {
        let Reply { term, leader, .. } = self.view();
        let heard = self.state.borrow().heard_leader;
        let says = match heard {
            _ if leader => format!("leads in term {term}"),
            Some((node, _)) if self.knows_leader() => {
                format!("follows {} in term {term}", self.config.nodes[node].0)
            }
            _ => format!("knows no leader since term {term}"),
        };
        NodeStatus { ready: self.knows_leader(), leader, term, says }
    }
}
