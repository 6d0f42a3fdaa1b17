//! Rounds: all nodes are asked at once, again and again.
//!
//! Agreement is only interesting among proposals that compete. So round `i` begins on every node at
//! the same time, `i` intervals after the first, each node being asked by one of its threads. A node
//! all of whose threads still wait for earlier answers joins late, or, once the round is old, not at
//! all: it goes on with the current one, so that rounds stay concurrent however long some of them
//! hang.

use schism_core::api::Api;
use schism_core::event::Event;
use schism_core::generator::{Act, Context, Emit, Gen, Generator, Next, Thread};
use schism_core::time::Nanos;
use std::time::Duration;

/// A node that is later than this for a round lets it go.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks `call(round, node)` of each node in each round; a round begins every `interval`.
pub(crate) fn rounds<A: Api>(
    nodes: usize,
    interval: Duration,
    call: impl Fn(i64, usize) -> A::Call + 'static,
) -> Gen<A> {
    Box::new(Rounds { interval, start: None, next: vec![0; nodes], call })
}

struct Rounds<F> {
    interval: Duration,
    start: Option<Nanos>,
    /// The round that each node has not been asked in yet.
    next: Vec<u32>,
    call: F,
}

impl<F> Rounds<F> {
    fn begins(&self, round: u32, now: Nanos) -> Nanos {
        self.start.unwrap_or(now) + self.interval * round
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
        let call = (self.call)(i64::from(round), node);
        Emit { time: begins.max(context.time), thread, act: Act::Call(call) }
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, _: &Event<A>) {}
}

/// How many rounds can begin within the time limit.
pub(crate) fn count(interval: Duration, limit: Duration) -> i64 {
    i64::try_from(limit.as_nanos() / interval.as_nanos().max(1) + 1).unwrap_or(i64::MAX)
}
