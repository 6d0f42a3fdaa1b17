//! Writes the history while it happens, on a thread of its own.
//!
//! The scheduler collects events in a batch and hands it over when it is full, or when there is
//! nothing else to do; the writer turns them into lines and gives them to the kernel at once, so
//! that killing the controller loses at most the batch in hand. Once a second it asks the disk to
//! keep them, too. The queue is bounded: if the disk can't follow, the scheduler waits, and memory
//! doesn't grow.

#![allow(clippy::disallowed_methods, reason = "the interval of fsync is real time")]

use anyhow::Context as _;
use schism_core::api::Api;
use schism_core::event::Event;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const BATCH: usize = 1024;
const QUEUE: usize = 16;
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Where events go. Dropped without [`LogSink::close`], it still writes what it was given.
pub struct LogSink<A: Api> {
    batch: Vec<Event<A>>,
    next_index: u64,
    queue: Option<SyncSender<Vec<Event<A>>>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

impl<A: Api> LogSink<A> {
    /// Creates the file; it must not exist yet.
    ///
    /// # Errors
    /// If the file can't be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        let (queue, events) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || write_all(file, &events))?;
        Ok(Self {
            batch: Vec::with_capacity(BATCH),
            next_index: 0,
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    /// The index that the next event has to have.
    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    /// Takes an event.
    ///
    /// # Errors
    /// If the file can't be written any more.
    pub fn push(&mut self, event: Event<A>) -> anyhow::Result<()> {
        self.next_index = event.index + 1;
        self.batch.push(event);
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Hands over what has been collected.
    ///
    /// # Errors
    /// If the file can't be written any more.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if self.queue.as_ref().is_some_and(|queue| queue.send(batch).is_ok()) {
            return Ok(());
        }
        self.join().context("cannot write history.jsonl")
    }

    /// Writes everything and waits until the disk has it.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn close(mut self) -> anyhow::Result<()> {
        self.flush()?;
        self.join().context("cannot write history.jsonl")
    }

    fn join(&mut self) -> anyhow::Result<()> {
        self.queue = None;
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(result)) => Ok(result?),
            Some(Err(_)) => anyhow::bail!("the writer failed"),
            None => anyhow::bail!("the writer has ended"),
        }
    }
}

impl<A: Api> Drop for LogSink<A> {
    fn drop(&mut self) {
        if self.queue.is_some() && self.flush().is_ok() {
            // Whoever drops a sink without closing it is on the way out with an error already.
            let _ = self.join();
        }
    }
}

fn write_all<A: Api>(mut file: File, events: &Receiver<Vec<Event<A>>>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(BATCH * 128);
    let mut synced = Instant::now();
    while let Ok(batch) = events.recv() {
        bytes.clear();
        for event in &batch {
            event.write_line(&mut bytes);
        }
        file.write_all(&bytes)?;
        if synced.elapsed() >= SYNC_INTERVAL {
            file.sync_data()?;
            synced = Instant::now();
        }
    }
    file.sync_data()
}
