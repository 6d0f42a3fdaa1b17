//! The interpreter: asks the generator, lets workers do what it says, and logs both ends of every
//! operation.
//!
//! One scheduler on one thread. Completions come first: each is stamped when it is seen, logged,
//! and shown to the generator before anything new is asked. Otherwise the generator is asked; what
//! it wants now is stamped, logged, and handed to a free thread. So an invocation is stamped early
//! and a completion late, which can only widen an operation's interval: a history may look more
//! concurrent than it was, never less.
//!
//! Thread `t` talks to serving node `t % nodes` and starts as process `t`. After an indeterminate
//! operation the process is never heard of again: the thread drops its connection and goes on as a
//! new process. Where no connection can be opened nothing was sent, so the operation is a `fail`.
//!
//! Clients run as futures on the scheduler's own thread, polled once at once: a wake-up of another
//! thread costs more than everything else here together. Only the log is written elsewhere
//! ([`crate::log_writer`]). These are Jepsen's semantics, of `jepsen.generator.interpreter`.

pub mod clock;
#[cfg(test)]
mod tests;

use crate::log_writer::LogSink;
use clock::Clock;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use schism_core::api::Api;
use schism_core::client::{Client as _, ClientError};
use schism_core::cluster::{Cluster, NodeId};
use schism_core::event::{Body, Event, NemesisEvent};
use schism_core::generator::{Act, Context, Emit, Gen, NemesisCall, Next, Thread, ThreadSet};
use schism_core::op::Outcome;
use schism_core::system::Serves;
use schism_core::time::Nanos;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What carries out the nemesis' part of a schedule.
pub trait Nemesis {
    /// Does it, and says what came of it, for the history.
    fn perform(&self, call: NemesisCall) -> impl Future<Output = NemesisEvent>;
}

/// The nemesis of a run without faults.
pub struct NoNemesis;

impl Nemesis for NoNemesis {
    async fn perform(&self, call: NemesisCall) -> NemesisEvent {
        NemesisEvent { f: "none".into(), value: serde_json::json!(call), error: None }
    }
}

/// How the runner, or the terminal, sees a run while it goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Operations that happened.
    pub ok: Cell<u64>,
    /// Operations that certainly did not.
    pub fail: Cell<u64>,
    /// Operations of which nobody can say.
    pub info: Cell<u64>,
    /// Set by an interrupt: nothing new is asked any more.
    pub stop: Cell<bool>,
}

/// Runs generators against a system, one after the other, as one history.
pub struct Interpreter<'a, A: Api, S: Serves<A>, N: Nemesis> {
    system: Rc<S>,
    cluster: Rc<Cluster>,
    nemesis: &'a N,
    clock: &'a Clock,
    log: &'a RefCell<LogSink<A>>,
    progress: &'a Progress,
    op_timeout: Duration,
    clients: Vec<ClientThread<A, S>>,
    /// `processes[t]` is the process that thread `t` runs as.
    processes: Vec<u64>,
    free: ThreadSet,
    all: ThreadSet,
}

struct ClientThread<A: Api, S: Serves<A>> {
    node: NodeId,
    name: Arc<str>,
    connection: Option<S::Client>,
}

/// A client's operation that has ended.
struct Done<A: Api, C> {
    thread: Thread,
    connection: Option<C>,
    call: A::Call,
    outcome: Outcome<A::Reply>,
}

/// What woke the scheduler.
enum Woken<A: Api, C> {
    Client(Done<A, C>),
    Nemesis(NemesisEvent),
    Slept(Thread),
    Time,
}

type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// After so many steps without a wait, the network gets its turn.
const STEPS_PER_TURN: u32 = 128;

impl<'a, A: Api, S: Serves<A>, N: Nemesis> Interpreter<'a, A, S, N> {
    /// An interpreter with `concurrency` client threads, pinned in turn to the `serving` nodes.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part of the run with an owner of its own"
    )]
    pub fn new(
        system: Rc<S>,
        cluster: Rc<Cluster>,
        serving: &[NodeId],
        concurrency: usize,
        op_timeout: Duration,
        nemesis: &'a N,
        clock: &'a Clock,
        log: &'a RefCell<LogSink<A>>,
        progress: &'a Progress,
    ) -> Self {
        let clients = (0..concurrency)
            .map(|thread| {
                let node = serving[thread % serving.len()];
                ClientThread { node, name: cluster.name(node).clone(), connection: None }
            })
            .collect();
        Self {
            system,
            cluster,
            nemesis,
            clock,
            log,
            progress,
            op_timeout,
            clients,
            processes: (0..concurrency as u64).collect(),
            free: ThreadSet::from_range(0..concurrency + 1),
            all: ThreadSet::from_range(0..concurrency + 1),
        }
    }

    /// Runs a generator until it is exhausted and everything that it began has ended.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub async fn run(&mut self, mut generator: Gen<A>) -> anyhow::Result<()> {
        let mut under_way = UnderWay::default();
        let mut finished: VecDeque<Done<A, S::Client>> = VecDeque::new();
        let mut steps = 0;
        loop {
            steps += 1;
            if steps % STEPS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
            if let Some(done) = finished.pop_front() {
                self.complete(&mut generator, done)?;
                continue;
            }
            let context = self.context(self.clock.now());
            let next = match generator.peek(&context) {
                _ if self.progress.stop.get() => Next::Done,
                next => next,
            };
            let wait_until = match next {
                Next::Op(emit) if emit.time > context.time => Some(emit.time),
                Next::Op(_) => {
                    let emit = generator.take(&context);
                    finished.extend(self.start(&mut generator, emit, &mut under_way).await?);
                    // What has completed meanwhile goes before anything new.
                    finished.extend(poll_once(under_way.clients.next()).await.flatten());
                    continue;
                }
                Next::Pending => Some(context.time + Duration::from_millis(1)),
                Next::Done if under_way.is_empty() => break,
                Next::Done => None,
            };
            self.log.borrow_mut().flush()?;
            match under_way.wait(wait_until.map(|time| self.clock.instant(time))).await {
                Woken::Client(done) => finished.push_back(done),
                Woken::Nemesis(event) => {
                    let thread = self.processes.len();
                    self.free.insert(thread);
                    self.log_event(&mut generator, thread, Body::Nemesis(event))?;
                }
                Woken::Slept(thread) => self.free.insert(thread),
                Woken::Time => {}
            }
        }
        self.log.borrow_mut().flush()
    }

    /// Begins what the generator wants now; what it came to, if a client answered at once.
    async fn start(
        &mut self,
        generator: &mut Gen<A>,
        emit: Emit<A>,
        under_way: &mut UnderWay<'a, A, S::Client>,
    ) -> anyhow::Result<Option<Done<A, S::Client>>> {
        let Emit { thread, act, .. } = emit;
        match act {
            Act::Call(call) => {
                let mut work = self.begin(generator, thread, call)?;
                // A client that answers at once need not be queued.
                match poll_once(work.as_mut()).await {
                    Some(done) => return Ok(Some(done)),
                    None => under_way.clients.push(work),
                }
            }
            Act::Nemesis(call) => {
                self.begin_nemesis(generator, &call)?;
                under_way.nemesis = Some(Box::pin(self.nemesis.perform(call)));
            }
            Act::Sleep(duration) => {
                self.free.remove(thread);
                under_way.sleepers.push(Box::pin(async move {
                    tokio::time::sleep(duration).await;
                    thread
                }));
            }
            Act::Log(line) => eprintln!("{line}"),
        }
        Ok(None)
    }

    fn context(&self, time: Nanos) -> Context<'_> {
        Context::new(time, &self.free, &self.all, &self.processes)
    }

    /// Stamps and logs an event, then shows it to the generator.
    fn log_event(
        &self,
        generator: &mut Gen<A>,
        thread: Thread,
        body: Body<A>,
    ) -> anyhow::Result<()> {
        let time = self.clock.now();
        let mut log = self.log.borrow_mut();
        let event = Event { index: log.next_index(), time, body };
        generator.update(&self.context(time), thread, &event);
        log.push(event)
    }

    /// Logs an invocation; the future that carries it out.
    fn begin(
        &mut self,
        generator: &mut Gen<A>,
        thread: Thread,
        call: A::Call,
    ) -> anyhow::Result<Local<'a, Done<A, S::Client>>> {
        self.free.remove(thread);
        let client = &mut self.clients[thread];
        let connection = client.connection.take();
        let (node, name) = (client.node, client.name.clone());
        let process = self.processes[thread];
        let body = Body::Invoke { process, node: Some(name), call: call.clone() };
        self.log_event(generator, thread, body)?;
        let (system, cluster, limit) = (self.system.clone(), self.cluster.clone(), self.op_timeout);
        Ok(Box::pin(async move {
            let (connection, outcome) =
                ask(&*system, &cluster, node, connection, &call, limit).await;
            Done { thread, connection, call, outcome }
        }))
    }

    fn begin_nemesis(&mut self, generator: &mut Gen<A>, call: &NemesisCall) -> anyhow::Result<()> {
        let thread = self.processes.len();
        self.free.remove(thread);
        let (f, value) = match call {
            NemesisCall::Inject(fault) => ("inject", fault.as_str()),
            NemesisCall::Heal(fault) => ("heal", fault.as_str()),
            NemesisCall::HealAll => ("heal-all", ""),
        };
        let event = NemesisEvent { f: f.into(), value: value.into(), error: None };
        self.log_event(generator, thread, Body::Nemesis(event))
    }

    /// Logs a completion and frees its thread.
    fn complete(&mut self, generator: &mut Gen<A>, done: Done<A, S::Client>) -> anyhow::Result<()> {
        let Done { thread, connection, call, outcome } = done;
        let process = self.processes[thread];
        let counter = match &outcome {
            Outcome::Ok(_) => &self.progress.ok,
            Outcome::Fail(_) => &self.progress.fail,
            Outcome::Info(_) => &self.progress.info,
        };
        counter.set(counter.get() + 1);
        let crashed = matches!(outcome, Outcome::Info(_));
        self.clients[thread].connection = connection.filter(|_| !crashed);
        self.free.insert(thread);
        let node = Some(self.clients[thread].name.clone());
        self.log_event(generator, thread, Body::Complete { process, node, call, outcome })?;
        if crashed {
            self.processes[thread] += self.processes.len() as u64;
        }
        Ok(())
    }
}

/// Everything that has begun and not ended.
struct UnderWay<'a, A: Api, C> {
    clients: FuturesUnordered<Local<'a, Done<A, C>>>,
    sleepers: FuturesUnordered<Local<'a, Thread>>,
    nemesis: Option<Local<'a, NemesisEvent>>,
}

impl<A: Api, C> Default for UnderWay<'_, A, C> {
    fn default() -> Self {
        let (clients, sleepers) = (FuturesUnordered::new(), FuturesUnordered::new());
        Self { clients, sleepers, nemesis: None }
    }
}

impl<A: Api, C> UnderWay<'_, A, C> {
    fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.sleepers.is_empty() && self.nemesis.is_none()
    }

    /// Waits for whatever comes first: an end, or the time.
    async fn wait(&mut self, until: Option<tokio::time::Instant>) -> Woken<A, C> {
        let alarm = async {
            match until {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let nemesis = async {
            match self.nemesis.as_mut() {
                Some(work) => work.await,
                None => std::future::pending().await,
            }
        };
        let woken = tokio::select! {
            biased;
            Some(done) = self.clients.next() => Woken::Client(done),
            event = nemesis => Woken::Nemesis(event),
            Some(thread) = self.sleepers.next() => Woken::Slept(thread),
            () = alarm => Woken::Time,
        };
        if matches!(woken, Woken::Nemesis(_)) {
            self.nemesis = None;
        }
        woken
    }
}

/// Asks one node one thing, connecting first where there is no connection yet.
async fn ask<A: Api, S: Serves<A>>(
    system: &S,
    cluster: &Cluster,
    node: NodeId,
    connection: Option<S::Client>,
    call: &A::Call,
    limit: Duration,
) -> (Option<S::Client>, Outcome<A::Reply>) {
    let mut connection = match connection {
        Some(connection) => connection,
        None => match tokio::time::timeout(limit, system.open(cluster, node)).await {
            Ok(Ok(connection)) => connection,
            // Nothing was sent in either case, so it certainly did not happen.
            Ok(Err(ClientError::Definite(reason) | ClientError::Indefinite(reason))) => {
                return (None, Outcome::Fail(reason));
            }
            Err(_) => return (None, Outcome::Fail("no connection within the time limit".into())),
        },
    };
    match tokio::time::timeout(limit, connection.invoke(call)).await {
        Ok(Ok(reply)) => (Some(connection), Outcome::Ok(reply)),
        Ok(Err(error)) => (Some(connection), error.into_outcome()),
        Err(_) => (None, Outcome::Info("no answer within the time limit".into())),
    }
}

/// Polls a future once; `None` if it isn't ready.
async fn poll_once<T>(future: impl Future<Output = T> + Unpin) -> Option<T> {
    let mut future = future;
    std::future::poll_fn(|context| match Pin::new(&mut future).poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
