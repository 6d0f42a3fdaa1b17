//! The state machine: applies committed entries, and saves snapshots of what they made.

use super::files;
use crate::frame;
use crate::state::State;
use crate::trace::Trace;
use crate::types::{Entry, LogId, SnapshotMeta, StorageError, StoredMembership, Types};
use anyhow::{Context as _, ensure};
use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use schism_core::wire::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How far the snapshot on disk reaches: the log asks before it drops entries from its file.
#[derive(Clone, Debug, Default)]
pub(crate) struct SavedUpTo(Arc<AtomicU64>);

impl SavedUpTo {
    /// True if the entry is in the snapshot on disk.
    pub(crate) fn covers(&self, id: LogId) -> bool {
        id.index < self.0.load(Ordering::Acquire)
    }

    fn set(&self, last: Option<LogId>) {
        self.0.store(last.map_or(0, |id| id.index + 1), Ordering::Release);
    }
}

/// What the applied entries have made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    applied: Option<LogId>,
    membership: StoredMembership,
    state: State,
}

impl Machine {
    pub(crate) fn state(&self) -> &State {
        &self.state
    }
}

/// The state machine of one node; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MachineStore {
    machine: Arc<RwLock<Machine>>,
    snapshots: Arc<Snapshots>,
    trace: Trace,
}

/// The snapshot on disk, and the same in memory.
#[derive(Debug)]
struct Snapshots {
    path: PathBuf,
    current: tokio::sync::Mutex<Option<Stored>>,
    saved: SavedUpTo,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    meta: SnapshotMeta,
    /// The state's JSON form, as text.
    state: String,
}

impl From<Stored> for Snapshot<Types> {
    fn from(stored: Stored) -> Self {
        Self { meta: stored.meta, snapshot: Box::new(stored.state) }
    }
}

impl MachineStore {
    /// Reads the snapshot, if there is one.
    pub(crate) fn open(data: &Path, saved: SavedUpTo, trace: Trace) -> anyhow::Result<Self> {
        let path = data.join("snapshot");
        let stored = match files::read(&path).with_context(|| path.display().to_string())? {
            None => None,
            Some(bytes) => Some(decode(&bytes).with_context(|| path.display().to_string())?),
        };
        let mut machine = Machine::default();
        if let Some(Stored { meta, state }) = &stored {
            machine = restored(meta, state).with_context(|| path.display().to_string())?;
        }
        saved.set(machine.applied);
        let current = tokio::sync::Mutex::new(stored);
        Ok(Self {
            machine: Arc::new(RwLock::new(machine)),
            snapshots: Arc::new(Snapshots { path, current, saved }),
            trace,
        })
    }

    /// The state as it is now.
    pub(crate) fn machine(&self) -> RwLockReadGuard<'_, Machine> {
        self.machine.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last entry that was applied.
    pub(crate) fn applied(&self) -> Option<LogId> {
        self.machine().applied
    }

    fn machine_mut(&self) -> RwLockWriteGuard<'_, Machine> {
        self.machine.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decode(bytes: &[u8]) -> anyhow::Result<Stored> {
    let scan = frame::scan(bytes)?;
    // It was synced before it got its name, so nothing about it can be torn.
    ensure!(scan.good == bytes.len() && scan.payloads.len() == 1, "not one whole frame");
    Ok(serde_json::from_slice(scan.payloads[0])?)
}

fn restored(meta: &SnapshotMeta, state: &str) -> serde_json::Result<Machine> {
    Ok(Machine {
        applied: meta.last_log_id,
        membership: meta.last_membership.clone(),
        state: serde_json::from_str(state)?,
    })
}

impl Snapshots {
    /// Saves a snapshot unless a newer one is there: one that is being built must not replace one
    /// that was installed meanwhile, since the log has been purged up to the latter.
    async fn save(&self, stored: &Stored) -> io::Result<()> {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|old| old.meta.last_log_id > stored.meta.last_log_id) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        frame::encode(&serde_json::to_vec(stored)?, &mut bytes)?;
        let path = self.path.clone();
        files::aside(move || files::replace(&path, &bytes)).await?;
        self.saved.set(stored.meta.last_log_id);
        *current = Some(stored.clone());
        Ok(())
    }
}

/// Holds the state as it was when it was made.
pub(crate) struct Builder {
    machine: Machine,
    snapshots: Arc<Snapshots>,
    trace: Trace,
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let Machine { applied, membership, state } = &self.machine;
        let stored = Stored {
            meta: SnapshotMeta {
                last_log_id: *applied,
                last_membership: membership.clone(),
                snapshot_id: applied.map_or_else(String::new, |id| id.to_string()),
            },
            state: serde_json::to_string(state)
                .map_err(|e| StorageIOError::read_state_machine(&e))?,
        };
        self.snapshots.save(&stored).await.map_err(|e| StorageIOError::write_snapshot(None, &e))?;
        self.trace.say(format_args!(
            "snapshot of everything up to entry {}, {} bytes",
            applied.map_or(0, |id| id.index),
            stored.state.len()
        ));
        Ok(stored.into())
    }
}

impl RaftStateMachine<Types> for MachineStore {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let machine = self.machine();
        Ok((machine.applied, machine.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Response>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut machine = self.machine_mut();
        let mut apply = |entry: Entry| {
            machine.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => Response::Ok { value: Value::Null },
                EntryPayload::Normal(command) => {
                    machine.state.apply(&command.api, &command.payload)
                }
                EntryPayload::Membership(membership) => {
                    machine.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Response::Ok { value: Value::Null }
                }
            }
        };
        Ok(entries.into_iter().map(&mut apply).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let machine = self.machine().clone();
        Builder { machine, snapshots: self.snapshots.clone(), trace: self.trace }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<String>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<String>,
    ) -> Result<(), StorageError> {
        let signature = || Some(meta.signature());
        let machine = restored(meta, &snapshot)
            .map_err(|e| StorageIOError::read_snapshot(signature(), &e))?;
        let stored = Stored { meta: meta.clone(), state: *snapshot };
        let saved = self.snapshots.save(&stored).await;
        saved.map_err(|e| StorageIOError::write_snapshot(signature(), &e))?;
        *self.machine_mut() = machine;
        self.trace.say(format_args!(
            "took over a snapshot of everything up to entry {}",
            meta.last_log_id.map_or(0, |id| id.index)
        ));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        Ok(self.snapshots.current.lock().await.clone().map(Into::into))
    }
}
