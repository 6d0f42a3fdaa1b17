//! A primary, its replica, and a monitor outside that promotes.
//!
//! ```text
//! primary, on a change:  apply it, send it to the replicas, answer once those in step have it;
//!                        go on without a replica that doesn't answer
//! monitor:               ask everybody "do you live?"; if the primary is silent for dead_ms,
//!                        promote the first replica that lives, in a new epoch
//! anybody, told of a new epoch: be what the monitor says; a replica copies the primary
//! ```
//!
//! As long as the primary and its replica are in step, a failover loses nothing. It breaks because
//! the monitor takes "I can't hear the primary" for "the primary is dead". Cut the monitor from the
//! primary: it promotes the replica, while the old primary goes on, without its replica, for the
//! clients that it has. Both acknowledge writes: split brain. Once healed, the old primary hears of
//! its dismissal and copies the new one: what it acknowledged since is gone. Only the monitor's
//! word counts; that the replica doesn't answer any more tells the old primary nothing.
//!
//! The first node begins as the primary, the last is the monitor and serves no clients. A replica
//! refuses clients, which certainly has no effect; with `reads=any` it answers reads from its copy.
//! Copy and epoch are in a file; a node that was killed serves again when the monitor says so. A
//! read waits until what it saw is acknowledged, so that nothing is read that a failover takes
//! back.
//!
//! To see it: `schism test primary-replica --faults partition-monitor`, with `--workload register`
//! or `set`.

use crate::host::{NodeConfig, Service, serve};
use crate::journal::Journal;
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use crate::store::{Asked, Change, Store};
use schism_core::api::Payload;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "primary-replica",
    about: "a primary, a replica, and a monitor that promotes",
    serves: &["register", "set"],
    nodes: 3..=usize::MAX,
    last_node: Some("monitor"),
    options: &[
        ProtocolOption {
            name: "dead_ms",
            about: "silence after which the monitor holds a node for dead, default 500",
        },
        ProtocolOption {
            name: "replicate_ms",
            about: "how long a primary waits for a replica before it goes on alone, default 200",
        },
        ProtocolOption { name: "reads", about: "primary or any, default primary" },
    ],
    node: |config| Box::pin(node(config)),
};

/// How often the monitor asks, and how often a primary sees to its replicas.
const TICK: Duration = Duration::from_millis(50);
/// A node that hasn't heard of the monitor for so long doesn't call itself ready.
const STALE: Duration = Duration::from_secs(1);
/// How long a primary waits for a whole copy to be acknowledged before it sends another.
const RECOPY: Duration = Duration::from_millis(500);

/// Who is the primary since when, by the monitor's count. Epoch 0: it hasn't said yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reign {
    epoch: u64,
    primary: usize,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    /// The monitor asks "do you live?", and says who is the primary.
    Ping(Reign),
    Pong,
    /// A primary's whole store, after its `seq`-th change.
    Copy {
        epoch: u64,
        seq: u64,
        changes: Vec<Change>,
    },
    /// A primary's `seq`-th change.
    Replicate {
        epoch: u64,
        seq: u64,
        change: Change,
    },
    /// A replica has all changes up to `seq`.
    Copied {
        epoch: u64,
        seq: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Reign(Reign),
    Copy { epoch: u64, seq: u64, changes: Vec<Change> },
    Change { seq: u64, change: Change },
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    if config.me + 1 == config.size() { monitor(config).await } else { server(config).await }
}

// The monitor.

struct Monitor {
    config: NodeConfig,
    peers: Peers<Message>,
    journal: Journal<Record>,
    dead: Duration,
    reign: RefCell<Reign>,
    heard: RefCell<Vec<Instant>>,
}

async fn monitor(config: NodeConfig) -> anyhow::Result<()> {
    let dead = config.millis("dead_ms", 500)?;
    let (journal, records) = Journal::open(&config, "monitor")?;
    let last = records.into_iter().rev().find_map(|record| match record {
        Record::Reign(reign) => Some(reign),
        _ => None,
    });
    let (peers, inbox) = Peers::join(&config, Delivery::WhileConnected).await?;
    // Nobody is dead before there was time to hear of them.
    let heard = RefCell::new(vec![Instant::now(); config.size() - 1]);
    let node = Rc::new(Monitor {
        config: config.clone(),
        peers,
        journal,
        dead,
        reign: RefCell::new(last.unwrap_or(Reign { epoch: 1, primary: 0 })),
        heard,
    });
    tokio::task::spawn_local(node.clone().watch());
    let hearing = listen(inbox, |from, message| {
        if let Message::Pong = message
            && let Some(heard) = node.heard.borrow_mut().get_mut(from)
        {
            *heard = Instant::now();
        }
    });
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl Monitor {
    fn hears(&self, node: usize) -> bool {
        self.heard.borrow()[node].elapsed() < self.dead
    }

    async fn watch(self: Rc<Self>) {
        loop {
            let Reign { epoch, primary } = *self.reign.borrow();
            if !self.hears(primary)
                && let Some(next) = (0..self.config.size() - 1).find(|node| self.hears(*node))
            {
                let reign = Reign { epoch: epoch + 1, primary: next };
                let (old, new) = (&self.config.nodes[primary].0, &self.config.nodes[next].0);
                say!(self.config, "hears {old} no more: promotes {new} in epoch {}", reign.epoch);
                self.journal.append(&Record::Reign(reign));
                *self.reign.borrow_mut() = reign;
            }
            let reign = *self.reign.borrow();
            self.peers.tell_others(&Message::Ping(reign));
            sleep(TICK).await;
        }
    }
}

impl Service for Monitor {
    async fn call(self: Rc<Self>, _: String, _: Payload) -> Response {
        Response::Fail { error: "the monitor serves no clients".to_owned() }
    }

    fn status(&self) -> NodeStatus {
        let Reign { epoch, primary } = *self.reign.borrow();
        let ready = self.hears(primary);
        let name = &self.config.nodes[primary].0;
        let says = if ready {
            format!("hears {name}, the primary of epoch {epoch}")
        } else {
            format!("does not hear {name}, the primary of epoch {epoch}, nor a replica")
        };
        NodeStatus { ready, leader: false, term: epoch, says }
    }
}

// A primary or replica.

/// How far a replica is, as its primary sees it.
#[derive(Clone, Default)]
struct Progress {
    in_step: bool,
    copied: u64,
    copy_sent: Option<Instant>,
}

#[derive(Default)]
struct State {
    reign: Reign,
    heard_monitor: Option<Instant>,
    store: Store,
    /// How many changes the store has had, by the count of the primary that it was copied from.
    seq: u64,
    /// The epoch whose primary's changes this copy has.
    copy_of: u64,
    /// Of every node, while this one is the primary.
    replicas: Vec<Progress>,
}

struct Server {
    config: NodeConfig,
    peers: Peers<Message>,
    journal: Journal<Record>,
    patience: Duration,
    reads_anywhere: bool,
    state: RefCell<State>,
    progress: Notify,
}

async fn server(config: NodeConfig) -> anyhow::Result<()> {
    let patience = config.millis("replicate_ms", 200)?;
    let reads_anywhere = config.one_of("reads", &["primary", "any"])? == "any";
    let (journal, records) = Journal::open(&config, "replica")?;
    let mut state = State::default();
    for record in records {
        match record {
            Record::Reign(reign) => state.reign = reign,
            Record::Copy { epoch, seq, changes } => {
                (state.copy_of, state.seq, state.store) = (epoch, seq, Store::of(&changes));
            }
            Record::Change { seq, change } => {
                state.seq = seq;
                state.store.apply(&change);
            }
        }
    }
    state.replicas = vec![Progress::default(); config.size() - 1];
    let (peers, inbox) = Peers::join(&config, Delivery::WhileConnected).await?;
    let node = Rc::new(Server {
        config: config.clone(),
        peers,
        journal,
        patience,
        reads_anywhere,
        state: RefCell::new(state),
        progress: Notify::new(),
    });
    tokio::task::spawn_local(node.clone().bring_replicas_into_step());
    let hearing = listen(inbox, |from, message| node.hear(from, message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl State {
    /// Does the monitor's last word make `me` the primary? Not before it has spoken to this life.
    fn is_primary(&self, me: usize) -> bool {
        self.heard_monitor.is_some() && self.reign.epoch > 0 && self.reign.primary == me
    }

    /// Up to which change all replicas in step have everything.
    fn acknowledged(&self) -> u64 {
        let in_step = self.replicas.iter().filter(|replica| replica.in_step);
        in_step.map(|replica| replica.copied).min().unwrap_or(self.seq)
    }
}

impl Server {
    fn hear(&self, from: usize, message: Message) {
        match message {
            Message::Ping(reign) => {
                self.hear_monitor(reign);
                self.peers.send(from, &Message::Pong);
            }
            Message::Pong => {}
            Message::Copy { epoch, seq, changes } => self.take_copy(from, epoch, seq, changes),
            Message::Replicate { epoch, seq, change } => self.replicate(from, epoch, seq, change),
            Message::Copied { epoch, seq } => self.hear_replica(from, epoch, seq),
        }
    }

    fn hear_monitor(&self, reign: Reign) {
        let mut state = self.state.borrow_mut();
        let first = state.heard_monitor.is_none();
        state.heard_monitor = Some(Instant::now());
        if reign.epoch < state.reign.epoch || (reign == state.reign && !first) {
            return;
        }
        let me = self.config.me;
        let was_primary = !first && state.reign.primary == me && state.reign.epoch > 0;
        if reign != state.reign {
            self.journal.append(&Record::Reign(reign));
        }
        state.reign = reign;
        state.replicas.fill(Progress::default());
        let (epoch, name) = (reign.epoch, &self.config.nodes[reign.primary].0);
        if reign.primary == me {
            if state.copy_of != epoch {
                let (seq, changes) = (state.seq, state.store.changes());
                self.journal.append(&Record::Copy { epoch, seq, changes });
                state.copy_of = epoch;
            }
            say!(self.config, "is the primary of epoch {epoch}, with {} changes", state.seq);
        } else if was_primary {
            say!(self.config, "is dismissed: {name} is the primary of epoch {epoch}");
        } else {
            say!(self.config, "is a replica of {name}, the primary of epoch {epoch}");
        }
        drop(state);
        self.progress.notify_waiters();
    }

    // As a replica.

    fn follows(&self, primary: usize, epoch: u64) -> bool {
        let state = self.state.borrow();
        // What the monitor hasn't said isn't so: a primary of another epoch is none.
        primary != self.config.me && state.reign == Reign { epoch, primary }
    }

    fn take_copy(&self, from: usize, epoch: u64, seq: u64, changes: Vec<Change>) {
        if !self.follows(from, epoch) {
            return;
        }
        let mut state = self.state.borrow_mut();
        let store = Store::of(&changes);
        let lost = state.store.not_in(&store);
        if state.copy_of != epoch && lost > 0 {
            let name = &self.config.nodes[from].0;
            say!(self.config, "rolls back: {lost} values that it had are not what {name} has");
        }
        self.journal.append(&Record::Copy { epoch, seq, changes });
        (state.store, state.seq, state.copy_of) = (store, seq, epoch);
        drop(state);
        self.peers.send(from, &Message::Copied { epoch, seq });
    }

    fn replicate(&self, from: usize, epoch: u64, seq: u64, change: Change) {
        if !self.follows(from, epoch) {
            return;
        }
        let mut state = self.state.borrow_mut();
        if state.copy_of != epoch {
            return;
        }
        if seq == state.seq + 1 {
            state.store.apply(&change);
            state.seq = seq;
            self.journal.append(&Record::Change { seq, change });
        }
        // With a gap this is less than the primary waits for, and it will send a copy.
        let seq = state.seq;
        drop(state);
        self.peers.send(from, &Message::Copied { epoch, seq });
    }

    // As a primary.

    fn hear_replica(&self, from: usize, epoch: u64, seq: u64) {
        let mut state = self.state.borrow_mut();
        if !state.is_primary(self.config.me) || state.reign.epoch != epoch {
            return;
        }
        let needed = state.acknowledged();
        let Some(replica) = state.replicas.get_mut(from) else { return };
        replica.copied = replica.copied.max(seq);
        if !replica.in_step && seq >= needed {
            replica.in_step = true;
            say!(self.config, "has {} in step", self.config.nodes[from].0);
        }
        drop(state);
        self.progress.notify_waiters();
    }

    /// Sends a whole copy to the replicas that are not in step, from time to time.
    async fn bring_replicas_into_step(self: Rc<Self>) {
        loop {
            sleep(TICK).await;
            let mut state = self.state.borrow_mut();
            if !state.is_primary(self.config.me) {
                continue;
            }
            let others = (0..state.replicas.len()).filter(|node| *node != self.config.me);
            for node in others {
                let replica = &state.replicas[node];
                let waits = replica.copy_sent.is_some_and(|sent| sent.elapsed() < RECOPY);
                if !replica.in_step && !waits && self.peers.connected(node) {
                    let (epoch, seq) = (state.reign.epoch, state.seq);
                    let changes = state.store.changes();
                    self.peers.send(node, &Message::Copy { epoch, seq, changes });
                    state.replicas[node].copy_sent = Some(Instant::now());
                }
            }
        }
    }

    /// Waits until the replicas in step have the `seq`-th change, or goes on without them.
    async fn replicated(&self, epoch: u64, seq: u64) -> Result<(), Response> {
        let deadline = Instant::now() + self.patience;
        loop {
            let progress = self.progress.notified();
            {
                let mut state = self.state.borrow_mut();
                if state.reign.epoch != epoch || !state.is_primary(self.config.me) {
                    let error = "the primary was dismissed while it waited for its replicas";
                    return Err(Response::Info { error: error.to_owned() });
                }
                if Instant::now() >= deadline {
                    for (node, replica) in state.replicas.iter_mut().enumerate() {
                        if replica.in_step && replica.copied < seq {
                            *replica = Progress::default();
                            say!(self.config, "goes on without {}", self.config.nodes[node].0);
                        }
                    }
                    self.progress.notify_waiters();
                }
                if state.acknowledged() >= seq {
                    return Ok(());
                }
            }
            tokio::select! {
                () = progress => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Applies a change as the primary, and sends it on; returns its epoch and number.
    fn apply(&self, change: &Change) -> (u64, u64) {
        let mut state = self.state.borrow_mut();
        let (epoch, seq) = (state.reign.epoch, state.seq + 1);
        state.store.apply(change);
        state.seq = seq;
        self.journal.append(&Record::Change { seq, change: change.clone() });
        for node in (0..state.replicas.len()).filter(|node| *node != self.config.me) {
            self.peers.send(node, &Message::Replicate { epoch, seq, change: change.clone() });
        }
        (epoch, seq)
    }
}

impl Service for Server {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let (is_primary, epoch, seq, asked) = {
            let state = self.state.borrow();
            let asked = state.store.ask(&api, &payload);
            (state.is_primary(self.config.me), state.reign.epoch, state.seq, asked)
        };
        match asked {
            Asked::Read(response) if !is_primary && self.reads_anywhere => response,
            _ if !is_primary => Response::Fail { error: "not primary".to_owned() },
            Asked::Refused(response) => response,
            Asked::Read(response) => match self.replicated(epoch, seq).await {
                Ok(()) => response,
                Err(_) => Response::Fail { error: "dismissed during the read".to_owned() },
            },
            Asked::Change(change, response) => {
                let (epoch, seq) = self.apply(&change);
                self.replicated(epoch, seq).await.map_or_else(|info| info, |()| response)
            }
        }
    }

    fn status(&self) -> NodeStatus {
        let state = self.state.borrow();
        let Reign { epoch, primary } = state.reign;
        let leader = state.is_primary(self.config.me);
        let hears = state.heard_monitor.is_some_and(|heard| heard.elapsed() < STALE);
        let in_step = state.replicas.iter().filter(|replica| replica.in_step).count();
        let name = &self.config.nodes[primary].0;
        let mut says = match state.heard_monitor {
            None => "waits for the monitor's word".to_owned(),
            Some(_) if leader => format!("primary of epoch {epoch}, {in_step} replicas in step"),
            Some(_) if state.copy_of == epoch => format!("replica of {name} in epoch {epoch}"),
            Some(_) => format!("replica of {name} in epoch {epoch}, without a copy yet"),
        };
        if !hears && state.heard_monitor.is_some() {
            says.push_str("; hears no monitor");
        }
        let ready = hears && (leader || state.copy_of == epoch);
        NodeStatus { ready, leader, term: epoch, says }
    }
}
