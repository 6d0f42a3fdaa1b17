//! Nodes in network namespaces of this machine: one namespace a node, all on one bridge.
//!
//! Lives inside the sandbox (`crate::sandbox`), whose own network namespace holds the bridge and
//! the clients; a bridge on the host would have its packets swallowed by Docker's firewall rules. A
//! node's namespace is only ever a file descriptor of this process, so there is no name to clash
//! and nothing to clean up.
//!
//! A node's processes are those in its network namespace. That also finds a daemon which left its
//! session. The controller's own helpers in there (packet shapers) are known and spared.

mod probe;
mod spawn;

use super::{Environment, NodeSignal, ProcessState};
use crate::interpreter::clock::Clock;
use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use probe::Probes;
use schism_core::cluster::{Cluster, Node, NodeId};
use schism_core::system::{Launch, NodeDirs};
use schism_nemeses::rules;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
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
    ns: Arc<OwnedFd>,
    inode: u64,
    dir: PathBuf,
    hosts: PathBuf,
    process: RefCell<Option<Child>>,
    shapers: RefCell<HashMap<u32, Child>>,
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
                inode: fs::metadata(format!("/proc/self/fd/{}", ns.as_raw_fd()))?.ino(),
                ns: Arc::new(ns),
                dir: dir.join(name),
                hosts: dir.join(name).join("config").join("hosts"),
                process: RefCell::new(None),
                shapers: RefCell::new(HashMap::new()),
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
        let probes = Probes::open(&cluster, nodes.iter().map(|place| place.ns.as_fd()))?;
        Ok(Self { cluster, nodes, probes, clock })
    }

    /// The nodes, with their addresses.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The processes of a node that aren't helpers of ours.
    fn processes(&self, node: NodeId) -> anyhow::Result<Vec<(Pid, char)>> {
        let place = &self.nodes[node.0];
        if let Some(child) = place.process.borrow_mut().as_mut() {
            child.try_wait()?;
        }
        let shapers: Vec<u32> = place.shapers.borrow().values().map(Child::id).collect();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let here = fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|metadata| metadata.ino() == place.inode);
            if !here || shapers.contains(&pid) {
                continue;
            }
            // A process may end between two looks at it; then it isn't there.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
            match state {
                None | Some('Z' | 'X') => {}
                Some(state) => found.push((Pid::from_raw(i32::try_from(pid)?), state)),
            }
        }
        Ok(found)
    }
}

fn append(path: &Path) -> anyhow::Result<fs::File> {
    let opened = fs::File::options().create(true).append(true).open(path);
    opened.with_context(|| format!("cannot write {}", path.display()))
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
        let ns = format!("/proc/{}/fd/{}", std::process::id(), place.ns.as_raw_fd());
        let _ = writeln!(hub, "link add v{number} type veth peer name eth0 netns {ns}");
        let _ = writeln!(hub, "link set v{number} master br0 up");
    }
    finish(batch(&hub, None)?)?;
    let node_scripts = (1u8..).zip(nodes).map(|(host, place)| {
        let script =
            format!("link set lo up\naddr add {}/24 dev eth0\nlink set eth0 up\n", address(host));
        batch(&script, Some(&place.ns))
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
    fn dirs(&self, node: NodeId) -> NodeDirs {
        let dir = &self.nodes[node.0].dir;
        NodeDirs { data: dir.join("data"), config: dir.join("config") }
    }

    fn ip(&self, node: NodeId) -> IpAddr {
        self.cluster.nodes()[node.0].ip
    }

    fn start(&self, node: NodeId, launch: &Launch) -> anyhow::Result<()> {
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
        spawn::become_node(&mut command, place.ns.clone(), &place.hosts)?;
        let child =
            command.spawn().with_context(|| format!("cannot start {program} on {}", place.name))?;
        *place.process.borrow_mut() = Some(child);
        Ok(())
    }

    fn signal(&self, node: NodeId, signal: NodeSignal) -> anyhow::Result<()> {
        let signal = match signal {
            NodeSignal::Kill => Signal::SIGKILL,
            NodeSignal::Stop => Signal::SIGSTOP,
            NodeSignal::Continue => Signal::SIGCONT,
        };
        for (pid, _) in self.processes(node)? {
            match kill(pid, signal) {
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(errno) => bail!("cannot send {signal} to process {pid}: {errno}"),
            }
        }
        Ok(())
    }

    fn state(&self, node: NodeId) -> anyhow::Result<ProcessState> {
        let processes = self.processes(node)?;
        Ok(match processes.as_slice() {
            [] => ProcessState::Dead,
            all if all.iter().all(|(_, state)| *state == 'T') => ProcessState::Stopped,
            _ => ProcessState::Running,
        })
    }

    async fn run(&self, node: NodeId, command: &rules::Command) -> anyhow::Result<String> {
        let place = &self.nodes[node.0];
        let [program, arguments @ ..] = command.argv.as_slice() else {
            bail!("an empty command for {}", place.name);
        };
        let mut process = Command::new(program);
        process
            .args(arguments)
            // The legacy iptables locks a file below /run, which a plain user cannot write to.
            .env("XTABLES_LOCKFILE", place.dir.join("config").join("xtables.lock"))
            .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        spawn::enter_network(&mut process, place.ns.clone());
        let mut child =
            tokio::process::Command::from(process).kill_on_drop(true).spawn().with_context(
                || format!("cannot start {program}; `schism doctor` says what is missing"),
            )?;
        if let (Some(text), Some(mut pipe)) = (&command.stdin, child.stdin.take()) {
            tokio::io::AsyncWriteExt::write_all(&mut pipe, text.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        if !output.status.success() && !command.may_fail {
            bail!(
                "`{}` on {}: {}",
                command.argv.join(" "),
                place.name,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn start_shaper(&self, node: NodeId, fault: u32, argv: &[String]) -> anyhow::Result<()> {
        let place = &self.nodes[node.0];
        let [program, arguments @ ..] = argv else { bail!("an empty command for a shaper") };
        let mut command = Command::new(program);
        let log = append(&place.dir.join("shaper.log"))?;
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        spawn::enter_network(&mut command, place.ns.clone());
        let mut child = command.spawn().context("cannot start the packet shaper")?;
        let output = child.stdout.take().context("no pipe from the packet shaper")?;
        place.shapers.borrow_mut().insert(fault, child);
        let ready = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = tokio::time::timeout(Duration::from_secs(3), ready).await???;
        ensure!(line.trim() == "ready", "the packet shaper on {} did not start", place.name);
        Ok(())
    }

    fn stop_shaper(&self, node: NodeId, fault: u32) -> anyhow::Result<()> {
        if let Some(mut child) = self.nodes[node.0].shapers.borrow_mut().remove(&fault) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    async fn probe(
        &self,
        links: &[(NodeId, NodeId)],
        count: usize,
        wait: Duration,
    ) -> anyhow::Result<Vec<Vec<Duration>>> {
        self.probes.measure(&self.cluster, links, count, wait).await
    }
}
