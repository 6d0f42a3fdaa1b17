//! Single-decree Paxos without a network: one acceptor, and one proposer, of one slot.
//!
//! From Lamport, Paxos Made Simple, 2001. Why it is safe: a value is chosen once a majority has
//! accepted it in one ballot. Whoever wants to propose in a higher ballot first asks a majority,
//! which shares a node with the first; that node promises to accept nothing lower any more, and
//! tells what it has accepted. The proposer takes over the value of the highest ballot that it is
//! told of, so that once a value is chosen, every higher ballot has the same value. It rests on
//! three things: a ballot is used by one proposer for one value, acceptors forget nothing,
//! and majorities meet.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A ballot. No two proposals have the same one: `boot` counts a node's lives, durably.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(super) struct Ballot {
    pub(super) round: u64,
    pub(super) node: usize,
    pub(super) boot: u64,
}

/// What a node has promised and accepted. Whatever it answers must be on disk before.
#[derive(Clone, Debug)]
pub(super) struct Acceptor<V> {
    promised: Option<Ballot>,
    accepted: Option<(Ballot, V)>,
}

impl<V> Default for Acceptor<V> {
    fn default() -> Self {
        Self { promised: None, accepted: None }
    }
}

impl<V: Clone> Acceptor<V> {
    /// Phase 1: promises to accept nothing below `ballot`, and tells what it has accepted; or
    /// refuses, with what it has promised.
    pub(super) fn prepare(&mut self, ballot: Ballot) -> Result<Option<(Ballot, V)>, Ballot> {
        self.promise(ballot)?;
        Ok(self.accepted.clone())
    }

    /// Phase 2: accepts, unless it has promised not to.
    pub(super) fn accept(&mut self, ballot: Ballot, value: V) -> Result<(), Ballot> {
        self.promise(ballot)?;
        self.accepted = Some((ballot, value));
        Ok(())
    }

    fn promise(&mut self, ballot: Ballot) -> Result<(), Ballot> {
        match self.promised {
            Some(promised) if promised > ballot => Err(promised),
            _ => {
                self.promised = Some(ballot);
                Ok(())
            }
        }
    }
}

/// One ballot of a proposer.
#[derive(Clone, Debug)]
pub(super) struct Proposer<V> {
    ballot: Ballot,
    majority: usize,
    /// What it proposes, if nobody is found to have accepted something.
    own: V,
    promises: BTreeSet<usize>,
    found: Option<(Ballot, V)>,
    /// Once a majority has promised: the value, and who has accepted it.
    second_phase: Option<(V, BTreeSet<usize>)>,
}

impl<V: Clone> Proposer<V> {
    /// A proposal of `own` in `ballot`; phase 1 is to be asked for now.
    pub(super) fn new(ballot: Ballot, majority: usize, own: V) -> Self {
        let promises = BTreeSet::new();
        Self { ballot, majority, own, promises, found: None, second_phase: None }
    }

    pub(super) fn ballot(&self) -> Ballot {
        self.ballot
    }

    pub(super) fn own(&self) -> &V {
        &self.own
    }

    /// Counts a promise. With the majority's last one: the value to ask acceptance for.
    pub(super) fn promised(
        &mut self,
        from: usize,
        ballot: Ballot,
        accepted: Option<(Ballot, V)>,
    ) -> Option<V> {
        if ballot != self.ballot || self.second_phase.is_some() {
            return None;
        }
        self.promises.insert(from);
        if let Some((ballot, value)) = accepted
            && self.found.as_ref().is_none_or(|(highest, _)| *highest < ballot)
        {
            self.found = Some((ballot, value));
        }
        if self.promises.len() < self.majority {
            return None;
        }
        let found = self.found.as_ref().map(|(_, value)| value.clone());
        let value = found.unwrap_or_else(|| self.own.clone());
        self.second_phase = Some((value.clone(), BTreeSet::new()));
        Some(value)
    }

    /// Counts an acceptance. With the majority's last one: the value, which is chosen.
    pub(super) fn accepted(&mut self, from: usize, ballot: Ballot) -> Option<V> {
        if ballot != self.ballot {
            return None;
        }
        let (value, acceptances) = self.second_phase.as_mut()?;
        acceptances.insert(from);
        (acceptances.len() >= self.majority).then(|| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Acceptor, Ballot, Proposer};
    use schism_core::rng::Rng;
    use std::collections::BTreeSet;

    #[derive(Clone)]
    enum Message {
        Prepare(Ballot),
        Promise(Ballot, Option<(Ballot, u32)>),
        Accept(Ballot, u32),
        Accepted(Ballot),
    }

    struct World {
        rng: Rng,
        acceptors: Vec<Acceptor<u32>>,
        proposers: Vec<Proposer<u32>>,
        rounds: u64,
        /// From, to, what: in no order.
        network: Vec<(usize, usize, Message)>,
        chosen: BTreeSet<u32>,
    }

    impl World {
        /// Starts a ballot; each proposal has a value of its own.
        fn propose(&mut self, node: usize) {
            self.rounds += 1;
            let value = u32::try_from(self.rounds).expect("few rounds");
            // Rounds of several nodes meet, as those of nodes that don't know each other's do.
            let ballot = Ballot { round: self.rounds / 3, node, boot: self.rounds };
            let nodes = self.acceptors.len();
            self.proposers[node] = Proposer::new(ballot, nodes / 2 + 1, value);
            (0..nodes).for_each(|to| self.network.push((node, to, Message::Prepare(ballot))));
        }

        /// Delivers a random message, which may be lost or stay to come again.
        fn step(&mut self) {
            let at = self.rng.below(self.network.len());
            let Some((from, to, message)) = self.network.get(at).cloned() else { return };
            if !self.rng.chance(0.2) {
                self.network.swap_remove(at);
            }
            if self.rng.chance(0.2) {
                return;
            }
            let nodes = self.acceptors.len();
            match message {
                Message::Prepare(ballot) => {
                    if let Ok(accepted) = self.acceptors[to].prepare(ballot) {
                        self.network.push((to, from, Message::Promise(ballot, accepted)));
                    }
                }
                Message::Accept(ballot, value) => {
                    if self.acceptors[to].accept(ballot, value).is_ok() {
                        self.network.push((to, from, Message::Accepted(ballot)));
                    }
                }
                Message::Promise(ballot, accepted) => {
                    if let Some(value) = self.proposers[to].promised(from, ballot, accepted) {
                        let accept = Message::Accept(ballot, value);
                        (0..nodes).for_each(|node| self.network.push((to, node, accept.clone())));
                    }
                }
                Message::Accepted(ballot) => {
                    self.chosen.extend(self.proposers[to].accepted(from, ballot));
                }
            }
        }
    }

    /// Which values a random run chooses; `amnesia` makes acceptors forget, now and then.
    fn run(seed: u64, amnesia: bool) -> BTreeSet<u32> {
        let nodes = 3 + (seed % 2) as usize * 2;
        let mut world = World {
            rng: Rng::seeded(seed),
            acceptors: vec![Acceptor::default(); nodes],
            proposers: vec![Proposer::new(Ballot::default(), nodes, 0); nodes],
            rounds: 0,
            network: Vec::new(),
            chosen: BTreeSet::new(),
        };
        for _ in 0..1500 {
            let node = world.rng.below(nodes);
            match world.rng.below(100) {
                // Also what a proposer does that was restarted: it goes on with a new ballot.
                0..4 => world.propose(node),
                4..8 if amnesia => world.acceptors[node] = Acceptor::default(),
                _ => world.step(),
            }
        }
        world.chosen
    }

    #[test]
    fn at_most_one_value_is_chosen_whatever_the_network_does() {
        let runs: Vec<BTreeSet<u32>> = (0..400).map(|seed| run(seed, false)).collect();
        assert!(runs.iter().all(|chosen| chosen.len() <= 1), "two values were chosen");
        let decided = runs.iter().filter(|chosen| chosen.len() == 1).count();
        assert!(decided > 200, "only {decided} of 400 runs chose anything");
    }

    #[test]
    fn acceptors_that_forget_break_it_so_the_test_above_can_see_that() {
        assert!((0..400).any(|seed| run(seed, true).len() > 1));
    }
}
