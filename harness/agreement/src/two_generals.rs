//! The coordinated attack: no number of acknowledgements makes it safe.
//!
//! ```text
//! general A:  send "attack at dawn"
//! message 0 is that order; message i+1 acknowledges message i, and is sent on hearing i; k is last
//! each message is sent a few times, until its acknowledgement is heard
//! at dawn:    attack, if the last message due to me has come; otherwise stay
//! ```
//!
//! Two generals win if both attack and lose nothing if both stay, but messengers get lost. The
//! first node is general A; to attack is to decide 1, to stay is to decide 0. Whatever k is, the
//! sender of message k can't know whether it arrived. It attacks, because all that was due to it
//! has come; and where message k was lost each time that it was sent, it attacks alone (Agreement).
//! With one acknowledgement more, it is just the other general who can't know. Messages are
//! datagrams, so a lossy link really loses them. Dawn comes late enough for every message to be
//! sent as often as it may be, so that without loss both attack.
//!
//! A general who proposes 0 before it hears an order stays, and acknowledges nothing. B, who has
//! proposed but hears nothing for a second, stays. Both take part from memory; one that was killed
//! stays out of what had begun.
//!
//! To see it: `schism test two-generals --faults loss=50%`.

use crate::datagrams::Datagrams;
use crate::decisions::Decisions;
use crate::host::{NodeConfig, Service, serve};
use crate::peers::listen;
use crate::protocol::{Protocol, ProtocolOption};
use schism_core::api::Payload;
use schism_core::wire::{NodeStatus, Response};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "two-generals",
    about: "the coordinated attack over a lossy link",
    serves: &["consensus"],
    nodes: 2..=2,
    last_node: None,
    options: &[
        ProtocolOption { name: "acks", about: "how many acknowledgements, default 3" },
        ProtocolOption { name: "sends", about: "how often each message is sent, default 2" },
        ProtocolOption {
            name: "dawn_ms",
            about: "from the order to the attack, beside the time for sending, default 100",
        },
    ],
    node: |config| Box::pin(node(config)),
};

/// Between two sends of one message.
const SPACING: Duration = Duration::from_millis(10);
/// How long general B waits for the order.
const NO_ORDER: Duration = Duration::from_secs(1);

const ATTACK: i64 = 1;
const STAY: i64 = 0;

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Message {
    instance: i64,
    number: u32,
}

struct TwoGenerals {
    config: NodeConfig,
    acks: u32,
    sends: u32,
    dawn: Duration,
    link: Datagrams,
    decisions: Decisions,
    /// The messages heard in instances whose dawn is to come.
    heard: RefCell<BTreeMap<i64, BTreeSet<u32>>>,
}

async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let acks = u32::try_from(config.number("acks", 3)?)?;
    let sends = u32::try_from(config.number("sends", 2)?)?;
    anyhow::ensure!(sends > 0, "option sends=0: a message that is never sent orders nothing");
    let all_sends = acks.checked_add(1).and_then(|messages| messages.checked_mul(sends));
    let all_sends = all_sends.filter(|all| *all <= 1000);
    let all_sends = all_sends.ok_or_else(|| {
        anyhow::anyhow!("options acks={acks} and sends={sends}: dawn would never come")
    })?;
    let dawn = config.millis("dawn_ms", 100)? + SPACING * all_sends;
    let decisions = Decisions::open(&config)?;
    let (link, inbox) = Datagrams::open(&config).await?;
    let heard = RefCell::default();
    let node = TwoGenerals { config: config.clone(), acks, sends, dawn, link, decisions, heard };
    let node = Rc::new(node);
    let hearing = listen(inbox, |_, message| node.hear(message));
    tokio::try_join!(serve(&config, node.clone()), hearing)?;
    Ok(())
}

impl TwoGenerals {
    fn is_a(&self) -> bool {
        self.config.me == 0
    }

    fn propose(self: &Rc<Self>, instance: i64, value: i64) -> Result<(), String> {
        if !(STAY..=ATTACK).contains(&value) {
            return Err(format!("a general proposes 1 (attack) or 0 (stay), not {value}"));
        }
        // Once it has acknowledged the order, a general is bound by it.
        if !self.decisions.takes_part(instance) || self.heard.borrow().contains_key(&instance) {
            return Ok(());
        }
        if value == STAY {
            self.decisions.decide(instance, STAY, format_args!("as it proposed"));
        } else if self.is_a() {
            self.await_dawn(instance);
            self.say_repeatedly(instance, 0);
        } else {
            let node = self.clone();
            tokio::task::spawn_local(async move {
                sleep(NO_ORDER).await;
                if !node.heard.borrow().contains_key(&instance) {
                    node.decisions.decide(instance, STAY, format_args!("having heard nothing"));
                }
            });
        }
        Ok(())
    }

    fn hear(self: &Rc<Self>, message: Message) {
        let Message { instance, number } = message;
        let is_due = number <= self.acks && (number % 2 == 1) == self.is_a();
        if !is_due || !self.decisions.takes_part(instance) {
            return;
        }
        if !self.heard.borrow().contains_key(&instance) {
            if self.is_a() {
                // An answer to an order of an earlier life.
                return;
            }
            self.await_dawn(instance);
        }
        let is_new = self.heard.borrow_mut().entry(instance).or_default().insert(number);
        if is_new && number < self.acks {
            self.say_repeatedly(instance, number + 1);
        }
    }

    fn say_repeatedly(self: &Rc<Self>, instance: i64, number: u32) {
        let node = self.clone();
        tokio::task::spawn_local(async move {
            for _ in 0..node.sends {
                node.link.send(1 - node.config.me, Message { instance, number });
                sleep(SPACING).await;
                let heard = node.heard.borrow();
                if heard.get(&instance).is_none_or(|heard| heard.contains(&(number + 1))) {
                    return;
                }
            }
        });
    }

    fn await_dawn(self: &Rc<Self>, instance: i64) {
        self.heard.borrow_mut().insert(instance, BTreeSet::new());
        let node = self.clone();
        tokio::task::spawn_local(async move {
            sleep(node.dawn).await;
            let heard = node.heard.borrow_mut().remove(&instance).unwrap_or_default();
            match last_due(node.is_a(), node.acks) {
                Some(last) if !heard.contains(&last) => {
                    let why = format_args!("as message {last} of {} never came", node.acks);
                    node.decisions.decide(instance, STAY, why);
                }
                _ => {
                    let why = format_args!("as all that was due to it has come");
                    node.decisions.decide(instance, ATTACK, why);
                }
            }
        });
    }
}

/// The last message that this general has to hear: A hears the odd ones, B the even ones.
fn last_due(is_a: bool, acks: u32) -> Option<u32> {
    (0..=acks).rev().find(|number| (number % 2 == 1) == is_a)
}

impl Service for TwoGenerals {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        let propose = |instance, value| self.propose(instance, value);
        self.decisions.answer(&api, &payload, propose).await
    }

    fn status(&self) -> NodeStatus {
        let general = if self.is_a() { "general A" } else { "general B" };
        self.decisions.status(true, self.is_a(), general)
    }
}

#[cfg(test)]
mod tests {
    use super::last_due;

    #[test]
    fn each_general_waits_for_the_last_message_of_the_other() {
        assert_eq!((last_due(true, 0), last_due(false, 0)), (None, Some(0)));
        assert_eq!((last_due(true, 3), last_due(false, 3)), (Some(3), Some(2)));
        assert_eq!((last_due(true, 4), last_due(false, 4)), (Some(3), Some(4)));
    }
}
