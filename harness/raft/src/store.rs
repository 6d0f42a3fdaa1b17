//! What a node keeps on disk: its log with its vote, and a snapshot of its state.
//!
//! ```text
//! <data>/log        frames of records; each frame is synced before anybody is told of it
//! <data>/snapshot   one frame; replaced by renaming
//! <data>/committed  how far the log was known to be committed; a hint, never synced
//! ```
//!
//! The state itself lives in memory, and is made again at start from the snapshot and the log up to
//! the commit hint. Without the hint it would come back as old as the snapshot, until a leader says
//! what is committed: correct, but a node that is asked what *it* has delivered would seem to
//! forget.

pub(crate) mod files;
pub(crate) mod log;
pub(crate) mod machine;

use crate::trace::Trace;
use anyhow::{Context as _, ensure};
use log::LogStore;
use machine::{MachineStore, SavedUpTo};
use std::path::Path;

/// Opens, or creates, what a node keeps below `data`.
pub(crate) fn open(data: &Path, trace: Trace) -> anyhow::Result<(LogStore, MachineStore)> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    let saved = SavedUpTo::default();
    let machine = MachineStore::open(data, saved.clone(), trace)?;
    let log = LogStore::open(data, saved, trace)?;
    let (purged, snapshot) = (log.purged(), machine.applied());
    // Entries are dropped only when a snapshot holds what they did. If it doesn't, they are lost,
    // and a node that started without them would forget what it had acknowledged.
    ensure!(
        purged.map(|id| id.index) <= snapshot.map(|id| id.index),
        "{} begins after entry {}, but the snapshot beside it ends at {}",
        data.join("log").display(),
        purged.map_or(0, |id| id.index),
        snapshot.map_or("nothing".to_owned(), |id| id.index.to_string()),
    );
    Ok((log, machine))
}

#[cfg(test)]
mod tests;
