//! `schism prove`: every fault, in every environment, injected, verified, healed and verified
//! again.
//!
//! No workload and no verdict: a cluster is brought up, and each fault of the catalogue goes
//! through its life once, with the same code as in a test. What the probes saw is the evidence. So
//! a user learns on his own machine which faults bite there, and what each costs.

use crate::environment::Environment;
use crate::environment::docker::Docker;
use crate::environment::netns::Netns;
use crate::faults::FaultRunner;
use crate::interpreter::Nemesis as _;
use crate::interpreter::clock::Clock;
use crate::journal::Journal;
use crate::status;
use crate::store::RunDir;
use crate::systems::{Configure, SystemOptions};
use anyhow::ensure;
use schism_core::cluster::Cluster;
use schism_core::generator::NemesisCall;
use schism_core::record::FaultStage;
use schism_core::rng::Rng;
use schism_core::system::System;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// How long a fault is held: long enough that a cluster notices.
const HOLD: Duration = Duration::from_millis(300);
/// How long a cluster may take until it serves, at first and after each fault.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// What became of one fault in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name, with value and target.
    pub fault: String,
    /// Where.
    pub env: String,
    /// On which system.
    pub system: String,
    /// Were its actions performed?
    pub injected: bool,
    /// Did the probes see it take effect? `None` if they couldn't tell.
    pub verified: Option<bool>,
    /// Did the probes see it gone?
    pub healed: Option<bool>,
    /// Did every node serve again?
    pub recovered: bool,
    /// How long the injection took, in milliseconds.
    pub inject_ms: f64,
    /// How long the heal took, in milliseconds.
    pub heal_ms: f64,
    /// What the probes saw.
    pub evidence: Vec<String>,
    /// Why it was skipped, or what went wrong.
    pub note: String,
}

impl Row {
    /// Injected, verified, healed and recovered?
    pub fn proved(&self) -> bool {
        self.injected && self.verified == Some(true) && self.healed == Some(true) && self.recovered
    }
}

/// One environment's rows, and how long its cluster took to come up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// From nothing until every node had been started, in milliseconds.
    pub up_ms: f64,
    /// From nothing until every node served, in milliseconds.
    pub ready_ms: f64,
    /// A row a fault.
    pub rows: Vec<Row>,
}

/// Takes each of the faults through its life, on a cluster as the directory's record says.
///
/// # Errors
/// If the cluster can't be brought up.
pub async fn run<S: Configure>(dir: &RunDir, faults: &[String]) -> anyhow::Result<Proof> {
    let record = dir.record()?;
    let system = Rc::new(S::configure(&SystemOptions::of(&record))?);
    let clock = Clock::start();
    let nodes = dir.file("nodes");
    if record.env == "docker" {
        let environment = Docker::open(&record, &nodes).await?;
        whole(system, &environment, clock, dir, faults).await
    } else {
        let environment = Netns::bring_up(&record.nodes, &nodes, clock)?;
        whole(system, &environment, clock, dir, faults).await
    }
}

async fn whole<S: System, E: Environment>(
    system: Rc<S>,
    environment: &E,
    clock: Clock,
    dir: &RunDir,
    faults: &[String],
) -> anyhow::Result<Proof> {
    let proof = prove(system, environment, &clock, dir, faults).await;
    environment.tear_down(false).await?;
    proof
}

async fn prove<S: System, E: Environment>(
    system: Rc<S>,
    environment: &E,
    clock: &Clock,
    dir: &RunDir,
    faults: &[String],
) -> anyhow::Result<Proof> {
    let record = dir.record()?;
    let cluster = Rc::new(environment.cluster().clone());
    for node in cluster.ids() {
        let launch = system.launch(&cluster, node, &environment.dirs(node));
        environment.start(node, &launch).await?;
    }
    let up_ms = clock.now().0 as f64 / 1e6;
    ensure!(ready(&*system, &cluster, clock).await, "the nodes don't serve");
    let mut proof = Proof { up_ms, ready_ms: clock.now().0 as f64 / 1e6, rows: Vec::new() };
    let journal = RefCell::new(Journal::create(&dir.file("faults.jsonl"))?);
    let rng = Rng::seeded(record.seed);
    let runner =
        FaultRunner::new(system.clone(), cluster.clone(), environment, clock, &journal, rng);
    for fault in faults {
        let before = journal.borrow().records().len();
        runner.perform(NemesisCall::Inject(fault.clone())).await;
        tokio::time::sleep(HOLD).await;
        let heal_began = clock.now();
        runner.perform(NemesisCall::HealAll).await;
        let recovered = ready(&*system, &cluster, clock).await;
        let mut row = Row {
            fault: fault.clone(),
            env: record.env.clone(),
            system: record.system.clone(),
            injected: false,
            verified: None,
            healed: None,
            recovered,
            inject_ms: 0.0,
            heal_ms: 0.0,
            evidence: Vec::new(),
            note: String::new(),
        };
        let mut began = heal_began;
        for entry in &journal.borrow().records()[before..] {
            let millis =
                |since: schism_core::time::Nanos| entry.time.0.saturating_sub(since.0) as f64 / 1e6;
            match entry.stage {
                FaultStage::Planned => began = entry.time,
                FaultStage::Injected => {
                    (row.injected, row.inject_ms) = (true, millis(began));
                }
                FaultStage::Verified => row.verified = entry.ok,
                FaultStage::Healed => row.heal_ms = millis(heal_began),
                FaultStage::HealVerified => row.healed = entry.ok,
                FaultStage::Skipped | FaultStage::Failed => row.note.clone_from(&entry.note),
            }
            row.evidence.extend(entry.evidence.iter().cloned());
        }
        proof.rows.push(row);
    }
    Ok(proof)
}

/// Waits until every node serves; false if that takes too long.
async fn ready<S: System>(system: &S, cluster: &Cluster, clock: &Clock) -> bool {
    let deadline = clock.now() + READY_LIMIT;
    while clock.now() < deadline {
        if status::all_ready(&status::of_all(system, cluster).await) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}
