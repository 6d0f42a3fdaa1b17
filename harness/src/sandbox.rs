//! Fresh namespaces for a whole run, so that nothing of it can be left behind.
//!
//! [`enter_with`] starts this very command again as a child in new user, network, mount and PID
//! namespaces. Node processes, firewall rules, links and mounts live only in there; the kernel
//! removes them all when the last process in it is gone. Three processes take part:
//!
//! ```text
//! outside   the command that the user started: waits, passes signals on, exits as the run does
//! init      process 1 of the namespace: reaps orphans; when it goes, the kernel kills the rest
//! run       the actual controller
//! ```
//!
//! Each is set to die with its parent, so SIGKILL to any of them, at any moment, ends all of them.
//! Works as root and as a plain user. As a plain user only the user's own id exists inside.
//!
//! It has to be called before any thread is started, because the kernel gives a new user namespace
//! only to a process with a single thread.

#![allow(unsafe_code, reason = "namespaces are made by clone(2), which has no safe wrapper")]

use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid, getgid, getuid};
use std::fmt::Write as _;
use std::io::{PipeReader, Read as _, Write as _, pipe};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Set for the process that runs inside.
const INSIDE: &str = "SCHISM_SANDBOX";

/// Is this process inside already?
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this command again inside fresh namespaces, with these variables, and exits with its
/// status. Returns only with an error, when the namespaces are not to be had; it says which setting
/// forbids them.
///
/// # Errors
/// If the kernel or a setting refuses a namespace.
pub fn enter_with(variables: &[(&str, String)]) -> anyhow::Result<std::convert::Infallible> {
    let (mut ready_reader, ready_writer) = pipe()?;
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::SIGCHLD;
    // SAFETY: called before any other thread exists, with no new stack, so this is a fork into new
    // namespaces: the child continues with a copy of everything.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match child {
        -1 => bail!(refusal(Errno::last())),
        0 => {
            drop(ready_writer);
            let code = wait_until_mapped(&mut ready_reader).and_then(|()| init(variables));
            let code = code.unwrap_or_else(|error| {
                eprintln!("schism: cannot prepare the sandbox: {error:#}");
                4
            });
            std::process::exit(code);
        }
        child => {
            drop(ready_reader);
            let child = Pid::from_raw(i32::try_from(child)?);
            map_ids(child).context("cannot map user ids into the new namespace")?;
            (&ready_writer).write_all(&[1])?;
            std::process::exit(wait_for(child, child)?);
        }
    }
}

/// Why the kernel refuses, and what can be done.
fn refusal(errno: Errno) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let mut reasons = Vec::new();
    if read("/proc/sys/user/max_user_namespaces") == "0" {
        reasons.push("user.max_user_namespaces is 0: sysctl -w user.max_user_namespaces=15000");
    }
    if read("/proc/sys/kernel/unprivileged_userns_clone") == "0" && !Uid::effective().is_root() {
        reasons.push(
            "kernel.unprivileged_userns_clone is 0: sysctl -w kernel.unprivileged_userns_clone=1",
        );
    }
    if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        reasons.push(
            "AppArmor restricts user namespaces: \
             sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    if reasons.is_empty() {
        reasons.push(
            "if this is a container, its seccomp profile forbids clone(CLONE_NEWUSER): \
             start it with --privileged, or --security-opt seccomp=unconfined",
        );
    }
    format!(
        "this machine doesn't allow new namespaces, in which nodes would run ({}): {}. \
         Or run Schism on another machine",
        errno.desc(),
        reasons.join("; ")
    )
}

fn map_ids(child: Pid) -> anyhow::Result<()> {
    let (uid, gid) = (getuid(), getgid());
    let (uid_map, gid_map) = if uid.is_root() {
        // Everyone keeps his number, as far as this namespace has it, so that stores which drop
        // their privileges can.
        (own_map("/proc/self/uid_map")?, own_map("/proc/self/gid_map")?)
    } else {
        std::fs::write(format!("/proc/{child}/setgroups"), "deny")?;
        (format!("0 {uid} 1"), format!("0 {gid} 1"))
    };
    std::fs::write(format!("/proc/{child}/uid_map"), uid_map)?;
    std::fs::write(format!("/proc/{child}/gid_map"), gid_map)?;
    Ok(())
}

/// The ids that exist here, each mapped to itself.
fn own_map(path: &str) -> anyhow::Result<String> {
    let mut map = String::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let mut words = line.split_whitespace();
        if let (Some(first), Some(_), Some(count)) = (words.next(), words.next(), words.next()) {
            let _ = writeln!(map, "{first} {first} {count}");
        }
    }
    Ok(map)
}

/// Ties this process to its parent, and waits for the byte that says that the ids are mapped.
fn wait_until_mapped(ready: &mut PipeReader) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    ready.read_exact(&mut [0]).context("the parent is gone")?;
    // The parent holds its end for as long as it lives: a hang-up here means that it died before
    // the death signal was asked for. (Its pid can't tell: from in here it is 0 in any case.)
    let mut poll = [PollFd::new(ready.as_fd(), PollFlags::POLLIN)];
    nix::poll::poll(&mut poll, PollTimeout::ZERO)?;
    let gone = poll[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP));
    ensure!(!gone, "the parent is gone");
    Ok(())
}

/// Process 1 of the new namespace.
fn init(variables: &[(&str, String)]) -> anyhow::Result<i32> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot make mounts private")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none)
        .context("cannot mount /proc")?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env(INSIDE, "1");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mask = forwarded();
    // SAFETY: only prctl and sigprocmask are called between fork and exec; both are safe there.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            mask.thread_unblock()?;
            Ok(())
        });
    }
    forwarded().thread_block()?;
    let child = command.spawn().context("cannot start the controller")?;
    wait_for(Pid::from_raw(i32::try_from(child.id())?), Pid::from_raw(-1))
}

/// The signals that are passed on to the controller.
fn forwarded() -> SigSet {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
        set.add(signal);
    }
    set
}

/// Waits for `child`, reaping whatever `which` covers and passing signals on; its exit status.
fn wait_for(child: Pid, which: Pid) -> anyhow::Result<i32> {
    let set = forwarded();
    set.thread_block()?;
    loop {
        loop {
            match waitpid(which, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                    return Ok(128 + signal as i32);
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let (signal, from_terminal) = next_signal(&set)?;
        // A terminal signals the whole process group itself; passing that on would make it two, and
        // the second means "now".
        if signal != Signal::SIGCHLD && !from_terminal {
            let _ = kill(child, signal);
        }
    }
}

/// Waits for one of the signals; also says whether it came from the terminal.
fn next_signal(set: &SigSet) -> anyhow::Result<(Signal, bool)> {
    loop {
        // SAFETY: an all-zero siginfo is valid, and sigwaitinfo writes at most one.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live values of the right type.
        let number = unsafe { libc::sigwaitinfo(set.as_ref(), &raw mut info) };
        if number > 0 {
            return Ok((Signal::try_from(number)?, info.si_code > 0));
        }
        if Errno::last() != Errno::EINTR {
            return Err(Errno::last().into());
        }
    }
}

/// Can the namespaces be had? Makes them, in a child that ends at once.
///
/// # Errors
/// If not, with what forbids them.
pub fn allowed() -> anyhow::Result<()> {
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::SIGCHLD;
    // SAFETY: as in `enter_with`; the child only exits.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match child {
        -1 => bail!(refusal(Errno::last())),
        // SAFETY: ends this copy of the process at once, running nothing of the parent's.
        0 => unsafe { libc::_exit(0) },
        child => {
            waitpid(Pid::from_raw(i32::try_from(child)?), None)?;
            Ok(())
        }
    }
}
