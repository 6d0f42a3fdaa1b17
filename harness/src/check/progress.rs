//! How far a judgement is, for a person who waits: drawn after a second, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nothing is drawn before.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is being done, and how far it is.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    read: AtomicU64,
    operations: AtomicU64,
}

impl Progress {
    /// For a file of so many bytes; never drawn unless `wanted`, and on a terminal.
    pub(super) fn new(bytes: u64, wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        if wanted && std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        }
        bar.set_style(style("{msg} {bar:30} {bytes}/{total_bytes}, {eta} left"));
        bar.set_message("reading");
        Self { bar, read: AtomicU64::new(0), operations: AtomicU64::new(0) }
    }

    /// Everything is read: now it is judged.
    pub(super) fn judging(&self, operations: usize) {
        self.operations.store(operations as u64, Ordering::Relaxed);
    }

    /// Draws how far it is.
    pub(super) fn draw(&self, since: Duration) {
        if since < PATIENCE || self.bar.is_hidden() {
            return;
        }
        let operations = self.operations.load(Ordering::Relaxed);
        if operations > 0 {
            self.bar.set_style(style("{msg}"));
            self.bar.set_message(format!(
                "judging {operations} operations, {}",
                humantime::format_duration(Duration::from_secs(since.as_secs()))
            ));
        }
        self.bar.set_position(self.read.load(Ordering::Relaxed));
    }

    /// Leaves nothing on the screen.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A reader whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted<R> {
    pub(super) reader: R,
    pub(super) progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.progress.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
