//! Every pair of a system and a workload that can be tested, with what a test of it is by default.
//!
//! A pair is one line here, and compiles only if the system has a client for what the workload
//! speaks. The first line of a system is its default.

use crate::judge::Judged;
use crate::prove;
use crate::run::{self, Plan};
use crate::store::RunDir;
use crate::systems::embedded::{self, Embedded};
use crate::systems::etcd::Etcd;
use crate::systems::{Configure, SystemOptions};
use schism_core::cluster::{Cluster, Node};
use schism_core::system::{Missing, Serves};
use schism_core::workload::Workload;
use schism_workloads as workloads;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::pin::Pin;

/// A run that will have been judged.
pub type Judging = Pin<Box<dyn Future<Output = anyhow::Result<Judged>>>>;

/// What was healed, in words, once it will have been.
pub type Healing = Pin<Box<dyn Future<Output = anyhow::Result<Vec<String>>>>>;

/// What will have been seen of faults.
pub type Proving = Pin<Box<dyn Future<Output = anyhow::Result<prove::Proof>>>>;

/// A pair of a system and a workload.
pub struct Entry {
    /// The system's name.
    pub system: &'static str,
    /// The system in one line.
    pub system_about: &'static str,
    /// The workload's name.
    pub workload: &'static str,
    /// The workload in one line.
    pub workload_about: &'static str,
    /// How many nodes it has by default.
    pub default_nodes: usize,
    /// How many it can have.
    pub possible_nodes: RangeInclusive<usize>,
    /// What a test of it is unless the user says otherwise.
    pub defaults: Defaults,
    /// How long one operation may take, in seconds.
    pub op_timeout_secs: f64,
    /// The system's version, or what is missing.
    pub version: fn() -> Result<String, Missing>,
    /// The Debian packages that a node of it needs.
    pub debian_packages: &'static [&'static str],
    /// Does the system have these options? If so, the roles among nodes of these names.
    pub accepts: fn(&SystemOptions, &[String]) -> anyhow::Result<Vec<String>>,
    /// Runs a test.
    pub run: fn(Plan) -> Judging,
    /// Heals what a stored run left in force.
    pub heal: fn(&RunDir) -> Healing,
    /// Takes faults through their lives on a cluster as the directory's record says.
    pub prove: fn(&RunDir, Vec<String>) -> Proving,
    /// Judges a stored run.
    pub judge: fn(&RunDir) -> anyhow::Result<Judged>,
}

/// What a test is unless the user says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// For `--faults`.
    pub faults: &'static str,
    /// Seconds.
    pub time_limit_secs: f64,
    /// Operations a second.
    pub rate: f64,
    /// Client workers.
    pub concurrency: usize,
    /// Keys at a time.
    pub keys: usize,
    /// Seconds between faults.
    pub nemesis_interval_secs: f64,
    /// Seconds from the last heal until everything has to work again.
    pub recovery_limit_secs: f64,
}

const DEFAULT: Defaults = Defaults {
    faults: "standard",
    time_limit_secs: 30.0,
    rate: 200.0,
    concurrency: 10,
    keys: 5,
    nemesis_interval_secs: 4.0,
    recovery_limit_secs: 15.0,
};

/// The chapter's protocols decide within milliseconds: short runs with few operations show enough.
const CHAPTER: Defaults = Defaults {
    faults: "none",
    time_limit_secs: 10.0,
    rate: 100.0,
    nemesis_interval_secs: 3.0,
    recovery_limit_secs: 4.0,
    ..DEFAULT
};

/// All pairs.
pub fn entries() -> Vec<Entry> {
    use embedded as p;
    vec![
        entry::<Embedded<p::Raft>, workloads::Register>(DEFAULT),
        entry::<Embedded<p::Raft>, workloads::Set>(DEFAULT),
        entry::<Embedded<p::Raft>, workloads::ListAppend>(DEFAULT),
        entry::<Embedded<p::Raft>, workloads::LeaderElection<false>>(DEFAULT),
        entry::<Embedded<p::Raft>, workloads::TotalOrder>(DEFAULT),
        entry::<Embedded<p::Raft>, workloads::Consensus>(DEFAULT),
        entry::<Embedded<p::Paxos>, workloads::Consensus>(DEFAULT),
        entry::<Embedded<p::Paxos>, workloads::TotalOrder>(DEFAULT),
        entry::<Embedded<p::NaiveBroadcast>, workloads::Consensus>(Defaults {
            faults: "kill:one",
            ..CHAPTER
        }),
        entry::<Embedded<p::NaiveMajority>, workloads::Consensus>(CHAPTER),
        entry::<Embedded<p::TwoPhaseVote>, workloads::Consensus>(CHAPTER),
        entry::<Embedded<p::DesignatedLeader>, workloads::Consensus>(Defaults {
            faults: "kill:leader",
            // So few that the leader keeps up, and a kill lands in the middle of a broadcast.
            rate: 25.0,
            ..CHAPTER
        }),
        entry::<Embedded<p::SyncRounds>, workloads::Consensus>(Defaults {
            faults: "kill:minority",
            // A round of it takes several times the longest delay.
            rate: 25.0,
            ..CHAPTER
        }),
        entry::<Embedded<p::TwoGenerals>, workloads::CoordinatedAttack>(Defaults {
            faults: "loss=50%",
            concurrency: 2,
            ..CHAPTER
        }),
        entry::<Embedded<p::AckElection>, workloads::LeaderElection<true>>(Defaults {
            faults: "delay=400ms±390ms:all",
            ..CHAPTER
        }),
        entry::<Embedded<p::PrimaryReplica>, workloads::Register>(Defaults {
            faults: "partition-monitor",
            ..CHAPTER
        }),
        entry::<Embedded<p::PrimaryReplica>, workloads::Set>(Defaults {
            faults: "partition-monitor",
            ..CHAPTER
        }),
        entry::<Embedded<p::AsyncFailover>, workloads::Set>(Defaults {
            faults: "partition-leader,kill:leader",
            ..CHAPTER
        }),
        entry::<Embedded<p::AsyncFailover>, workloads::Register>(Defaults {
            faults: "partition-leader,kill:leader",
            ..CHAPTER
        }),
        entry::<Embedded<p::StaleReplicas>, workloads::Register>(CHAPTER),
        entry::<Etcd, workloads::Register>(Defaults {
            faults: "standard",
            time_limit_secs: 60.0,
            recovery_limit_secs: 30.0,
            ..DEFAULT
        }),
    ]
}

fn entry<S, W>(defaults: Defaults) -> Entry
where
    S: Configure + Serves<W::Api>,
    W: Workload + Default,
{
    let (workload, options) = (W::default(), SystemOptions::default());
    // Without options there is nothing to refuse.
    let system = S::configure(&options).expect("every system can be made without options");
    Entry {
        system: system.name(),
        system_about: system.about(),
        workload: workload.name(),
        workload_about: workload.about(),
        default_nodes: system.default_nodes(),
        possible_nodes: system.possible_nodes(),
        defaults,
        op_timeout_secs: workload.op_timeout().as_secs_f64(),
        debian_packages: system.debian_packages(),
        version: || {
            S::configure(&SystemOptions::default())
                .expect("every system can be made without options")
                .version()
        },
        accepts: |options, nodes| {
            let system = S::configure(options)?;
            Ok(system.roles(&nowhere(nodes)).into_iter().map(|(role, _)| role).collect())
        },
        run: |plan| Box::pin(run::run::<S, W>(plan)),
        heal: |dir| {
            let dir = dir.clone();
            Box::pin(async move { run::heal::<S>(&dir).await })
        },
        prove: |dir, faults| {
            let dir = dir.clone();
            Box::pin(async move { prove::run::<S>(&dir, &faults).await })
        },
        judge: crate::judge::stored::<S, W>,
    }
}

/// Nodes that have names, and no address yet.
pub fn nowhere(names: &[String]) -> Cluster {
    let ip = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    Cluster::new(names.iter().map(|name| Node { name: name.as_str().into(), ip }).collect())
}

/// The pair that a user names; the system's first workload if he names none.
///
/// # Errors
/// If there is none, with what there is.
pub fn find(system: &str, workload: Option<&str>) -> anyhow::Result<Entry> {
    let mut of_system: Vec<Entry> =
        entries().into_iter().filter(|entry| entry.system == system).collect();
    if of_system.is_empty() {
        let mut known: Vec<&str> = entries().iter().map(|entry| entry.system).collect();
        known.dedup();
        anyhow::bail!("unknown system {system:?}; expected one of {}", known.join(", "));
    }
    let Some(workload) = workload else { return Ok(of_system.remove(0)) };
    let known: Vec<&str> = of_system.iter().map(|entry| entry.workload).collect();
    match known.iter().position(|name| *name == workload) {
        Some(position) => Ok(of_system.remove(position)),
        None => anyhow::bail!(
            "{system} has no workload {workload:?}; expected one of {}",
            known.join(", ")
        ),
    }
}
