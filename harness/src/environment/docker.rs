//! Nodes in Docker containers: a cluster that the user runs already, or one of our own.
//!
//! **Attached** (`--project NAME`, or container names as `--nodes`): the containers are somebody
//! else's. They are found, tested and left as they were. **Own** (`--image NAME`): a network, and a
//! container a node with the system's command in it, all removed in the end.
//!
//! Faults come from outside. The controller enters a container's network namespace with its own
//! programs, and signals its processes, as this machine's kernel sees them: so the image needs no
//! tools and the container no right of its own. That takes root, on the machine of the daemon.
//!
//! A container that is killed loses its network namespace and every rule in it. When it starts
//! again, the rules of the faults still in force are put into the new one
//! ([`Environment::forgets_rules`]).
//!
//! Killed is killed by the daemon, so that no restart policy undoes it.
//!
//! Refused: containers that share this machine's network, and containers whose address changes when
//! they start again, for clients would go to the wrong node.

pub mod image;
mod owned;

use super::network::Network;
use super::probe::Probes;
use super::{Environment, NodeSignal, ProcessState};
use anyhow::{Context as _, bail, ensure};
use bollard::Docker as Api;
use bollard::errors::Error as ApiError;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    LogsOptionsBuilder, StartContainerOptions,
};
use futures_util::StreamExt as _;
use nix::unistd::{Pid, Uid};
use owned::Owned;
use schism_core::cluster::{Cluster, Node, NodeId};
use schism_core::record::TestRecord;
use schism_core::system::{Launch, NodeDirs};
use schism_nemeses::rules::Command;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The label by which compose marks the containers of a project.
const PROJECT_LABEL: &str = "com.docker.compose.project";

/// Containers as nodes.
pub struct Docker {
    api: Api,
    cluster: Cluster,
    nodes: Vec<Place>,
    probes: Probes,
    /// What is ours, and has to be removed.
    owned: Option<Owned>,
    /// Unix time, so that only this run's part of a container's log is kept.
    since: i32,
}

struct Place {
    container: String,
    dir: PathBuf,
    /// `None` while the container doesn't run.
    network: RefCell<Option<Rc<Network>>>,
    addresses: RefCell<Vec<IpAddr>>,
}

/// Connects to the daemon.
///
/// # Errors
/// If there is none, or this user may not use it.
pub async fn connect() -> anyhow::Result<Api> {
    let advice = "cannot reach the Docker daemon; is it running, and may this user use it? \
                  (DOCKER_HOST says where it is)";
    let api = Api::connect_with_defaults().context(advice)?;
    api.negotiate_version().await.context(advice)
}

/// The names of the containers of a compose project, in order of their names.
///
/// # Errors
/// If there are none, with the projects that there are.
pub async fn containers_of(project: &str) -> anyhow::Result<Vec<String>> {
    let api = connect().await?;
    let all = ListContainersOptionsBuilder::default().all(true).build();
    let mut names = Vec::new();
    let mut projects: BTreeMap<String, usize> = BTreeMap::new();
    for container in api.list_containers(Some(all)).await? {
        let labels = container.labels.unwrap_or_default();
        let Some(of) = labels.get(PROJECT_LABEL) else { continue };
        *projects.entry(of.clone()).or_default() += 1;
        if of == project {
            let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
            names.push(name.trim_start_matches('/').to_owned());
        }
    }
    if names.is_empty() {
        let known: Vec<String> =
            projects.iter().map(|(name, count)| format!("{name} ({count} containers)")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("--project {project:?}: no container belongs to it; projects here: {known}");
    }
    names.sort();
    Ok(names)
}

impl Docker {
    /// Brings up a cluster of our own, or attaches to the one that `record` names; the controller
    /// keeps its things below `dir`.
    ///
    /// # Errors
    /// If the daemon refuses, or the containers can't be entered.
    pub async fn open(record: &TestRecord, dir: &Path) -> anyhow::Result<Self> {
        ensure!(
            Uid::effective().is_root(),
            "--env docker enters the containers' networks from outside, which takes root"
        );
        let api = connect().await?;
        for name in &record.nodes {
            let config = dir.join(name).join("config");
            fs::create_dir_all(&config)
                .with_context(|| format!("cannot create {}", config.display()))?;
        }
        match record.place.get("image") {
            Some(image) => Self::bring_up(api, record, image, dir).await,
            None => Self::attach(api, record, dir).await,
        }
    }

    async fn attach(api: Api, record: &TestRecord, dir: &Path) -> anyhow::Result<Self> {
        let mut nodes = Vec::new();
        for name in &record.nodes {
            let seen = inspect(&api, name).await?;
            let addresses = addresses(&seen);
            let state = seen.state.unwrap_or_default();
            let host_network = seen
                .host_config
                .and_then(|config| config.network_mode)
                .is_some_and(|mode| mode == "host");
            ensure!(
                !host_network,
                "container {name} shares this machine's network: cutting it would cut the machine"
            );
            ensure!(
                state.running == Some(true),
                "container {name} doesn't run: start it before it is tested (docker start {name})"
            );
            ensure!(!addresses.is_empty(), "container {name} is in no network with an address");
            nodes.push((name.clone(), name.clone(), addresses));
        }
        Self::with_nodes(api, nodes, dir, None)
    }

    async fn bring_up(
        api: Api,
        record: &TestRecord,
        image: &str,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let owned = Owned::make_network(&api, record, image).await?;
        let nodes = record.nodes.iter().enumerate().map(|(number, name)| {
            (name.clone(), owned.container(name), vec![owned.address(number)])
        });
        let nodes: Vec<_> = nodes.collect();
        Self::with_nodes(api, nodes, dir, Some(owned))
    }

    fn with_nodes(
        api: Api,
        nodes: Vec<(String, String, Vec<IpAddr>)>,
        dir: &Path,
        owned: Option<Owned>,
    ) -> anyhow::Result<Self> {
        let cluster = Cluster::new(
            nodes
                .iter()
                .map(|(name, _, addresses)| Node {
                    name: name.as_str().into(),
                    // Every node has one: it was looked for, or given to it.
                    ip: addresses.first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
                })
                .collect(),
        );
        let probes = Probes::open(&cluster, std::iter::empty())?;
        let nodes = nodes.into_iter().map(|(name, container, addresses)| Place {
            container,
            dir: dir.join(name),
            network: RefCell::new(None),
            addresses: RefCell::new(addresses),
        });
        let since = time::OffsetDateTime::now_utc().unix_timestamp();
        let since = i32::try_from(since).unwrap_or_default();
        Ok(Self { api, cluster, nodes: nodes.collect(), probes, owned, since })
    }

    /// The node's network as it is now; `None` if the container doesn't run.
    async fn network(&self, node: NodeId) -> anyhow::Result<Option<Rc<Network>>> {
        let known = self.nodes[node.0].network.borrow().clone();
        if let Some(network) = known
            && !network.processes()?.is_empty()
        {
            return Ok(Some(network));
        }
        self.look_again(node).await
    }

    /// Finds the container's network anew.
    async fn look_again(&self, node: NodeId) -> anyhow::Result<Option<Rc<Network>>> {
        let place = &self.nodes[node.0];
        let name = &place.container;
        let seen = match inspect(&self.api, name).await {
            Ok(seen) => seen,
            // Not made yet.
            Err(_) if self.owned.is_some() => return self.lost(node).map(|()| None),
            Err(error) => return Err(error),
        };
        let addresses = addresses(&seen);
        let state = seen.state.unwrap_or_default();
        let pid = state.pid.filter(|pid| *pid > 0 && state.running.unwrap_or(false));
        let Some(pid) = pid else { return self.lost(node).map(|()| None) };
        let before = self.cluster.nodes()[node.0].ip;
        ensure!(
            addresses.contains(&before),
            "container {name} was at {before} and is now at {addresses:?}: give each container an \
             address of its own (in compose: networks, ipv4_address)"
        );
        let pid = Pid::from_raw(i32::try_from(pid)?);
        let network = Rc::new(Network::of_process(name, pid, &place.dir)?);
        self.probes.reopen(&self.cluster, node, Some(network.as_fd()))?;
        *place.addresses.borrow_mut() = addresses;
        *place.network.borrow_mut() = Some(network.clone());
        Ok(Some(network))
    }

    /// The container doesn't run.
    fn lost(&self, node: NodeId) -> anyhow::Result<()> {
        *self.nodes[node.0].network.borrow_mut() = None;
        self.probes.reopen(&self.cluster, node, None)
    }

    /// Writes what the container has printed during this run into the node's log.
    async fn collect_log(&self, node: NodeId) -> anyhow::Result<()> {
        let place = &self.nodes[node.0];
        let mut file = super::network::append(&place.dir.join("log"))?;
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).since(self.since).build();
        let mut stream = self.api.logs(&place.container, Some(options));
        while let Some(part) = stream.next().await {
            file.write_all(&part?.into_bytes())?;
        }
        Ok(())
    }
}

async fn inspect(api: &Api, name: &str) -> anyhow::Result<ContainerInspectResponse> {
    let seen = api.inspect_container(name, None::<InspectContainerOptions>).await;
    seen.with_context(|| format!("cannot look at container {name:?}; `docker ps -a` lists them"))
}

/// Every address of a container, those of IPv4 first.
fn addresses(seen: &ContainerInspectResponse) -> Vec<IpAddr> {
    let none = HashMap::new();
    let networks =
        seen.network_settings.as_ref().and_then(|it| it.networks.as_ref()).unwrap_or(&none);
    let mut all: Vec<IpAddr> = networks
        .values()
        .flat_map(|endpoint| [&endpoint.ip_address, &endpoint.global_ipv6_address])
        .filter_map(|address| address.as_ref()?.parse().ok())
        .collect();
    all.sort_unstable();
    all
}

/// Was the daemon asked for what is so already?
fn is_so_already(error: &ApiError) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code: 304 | 404 | 409, .. })
}

impl Environment for Docker {
    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn dirs(&self, node: NodeId) -> NodeDirs {
        let dir = &self.nodes[node.0].dir;
        NodeDirs { data: dir.join("data"), config: dir.join("config") }
    }

    fn addresses(&self, node: NodeId) -> Vec<IpAddr> {
        self.nodes[node.0].addresses.borrow().clone()
    }

    async fn start(&self, node: NodeId, launch: &Launch) -> anyhow::Result<()> {
        let place = &self.nodes[node.0];
        if let Some(owned) = &self.owned {
            owned.make(&self.api, &self.cluster, node, &self.dirs(node), launch).await?;
        }
        let started =
            self.api.start_container(&place.container, None::<StartContainerOptions>).await;
        match started {
            Err(error)
                if !matches!(
                    error,
                    ApiError::DockerResponseServerError { status_code: 304, .. }
                ) =>
            {
                return Err(error)
                    .with_context(|| format!("cannot start container {}", place.container));
            }
            _ => {}
        }
        // One that ends at once has its reason in its log, which is collected.
        self.look_again(node).await.map(|_| ())
    }

    async fn signal(&self, node: NodeId, signal: NodeSignal) -> anyhow::Result<()> {
        let place = &self.nodes[node.0];
        let network = self.network(node).await?;
        if signal != NodeSignal::Kill {
            return network.map_or(Ok(()), |network| network.send(signal));
        }
        let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
        match self.api.kill_container(&place.container, Some(options)).await {
            Err(error) if !is_so_already(&error) => {
                return Err(error)
                    .with_context(|| format!("cannot kill container {}", place.container));
            }
            _ => {}
        }
        let Some(network) = network else { return Ok(()) };
        for _ in 0..400 {
            if network.processes()?.is_empty() {
                return self.lost(node);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("container {} was killed and still runs after 2 s", place.container)
    }

    fn state(&self, node: NodeId) -> anyhow::Result<ProcessState> {
        match &*self.nodes[node.0].network.borrow() {
            Some(network) => network.state(),
            None => Ok(ProcessState::Dead),
        }
    }

    fn forgets_rules(&self) -> bool {
        true
    }

    async fn run(&self, node: NodeId, command: &Command) -> anyhow::Result<String> {
        match self.network(node).await? {
            Some(network) => network.run(command).await,
            None => Ok(String::new()),
        }
    }

    async fn start_shaper(&self, node: NodeId, fault: u32, argv: &[String]) -> anyhow::Result<()> {
        match self.network(node).await? {
            Some(network) => network.start_shaper(fault, argv).await,
            None => Ok(()),
        }
    }

    fn stop_shaper(&self, node: NodeId, fault: u32) -> anyhow::Result<()> {
        match &*self.nodes[node.0].network.borrow() {
            Some(network) => network.stop_shaper(fault),
            None => Ok(()),
        }
    }

    async fn probe(
        &self,
        links: &[(NodeId, NodeId)],
        count: usize,
        wait: Duration,
    ) -> anyhow::Result<Vec<Vec<Duration>>> {
        self.probes.measure(&self.cluster, links, count, wait).await
    }

    async fn tear_down(&self, keep_data: bool) -> anyhow::Result<()> {
        let mut first_error = None;
        for node in self.cluster.ids() {
            if let Err(error) = self.collect_log(node).await {
                first_error.get_or_insert(error);
            }
        }
        if let Some(owned) = &self.owned {
            owned::remove(&self.api, owned.run()).await?;
            if !keep_data {
                for node in self.cluster.ids() {
                    // Data that stays costs space, not a verdict.
                    let _ = fs::remove_dir_all(self.dirs(node).data);
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

/// The daemon's version.
///
/// # Errors
/// If it can't be reached.
pub async fn version() -> anyhow::Result<String> {
    Ok(connect().await?.version().await?.version.unwrap_or_default())
}

/// The image that a container was made from.
///
/// # Errors
/// If there is no such container.
pub async fn image_of(container: &str) -> anyhow::Result<String> {
    let seen = inspect(&connect().await?, container).await?;
    Ok(seen.config.and_then(|config| config.image).unwrap_or_default())
}

/// Starts those of the user's containers that don't run, as they did when the test began.
///
/// # Errors
/// If one can't be started.
pub async fn wake(record: &TestRecord) -> anyhow::Result<Vec<String>> {
    let api = connect().await?;
    let mut woken = Vec::new();
    for name in &record.nodes {
        let running = inspect(&api, name).await?.state.and_then(|state| state.running);
        if running != Some(true) {
            let started = api.start_container(name, None::<StartContainerOptions>).await;
            started.with_context(|| format!("cannot start container {name}"))?;
            woken.push(format!("container {name} was started"));
        }
    }
    Ok(woken)
}

/// Removes what a run of a cluster of our own left behind; the names of what was removed.
///
/// # Errors
/// If the daemon refuses.
pub async fn clean_up(record: &TestRecord) -> anyhow::Result<Vec<String>> {
    owned::remove(&connect().await?, &owned::run_name(record)).await
}
