//! Asynchronous replication with an elected primary, as early document stores had it.
//!
//! ```text
//! primary, on a change:  apply it, answer; every replicate_ms send the others what they lack
//! secondary, silent for a random time: ask for votes in a new term
//! asked for a vote:      give one a term, to a candidate whose log isn't behind mine
//! voted for by a majority: be the primary of that term
//! told of a later term:  stop being the primary, and make my log the same as the new primary's
//! ```
//!
//! The election is sound: one primary a term. It breaks because a change is acknowledged before
//! anybody else has it. Kill or cut the primary: the others elect one that lacks its last changes,
//! and when the old one is back, it rolls them back, although their clients were told that they are
//! done. A primary that is cut off goes on for `lease_ms` or until it hears of a later term, and
//! loses all of that time.
//!
//! Secondaries hand calls on to the primary that they know. Term, vote and log are in a file, so a
//! killed node comes back with what it had; that doesn't help those that it hadn't told.
//!
//! To see it: `schism test async-failover --faults kill:leader`, or with `--faults
//! partition-leader`.

use crate::forwards::{CallId, Forwards};
use crate::host::{NodeConfig, Service, incarnation, serve};
use crate::journal::Journal;
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use crate::store::{Asked, Change, Store};
use schism_core::api::Payload;
use schism_core::rng::Rng;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "async-failover",
    about: "asynchronous replication with an elected primary",
    serves: &["set", "register"],
    nodes: 3..=usize::MAX,
    last_node: None,
    options: &[
        ProtocolOption { name: "replicate_ms", about: "between two batches, default 100" },
        ProtocolOption { name: "silence_ms", about: "silence before an election, default 400" },
        ProtocolOption {
            name: "lease_ms",
            about: "how long a primary goes on that hears no majority, default 5000",
        },
    ],
    node: |config| Box::pin(node(config)),
};

/// How often a primary says that it lives.
const HEARTBEAT: Duration = Duration::from_millis(50);
/// A node that has heard of no primary for so long isn't ready.
const STALE: Duration = Duration::from_secs(1);
/// The most changes in one message.
const BATCH: usize = 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    term: u64,
    change: Change,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    /// "Vote for me": the last entry of the candidate's log has `last_term`, and there are
    /// `length`.
    Ask {
        term: u64,
        last_term: u64,
        length: usize,
    },
    Vote {
        term: u64,
    },
    /// Entries that follow the `after`-th, whose term is `after_term`.
    Append {
        term: u64,
        after: usize,
        after_term: u64,
        entries: Vec<Entry>,
    },
    /// The sender's log is the primary's up to `same`; or, if it isn't known to be, asks to try
    /// there.
    Holds {
        term: u64,
        same: usize,
        matches: bool,
    },
    Call {
        id: CallId,
        api: String,
        payload: Payload,
    },
    Answer {
        id: CallId,
        response: Response,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Term {
        term: u64,
        voted_for: Option<usize>,
    },
    Entry(Entry),
    /// Only the first so many entries stay.
    Keep(usize),
}

enum Role {
    Secondary { primary: Option<usize>, heard: Instant, patience: Duration },
    Candidate { votes: BTreeSet<usize>, until: Instant },
    Primary { others: Vec<Other> },
}

/// Another node, as the primary sees it.
#[derive(Clone)]
struct Other {
    sent: usize,
    heard: Instant,
}

struct State {
    term: u64,
    voted_for: Option<usize>,
    log: Vec<Entry>,
    store: Store,
    role: Role,
}

struct AsyncFailover {
    config: NodeConfig,
    replicate: Duration,
    silence: Duration,
    lease: Duration,
    rng: RefCell<Rng>,
    peers: Peers<Message>,
    journal: Journal<Record>,
    forwards: Forwards,
    state: RefCell<State>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let (journal, records) = Journal::open(&config, "log")?;
    let (mut term, mut voted_for, mut log) = (0, None, Vec::new());
    for record in records {
        match record {
            Record::Term { term: next, voted_for: vote } => (term, voted_for) = (next, vote),
            Record::Entry(entry) => log.push(entry),
            Record::Keep(length) => log.truncate(length),
        }
    }
    let store = Store::of(log.iter().map(|entry| &entry.change));
    let silence = config.millis("silence_ms", 400)?;
    let role = Role::Secondary { primary: None, heard: Instant::now(), patience: silence };
    let (replicate, lease) =
        (config.millis("replicate_ms", 100)?, config.millis("lease_ms", 5000)?);
    let (peers, inbox) = Peers::join(&config, Delivery::WhileConnected).await?;
    let boot = incarnation();
    let node = Rc::new(AsyncFailover {
        replicate,
        silence,
        lease,
        // Another seed in each life: candidates that met once shouldn't meet for ever.
        rng: RefCell::new(config.rng("elections").fork(&boot.to_string())),
        peers,
        journal,
        forwards: Forwards::new(boot),
        state: RefCell::new(State { term, voted_for, log, store, role }),
        config: config.clone(),
    });
    node.follow(None);
    tokio::task::spawn_local(node.clone().tick());
    tokio::task::spawn_local(node.clone().replicate());
    let hearing = listen(inbox, |from, message| node.hear(from, message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl State {
    fn last_term(&self) -> u64 {
        self.log.last().map_or(0, |entry| entry.term)
    }

    fn term_at(&self, length: usize) -> Option<u64> {
        match length {
            0 => Some(0),
            _ => self.log.get(length - 1).map(|entry| entry.term),
        }
    }

    /// Where to try next if the `length`-th entry isn't the primary's: before all of its term.
    fn before_term_of(&self, length: usize) -> usize {
        match self.log.get(length.saturating_sub(1)) {
            Some(wrong) => self.log.partition_point(|entry| entry.term < wrong.term),
            None => self.log.len(),
        }
    }

    fn is_primary(&self) -> bool {
        matches!(self.role, Role::Primary { .. })
    }
}

impl AsyncFailover {
    fn name(&self, node: usize) -> &str {
        &self.config.nodes[node].0
    }

    fn hear(self: &Rc<Self>, from: usize, message: Message) {
        match message {
            Message::Call { id, api, payload } => {
                // Not handed on again: two nodes that take each other for the primary would not
                // stop.
                let response = self.perform(&api, &payload).unwrap_or_else(not_primary);
                self.peers.send(from, &Message::Answer { id, response });
            }
            Message::Answer { id, response } => self.forwards.answered(id, response),
            Message::Ask { term, last_term, length } => {
                self.learn_term(term);
                if self.votes_for(from, term, (last_term, length)) {
                    self.peers.send(from, &Message::Vote { term });
                }
            }
            Message::Vote { term } => {
                self.learn_term(term);
                self.count_vote(from, term);
            }
            Message::Append { term, after, after_term, entries } => {
                self.learn_term(term);
                let reply = self.append(from, term, after, after_term, entries);
                self.peers.send(from, &reply);
            }
            Message::Holds { term, same, matches } => {
                self.learn_term(term);
                self.hear_secondary(from, term, same, matches);
            }
        }
    }

    // Elections.

    fn learn_term(&self, term: u64) {
        if term > self.state.borrow().term {
            self.enter_term(term, None);
            if self.state.borrow().is_primary() {
                say!(self.config, "is the primary no more: there is a term {term}");
            }
            self.follow(None);
        }
    }

    fn enter_term(&self, term: u64, voted_for: Option<usize>) {
        self.journal.append(&Record::Term { term, voted_for });
        let mut state = self.state.borrow_mut();
        (state.term, state.voted_for) = (term, voted_for);
    }

    fn follow(&self, primary: Option<usize>) {
        let patience = self.silence + self.rng.borrow_mut().around(self.silence / 2);
        let heard = Instant::now();
        self.state.borrow_mut().role = Role::Secondary { primary, heard, patience };
    }

    fn votes_for(&self, candidate: usize, term: u64, its_log: (u64, usize)) -> bool {
        let mut state = self.state.borrow_mut();
        let my_log = (state.last_term(), state.log.len());
        let free = state.voted_for.is_none_or(|vote| vote == candidate);
        if term != state.term || !free || its_log < my_log || state.is_primary() {
            return false;
        }
        if let Role::Secondary { heard, .. } = &mut state.role {
            *heard = Instant::now();
        }
        drop(state);
        self.enter_term(term, Some(candidate));
        true
    }

    fn stand(&self) {
        let (term, me) = (self.state.borrow().term + 1, self.config.me);
        say!(self.config, "asks for votes in term {term}");
        self.enter_term(term, Some(me));
        let until = Instant::now() + self.silence + self.rng.borrow_mut().around(self.silence / 2);
        let mut state = self.state.borrow_mut();
        state.role = Role::Candidate { votes: BTreeSet::from([me]), until };
        let (last_term, length) = (state.last_term(), state.log.len());
        self.peers.tell_others(&Message::Ask { term, last_term, length });
    }

    fn count_vote(&self, from: usize, term: u64) {
        let mut state = self.state.borrow_mut();
        if term != state.term {
            return;
        }
        let Role::Candidate { votes, .. } = &mut state.role else { return };
        votes.insert(from);
        if votes.len() >= self.config.majority() {
            let voters: Vec<&str> = votes.iter().map(|node| self.name(*node)).collect();
            let voters = voters.join(", ");
            say!(self.config, "is the primary of term {term}, elected by {voters}");
            let other = Other { sent: state.log.len(), heard: Instant::now() };
            state.role = Role::Primary { others: vec![other; self.config.size()] };
            drop(state);
            self.send_entries(false);
        }
    }

    async fn tick(self: Rc<Self>) {
        loop {
            sleep(HEARTBEAT).await;
            let stands = match &self.state.borrow().role {
                Role::Secondary { heard, patience, .. } => heard.elapsed() > *patience,
                Role::Candidate { until, .. } => Instant::now() > *until,
                Role::Primary { .. } => false,
            };
            if stands {
                self.stand();
            } else if self.state.borrow().is_primary() {
                if self.hears_majority(self.lease) {
                    self.send_entries(false);
                } else {
                    say!(self.config, "is the primary no more: it has heard no majority for long");
                    self.follow(None);
                }
            }
        }
    }

    fn hears_majority(&self, within: Duration) -> bool {
        let state = self.state.borrow();
        let Role::Primary { others } = &state.role else { return false };
        let heard = others
            .iter()
            .enumerate()
            .filter(|(node, other)| *node == self.config.me || other.heard.elapsed() < within);
        heard.count() >= self.config.majority()
    }

    // Replication.

    async fn replicate(self: Rc<Self>) {
        loop {
            sleep(self.replicate).await;
            self.send_entries(true);
        }
    }

    /// Sends everybody what it lacks; without `entries` only that this primary lives.
    fn send_entries(&self, entries: bool) {
        let mut state = self.state.borrow_mut();
        let State { term, log, role, .. } = &mut *state;
        let Role::Primary { others } = role else { return };
        for (node, other) in others.iter_mut().enumerate().filter(|(n, _)| *n != self.config.me) {
            let after = other.sent.min(log.len());
            let count = if entries { BATCH } else { 0 };
            let entries: Vec<Entry> = log[after..].iter().take(count).cloned().collect();
            let after_term = after.checked_sub(1).map_or(0, |last| log[last].term);
            // A heartbeat that is lost with what it follows brings `sent` back; see
            // `hear_secondary`.
            other.sent = after + entries.len();
            self.peers.send(node, &Message::Append { term: *term, after, after_term, entries });
        }
    }

    fn append(
        &self,
        from: usize,
        term: u64,
        after: usize,
        after_term: u64,
        entries: Vec<Entry>,
    ) -> Message {
        let mine = self.state.borrow().term;
        if term < mine {
            return Message::Holds { term: mine, same: 0, matches: false };
        }
        let known = match &self.state.borrow().role {
            Role::Secondary { primary, .. } => *primary == Some(from),
            _ => false,
        };
        if !known {
            say!(self.config, "follows {}, the primary of term {term}", self.name(from));
        }
        self.follow(Some(from));
        let mut state = self.state.borrow_mut();
        if state.term_at(after) != Some(after_term) {
            return Message::Holds { term, same: state.before_term_of(after), matches: false };
        }
        let same = after + entries.len();
        for (at, entry) in (after..).zip(entries) {
            if state.log.get(at).is_some_and(|here| here.term != entry.term) {
                self.roll_back(&mut state, at);
            }
            if at == state.log.len() {
                state.store.apply(&entry.change);
                self.journal.append(&Record::Entry(entry.clone()));
                state.log.push(entry);
            }
        }
        Message::Holds { term, same, matches: true }
    }

    fn roll_back(&self, state: &mut State, length: usize) {
        let lost = state.log.len() - length;
        say!(self.config, "rolls back {lost} changes that the new primary does not have");
        self.journal.append(&Record::Keep(length));
        state.log.truncate(length);
        state.store = Store::of(state.log.iter().map(|entry| &entry.change));
    }

    fn hear_secondary(&self, from: usize, term: u64, same: usize, matches: bool) {
        let mut state = self.state.borrow_mut();
        if term != state.term {
            return;
        }
        let Role::Primary { others } = &mut state.role else { return };
        others[from].heard = Instant::now();
        if !matches {
            others[from].sent = same;
        }
    }

    // Clients.

    /// Does what a client asks, if this node is the primary.
    fn perform(&self, api: &str, payload: &Payload) -> Option<Response> {
        let mut state = self.state.borrow_mut();
        if !state.is_primary() {
            return None;
        }
        Some(match state.store.ask(api, payload) {
            Asked::Read(response) | Asked::Refused(response) => response,
            Asked::Change(change, response) => {
                let entry = Entry { term: state.term, change };
                self.journal.append(&Record::Entry(entry.clone()));
                state.store.apply(&entry.change);
                state.log.push(entry);
                response
            }
        })
    }
}

fn not_primary() -> Response {
    Response::Fail { error: "not primary, and reaches none".to_owned() }
}

impl Service for AsyncFailover {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        if let Some(response) = self.perform(&api, &payload) {
            return response;
        }
        let primary = match &self.state.borrow().role {
            Role::Secondary { primary, .. } => *primary,
            _ => None,
        };
        match primary {
            Some(primary) if self.peers.connected(primary) => {
                let hand_on = |id| self.peers.send(primary, &Message::Call { id, api, payload });
                self.forwards.ask(hand_on).await
            }
            _ => not_primary(),
        }
    }

    fn status(&self) -> NodeStatus {
        let state = self.state.borrow();
        let (term, changes) = (state.term, state.log.len());
        let (ready, leader, says) = match &state.role {
            Role::Primary { .. } => {
                let ready = self.hears_majority(STALE);
                let doubt = if ready { "" } else { ", hears no majority" };
                (ready, true, format!("primary of term {term}, {changes} changes{doubt}"))
            }
            Role::Secondary { primary: Some(primary), heard, .. } => {
                let name = self.name(*primary);
                let says = format!("follows {name} in term {term}, {changes} changes");
                (heard.elapsed() < STALE && self.peers.connected(*primary), false, says)
            }
            Role::Secondary { primary: None, .. } => {
                (false, false, format!("knows no primary in term {term}, {changes} changes"))
            }
            Role::Candidate { .. } => (false, false, format!("asks for votes in term {term}")),
        };
        NodeStatus { ready, leader, term, says }
    }
}
