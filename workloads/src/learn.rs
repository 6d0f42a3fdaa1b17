//! Asks nodes what they have decided, until they have, or until they should have.
//!
//! A node may still be catching up when it is first asked, and that it has not decided counts
//! against it only once its time is up. So each node is asked about every instance; then, after a
//! pause, again about those that it had not decided or gave no answer about; and so on. The round
//! of questions that begins when `patience` has passed is the last one.

use crate::common::from_every_node;
use schism_core::api::consensus::{Call, Consensus, ConsensusOp, Reply};
use schism_core::event::{Body, Event};
use schism_core::generator::{Act, Context, Emit, Gen, Generator, Next, Thread};
use schism_core::op::Outcome;
use schism_core::time::Nanos;
use schism_core::workload::Params;
use std::collections::VecDeque;
use std::time::Duration;

/// From the begin of one round of questions to the next, at least.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks one thread of each node about these instances; see the [module](self). The patience is the
/// recovery limit.
pub(crate) fn learn(params: &Params, instances: Vec<i64>) -> Gen<Consensus> {
    let patience = params.recovery_limit;
    from_every_node(params, move |_| {
        Box::new(Learn {
            asking: instances.iter().copied().collect(),
            again: VecDeque::new(),
            open: None,
            began: Nanos::ZERO,
            deadline: None,
            patience,
        })
    })
}

/// What one thread asks.
struct Learn {
    /// Still to be asked about in this round.
    asking: VecDeque<i64>,
    /// For the next round.
    again: VecDeque<i64>,
    /// What is being asked about now.
    open: Option<i64>,
    /// When this round began, or will begin.
    began: Nanos,
    /// A round that begins then or later is the last one. Known since the first question.
    deadline: Option<Nanos>,
    patience: Duration,
}

impl Learn {
    fn next_round(&mut self, now: Nanos) {
        let last = self.deadline.is_none_or(|deadline| self.began >= deadline);
        if !last {
            std::mem::swap(&mut self.asking, &mut self.again);
            self.began = now.max(self.began + PAUSE);
        }
    }
}

impl Generator<Consensus> for Learn {
    fn peek(&self, context: &Context<'_>) -> Next<Consensus> {
        let Some(instance) = self.asking.front() else {
            return if self.open.is_some() { Next::Pending } else { Next::Done };
        };
        let Some(thread) = context.some_free(0) else { return Next::Pending };
        let call = Call { instance: *instance, op: ConsensusOp::Learn };
        Next::Op(Emit { time: context.time.max(self.began), thread, act: Act::Call(call) })
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<Consensus> {
        let Next::Op(emit) = self.peek(context) else {
            unreachable!("take is called only where peek answers an operation")
        };
        if self.deadline.is_none() {
            self.began = emit.time;
            self.deadline = Some(emit.time + self.patience);
        }
        self.open = self.asking.pop_front();
        emit
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, event: &Event<Consensus>) {
        let Body::Complete { call, outcome, .. } = &event.body else { return };
        if self.open != Some(call.instance) {
            return;
        }
        self.open = None;
        if !matches!(outcome, Outcome::Ok(Reply::Decided(Some(_)))) {
            self.again.push_back(call.instance);
        }
        if self.asking.is_empty() && !self.again.is_empty() {
            self.next_round(event.time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::learn;
    use crate::testing::params;
    use schism_core::api::consensus::{Consensus, Reply};
    use schism_core::generator::simulate::{Request, Simulation};
    use schism_core::op::Outcome;
    use schism_core::time::Nanos;
    use std::time::Duration;

    /// Node 0 has decided; node 1 takes 1.2 s; node 2 never decides; node 3 fails at first; node 4
    /// never answers.
    fn answer(request: &Request<'_, Consensus>) -> (Duration, Outcome<Reply>) {
        let decided = |yes: bool| Outcome::Ok(Reply::Decided(yes.then_some(7)));
        let outcome = match request.thread {
            1 => decided(request.time >= Nanos::from_millis(1200)),
            2 => decided(false),
            3 if request.time < Nanos::from_millis(300) => Outcome::Fail("refused".into()),
            0 | 3 => decided(true),
            _ => Outcome::Info("no answer".into()),
        };
        (Duration::from_millis(1), outcome)
    }

    #[test]
    fn nodes_are_asked_until_they_have_decided_or_should_have() {
        let generator = learn(&params(), vec![3, 4, 9]);
        let trace = Simulation::new(10).run(generator, answer).unwrap();
        let asked = |thread| -> Vec<(u64, i64)> {
            let of_thread = trace.emits.iter().filter(|emit| emit.thread == thread);
            of_thread
                .map(|emit| match emit.act {
                    schism_core::generator::Act::Call(call) => {
                        (emit.time.0 / 1_000_000, call.instance)
                    }
                    _ => panic!("only calls"),
                })
                .collect()
        };
        assert_eq!(asked(0), [(0, 3), (1, 4), (2, 9)]);
        let late = [0, 500, 1000, 1500].map(|at| [(at, 3), (at + 1, 4), (at + 2, 9)]).concat();
        assert_eq!(asked(1), late);
        assert_eq!(asked(3), late[..6]);
        // The recovery limit is 5 s: 0, 0.5, … 5.0, each with three questions.
        for thread in [2, 4] {
            let asked = asked(thread);
            assert_eq!(asked.len(), 11 * 3);
            assert_eq!(asked[30..], [(5000, 3), (5001, 4), (5002, 9)]);
        }
        assert!((5..10).all(|thread| asked(thread).is_empty()));
    }

    #[test]
    fn without_instances_there_is_nothing_to_ask() {
        let trace = Simulation::new(5).run(learn(&params(), vec![]), answer).unwrap();
        assert!(trace.emits.is_empty());
    }
}
