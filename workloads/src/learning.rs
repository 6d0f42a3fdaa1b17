//! Learning: every node is asked what it decided in every instance, and, where it has not decided,
//! once more when its time is up.
//!
//! Termination gives a protocol some time after the last fault is healed. Asking everything at once
//! keeps the run of a good protocol short; asking again only what was undecided, after that time,
//! is what a violation rests on.

use schism_core::api::consensus::{Call, Consensus, ConsensusOp, Reply};
use schism_core::event::{Body, Event};
use schism_core::generator::{Act, Context, Emit, Gen, Generator, Next, Thread};
use schism_core::op::Outcome;
use schism_core::time::Nanos;
use std::collections::VecDeque;
use std::time::Duration;

/// Thread `t` of the first `nodes` asks its node for instances `0..instances`, and again, `bound`
/// after the start, for those that had no decision.
pub(crate) fn learning(nodes: usize, instances: i64, bound: Duration) -> Gen<Consensus> {
    let node = Node { first: (0..instances).collect(), again: VecDeque::new() };
    Box::new(Learning { bound, start: None, nodes: vec![node; nodes] })
}

#[derive(Clone)]
struct Node {
    /// Not asked yet.
    first: VecDeque<i64>,
    /// Undecided, or without an answer.
    again: VecDeque<i64>,
}

struct Learning {
    bound: Duration,
    start: Option<Nanos>,
    nodes: Vec<Node>,
}

impl Learning {
    /// The soonest question: when, by whom, and about which instance.
    fn choose(&self, context: &Context<'_>) -> Option<(Nanos, Thread, i64)> {
        let start = self.start.unwrap_or(context.time);
        let questions = self.nodes.iter().enumerate().filter_map(|(thread, node)| {
            if !context.is_free(thread) {
                return None;
            }
            match (node.first.front(), node.again.front()) {
                (Some(instance), _) => Some((context.time, thread, *instance)),
                (None, Some(instance)) => {
                    Some(((start + self.bound).max(context.time), thread, *instance))
                }
                (None, None) => None,
            }
        });
        questions.min_by_key(|(time, thread, _)| (*time, *thread))
    }

    /// True while a first answer is awaited, which may bring a second question.
    fn awaits_an_answer(&self, context: &Context<'_>) -> bool {
        (0..self.nodes.len()).any(|thread| !context.is_free(thread))
    }
}

impl Generator<Consensus> for Learning {
    fn peek(&self, context: &Context<'_>) -> Next<Consensus> {
        match self.choose(context) {
            Some((time, thread, instance)) => {
                let call = Call { instance, op: ConsensusOp::Learn };
                Next::Op(Emit { time, thread, act: Act::Call(call) })
            }
            None if self.awaits_an_answer(context) => Next::Pending,
            None => Next::Done,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<Consensus> {
        let (time, thread, instance) =
            self.choose(context).expect("taken only after it was seen");
        self.start.get_or_insert(context.time);
        let node = &mut self.nodes[thread];
        if node.first.pop_front().is_none() {
            node.again.pop_front();
        }
        let call = Call { instance, op: ConsensusOp::Learn };
        Emit { time, thread, act: Act::Call(call) }
    }

    fn update(&mut self, _: &Context<'_>, thread: Thread, event: &Event<Consensus>) {
        let Body::Complete { call, outcome, .. } = &event.body else { return };
        let decided = matches!(outcome, Outcome::Ok(Reply::Decided(Some(_))));
        let late = self.start.is_some_and(|start| event.time >= start + self.bound);
        if let Some(node) = self.nodes.get_mut(thread)
            && call.op == ConsensusOp::Learn
            && !decided
            && !late
        {
            node.again.push_back(call.instance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::learning;
    use schism_core::api::consensus::{Call, Reply};
    use schism_core::generator::simulate::{Simulation, perfect};
    use std::time::Duration;

    #[test]
    fn what_is_decided_is_asked_once_and_the_rest_again_when_time_is_up() {
        let bound = Duration::from_secs(5);
        let reply = |call: &Call| Reply::Decided((call.instance != 1).then_some(7));
        let trace = Simulation::new(3)
            .run(learning(2, 3, bound), perfect(Duration::from_millis(1), reply))
            .unwrap();
        let late = trace.emits.iter().filter(|emit| emit.time.0 >= 5_000_000_000).count();
        assert_eq!((trace.emits.len(), late), (8, 2));
    }
}
