//! Rounds: all nodes are asked at once, again and again.
//!
//! Agreement is only interesting among proposals that compete. So round `i` begins on every node at
//! the same time, `i` intervals after the first, each node being asked by one of its threads. A
//! node all of whose threads still wait for earlier answers joins late, or, once the round is old,
//! not at all: it goes on with the current one, so that rounds stay concurrent however long some of
//! them hang.

use crate::used::Used;
use schism_core::api::Api;
use schism_core::event::Event;
use schism_core::generator::{Act, Context, Emit, Gen, Generator, Next, Thread};
use schism_core::time::Nanos;
use std::time::Duration;

/// A node that is later than this for a round lets it go.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks `call(round, node)` of each node in each round, and notes the rounds that it asked about; a
/// round begins every `interval`.
pub(crate) fn rounds<A: Api>(
    nodes: usize,
    interval: Duration,
    used: Used,
    call: impl Fn(i64, usize) -> A::Call + 'static,
) -> Gen<A> {
    Box::new(Rounds { interval, start: None, next: vec![0; nodes], used, call })
}

struct Rounds<F> {
    interval: Duration,
    start: Option<Nanos>,
    /// The round that each node has not been asked in yet.
    next: Vec<u32>,
    used: Used,
    call: F,
}

impl<F> Rounds<F> {
    fn begins(&self, round: u32, now: Nanos) -> Nanos {
        self.start.unwrap_or(now) + self.interval.saturating_mul(round)
    }

    /// The round that a node is asked in next, old ones left out.
    fn round_of(&self, node: usize, now: Nanos) -> u32 {
        let mut round = self.next[node];
        if self.begins(round, now) + PATIENCE < now {
            let since = now.since(self.start.unwrap_or(now));
            let current = since.as_nanos() / self.interval.as_nanos().max(1);
            round = round.max(u32::try_from(current).unwrap_or(u32::MAX));
        }
        round
    }

    /// Who is asked next: the node whose round began first, among those with a free thread.
    fn choose(&self, context: &Context<'_>) -> Option<(Nanos, usize, u32, Thread)> {
        let nodes = self.next.len();
        let free = |node: usize| {
            (node..context.clients()).step_by(nodes).find(|thread| context.is_free(*thread))
        };
        (0..nodes)
            .filter_map(|node| {
                let round = self.round_of(node, context.time);
                Some((self.begins(round, context.time), node, round, free(node)?))
            })
            .min_by_key(|(begins, node, ..)| (*begins, *node))
    }
}

impl<A, F> Generator<A> for Rounds<F>
where
    A: Api,
    F: Fn(i64, usize) -> A::Call,
{
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        self.choose(context).map_or(Next::Pending, |(begins, node, round, thread)| {
            let call = (self.call)(i64::from(round), node);
            Next::Op(Emit { time: begins.max(context.time), thread, act: Act::Call(call) })
        })
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let (begins, node, round, thread) =
            self.choose(context).expect("taken only after it was seen");
        self.start.get_or_insert(context.time);
        self.next[node] = round + 1;
        self.used.note(i64::from(round));
        let call = (self.call)(i64::from(round), node);
        Emit { time: begins.max(context.time), thread, act: Act::Call(call) }
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<A>) {}
}

#[cfg(test)]
mod tests {
    use super::rounds;
    use crate::used::Used;
    use schism_core::api::consensus::{Call, Consensus, ConsensusOp, Reply};
    use schism_core::generator::simulate::{Request, Simulation};
    use schism_core::generator::{Act, GenExt as _};
    use schism_core::op::Outcome;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// When each node was asked in each round, in milliseconds, if asking node `n` takes
    /// `latency(n)`.
    fn times(
        clients: usize,
        seconds: u64,
        latency: impl Fn(usize) -> u64,
    ) -> BTreeMap<i64, BTreeMap<usize, u64>> {
        let used = Used::default();
        let ask = |round, node: usize| Call {
            instance: round,
            op: ConsensusOp::Propose(i64::try_from(node).unwrap()),
        };
        let generator = rounds(3, Duration::from_millis(100), used.clone(), ask);
        let answer = |request: &Request<'_, Consensus>| {
            let latency = Duration::from_millis(latency(request.thread % 3));
            (latency, Outcome::Ok(Reply::Decided(Some(0))))
        };
        let limited = generator.clients().time_limit(Duration::from_secs(seconds));
        let trace = Simulation::new(clients).nodes(3).run(limited, answer).unwrap();
        let mut times: BTreeMap<i64, BTreeMap<usize, u64>> = BTreeMap::new();
        for emit in trace.emits {
            let Act::Call(Call { instance, op: ConsensusOp::Propose(node) }) = emit.act else {
                panic!("only proposals")
            };
            let node = usize::try_from(node).unwrap();
            assert_eq!(emit.thread % 3, node, "each node is asked by a thread of its own");
            let millis = emit.time.0 / 1_000_000;
            assert!(times.entry(instance).or_default().insert(node, millis).is_none());
        }
        assert_eq!(used.all(), times.keys().copied().collect::<Vec<_>>());
        times
    }

    #[test]
    fn a_round_begins_on_every_node_at_once() {
        let times = times(3, 1, |_| 5);
        assert_eq!(times.len(), 10);
        for (round, nodes) in times {
            let at = u64::try_from(round).unwrap() * 100;
            assert_eq!(nodes, [(0, at), (1, at), (2, at)].into());
        }
    }

    #[test]
    fn a_node_that_hangs_holds_nobody_up_and_joins_the_current_round() {
        let times = times(3, 10, |node| if node == 1 { 2000 } else { 5 });
        assert_eq!(times.len(), 100, "the others go on");
        let hanging: Vec<(i64, u64)> =
            times.iter().filter_map(|(round, nodes)| Some((*round, *nodes.get(&1)?))).collect();
        assert_eq!(hanging, [(0, 0), (20, 2000), (40, 4000), (60, 6000), (80, 8000)]);
    }

    #[test]
    fn a_node_that_is_a_little_late_leaves_no_round_out() {
        let times = times(6, 3, |node| if node == 2 { 190 } else { 5 });
        assert!(times.values().all(|nodes| nodes.len() == 3), "{times:?}");
    }
}
