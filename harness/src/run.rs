//! One run, from an empty directory to a verdict.
//!
//! ```text
//! journal and history are open before anything is started
//! nodes up → ready → round trip measured
//! workload + nemesis, until the time is up
//! heal everything → wait until every node is ready → final reads, from every node
//! everything down → judge what is on disk
//! ```
//!
//! Whatever goes wrong after the first operation, what has been recorded is judged.

use crate::environment::Environment;
use crate::environment::docker::{self, Docker};
use crate::environment::netns::Netns;
use crate::faults::FaultRunner;
use crate::interpreter::clock::Clock;
use crate::interpreter::{Interpreter, Nemesis as _, Progress};
use crate::journal::Journal;
use crate::judge::{self, Judged};
use crate::log_writer::LogSink;
use crate::store::RunDir;
use crate::systems::{Configure, SystemOptions};
use crate::{beliefs, status};
use anyhow::{Context as _, ensure};
use schism_core::api::Api;
use schism_core::cluster::NodeId;
use schism_core::event::{Body, Event, NemesisEvent};
use schism_core::generator::{Gen, GenExt as _, NemesisCall};
use schism_core::record::TestRecord;
use schism_core::rng::Rng;
use schism_core::system::Serves;
use schism_core::workload::{Params, Workload};
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// How long a cluster may take until it serves for the first time.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long the final reads may take beyond the recovery limit.
const FINAL_LIMIT: Duration = Duration::from_secs(20);

/// What to run, where to keep it, and who is watching.
pub struct Plan {
    /// Every option.
    pub record: TestRecord,
    /// The run's directory.
    pub dir: RunDir,
    /// Keep the nodes' data?
    pub keep_data: bool,
    /// What the run is doing, in a few words; for the terminal.
    pub stage: Rc<dyn Fn(&str)>,
    /// Counts, for the terminal; and whether to stop early.
    pub progress: Rc<Progress>,
}

/// Everything that the phases of a run share.
struct Run<'a, S, E, A: Api> {
    plan: &'a Plan,
    system: Rc<S>,
    environment: &'a E,
    clock: &'a Clock,
    log: &'a RefCell<LogSink<A>>,
}

/// Runs a test and judges it.
///
/// # Errors
/// If the cluster can't be brought up, or the results can't be written.
pub async fn run<S, W>(plan: Plan) -> anyhow::Result<Judged>
where
    S: Configure + Serves<W::Api>,
    W: Workload + Default,
{
    let system = Rc::new(S::configure(&SystemOptions::of(&plan.record))?);
    let clock = Clock::start();
    let log = RefCell::new(LogSink::<W::Api>::create(&plan.dir.file("history.jsonl"))?);
    let journal = RefCell::new(Journal::create(&plan.dir.file("faults.jsonl"))?);
    let nodes = plan.dir.file("nodes");
    let result = if plan.record.env == "docker" {
        let environment = Docker::open(&plan.record, &nodes).await?;
        let run = Run { plan: &plan, system, environment: &environment, clock: &clock, log: &log };
        run.whole::<W>(&journal).await
    } else {
        let environment = Netns::bring_up(&plan.record.nodes, &nodes, clock)?;
        let run = Run { plan: &plan, system, environment: &environment, clock: &clock, log: &log };
        run.whole::<W>(&journal).await
    };
    let logged = log.into_inner().close();
    if let Err(error) = result {
        // What was recorded is judged all the same by `schism check`.
        return Err(error.context(format!(
            "the run could not be finished; what it recorded is in {}",
            judge::shown(plan.dir.path())
        )));
    }
    logged?;
    (plan.stage)("judging the history");
    judge::stored::<S, W>(&plan.dir)
}

impl<S: Configure, E: Environment, A: Api> Run<'_, S, E, A>
where
    S: Serves<A>,
{
    /// The test, and the end of everything that it brought up.
    async fn whole<W: Workload<Api = A> + Default>(
        &self,
        journal: &RefCell<Journal>,
    ) -> anyhow::Result<()> {
        let result = self.test::<W>(journal).await;
        if let Err(error) = self.environment.tear_down(self.plan.keep_data).await {
            // What was recorded is judged all the same.
            eprintln!("schism: the tear-down failed: {error:#}");
        }
        result
    }

    async fn test<W: Workload<Api = A> + Default>(
        &self,
        journal: &RefCell<Journal>,
    ) -> anyhow::Result<()> {
        let record = &self.plan.record;
        let cluster = Rc::new(self.environment.cluster().clone());
        let roles = self.system.roles(&cluster);
        let serving: Vec<NodeId> =
            cluster.ids().filter(|id| roles.iter().all(|(_, role)| role != id)).collect();
        ensure!(!serving.is_empty(), "no node is left to serve clients");
        let root = Rng::seeded(record.seed);
        let params = judge::params(record, serving.len());
        let workload = W::default();
        self.start_all().await?;
        self.measure_round_trip().await?;
        let faults = FaultRunner::new(
            self.system.clone(),
            cluster.clone(),
            self.environment,
            self.clock,
            journal,
            root.fork("targets"),
        );
        let mut interpreter = Interpreter::new(
            self.system.clone(),
            cluster.clone(),
            &serving,
            record.concurrency,
            Duration::from_secs_f64(record.op_timeout_secs),
            &faults,
            self.clock,
            self.log,
            &self.plan.progress,
        );
        let beliefs = self.plan.dir.file("beliefs.jsonl");
        let watch = beliefs::record(&*self.system, &cluster, self.clock, &beliefs);
        let work = async {
            (self.plan.stage)("testing");
            interpreter.run(self.main_generator(&workload, &params, &root)).await?;
            self.plan.progress.stop.set(false);
            (self.plan.stage)("healing");
            self.note_event(faults.perform(NemesisCall::HealAll).await)?;
            if faults.any_active() {
                self.note(judge::WARNING, "not every fault could be healed".into())?;
            }
            self.note(judge::HEALED, Value::Null)?;
            (self.plan.stage)("waiting for the cluster to recover");
            self.recover(params.recovery_limit).await?;
            self.note(judge::FINAL_PHASE, Value::Null)?;
            if let Some(generator) = workload.final_generator(&params, &root.fork("final")) {
                (self.plan.stage)("reading everything back");
                let limit = params.recovery_limit + FINAL_LIMIT;
                interpreter.run(generator.clients().time_limit(limit)).await?;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            result = work => result,
            result = watch => result.context("cannot record what the nodes believe"),
        }
    }

    fn main_generator<W: Workload<Api = A>>(
        &self,
        workload: &W,
        params: &Params,
        root: &Rng,
    ) -> Gen<A> {
        let record = &self.plan.record;
        let clients = workload.generator(params, &root.fork("workload")).clients();
        let interval = Duration::from_secs_f64(record.nemesis_interval_secs);
        let whole: Gen<A> = if record.faults.is_empty() {
            clients
        } else {
            let schedule = schism_nemeses::schedule(
                &record.faults,
                interval,
                interval / 2,
                &root.fork("schedule"),
            );
            clients.any(schedule.nemesis(), root.fork("any"))
        };
        whole.time_limit(params.time_limit)
    }

    /// Starts every node and waits until all of them serve.
    async fn start_all(&self) -> anyhow::Result<()> {
        (self.plan.stage)("starting the nodes");
        let cluster = self.environment.cluster();
        for node in cluster.ids() {
            let launch = self.system.launch(cluster, node, &self.environment.dirs(node));
            self.environment.start(node, &launch).await?;
        }
        (self.plan.stage)("waiting until every node serves");
        if self.wait_until_ready(START_LIMIT).await? {
            return Ok(());
        }
        let logs = self.plan.dir.file("nodes");
        anyhow::bail!(
            "the nodes don't serve after {} s ({}); their logs are in {}",
            START_LIMIT.as_secs(),
            self.unready().await,
            judge::shown(&logs)
        )
    }

    async fn wait_until_ready(&self, limit: Duration) -> anyhow::Result<bool> {
        let deadline = self.clock.now() + limit;
        loop {
            let statuses = status::of_all(&*self.system, self.environment.cluster()).await;
            if status::all_ready(&statuses) {
                return Ok(true);
            }
            if self.clock.now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn unready(&self) -> String {
        let cluster = self.environment.cluster();
        let statuses = status::of_all(&*self.system, cluster).await;
        let words =
            cluster.nodes().iter().zip(statuses).filter_map(|(node, status)| match status {
                Some(status) if status.ready => None,
                Some(status) => Some(format!("{}: {}", node.name, status.says)),
                None => Some(format!("{} doesn't answer", node.name)),
            });
        words.collect::<Vec<_>>().join("; ")
    }

    async fn recover(&self, limit: Duration) -> anyhow::Result<()> {
        if self.wait_until_ready(limit).await? {
            self.note(judge::RECOVERED, Value::Null)
        } else {
            let words = format!(
                "not every node serves {:.0} s after the faults were healed: {}",
                limit.as_secs_f64(),
                self.unready().await
            );
            self.note(judge::WARNING, words.into())
        }
    }

    /// The median round trip between nodes, from datagrams over every link.
    async fn measure_round_trip(&self) -> anyhow::Result<()> {
        let ids: Vec<NodeId> = self.environment.cluster().ids().collect();
        let links: Vec<(NodeId, NodeId)> = ids
            .iter()
            .flat_map(|from| ids.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| from != to)
            .collect();
        // The first datagrams find the neighbours' addresses; only the second round is counted.
        let wait = Duration::from_millis(300);
        self.environment.probe(&links, 1, wait).await?;
        let mut times = Vec::new();
        for link in &links {
            times.extend(self.environment.probe(&[*link], 5, wait).await?.remove(0));
        }
        times.sort_unstable();
        match times.get(times.len() / 2) {
            Some(one_way) => {
                let millis = 2.0 * one_way.as_secs_f64() * 1000.0;
                self.note(judge::ROUND_TRIP, format!("{millis:.4}").into())
            }
            None => Ok(()),
        }
    }

    fn note(&self, f: &'static str, value: Value) -> anyhow::Result<()> {
        self.note_event(NemesisEvent { f: f.into(), value, error: None })
    }

    fn note_event(&self, event: NemesisEvent) -> anyhow::Result<()> {
        let mut log = self.log.borrow_mut();
        let event =
            Event { index: log.next_index(), time: self.clock.now(), body: Body::Nemesis(event) };
        log.push(event)?;
        log.flush()
    }
}

/// Undoes what a run's faults left in force, where its nodes outlived their controller; what was
/// done, in words.
///
/// # Errors
/// If a heal fails.
pub async fn heal<S: Configure>(dir: &RunDir) -> anyhow::Result<Vec<String>> {
    let record = dir.record()?;
    if record.place.contains_key("image") {
        let removed = docker::clean_up(&record).await?;
        return Ok(removed.iter().map(|name| format!("{name} was removed")).collect());
    }
    let system = Rc::new(S::configure(&SystemOptions::of(&record))?);
    let mut done = docker::wake(&record).await?;
    let environment = Docker::open(&record, &dir.file("nodes")).await?;
    let cluster = Rc::new(environment.cluster().clone());
    let clock = Clock::start();
    let journal = RefCell::new(Journal::open(&dir.file("faults.jsonl"))?);
    let rng = Rng::seeded(record.seed);
    let runner = FaultRunner::new(system, cluster, &environment, &clock, &journal, rng);
    done.extend(runner.heal_journaled().await?);
    Ok(done)
}
