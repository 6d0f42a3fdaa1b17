//! Puts a node together, and runs it until the process is killed.

use crate::election::{self, Contact};
use crate::network::Links;
use crate::options::Options;
use crate::peers;
use crate::service::{Front, Reign, Served};
use crate::store;
use crate::trace::Trace;
use anyhow::{Context as _, anyhow};
use openraft::error::{InitializeError, RaftError};
use openraft::{BasicNode, Config, SnapshotPolicy};
use schism_agreement::host::{NodeConfig, serve};
use schism_core::rng::Rng;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio::time::sleep;

/// Runs a node on the calling thread. Returns only if it cannot go on, such as with a full disk.
///
/// # Errors
/// Options that are wrong, a port that is taken, a log that is corrupt, a disk that fails.
pub fn run(config: NodeConfig) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, node(config))
}

/// A node as a future, to be run inside a [`LocalSet`]. Dropping the runtime is as good as killing
/// the process.
///
/// # Errors
/// As [`run`].
pub async fn node(config: NodeConfig) -> anyhow::Result<()> {
    let options = Options::read(&config)?;
    let trace = Trace::new();
    let addr = config.peer_addr(config.me);
    // Before the data is touched: a second process on the same node stops here.
    let listener =
        TcpListener::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
    let served = Arc::new(assemble(config.clone(), options, trace).await?);
    let rng = Rng::seeded(config.seed).fork(&format!("election {} {}", config.me, served.boot));

    let founding = tokio::spawn(found(served.clone()));
    let reporting = tokio::spawn(report(served.clone()));
    let answering = tokio::spawn(peers::serve(listener, served.clone()));
    let electing = tokio::spawn(election::run_when_silent(served.clone(), rng));
    let beating = tokio::spawn(election::send_heartbeats(served.clone(), options.heartbeat));
    let front = serve(&config, Rc::new(Front(served)));
    let ended = tokio::select! {
        failed = founding_failure(founding) => failed,
        stopped = electing => anyhow!("raft stopped: {}", stopped?),
        stopped = beating => anyhow!("raft stopped: {}", stopped?),
        ended = answering => anyhow!("the peer port failed: {:?}", ended?),
        ended = reporting => anyhow!("raft stopped reporting: {ended:?}"),
        ended = front => anyhow!("the client port failed: {ended:?}"),
    };
    trace.say(format_args!("cannot go on: {ended:#}"));
    Err(ended)
}

async fn assemble(config: NodeConfig, options: Options, trace: Trace) -> anyhow::Result<Served> {
    let (log, machine) = store::open(&config.data, trace)?;
    let me = config.me as u64;
    let links = Links::new(2 * options.election, options.heartbeat);
    let raft = openraft::Raft::new(
        me,
        Arc::new(raft_config(&options)?),
        links.clone(),
        log.clone(),
        machine.clone(),
    )
    .await?;
    trace.say(format_args!(
        "{} starts with a log up to entry {}",
        config.name(),
        log.last().map_or_else(|| "none".to_owned(), |id| id.index.to_string())
    ));
    // The standard hasher is keyed by the operating system: that is all that a boot id needs.
    let boot = u64::from(u32::try_from(RandomState::new().build_hasher().finish() >> 32)?);
    let reign = Mutex::new(Reign::default());
    let contact = Contact::now();
    Ok(Served { me, config, options, raft, log, machine, links, contact, trace, boot, reign })
}

/// openraft's own settings.
fn raft_config(options: &Options) -> anyhow::Result<Config> {
    let election = u64::try_from(options.election.as_millis())?;
    let config = Config {
        cluster_name: "schism".to_owned(),
        // This is how long a follower refuses candidates after it heard from a leader.
        election_timeout_max: election,
        election_timeout_min: election - 1,
        // This is also how long an append may take, and a link may be slow: so nearly as long as an
        // election. Heartbeats and elections themselves are driven by `election`.
        heartbeat_interval: election - 2,
        enable_heartbeat: false,
        enable_elect: false,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(options.snapshot_every),
        replication_lag_threshold: options.snapshot_every.saturating_mul(2),
        max_in_snapshot_log_to_keep: options.snapshot_every / 5,
        ..Config::default()
    };
    Ok(config.validate()?)
}

/// Makes the cluster, if there is none: with the same founding members on every node, so that it is
/// the same cluster whoever is first. The first node does it at once, the others only if it
/// doesn't.
async fn found(served: Arc<Served>) -> anyhow::Result<()> {
    let founders = served.options.members;
    if served.config.me >= founders {
        return Ok(());
    }
    if served.config.me > 0 {
        sleep(Duration::from_secs(2)).await;
    }
    if served.raft.is_initialized().await? {
        return Ok(());
    }
    let member = |at| (at as u64, BasicNode::new(served.config.peer_addr(at)));
    let members: BTreeMap<u64, BasicNode> = (0..founders).map(member).collect();
    match served.raft.initialize(members).await {
        Ok(()) => served.trace.say(format_args!("founded a cluster of {founders}")),
        // Another node was faster.
        Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Waits for ever unless founding failed.
async fn founding_failure(founding: tokio::task::JoinHandle<anyhow::Result<()>>) -> anyhow::Error {
    match founding.await {
        Ok(Ok(())) => std::future::pending().await,
        Ok(Err(error)) => error.context("cannot found the cluster"),
        Err(error) => error.into(),
    }
}

/// Says who leads, whenever that changes. Returns when openraft has stopped.
async fn report(served: Arc<Served>) {
    let mut metrics = served.raft.server_metrics();
    let mut said = String::new();
    loop {
        let now = metrics.borrow_and_update().clone();
        let term = now.vote.leader_id().get_term();
        let sees = match now.current_leader {
            Some(leader) if leader == served.me && now.state.is_leader() => {
                format!("leader of term {term}")
            }
            Some(leader) => format!("follows {} in term {term}", served.name(leader)),
            None if now.state.is_candidate() => format!("candidate in term {term}"),
            None => format!("no leader in term {term}"),
        };
        if sees != said {
            served.trace.say(format_args!("{sees}"));
            said = sees;
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
