//! Says that enough is enough when a judgement takes long: then the model has to answer soon, or
//! the fuzzer calls it a hang.

#![allow(clippy::disallowed_methods, reason = "limits are in real time")]

use schism_core::limits::Limits;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a judgement may take.
const ENOUGH: Duration = Duration::from_secs(1);

static WATCHED: LazyLock<Mutex<Option<(Instant, Limits)>>> = LazyLock::new(|| {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(ENOUGH / 4);
            if let Some((until, limits)) = &*lock()
                && Instant::now() >= *until
            {
                limits.stop("the time of a fuzzer's case");
            }
        }
    });
    Mutex::new(None)
});

fn lock() -> MutexGuard<'static, Option<(Instant, Limits)>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the watch.
pub(crate) struct Watched;

impl Drop for Watched {
    fn drop(&mut self) {
        *lock() = None;
    }
}

/// Watches until the result is dropped.
pub(crate) fn watch(limits: &Limits) -> Watched {
    *lock() = Some((Instant::now() + ENOUGH, limits.clone()));
    Watched
}
