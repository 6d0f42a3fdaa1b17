//! Looks at the clock and at the memory in use while a judge works, and says when enough is enough.
//!
//! A judge is asked to stop when a limit is reached; then it still says what it has decided. One
//! that does not stop soon after is ended by whoever started its process ([`Bounds::are_broken`]),
//! so that a limit is never exceeded by more than a tenth.

#![allow(clippy::disallowed_methods, reason = "limits are in real time")]

use super::progress::Progress;
use schism_core::limits::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often to look.
pub(super) const TICK: Duration = Duration::from_millis(4);
/// Beyond a limit by this share, a process is ended.
const BROKEN: f64 = 0.07;
/// The judge is asked to stop when this share of the memory is used: it can't stop at once.
const ASKED: f64 = 0.97;

/// What a judgement may cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) time: Option<Duration>,
    pub(super) memory: Option<u64>,
}

impl Bounds {
    /// The limit that is reached, in words.
    fn reached(self, time: Duration, memory: u64) -> Option<String> {
        match self {
            Self { time: Some(limit), .. } if time >= limit => Some(time_limit(limit)),
            Self { memory: Some(limit), .. } if memory as f64 >= limit as f64 * ASKED => {
                Some(memory_limit(limit))
            }
            _ => None,
        }
    }

    /// The limit that is exceeded by so much that the process has to be ended, in words.
    pub(super) fn are_broken(self, time: Duration, memory: u64) -> Option<String> {
        match self {
            Self { time: Some(limit), .. } if time > limit.mul_f64(1.0 + BROKEN) => {
                Some(time_limit(limit))
            }
            Self { memory: Some(limit), .. } if memory as f64 > limit as f64 * (1.0 + BROKEN) => {
                Some(memory_limit(limit))
            }
            _ => None,
        }
    }
}

fn time_limit(limit: Duration) -> String {
    format!("the time limit of {}", humantime::format_duration(limit))
}

fn memory_limit(limit: u64) -> String {
    format!("the memory limit of {}", bytesize::ByteSize(limit))
}

/// Looks until it is dropped.
pub(super) struct Watch {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look: stops `limits` at the bounds and draws the progress.
    pub(super) fn begin(bounds: Bounds, limits: Limits, progress: Arc<Progress>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let (begun, over) = (Instant::now(), done.clone());
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if let Some(limit) = bounds.reached(begun.elapsed(), resident("self")) {
                    limits.stop(limit);
                }
                progress.draw(begun.elapsed());
                std::thread::sleep(TICK);
            }
            progress.clear();
        });
        Self { done, thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A progress bar that failed has nothing to say.
            let _failed = thread.join();
        }
    }
}

/// The resident memory of a process, in bytes; 0 if there is no such process.
pub(super) fn resident(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * page_bytes()
}

fn page_bytes() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    size.ok().flatten().and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

/// The most memory that was resident in this process, in bytes.
pub(super) fn peak() -> u64 {
    field("/proc/self/status", "VmHWM:")
}

/// The memory that could be had now, in bytes.
pub(super) fn available() -> u64 {
    field("/proc/meminfo", "MemAvailable:")
}

/// A line such as `VmHWM:     1234 kB`, in bytes.
fn field(path: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_reached_then_broken() {
        let bounds = Bounds { time: Some(Duration::from_secs(10)), memory: Some(1_000) };
        let secs = Duration::from_secs_f64;
        assert_eq!(bounds.reached(secs(9.9), 900), None);
        assert_eq!(bounds.reached(secs(10.0), 0).unwrap(), "the time limit of 10s");
        assert!(bounds.reached(secs(1.0), 980).unwrap().contains("memory limit"));
        assert_eq!(bounds.are_broken(secs(10.5), 1_050), None);
        assert!(bounds.are_broken(secs(10.8), 0).is_some());
        assert!(bounds.are_broken(secs(0.0), 1_080).is_some());
        assert_eq!(Bounds::default().reached(secs(1e6), u64::MAX), None);
    }

    #[test]
    fn the_kernel_says_what_is_resident() {
        assert!(resident("self") > 100_000);
        assert!(peak() >= resident("self") / 2);
        assert!(available() > 0);
        assert_eq!(resident("no-such-process"), 0);
    }
}
