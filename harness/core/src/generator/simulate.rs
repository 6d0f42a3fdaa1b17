//! Runs a generator in virtual time, without a cluster: how generators and workloads are tested.
//!
//! Faithful to the interpreter of a real run: completions come before anything new, the thread is
//! free before the generator hears of its completion, and after an indeterminate one it goes on as
//! the process `p + clients`. Every step checks the contract of a generator as well: two peeks
//! answer alike, `take` returns what they showed, nothing goes to a busy or foreign thread or
//! into the past, and nothing comes after the end.
//!
//! A generator that never ends is stopped after a number of steps, as a [`Fault`].
//!
//! ```
//! use schism_core::api::set::{Call, Reply, Set};
//! use schism_core::generator::simulate::{Simulation, perfect};
//! use schism_core::generator::{GenExt as _, always};
//! use std::time::Duration;
//! let reads = always::<Set>(Call::Read).limit(3).clients();
//! let trace = Simulation::new(1)
//!     .run(reads, perfect(Duration::from_nanos(10), |_: &Call| Reply::Read(vec![])))?;
//! let times: Vec<u64> = trace.emits.iter().map(|emit| emit.time.0).collect();
//! assert_eq!(times, [0, 10, 20]);
//! # Ok::<(), schism_core::generator::simulate::Fault>(())
//! ```

use super::{Act, Context, Emit, Gen, NemesisCall, Next, Thread, ThreadSet};
use crate::api::Api;
use crate::event::{Body, Event, NemesisEvent};
use crate::op::Outcome;
use crate::rng::Rng;
use crate::time::Nanos;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a simulated client asks, for whatever answers in place of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, A: Api> {
    /// When.
    pub time: Nanos,
    /// On which thread.
    pub thread: Thread,
    /// As which process.
    pub process: u64,
    /// What.
    pub call: &'a A::Call,
}

/// What a simulated run did.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<A: Api> {
    /// Everything that the generator gave, in order, at the time when it began.
    pub emits: Vec<Emit<A>>,
    /// What the history of a real run would hold.
    pub events: Vec<Event<A>>,
    /// When the last thing had ended.
    pub end: Nanos,
}

/// What is wrong with a generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It had not ended after so many steps, at this time.
    Endless {
        /// The limit.
        steps: u64,
        /// Virtual time.
        time: Nanos,
    },
    /// It broke the contract of [`super::Generator`] at this time, in words.
    Contract {
        /// Virtual time.
        time: Nanos,
        /// What it did, and what is expected.
        what: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endless { steps, time } => {
                write!(f, "the generator has not ended after {steps} steps, at {time}")
            }
            Self::Contract { time, what } => write!(f, "at {time} the generator {what}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Every operation is answered after `latency`, with what `reply` says.
pub fn perfect<A: Api>(
    latency: Duration,
    mut reply: impl FnMut(&A::Call) -> A::Reply,
) -> impl FnMut(&Request<'_, A>) -> (Duration, Outcome<A::Reply>) {
    move |request| (latency, Outcome::Ok(reply(request.call)))
}

/// Latencies uniform in `[0, 2 × mean)`; of the operations a tenth fail and a tenth stay
/// indeterminate, the others are answered with what `reply` says.
pub fn imperfect<A: Api>(
    mean: Duration,
    mut rng: Rng,
    mut reply: impl FnMut(&A::Call) -> A::Reply,
) -> impl FnMut(&Request<'_, A>) -> (Duration, Outcome<A::Reply>) {
    move |request| {
        let latency = rng.around(mean);
        let outcome = match rng.below(10) {
            0 => Outcome::Fail("simulated failure".into()),
            1 => Outcome::Info("simulated silence".into()),
            _ => Outcome::Ok(reply(request.call)),
        };
        (latency, outcome)
    }
}

/// How a generator is run.
#[derive(Clone, Debug)]
pub struct Simulation {
    clients: usize,
    nodes: usize,
    max_steps: u64,
    nemesis_latency: Duration,
}

impl Simulation {
    /// With so many client threads, and the nemesis.
    pub fn new(clients: usize) -> Self {
        let nemesis_latency = Duration::from_nanos(10);
        Self { clients, nodes: 5, max_steps: 1_000_000, nemesis_latency }
    }

    /// Thread `t` talks to node `t % nodes`, as the history names it; 5 unless this is called.
    #[must_use]
    pub fn nodes(self, nodes: usize) -> Self {
        Self { nodes: nodes.max(1), ..self }
    }

    /// Ends with [`Fault::Endless`] after so many steps; a million unless this is called.
    #[must_use]
    pub fn max_steps(self, max_steps: u64) -> Self {
        Self { max_steps, ..self }
    }

    /// How long an action of the nemesis takes; 10 ns unless this is called.
    #[must_use]
    pub fn nemesis_latency(self, nemesis_latency: Duration) -> Self {
        Self { nemesis_latency, ..self }
    }

    /// Runs a generator to its end. `completions` says how long each operation takes and what
    /// becomes of it.
    pub fn run<A: Api>(
        &self,
        generator: Gen<A>,
        completions: impl FnMut(&Request<'_, A>) -> (Duration, Outcome<A::Reply>),
    ) -> Result<Trace<A>, Fault> {
        let threads = ThreadSet::from_range(0..self.clients + 1);
        let nodes: Vec<Arc<str>> = (1..=self.nodes).map(|node| format!("n{node}").into()).collect();
        let run = Run {
            generator,
            completions,
            nodes: (0..self.clients).map(|thread| nodes[thread % self.nodes].clone()).collect(),
            nemesis_latency: self.nemesis_latency,
            time: Nanos::ZERO,
            free: threads.clone(),
            threads,
            processes: (0..self.clients as u64).collect(),
            open: BTreeMap::new(),
            begun: 0,
            done: false,
            trace: Trace { emits: Vec::new(), events: Vec::new(), end: Nanos::ZERO },
        };
        run.until_done(self.max_steps)
    }
}

struct Run<A: Api, C> {
    generator: Gen<A>,
    completions: C,
    /// By client thread.
    nodes: Vec<Arc<str>>,
    nemesis_latency: Duration,
    time: Nanos,
    free: ThreadSet,
    threads: ThreadSet,
    processes: Vec<u64>,
    /// What is under way, by the time at which it ends and the order in which it began.
    open: BTreeMap<(Nanos, u64), (Thread, Ending<A>)>,
    begun: u64,
    /// It said so.
    done: bool,
    trace: Trace<A>,
}

enum Ending<A: Api> {
    Client(A::Call, Outcome<A::Reply>),
    Nemesis(NemesisEvent),
    Slept,
}

/// How long the interpreter waits where a generator has nothing now.
const MOMENT: Duration = Duration::from_millis(1);

impl<A, C> Run<A, C>
where
    A: Api,
    C: FnMut(&Request<'_, A>) -> (Duration, Outcome<A::Reply>),
{
    fn until_done(mut self, max_steps: u64) -> Result<Trace<A>, Fault> {
        for _ in 0..max_steps {
            let due = self.open.keys().next().copied();
            if let Some(key) = due
                && key.0 <= self.time
            {
                self.complete(key);
                continue;
            }
            let next_end = due.map(|(time, _)| time);
            let next = self.peek()?;
            if std::mem::replace(&mut self.done, next == Next::Done) && !self.done {
                return self.contract(format!("answers {next:?} after it was done"));
            }
            match next {
                Next::Op(emit) if emit.time <= self.time => self.begin(&emit)?,
                Next::Op(emit) => {
                    self.time = next_end.map_or(emit.time, |end| end.min(emit.time));
                }
                Next::Pending => self.time = next_end.unwrap_or(self.time + MOMENT),
                Next::Done => match next_end {
                    Some(end) => self.time = end,
                    None => return Ok(Trace { end: self.time, ..self.trace }),
                },
            }
        }
        Err(Fault::Endless { steps: max_steps, time: self.time })
    }

    fn context(&self) -> Context<'_> {
        Context::new(self.time, &self.free, &self.threads, &self.processes)
    }

    fn contract<T>(&self, what: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::Contract { time: self.time, what: what.into() })
    }

    fn peek(&self) -> Result<Next<A>, Fault> {
        let context = self.context();
        let next = self.generator.peek(&context);
        let again = self.generator.peek(&context);
        if next != again {
            return self.contract(format!("answers {next:?}, then {again:?}; expected the same"));
        }
        if let Next::Op(emit) = &next {
            if !context.is_free(emit.thread) {
                return self.contract(format!("gives {emit:?} to a thread that isn't free"));
            }
            if emit.time < self.time {
                return self.contract(format!("gives {emit:?} at a time that is over"));
            }
            let nemesis = emit.thread == context.nemesis();
            let misplaced = match &emit.act {
                Act::Nemesis(_) => !nemesis,
                Act::Call(_) | Act::Sleep(_) | Act::Log(_) => false,
            };
            if misplaced {
                return self.contract(format!("gives {emit:?} to a client; expected the nemesis"));
            }
        }
        Ok(next)
    }

    fn begin(&mut self, shown: &Emit<A>) -> Result<(), Fault> {
        let context = Context::new(self.time, &self.free, &self.threads, &self.processes);
        let emit = self.generator.take(&context);
        if emit != *shown {
            return self.contract(format!("takes {emit:?}; expected {shown:?}, as it showed"));
        }
        let Emit { thread, act, .. } = emit.clone();
        self.trace.emits.push(emit);
        let (duration, ending) = match act {
            Act::Call(call) => {
                let process = self.processes.get(thread).copied().unwrap_or(u64::MAX);
                let request = Request { time: self.time, thread, process, call: &call };
                let (duration, outcome) = (self.completions)(&request);
                self.free.remove(thread);
                let node = self.nodes.get(thread).cloned();
                self.tell(thread, Body::Invoke { process, node, call: call.clone() });
                (duration, Ending::Client(call, outcome))
            }
            Act::Nemesis(call) => {
                self.free.remove(thread);
                let event = nemesis_event(&call);
                self.tell(thread, Body::Nemesis(event.clone()));
                (self.nemesis_latency, Ending::Nemesis(event))
            }
            Act::Sleep(duration) => {
                self.free.remove(thread);
                (duration, Ending::Slept)
            }
            Act::Log(_) => return Ok(()),
        };
        self.open.insert((self.time + duration, self.begun), (thread, ending));
        self.begun += 1;
        Ok(())
    }

    fn complete(&mut self, key: (Nanos, u64)) {
        let Some((thread, ending)) = self.open.remove(&key) else { return };
        self.free.insert(thread);
        match ending {
            Ending::Client(call, outcome) => {
                let process = self.processes.get(thread).copied().unwrap_or(u64::MAX);
                let node = self.nodes.get(thread).cloned();
                let crashed = matches!(outcome, Outcome::Info(_));
                self.tell(thread, Body::Complete { process, node, call, outcome });
                let clients = self.processes.len() as u64;
                if crashed && let Some(process) = self.processes.get_mut(thread) {
                    *process += clients;
                }
            }
            Ending::Nemesis(event) => self.tell(thread, Body::Nemesis(event)),
            Ending::Slept => {}
        }
    }

    fn tell(&mut self, thread: Thread, body: Body<A>) {
        let event = Event { index: self.trace.events.len() as u64, time: self.time, body };
        let context = Context::new(self.time, &self.free, &self.threads, &self.processes);
        self.generator.update(&context, thread, &event);
        self.trace.events.push(event);
    }
}

fn nemesis_event(call: &NemesisCall) -> NemesisEvent {
    let (f, value) = match call {
        NemesisCall::Inject(fault) => ("inject", Value::from(fault.as_str())),
        NemesisCall::Heal(fault) => ("heal", Value::from(fault.as_str())),
        NemesisCall::HealAll => ("heal-all", Value::Null),
    };
    NemesisEvent { f: f.into(), value, error: None }
}

#[cfg(test)]
mod tests;
