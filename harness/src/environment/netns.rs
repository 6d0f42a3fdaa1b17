//! Nodes in network namespaces of this machine: one namespace a node, all on one bridge.
//!
//! Lives inside the sandbox (`crate::sandbox`), whose own network namespace holds the bridge and
//! the clients; a bridge on the host would have its packets swallowed by Docker's firewall rules. A
//! node's namespace is only ever a file descriptor of this process, so there is no name to clash
//! and nothing to clean up.
//!
use super::network::{Network, append};
use super::probe::Probes;
use super::{Environment, NodeSignal, ProcessState, spawn};
use crate::interpreter::clock::Clock;
use anyhow::{Context as _, bail, ensure};
use schism_core::cluster::{Cluster, Node, NodeId};
use schism_core::system::{Launch, NodeDirs};
use schism_nemeses::rules;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The most nodes that fit into the network.
pub const MAX_NODES: usize = 200;
const HUB_HOST: u8 = 254;

/// A network of nodes, each in a namespace of its own.
pub struct Netns {
    cluster: Cluster,
    nodes: Vec<Place>,
    probes: Probes,
    clock: Clock,
}

/// One node's namespace and what runs there.
struct Place {
    name: String,
    network: Network,
    dir: PathBuf,
    hosts: PathBuf,
    process: RefCell<Option<Child>>,
}

impl Netns {
    /// Brings up the network for nodes of these names, which keep their things below `dir`.
    ///
    /// # Errors
    /// If a name occurs twice, `ip` is missing, or the kernel refuses.
    pub fn bring_up(names: &[String], dir: &Path, clock: Clock) -> anyhow::Result<Self> {
        ensure!(names.len() <= MAX_NODES, "at most {MAX_NODES} nodes fit into one network");
        let cluster = Cluster::new(
            (1u8..)
                .zip(names)
                .map(|(host, name)| Node { name: name.as_str().into(), ip: address(host) })
                .collect(),
        );
        let hosts = hosts_file(&cluster);
        let mut nodes = Vec::new();
        for name in names {
            let ns = spawn::new_namespace().context("cannot make a network namespace")?;
            let place = Place {
                name: name.clone(),
                network: Network::new(name, ns, &dir.join(name))?,
                dir: dir.join(name),
                hosts: dir.join(name).join("config").join("hosts"),
                process: RefCell::new(None),
            };
            for part in ["data", "config"] {
                let path = place.dir.join(part);
                fs::create_dir_all(&path)
                    .with_context(|| format!("cannot create {}", path.display()))?;
            }
            fs::write(&place.hosts, &hosts)?;
            nodes.push(place);
        }
        connect(&nodes)?;
        let probes = Probes::open(&cluster, nodes.iter().map(|place| place.network.as_fd()))?;
        Ok(Self { cluster, nodes, probes, clock })
    }

    /// The node's network, after its process was reaped if it has ended.
    fn network(&self, node: NodeId) -> &Network {
        let place = &self.nodes[node.0];
        if let Some(child) = place.process.borrow_mut().as_mut() {
            // One that can't be waited for is seen in /proc all the same.
            let _ = child.try_wait();
        }
        &place.network
    }
}

fn address(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 77, 0, host))
}

fn hosts_file(cluster: &Cluster) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for node in cluster.nodes() {
        let _ = writeln!(text, "{} {}", node.ip, node.name);
    }
    text
}

/// One bridge here, one pair of virtual links to each node.
fn connect(nodes: &[Place]) -> anyhow::Result<()> {
    let mut hub = format!(
        "link set lo up\nlink add br0 type bridge\nlink set br0 up\naddr add {}/24 dev br0\n",
        address(HUB_HOST)
    );
    for (number, place) in (1..).zip(nodes) {
        let ns = format!("/proc/{}/fd/{}", std::process::id(), place.network.as_fd().as_raw_fd());
        let _ = writeln!(hub, "link add v{number} type veth peer name eth0 netns {ns}");
        let _ = writeln!(hub, "link set v{number} master br0 up");
    }
    finish(batch(&hub, None)?)?;
    let node_scripts = (1u8..).zip(nodes).map(|(host, place)| {
        let script =
            format!("link set lo up\naddr add {}/24 dev eth0\nlink set eth0 up\n", address(host));
        batch(&script, Some(place.network.namespace()))
    });
    // All started before the first is waited for.
    let running: Vec<Child> = node_scripts.collect::<anyhow::Result<_>>()?;
    running.into_iter().try_for_each(finish)
}

/// Starts `ip -batch` on a script, here or in a node's namespace.
fn batch(script: &str, ns: Option<&Arc<OwnedFd>>) -> anyhow::Result<Child> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    if let Some(ns) = ns {
        spawn::enter_network(&mut command, ns.clone());
    }
    let mut child = command
        .spawn()
        .context("cannot start `ip`; on Debian: apt-get install iproute2 (or give --install)")?;
    child.stdin.take().context("no pipe to `ip`")?.write_all(script.as_bytes())?;
    Ok(child)
}

fn finish(child: Child) -> anyhow::Result<()> {
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "`ip` could not set up the network: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

impl Environment for Netns {
    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn dirs(&self, node: NodeId) -> NodeDirs {
        let dir = &self.nodes[node.0].dir;
        NodeDirs { data: dir.join("data"), config: dir.join("config") }
    }

    fn addresses(&self, node: NodeId) -> Vec<IpAddr> {
        vec![self.cluster.nodes()[node.0].ip]
    }

    async fn start(&self, node: NodeId, launch: &Launch) -> anyhow::Result<()> {
        let place = &self.nodes[node.0];
        let [program, arguments @ ..] = launch.argv.as_slice() else {
            bail!("nothing to start on {}", place.name);
        };
        for (file, text) in &launch.files {
            fs::write(place.dir.join("config").join(file), text)?;
        }
        let log = append(&place.dir.join("log"))?;
        writeln!(append(&place.dir.join("starts"))?, "{}", self.clock.now().0)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir(place.dir.join("data"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        spawn::become_node(&mut command, place.network.namespace().clone(), &place.hosts)?;
        let child =
            command.spawn().with_context(|| format!("cannot start {program} on {}", place.name))?;
        *place.process.borrow_mut() = Some(child);
        Ok(())
    }

    async fn signal(&self, node: NodeId, signal: NodeSignal) -> anyhow::Result<()> {
        self.network(node).send(signal)
    }

    fn state(&self, node: NodeId) -> anyhow::Result<ProcessState> {
        self.network(node).state()
    }

    async fn run(&self, node: NodeId, command: &rules::Command) -> anyhow::Result<String> {
        self.network(node).run(command).await
    }

    async fn start_shaper(&self, node: NodeId, fault: u32, argv: &[String]) -> anyhow::Result<()> {
        self.network(node).start_shaper(fault, argv).await
    }

    fn stop_shaper(&self, node: NodeId, fault: u32) -> anyhow::Result<()> {
        self.network(node).stop_shaper(fault)
    }

    async fn probe(
        &self,
        links: &[(NodeId, NodeId)],
        count: usize,
        wait: Duration,
    ) -> anyhow::Result<Vec<Vec<Duration>>> {
        self.probes.measure(&self.cluster, links, count, wait).await
    }
    /// Ends every node. The sandbox would do so too; this is for whoever looks at the data next.
    async fn tear_down(&self, keep_data: bool) -> anyhow::Result<()> {
        for node in self.cluster.ids() {
            self.signal(node, NodeSignal::Kill).await?;
            if !keep_data {
                // Data that stays costs space, not a verdict.
                let _ = fs::remove_dir_all(self.dirs(node).data);
            }
        }
        Ok(())
    }
}
