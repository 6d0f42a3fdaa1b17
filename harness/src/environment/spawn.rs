//! Starting processes in a node's namespace.

#![allow(
    unsafe_code,
    reason = "Command::pre_exec is unsafe: its closures run between fork and exec"
)]

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A new, empty network namespace.
pub(super) fn new_namespace() -> anyhow::Result<OwnedFd> {
    let made = std::thread::spawn(|| -> io::Result<OwnedFd> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(File::open("/proc/thread-self/ns/net")?.into())
    });
    Ok(made.join().map_err(|_| anyhow::anyhow!("the thread that makes namespaces failed"))??)
}

/// Does `work` with this thread's network being that of the namespace.
pub(super) fn inside<T: Send>(
    ns: BorrowedFd<'_>,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> anyhow::Result<T> {
    let done = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                setns(ns, CloneFlags::CLONE_NEWNET)?;
                work()
            })
            .join()
    });
    Ok(done.map_err(|_| anyhow::anyhow!("a thread in a node's namespace failed"))??)
}

/// The command will run in the namespace's network, and die with the controller.
pub(super) fn enter_network(command: &mut Command, ns: Arc<OwnedFd>) {
    // SAFETY: only prctl and setns are called, both of which are safe between fork and exec.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            setns(ns.as_fd(), CloneFlags::CLONE_NEWNET)?;
            Ok(())
        });
    }
}

/// The command will be a node: its own network, session and hosts file.
pub(super) fn become_node(
    command: &mut Command,
    ns: Arc<OwnedFd>,
    hosts: &Path,
) -> anyhow::Result<()> {
    let hosts = CString::new(hosts.as_os_str().as_bytes())?;
    // SAFETY: only setsid, setns, unshare and mount are called, on values made before the fork; all
    // are plain system calls, safe between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let none: Option<&str> = None;
            nix::unistd::setsid()?;
            setns(ns.as_fd(), CloneFlags::CLONE_NEWNET)?;
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(Some(hosts.as_c_str()), c"/etc/hosts", none, MsFlags::MS_BIND, none)?;
            Ok(())
        });
    }
    Ok(())
}
