//! Then vote on the candidate: a second phase is to repair the naive majority.
//!
//! ```text
//! round r:
//!   send my proposal to every node; wait for a majority of proposals, mine and the first others
//!   candidate := their most frequent value; mine, if none is more frequent
//!   send my vote for the candidate; wait for a majority of votes, mine and the first others
//!   all the same:  decide, and take part no more
//!   otherwise:     pause for a random time, round r+1
//! ```
//!
//! It breaks in two ways. With five different proposals no value is more frequent than one's own:
//! so each node votes for its own, the votes split, and the next round is no different. Nobody is
//! stuck, everybody is busy, and nothing is ever decided: a livelock (Termination). A random pause
//! doesn't help: the round that follows has the same proposals. With `ties=smallest` a node takes
//! the smallest of equally frequent values. Then some majorities of votes are unanimous by luck: a
//! node that sees one decides and leaves, and the others, who saw other votes, start again without
//! it and decide something else (Agreement), or wait for ever for a majority that is no longer
//! there (Termination). A killed node leaves in the same way.
//!
//! A node takes part once it has a proposal of its own. It works on the last 32 undecided instances
//! and gives up older ones, so that a livelock doesn't fill its memory.
//!
//! To see it: `schism test two-phase-vote --faults none`.

use crate::decisions::Decisions;
use crate::host::{NodeConfig, Service, serve};
use crate::peers::{Delivery, Peers, listen};
use crate::protocol::{Protocol, ProtocolOption};
use crate::say::say;
use schism_core::api::Payload;
use schism_core::rng::Rng;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "two-phase-vote",
    about: "vote on a candidate, start again on disagreement",
    serves: &["consensus"],
    nodes: 3..=usize::MAX,
    last_node: None,
    options: &[
        ProtocolOption { name: "jitter_ms", about: "messages take up to so long, default 10" },
        ProtocolOption {
            name: "pause_ms",
            about: "mean pause before round r+1 for each of the first 10 rounds, default 30",
        },
        ProtocolOption { name: "ties", about: "own or smallest, default own" },
    ],
    node: |config| Box::pin(node(config)),
};

/// How many undecided instances a node works on.
const KEPT: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Proposal,
    Vote,
}

#[derive(Clone, Serialize, Deserialize)]
struct Message {
    instance: i64,
    round: u64,
    phase: Phase,
    value: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Own,
    Smallest,
}

/// What a node knows of an undecided instance.
#[derive(Default)]
struct Attempt {
    proposal: Option<i64>,
    /// The round and the phase whose messages it waits for; `None` during a pause.
    waits_for: Option<(u64, Phase)>,
    round: u64,
    /// Values in the order of their arrival, this node's own first.
    heard: BTreeMap<(u64, Phase), Vec<i64>>,
}

struct TwoPhaseVote {
    config: NodeConfig,
    tie: Tie,
    pause: Duration,
    rng: RefCell<Rng>,
    peers: Peers<Message>,
    decisions: Decisions,
    attempts: RefCell<Attempts>,
}

#[derive(Default)]
struct Attempts {
    live: BTreeMap<i64, Attempt>,
    /// Instances up to this one have been given up, if they were undecided.
    given_up: Option<i64>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let jitter = config.millis("jitter_ms", 10)?;
    let tie = match config.one_of("ties", &["own", "smallest"])? {
        "smallest" => Tie::Smallest,
        _ => Tie::Own,
    };
    let decisions = Decisions::open(&config)?;
    let (peers, inbox) = Peers::join(&config, Delivery::UntilReceived).await?;
    let node = Rc::new(TwoPhaseVote {
        tie,
        pause: config.millis("pause_ms", 30)?,
        rng: RefCell::new(config.rng("pauses")),
        peers: peers.with_jitter(config.rng("jitter"), jitter),
        decisions,
        attempts: RefCell::default(),
        config: config.clone(),
    });
    let hearing = listen(inbox, |_, message| node.hear(&message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl TwoPhaseVote {
    fn propose(self: &Rc<Self>, instance: i64, value: i64) {
        if !self.decisions.takes_part(instance) || !self.keep(instance) {
            return;
        }
        self.change(instance, |attempt| attempt.proposal = Some(value));
        self.start(instance, 1);
    }

    fn start(self: &Rc<Self>, instance: i64, round: u64) {
        let mut proposal = None;
        self.change(instance, |attempt| {
            attempt.round = round;
            attempt.waits_for = Some((round, Phase::Proposal));
            attempt.heard = attempt.heard.split_off(&(round, Phase::Proposal));
            proposal = attempt.proposal;
        });
        if let Some(value) = proposal {
            self.tell(&Message { instance, round, phase: Phase::Proposal, value });
        }
    }

    /// Sends a message to the others; of those that count for this node, it is the first.
    fn tell(self: &Rc<Self>, message: &Message) {
        let Message { instance, round, phase, value } = *message;
        self.change(instance, |attempt| {
            attempt.heard.entry((round, phase)).or_default().insert(0, value);
        });
        self.peers.tell_others(message);
        self.advance(instance);
    }

    fn hear(self: &Rc<Self>, message: &Message) {
        let Message { instance, round, phase, value } = *message;
        if !self.decisions.takes_part(instance) || !self.keep(instance) {
            return;
        }
        self.change(instance, |attempt| {
            if round >= attempt.round {
                attempt.heard.entry((round, phase)).or_default().push(value);
            }
        });
        self.advance(instance);
    }

    /// Goes on to the next phase once a majority has been heard in this one.
    fn advance(self: &Rc<Self>, instance: i64) {
        let majority = self.config.majority();
        let mut first = None;
        self.change(instance, |attempt| {
            let Some(step) = attempt.waits_for else { return };
            let heard = attempt.heard.get(&step).map_or(&[][..], Vec::as_slice);
            if heard.len() >= majority {
                let values = heard[..majority].to_vec();
                attempt.waits_for = (step.1 == Phase::Proposal).then_some((step.0, Phase::Vote));
                first = Some((step, values));
            }
        });
        let Some(((round, phase), values)) = first else { return };
        if phase == Phase::Proposal {
            let value = candidate(&values, self.tie);
            self.tell(&Message { instance, round, phase: Phase::Vote, value });
        } else if values.iter().all(|value| *value == values[0]) {
            self.attempts.borrow_mut().live.remove(&instance);
            let why = format_args!("voted for by a majority in round {round}");
            self.decisions.decide(instance, values[0], why);
        } else {
            self.pause(instance, round, &values);
        }
    }

    fn pause(self: &Rc<Self>, instance: i64, round: u64, votes: &[i64]) {
        if round.is_power_of_two() {
            say!(self.config, "instance {instance}: round {round} ends with the votes {votes:?}");
        }
        let mean = self.pause * u32::try_from(round.min(10)).unwrap_or(10);
        let pause = self.rng.borrow_mut().around(mean);
        let node = self.clone();
        tokio::task::spawn_local(async move {
            sleep(pause).await;
            node.start(instance, round + 1);
        });
    }

    /// Makes room for an instance; false if it is one of those given up.
    fn keep(&self, instance: i64) -> bool {
        let mut attempts = self.attempts.borrow_mut();
        if attempts.given_up.is_some_and(|last| instance <= last) {
            return false;
        }
        attempts.live.entry(instance).or_default();
        if attempts.live.len() > KEPT
            && let Some((oldest, attempt)) = attempts.live.pop_first()
        {
            say!(self.config, "instance {oldest}: given up in round {}", attempt.round);
            attempts.given_up = Some(oldest);
        }
        attempts.live.contains_key(&instance)
    }

    fn change(&self, instance: i64, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.attempts.borrow_mut().live.get_mut(&instance) {
            change(attempt);
        }
    }
}

/// The most frequent of the values; the node's own is the first of them.
fn candidate(heard: &[i64], tie: Tie) -> i64 {
    let count = |value: i64| heard.iter().filter(|other| **other == value).count();
    let most = heard.iter().map(|value| count(*value)).max().unwrap_or(0);
    let mut frequent = heard.iter().copied().filter(|value| count(*value) == most);
    let chosen = match tie {
        Tie::Own => frequent.next(),
        Tie::Smallest => frequent.min(),
    };
    chosen.unwrap_or_default()
}

impl Service for TwoPhaseVote {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let propose = |instance, value| {
            self.propose(instance, value);
            Ok(())
        };
        self.decisions.answer(&api, &payload, propose).await
    }

    fn status(&self) -> NodeStatus {
        let attempts = self.attempts.borrow();
        let busiest = attempts.live.iter().max_by_key(|(_, attempt)| attempt.round);
        let rounds = busiest.filter(|(_, attempt)| attempt.round > 0).map(|(instance, attempt)| {
            format!("in round {} of instance {instance}", attempt.round)
        });
        let ready = self.peers.reached() >= self.config.majority();
        self.decisions.status(ready, false, &rounds.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::{Tie, candidate};

    #[test]
    fn a_tie_goes_to_ones_own_or_to_the_smallest() {
        assert_eq!(candidate(&[3, 1, 2], Tie::Own), 3);
        assert_eq!(candidate(&[3, 1, 2], Tie::Smallest), 1);
        assert_eq!(candidate(&[3, 2, 2], Tie::Own), 2);
    }
}
