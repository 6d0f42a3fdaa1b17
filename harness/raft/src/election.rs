//! Who runs for leader, and when.
//!
//! openraft can do this itself, but it draws its election timeout once a process, and looks at it
//! once every one and a half heartbeats, so that two nodes may split the votes again and again.
//! Here each wait is drawn anew (§5.2 of the paper), and a node asks first whether it would be
//! elected (pre-vote, §9.6 of the thesis): one that comes back from behind a cut, or from a pause,
//! doesn't depose a leader that everybody else hears.

use crate::network::{PeerRequest, PeerResponse, address};
use crate::service::Served;
use crate::types::LogId;
use openraft::error::Fatal;
use schism_core::rng::Rng;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// When this node last heard from a leader, voted, or ran for leader itself.
#[derive(Debug)]
pub(crate) struct Contact {
    last: Mutex<Instant>,
    quorum: AtomicBool,
    committed: AtomicU64,
}

impl Contact {
    pub(crate) fn now() -> Self {
        let last = Mutex::new(Instant::now());
        Self { last, quorum: AtomicBool::new(false), committed: AtomicU64::new(0) }
    }

    pub(crate) fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A leader was heard, and said whether it hears a quorum, and how far the log is committed.
    pub(crate) fn hear_leader(&self, quorum: bool, committed: Option<LogId>) {
        self.touch();
        self.quorum.store(quorum, Ordering::Relaxed);
        self.committed.fetch_max(committed.map_or(0, |id| id.index), Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Did the leader hear a quorum, when it was last heard?
    pub(crate) fn leader_has_quorum(&self) -> bool {
        self.quorum.load(Ordering::Relaxed)
    }

    /// The last entry that a leader is known to have committed; 0 for none.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }
}

impl Served {
    /// Would this node vote for a candidate with that log? Not while it has a leader.
    pub(crate) fn would_vote_for(&self, candidate: Option<LogId>) -> bool {
        let silent = if self.leads() {
            !self.has_quorum()
        } else {
            self.contact.last().elapsed() >= self.options.election
        };
        silent && candidate >= self.log.last()
    }

    /// Asks all voters at once; true as soon as a majority, with this node, would vote for it.
    async fn would_win(self: &Arc<Self>) -> bool {
        let voters: Vec<_> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let membership = metrics.membership_config.membership();
            let node = |id| membership.get_node(&id).cloned();
            membership.voter_ids().map(|id| (id, node(id))).collect()
        };
        let majority = voters.len() / 2 + 1;
        let last = self.log.last();
        let (ballots, mut counted) = mpsc::unbounded_channel();
        let mut granted = 1;
        for (id, node) in &voters {
            let Some(Ok(addr)) = node.as_ref().map(address) else { continue };
            if *id == self.me {
                continue;
            }
            let (served, ballots) = (self.clone(), ballots.clone());
            tokio::spawn(async move {
                let within = served.options.election;
                let asked = served.links.ask(addr, &PeerRequest::PreVote(last), within).await;
                // The count may be over.
                let _ = ballots.send(matches!(asked, Ok(PeerResponse::PreVote(true))));
            });
        }
        drop(ballots);
        while granted < majority
            && let Some(yes) = counted.recv().await
        {
            granted += usize::from(yes);
        }
        granted >= majority
    }

    fn may_run(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.membership_config.membership().voter_ids().any(|id| id == self.me)
    }
}

/// Runs for leader whenever there has been none for a while. Returns when openraft has stopped.
pub(crate) async fn run_when_silent(served: Arc<Served>, mut rng: Rng) -> Fatal<u64> {
    let election = served.options.election;
    loop {
        let wait = election.mul_f64(1.0 + rng.unit());
        let mut due = served.contact.last() + wait;
        while due > Instant::now() {
            sleep_until(due).await;
            due = served.contact.last() + wait;
        }
        if served.leads() {
            served.contact.touch();
            continue;
        }
        let silent_since = served.contact.last();
        if !served.may_run() || !served.would_win().await {
            // Soon again: a leader may be missing, and only this one vote may have been in the way.
            sleep(election.mul_f64(0.25 + 0.25 * rng.unit())).await;
            continue;
        }
        // While the others answered, one of them may have become leader.
        if served.contact.last() != silent_since || served.leads() {
            continue;
        }
        let millis = silent_since.elapsed().as_millis();
        served.trace.say(format_args!("no leader for {millis} ms: running for leader"));
        served.contact.touch();
        if let Err(fatal) = served.raft.trigger().elect().await {
            return fatal;
        }
    }
}

/// Has the leader send heartbeats. Returns when openraft has stopped.
pub(crate) async fn send_heartbeats(served: Arc<Served>, every: Duration) -> Fatal<u64> {
    loop {
        sleep(every).await;
        served.links.set_quorum(served.has_quorum());
        // On a follower this does nothing, except to notice that openraft is still there.
        if let Err(fatal) = served.raft.trigger().heartbeat().await {
            return fatal;
        }
    }
}
