//! One process for each history, several at a time, each ended if it exceeds a limit.

#![allow(clippy::disallowed_methods, reason = "limits are in real time")]

use super::answer::{Answer, Cost};
use super::judging::Judging;
use super::watch::{self, Bounds};
use super::worker::Job;
use anyhow::Context as _;
use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Instant;

/// Judges files, `jobs` at a time; `then` gets the answers in the order of the files.
pub(super) fn judge(
    judging: &Judging,
    files: &[OsString],
    jobs: usize,
    mut then: impl FnMut(anyhow::Result<Answer>),
) -> anyhow::Result<()> {
    let jobs = jobs.min(files.len()).max(1);
    let mut judging = judging.clone();
    if judging.memory_limit.is_none() {
        judging.memory_limit = Some(watch::available() / 4 * 3 / jobs as u64);
    }
    let job = Job { judging: judging.clone(), progress: jobs == 1 };
    let job = serde_json::to_string(&job)?;
    let next = Mutex::new(0..files.len());
    let (answers, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (answers, next, job, judging) = (answers.clone(), &next, &job, &judging);
            scope.spawn(move || {
                loop {
                    let taken = next.lock().ok().and_then(|mut next| next.next());
                    let Some(position) = taken else { break };
                    let answer = one(judging, job, &files[position]);
                    if answers.send((position, answer)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(answers);
        let mut waiting = std::collections::BTreeMap::new();
        let mut due = 0;
        for (position, answer) in results {
            waiting.insert(position, answer);
            while let Some(answer) = waiting.remove(&due) {
                then(answer);
                due += 1;
            }
        }
    });
    Ok(())
}

fn one(judging: &Judging, job: &str, file: &OsString) -> anyhow::Result<Answer> {
    let mut command = Command::new(std::env::current_exe().context("schism's own path")?);
    command.args(["judge", "--", job]).arg(file);
    // A file may be /dev/stdin.
    command.stdin(Stdio::inherit()).stdout(Stdio::piped());
    let parent = nix::unistd::getpid();
    // SAFETY: prctl and getppid are async-signal-safe.
    #[allow(unsafe_code, reason = "a worker must not outlive whoever waits for it")]
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            if nix::unistd::getppid() == parent { Ok(()) } else { Err(nix::Error::ESRCH.into()) }
        });
    }
    let begun = Instant::now();
    let mut child = command.spawn().context("cannot start a process of its own")?;
    let mut stdout = child.stdout.take().context("no output")?;
    let output = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let bounds = Bounds { time: judging.time_limit, memory: judging.memory_limit };
    let (status, ended_for, peak_bytes) = wait(&mut child, bounds, begun)?;
    let cost = Cost { time: begun.elapsed(), peak_bytes };
    let text = output.join().ok().and_then(Result::ok).unwrap_or_default();
    let (name, model) = (file.to_string_lossy(), judging.model.as_deref().unwrap_or_default());
    if let Some(limit) = ended_for {
        let why = format!("{limit} was exceeded, so the judge was ended");
        return Ok(Answer::unknown(&name, model, why, cost));
    }
    match serde_json::from_str(&text) {
        Ok(answer) if status.success() => Ok(answer),
        _ => Ok(Answer::unknown(&name, model, died(status), cost)),
    }
}

/// Waits for the process, and ends it if it breaks its bounds. How it ended, for which limit, and
/// the most memory that was seen.
fn wait(
    child: &mut Child,
    bounds: Bounds,
    begun: Instant,
) -> anyhow::Result<(ExitStatus, Option<String>, u64)> {
    let id = child.id().to_string();
    let mut peak = 0;
    let mut pause = std::time::Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, None, peak));
        }
        let resident = watch::resident(&id);
        peak = peak.max(resident);
        if let Some(limit) = bounds.are_broken(begun.elapsed(), resident) {
            child.kill()?;
            return Ok((child.wait()?, Some(limit), peak));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(watch::TICK);
    }
}

fn died(status: ExitStatus) -> String {
    match status.signal() {
        Some(9) => "the judge was killed by somebody else, such as the kernel for want of memory; \
                    try a --memory-limit"
            .to_owned(),
        Some(signal) => format!("the judge died of signal {signal}: please report this history"),
        None => format!("the judge failed ({status}): please report this history"),
    }
}
