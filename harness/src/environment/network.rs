//! One node's network namespace, as the controller works in it: commands, shapers, signals.
//!
//! What is done to a node is done from outside, by the controller's own programs in the node's
//! network, so nothing has to be installed on the node and it needs no right of its own.
//!
//! A node's processes are those in its network namespace. That also finds a daemon which left its
//! session. The controller's own helpers in there (packet shapers) are known and spared; so is
//! whatever else the controller runs there for a moment, for it is a child of the controller.

use super::{NodeSignal, ProcessState, spawn};
use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use schism_nemeses::rules;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A node's network.
pub(super) struct Network {
    name: String,
    ns: Arc<OwnedFd>,
    inode: u64,
    /// Where logs of helpers go.
    dir: PathBuf,
    shapers: RefCell<HashMap<u32, Child>>,
}

impl Network {
    /// The network behind a namespace's descriptor; helpers' logs go below `dir`.
    pub(super) fn new(name: &str, ns: OwnedFd, dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            inode: fs::metadata(format!("/proc/self/fd/{}", ns.as_raw_fd()))?.ino(),
            ns: Arc::new(ns),
            dir: dir.to_owned(),
            shapers: RefCell::default(),
        })
    }

    /// The network of a process.
    pub(super) fn of_process(name: &str, pid: Pid, dir: &Path) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/ns/net");
        let ns = fs::File::open(&path)
            .with_context(|| format!("cannot enter the network of {name} ({path})"))?;
        Self::new(name, ns.into(), dir)
    }

    /// The namespace, to start processes in.
    pub(super) fn namespace(&self) -> &Arc<OwnedFd> {
        &self.ns
    }

    /// The namespace, to open sockets in.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.ns.as_fd()
    }

    /// The processes of the node that aren't helpers of ours, with their states as `/proc` has
    /// them.
    pub(super) fn processes(&self) -> anyhow::Result<Vec<(Pid, char)>> {
        let shapers: Vec<u32> = self.shapers.borrow().values().map(Child::id).collect();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let here = fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|metadata| metadata.ino() == self.inode);
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

    /// Sends a signal to every process of the node.
    pub(super) fn send(&self, signal: NodeSignal) -> anyhow::Result<()> {
        let signal = match signal {
            NodeSignal::Kill => Signal::SIGKILL,
            NodeSignal::Stop => Signal::SIGSTOP,
            NodeSignal::Continue => Signal::SIGCONT,
        };
        for (pid, _) in self.processes()? {
            match kill(pid, signal) {
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(errno) => bail!("cannot send {signal} to process {pid}: {errno}"),
            }
        }
        Ok(())
    }

    /// What has become of the node's processes.
    pub(super) fn state(&self) -> anyhow::Result<ProcessState> {
        let processes = self.processes()?;
        Ok(match processes.as_slice() {
            [] => ProcessState::Dead,
            all if all.iter().all(|(_, state)| *state == 'T') => ProcessState::Stopped,
            _ => ProcessState::Running,
        })
    }

    /// Runs a short command in the node's network; what it printed.
    pub(super) async fn run(&self, command: &rules::Command) -> anyhow::Result<String> {
        let [program, arguments @ ..] = command.argv.as_slice() else {
            bail!("an empty command for {}", self.name);
        };
        let mut process = Command::new(program);
        process
            .args(arguments)
            // The legacy iptables locks a file below /run, which a plain user cannot write to.
            .env("XTABLES_LOCKFILE", self.dir.join("config").join("xtables.lock"))
            .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        spawn::enter_network(&mut process, self.ns.clone());
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
                self.name,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the packet shaper of a fault, and waits until it is at work.
    pub(super) async fn start_shaper(&self, fault: u32, argv: &[String]) -> anyhow::Result<()> {
        let [program, arguments @ ..] = argv else { bail!("an empty command for a shaper") };
        let mut command = Command::new(program);
        let log = append(&self.dir.join("shaper.log"))?;
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        spawn::enter_network(&mut command, self.ns.clone());
        let mut child = command.spawn().context("cannot start the packet shaper")?;
        let output = child.stdout.take().context("no pipe from the packet shaper")?;
        self.shapers.borrow_mut().insert(fault, child);
        let ready = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = tokio::time::timeout(Duration::from_secs(3), ready).await???;
        ensure!(line.trim() == "ready", "the packet shaper on {} did not start", self.name);
        Ok(())
    }

    /// Ends it; nothing happens if there is none.
    pub(super) fn stop_shaper(&self, fault: u32) -> anyhow::Result<()> {
        if let Some(mut child) = self.shapers.borrow_mut().remove(&fault) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Network {
    /// Helpers of a network that the node has lost would keep it alive.
    fn drop(&mut self) {
        for child in self.shapers.get_mut().values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Opens a file to write at its end.
pub(super) fn append(path: &Path) -> anyhow::Result<fs::File> {
    let opened = fs::File::options().create(true).append(true).open(path);
    opened.with_context(|| format!("cannot write {}", path.display()))
}
