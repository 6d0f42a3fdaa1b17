//! Paxos: one decision an instance, and a log of them for a total order.
//!
//! ```text
//! proposer:  choose a ballot; ask all "promise it"; of what a majority answers, take the
//!            value of the highest accepted ballot, or mine; ask all "accept it"; accepted by a
//!            majority: chosen
//! acceptor:  promise a ballot, and accept a value, unless a higher ballot is promised
//! learner:   told of what is chosen, or asking the others for what it lacks
//! log:       messages are proposed together for the first free slot, until each is delivered
//! ```
//!
//! `decree` has the core, with why it is safe; here are the disk, the network and the clock. It
//! needs no luck to be right: whatever is delayed, lost, cut, paused or killed, no two nodes decide
//! differently. What an acceptor answers is on disk first (many answers share one sync), and a node
//! counts its lives on disk, so that it never uses a ballot twice. It does need luck to be quick:
//! two proposers can overtake each other for ever. So a proposer that is overtaken pauses for a
//! random time, longer each time, except that the speaker, the first node that is heard of, tries
//! again soon; and messages for the log are handed to the speaker, which proposes for all. That
//! only saves time: any node may propose.
//!
//! Every 200 ms each node asks each other for what that one has learned since; so a node that was
//! away catches up. A proposal is kept until its slot is chosen. A message that is proposed again,
//! because its sender saw no delivery, may be chosen twice; it is delivered once, everywhere the
//! same, because messages have numbers. A broadcast is answered when its node has delivered it.
//!
//! To see it: `schism test paxos --workload consensus --faults standard` (valid), and with
//! `--workload total-order`.

mod clients;
mod decree;
mod learned;
mod words;

use crate::host::{NodeConfig, serve};
use crate::journal::Journal;
use crate::peers::{Delivery, Inbox, Peers};
use crate::protocol::Protocol;
use crate::say::say;
use decree::{Acceptor, Ballot, Proposer};
use learned::Learned;
use schism_core::rng::Rng;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};
use words::{Item, ItemId, Message, Record, Slot, Value};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "paxos",
    about: "Paxos, one decision an instance, and a replicated log",
    serves: &["consensus", "log"],
    nodes: 1..=usize::MAX,
    last_node: None,
    options: &[],
    node: |config| Box::pin(node(config)),
};

/// How often proposals are looked after.
const TICK: Duration = Duration::from_millis(10);
/// How often a node asks the others for what it lacks.
const PULL_EVERY: Duration = Duration::from_millis(200);
/// How long the first ballot may take at most; each further one twice as long, up to 8 times.
const BALLOT: Duration = Duration::from_millis(300);
/// The mean pause of an overtaken speaker. Others pause as long as a ballot may take.
const OVERTAKEN: Duration = Duration::from_millis(20);
/// A node that wasn't heard of for so long isn't counted on.
const STALE: Duration = Duration::from_millis(700);
/// How long a message may wait for its delivery before it is handed on again.
const RESUBMIT: Duration = Duration::from_millis(500);
/// The most messages in one slot, and the most slots in one answer.
const BATCH: usize = 200;

/// A proposal under way.
struct Attempt {
    proposer: Proposer<Value>,
    tries: u32,
    /// When the next ballot begins, if nothing happens before.
    due: Instant,
    /// The highest round that somebody is known to use.
    highest: u64,
    /// Has somebody refused the present ballot?
    overtaken: bool,
}

/// A message whose delivery is awaited here.
struct Mine {
    message: i64,
    submitted: Instant,
    tries: u32,
    client: oneshot::Sender<()>,
}

/// How much of what another node has learned this one has read.
#[derive(Clone, Copy, Default)]
struct Cursor {
    boot: u64,
    read: usize,
    /// Since when there was nothing more to read, at the last time of asking.
    at_end: Option<Instant>,
}

struct State {
    acceptors: HashMap<Slot, Acceptor<Value>>,
    attempts: BTreeMap<Slot, Attempt>,
    learned: Learned,
    waiting: HashMap<i64, Vec<oneshot::Sender<i64>>>,
    /// Messages that this node proposes for the log.
    backlog: BTreeMap<ItemId, i64>,
    mine: BTreeMap<ItemId, Mine>,
    cursors: Vec<Cursor>,
    heard: Vec<Option<Instant>>,
}

struct Paxos {
    config: NodeConfig,
    boot: u64,
    rng: RefCell<Rng>,
    peers: Peers<Message>,
    journal: Journal<Record>,
    state: RefCell<State>,
    /// Messages that wait for the disk, and whether it has to be waited for.
    outbox: RefCell<Vec<(usize, Message)>>,
    unsynced: Cell<bool>,
    numbers: Cell<u64>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let (journal, records) = Journal::open(&config, "paxos")?;
    let mut state = State {
        acceptors: HashMap::new(),
        attempts: BTreeMap::new(),
        learned: Learned::default(),
        waiting: HashMap::new(),
        backlog: BTreeMap::new(),
        mine: BTreeMap::new(),
        cursors: vec![Cursor::default(); config.size()],
        heard: vec![None; config.size()],
    };
    let boot = 1 + recall(&mut state, records);
    journal.append(&Record::Boot(boot));
    journal.sync();
    let (peers, inbox) = Peers::join(&config, Delivery::WhileConnected).await?;
    let node = Rc::new(Paxos {
        boot,
        rng: RefCell::new(config.rng("ballots").fork(&boot.to_string())),
        peers,
        journal,
        state: RefCell::new(state),
        outbox: RefCell::default(),
        unsynced: Cell::new(false),
        numbers: Cell::new(0),
        config: config.clone(),
    });
    say!(config, "starts its life {boot}, knows {} slots", node.state.borrow().learned.count());
    tokio::try_join!(serve(&config, node.clone()), node.clone().run(inbox))?;
    Ok(())
}

/// Makes the state of what is on disk; returns the last life's number.
fn recall(state: &mut State, records: Vec<Record>) -> u64 {
    let mut boot = 0;
    for record in records {
        match record {
            Record::Boot(number) => boot = number,
            // Each was allowed when it was written, so it is allowed again.
            Record::Promised { slot, ballot } => {
                _ = state.acceptors.entry(slot).or_default().prepare(ballot);
            }
            Record::Accepted { slot, ballot, value } => {
                _ = state.acceptors.entry(slot).or_default().accept(ballot, value);
            }
            Record::Chosen { slot, value } => {
                state.acceptors.remove(&slot);
                state.learned.learn(slot, &value);
            }
        }
    }
    boot
}

impl Paxos {
    async fn run(self: Rc<Self>, mut inbox: Inbox<Message>) -> anyhow::Result<()> {
        let mut ticks = interval(TICK);
        let mut pulls = interval(PULL_EVERY);
        // After a pause of the process, what was missed isn't made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = inbox.recv() => {
                    let Some((from, message)) = message else {
                        anyhow::bail!("the links to the other nodes are gone");
                    };
                    self.hear(from, message);
                    // What came meanwhile shares one wait for the disk.
                    while let Ok((from, message)) = inbox.try_recv() {
                        self.hear(from, message);
                    }
                }
                _ = ticks.tick() => self.look_after_proposals(),
                _ = pulls.tick() => self.pull(),
            }
            self.flush();
        }
    }

    /// Sends what was to be sent, once what it rests on is on disk.
    fn flush(&self) {
        if self.unsynced.replace(false) {
            self.journal.sync();
        }
        for (to, message) in self.outbox.take() {
            self.peers.send(to, &message);
        }
    }

    fn send(&self, to: usize, message: Message) {
        self.outbox.borrow_mut().push((to, message));
    }

    fn send_all(&self, message: &Message) {
        (0..self.config.size()).for_each(|to| self.send(to, message.clone()));
    }

    fn hear(&self, from: usize, message: Message) {
        self.state.borrow_mut().heard[from] = Some(Instant::now());
        match message {
            Message::Prepare { slot, .. } | Message::Accept { slot, .. }
                if self.tell_chosen(from, slot) => {}
            Message::Prepare { slot, ballot } => self.prepare(from, slot, ballot),
            Message::Accept { slot, ballot, value } => self.accept(from, slot, ballot, value),
            Message::Promise { slot, ballot, accepted } => {
                self.promised(from, slot, ballot, accepted);
            }
            Message::Accepted { slot, ballot } => self.accepted(from, slot, ballot),
            Message::Refused { slot, ballot, promised } => self.refused(slot, ballot, promised),
            Message::Chosen { slot, value } => self.learn(slot, &value),
            Message::Pull { boot, start } => {
                let state = self.state.borrow();
                let start = if boot == self.boot { start } else { 0 };
                let slots = state.learned.page(start, BATCH);
                let count = state.learned.count();
                self.send(from, Message::Page { boot: self.boot, start, slots, count });
            }
            Message::Page { boot, start, slots, count } => {
                self.read_page(from, boot, start, slots, count);
            }
            Message::Submit { items } => {
                let mut state = self.state.borrow_mut();
                let new: Vec<Item> =
                    items.into_iter().filter(|item| !state.learned.has(item.id)).collect();
                state.backlog.extend(new.into_iter().map(|item| (item.id, item.message)));
                drop(state);
                self.propose_backlog();
            }
        }
    }

    // The acceptor.

    fn tell_chosen(&self, to: usize, slot: Slot) -> bool {
        let value = self.state.borrow().learned.get(slot).cloned();
        value.is_some_and(|value| {
            self.send(to, Message::Chosen { slot, value });
            true
        })
    }

    fn prepare(&self, from: usize, slot: Slot, ballot: Ballot) {
        let mut state = self.state.borrow_mut();
        let reply = match state.acceptors.entry(slot).or_default().prepare(ballot) {
            Ok(accepted) => {
                self.journal.append(&Record::Promised { slot, ballot });
                self.unsynced.set(true);
                Message::Promise { slot, ballot, accepted }
            }
            Err(promised) => Message::Refused { slot, ballot, promised },
        };
        self.send(from, reply);
    }

    fn accept(&self, from: usize, slot: Slot, ballot: Ballot, value: Value) {
        let mut state = self.state.borrow_mut();
        let reply = match state.acceptors.entry(slot).or_default().accept(ballot, value.clone()) {
            Ok(()) => {
                self.journal.append(&Record::Accepted { slot, ballot, value });
                self.unsynced.set(true);
                Message::Accepted { slot, ballot }
            }
            Err(promised) => Message::Refused { slot, ballot, promised },
        };
        self.send(from, reply);
    }

    // The proposer.

    fn propose(&self, slot: Slot, own: Value) {
        let mut state = self.state.borrow_mut();
        if state.learned.get(slot).is_some() || state.attempts.contains_key(&slot) {
            return;
        }
        let attempt = state.attempts.entry(slot).or_insert(Attempt {
            proposer: Proposer::new(Ballot::default(), self.config.majority(), own),
            tries: 0,
            due: Instant::now(),
            highest: 0,
            overtaken: false,
        });
        self.next_ballot(slot, attempt);
    }

    fn next_ballot(&self, slot: Slot, attempt: &mut Attempt) {
        let round = attempt.highest + 1;
        let ballot = Ballot { round, node: self.config.me, boot: self.boot };
        let own = attempt.proposer.own().clone();
        attempt.proposer = Proposer::new(ballot, self.config.majority(), own);
        attempt.highest = round;
        attempt.overtaken = false;
        attempt.due = Instant::now() + self.patience(attempt.tries);
        attempt.tries += 1;
        self.send_all(&Message::Prepare { slot, ballot });
    }

    /// How long a ballot may take, not all of them the same: its rivals shall not meet again.
    fn patience(&self, tries: u32) -> Duration {
        let longest = BALLOT * (1 << tries.min(3));
        longest.mul_f64(0.5 + 0.5 * self.rng.borrow_mut().unit())
    }

    fn look_after_proposals(&self) {
        let now = Instant::now();
        {
            let mut state = self.state.borrow_mut();
            for (slot, attempt) in state.attempts.iter_mut().filter(|(_, a)| a.due <= now) {
                self.next_ballot(*slot, attempt);
            }
        }
        self.hand_on_mine();
        self.propose_backlog();
    }

    fn promised(&self, from: usize, slot: Slot, ballot: Ballot, accepted: Option<(Ballot, Value)>) {
        let mut state = self.state.borrow_mut();
        let Some(attempt) = state.attempts.get_mut(&slot) else { return };
        if let Some(value) = attempt.proposer.promised(from, ballot, accepted) {
            self.send_all(&Message::Accept { slot, ballot, value });
        }
    }

    fn accepted(&self, from: usize, slot: Slot, ballot: Ballot) {
        let mut state = self.state.borrow_mut();
        let Some(attempt) = state.attempts.get_mut(&slot) else { return };
        let Some(value) = attempt.proposer.accepted(from, ballot) else { return };
        drop(state);
        let chosen = Message::Chosen { slot, value: value.clone() };
        self.learn(slot, &value);
        let others = (0..self.config.size()).filter(|node| *node != self.config.me);
        others.for_each(|node| self.send(node, chosen.clone()));
    }

    fn refused(&self, slot: Slot, ballot: Ballot, promised: Ballot) {
        let speaks = self.speaker() == self.config.me;
        let mut state = self.state.borrow_mut();
        let Some(attempt) = state.attempts.get_mut(&slot) else { return };
        attempt.highest = attempt.highest.max(promised.round);
        // The first refusal of a ballot decides on the pause.
        if ballot == attempt.proposer.ballot() && !std::mem::replace(&mut attempt.overtaken, true) {
            let pause = if speaks {
                self.rng.borrow_mut().around(OVERTAKEN)
            } else {
                self.patience(attempt.tries)
            };
            attempt.due = Instant::now() + pause;
        }
    }

    // The learner.

    fn learn(&self, slot: Slot, value: &Value) {
        let mut state = self.state.borrow_mut();
        if let Some(known) = state.learned.get(slot)
            && known != value
        {
            say!(self.config, "{slot:?} is decided twice: {known:?} and {value:?}");
        }
        let (is_new, delivered) = state.learned.learn(slot, value);
        if !is_new {
            return;
        }
        // Not synced: if a crash takes it, it will be learned again.
        self.journal.append(&Record::Chosen { slot, value: value.clone() });
        state.acceptors.remove(&slot);
        state.attempts.remove(&slot);
        if let (Slot::Instance(instance), Value::Proposal(value)) = (slot, value) {
            say!(self.config, "instance {instance}: decides {value}");
            for client in state.waiting.remove(&instance).into_iter().flatten() {
                // A client that went away isn't told.
                let _ = client.send(*value);
            }
        }
        for item in delivered {
            state.backlog.remove(&item.id);
            if let Some(mine) = state.mine.remove(&item.id) {
                let _ = mine.client.send(());
            }
        }
        drop(state);
        self.propose_backlog();
    }

    fn pull(&self) {
        let state = self.state.borrow();
        for node in (0..self.config.size()).filter(|node| *node != self.config.me) {
            let Cursor { boot, read, .. } = state.cursors[node];
            self.send(node, Message::Pull { boot, start: read });
        }
    }

    fn read_page(
        &self,
        from: usize,
        boot: u64,
        start: usize,
        slots: Vec<(Slot, Value)>,
        count: usize,
    ) {
        let cursor = self.state.borrow().cursors[from];
        let expected = if cursor.boot == boot { cursor.read } else { 0 };
        if start != expected {
            return;
        }
        let read = start + slots.len();
        self.state.borrow_mut().cursors[from] =
            Cursor { boot, read, at_end: (read >= count).then(Instant::now) };
        for (slot, value) in slots {
            self.learn(slot, &value);
        }
        if read < count {
            self.send(from, Message::Pull { boot, start: read });
        }
    }

    // The log.

    /// The node that proposes for all: the first that this one has heard of lately.
    fn speaker(&self) -> usize {
        (0..self.config.me).find(|node| self.hears(*node)).unwrap_or(self.config.me)
    }

    /// Is what that node has learned known here, as of late?
    fn knows_all_of(&self, node: usize) -> bool {
        let at_end = self.state.borrow().cursors[node].at_end;
        node == self.config.me || at_end.is_some_and(|at_end| at_end.elapsed() < STALE)
    }

    fn hears(&self, node: usize) -> bool {
        let heard = self.state.borrow().heard[node];
        node == self.config.me || heard.is_some_and(|heard| heard.elapsed() < STALE)
    }

    /// Proposes the backlog for the first free slot, unless that is under way.
    fn propose_backlog(&self) {
        let (slot, items) = {
            let state = self.state.borrow();
            let slot = Slot::Log(state.learned.next());
            if state.attempts.contains_key(&slot) {
                return;
            }
            let items = state.backlog.iter().take(BATCH);
            let items: Vec<Item> =
                items.map(|(id, message)| Item { id: *id, message: *message }).collect();
            (slot, items)
        };
        if !items.is_empty() {
            self.propose(slot, Value::Messages(items));
        }
    }

    /// Hands on the messages of this node's clients: to the speaker, and if that doesn't help, to
    /// itself.
    fn hand_on_mine(&self) {
        let speaker = self.speaker();
        let mut submits = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let State { mine, backlog, .. } = &mut *state;
            mine.retain(|_, mine| !mine.client.is_closed());
            for (id, mine) in mine.iter_mut() {
                if mine.tries > 0 && mine.submitted.elapsed() < RESUBMIT {
                    continue;
                }
                (mine.submitted, mine.tries) = (Instant::now(), mine.tries + 1);
                if speaker == self.config.me || mine.tries % 2 == 0 {
                    backlog.insert(*id, mine.message);
                } else {
                    submits.push(Item { id: *id, message: mine.message });
                }
            }
        }
        if !submits.is_empty() {
            self.send(speaker, Message::Submit { items: submits });
        }
    }
}
