//! The log: entries and votes in one append-only file, all of it in memory as well.
//!
//! One frame a write, synced before openraft is told, and before the next is written. Purging
//! rewrites the file with what is left, so it stays as short as the snapshot policy allows.
//!
//! Truncations and purges are not written at once, but in front of the next frame or with the next
//! rewriting. Nothing is promised to anybody between, and it closes two gaps. openraft purges
//! before the snapshot that replaces the entries is on disk. And for a snapshot that conflicts with
//! the log it truncates everything that isn't known to be committed, also entries that this node
//! acknowledged and that a quorum may count on. A crash at that moment must leave the old entries
//! where they were; it does, since the next frame is written only after the snapshot is installed.

use super::files;
use super::machine::SavedUpTo;
use crate::frame;
use crate::trace::Trace;
use crate::types::{Entry, LogId, StorageError, Types, Vote};
use anyhow::{Context as _, bail, ensure};
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{CommittedLeaderId, EntryPayload, OptionalSend, RaftLogReader, StorageIOError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::RangeBounds;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the log file says, in order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    Vote(Vote),
    Entry(Entry),
    /// The entries from this index on are no more.
    Truncate(u64),
    /// The entries up to this one are in a snapshot.
    Purge(LogId),
}

/// The log of one node; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct LogStore {
    memory: Arc<Mutex<Memory>>,
    disk: Arc<tokio::sync::Mutex<Disk>>,
    commit_hint: Arc<File>,
    saved: SavedUpTo,
}

/// The log as it stands.
#[derive(Debug, Default)]
struct Memory {
    entries: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
    vote: Option<Vote>,
    committed: Option<LogId>,
}

#[derive(Debug)]
struct Disk {
    path: PathBuf,
    file: Arc<File>,
    /// To be written in front of the next frame.
    pending: Vec<Record>,
}

impl LogStore {
    /// Reads the log, and drops a torn tail.
    pub(crate) fn open(data: &Path, saved: SavedUpTo, trace: Trace) -> anyhow::Result<Self> {
        let path = data.join("log");
        let name = path.display().to_string();
        let (file, mut memory) = match files::read(&path).with_context(|| name.clone())? {
            None => (files::replace(&path, &[]).with_context(|| name.clone())?, Memory::default()),
            Some(bytes) => {
                let scan = frame::scan(&bytes).with_context(|| name.clone())?;
                let memory = Memory::replay(&scan.payloads).with_context(|| name.clone())?;
                let file = File::options().append(true).open(&path)?;
                if scan.good < bytes.len() {
                    let torn = bytes.len() - scan.good;
                    trace.say(format_args!("log: dropped a torn tail of {torn} bytes"));
                    file.set_len(scan.good as u64)?;
                    file.sync_all()?;
                }
                (file, memory)
            }
        };
        // openraft lets a restarted leader go on in its old term. But what it had committed, it
        // knows only up to the hint, and would serve reads as old as that; a server that starts as
        // a follower, as in the paper, has no such gap. Whom it voted for stays.
        if let Some(vote) = &mut memory.vote {
            vote.committed = false;
        }
        let hint = data.join("committed");
        memory.committed = decode_hint(&files::read(&hint)?.unwrap_or_default())
            .filter(|id| memory.entries.get(&id.index).is_some_and(|entry| entry.log_id == *id));
        let commit_hint = File::options().create(true).write(true).truncate(false).open(&hint)?;
        Ok(Self {
            memory: Arc::new(Mutex::new(memory)),
            disk: Arc::new(tokio::sync::Mutex::new(Disk {
                path,
                file: Arc::new(file),
                pending: Vec::new(),
            })),
            commit_hint: Arc::new(commit_hint),
            saved,
        })
    }

    /// The last entry that only a snapshot holds.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.memory().purged
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.memory().last()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one frame, and returns once it is on disk.
    async fn write(&self, records: Vec<Record>) -> io::Result<()> {
        let mut disk = self.disk.lock().await;
        let mut all = std::mem::take(&mut disk.pending);
        all.extend(records);
        let mut bytes = Vec::new();
        frame::encode(&serde_json::to_vec(&all)?, &mut bytes)?;
        let file = disk.file.clone();
        files::aside(move || {
            (&*file).write_all(&bytes)?;
            file.sync_data()
        })
        .await
    }

    /// Rewrites the file with what is left of the log.
    async fn compact(&self) -> io::Result<()> {
        let mut disk = self.disk.lock().await;
        let bytes = self.memory().encode()?;
        let path = disk.path.clone();
        disk.file = Arc::new(files::aside(move || files::replace(&path, &bytes)).await?);
        disk.pending.clear();
        Ok(())
    }
}

impl Memory {
    fn replay(payloads: &[&[u8]]) -> anyhow::Result<Self> {
        let mut memory = Self::default();
        for (number, payload) in (1..).zip(payloads) {
            let records: Vec<Record> = serde_json::from_slice(payload)
                .with_context(|| format!("frame {number} is not a list of records"))?;
            for record in records {
                memory.take(record).with_context(|| format!("frame {number}"))?;
            }
        }
        Ok(memory)
    }

    fn take(&mut self, record: Record) -> anyhow::Result<()> {
        match record {
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Truncate(since) => self.truncate(since),
            Record::Purge(upto) => self.purge(upto),
            Record::Entry(entry) => {
                let index = entry.log_id.index;
                let expected = self.last().map_or(0, |id| id.index + 1);
                ensure!(index == expected, "entry {index} where {expected} was expected");
                if matches!(self.last(), Some(last) if last.leader_id > entry.log_id.leader_id) {
                    bail!("entry {index} is of an earlier term than the one before it");
                }
                self.entries.insert(index, entry);
            }
        }
        Ok(())
    }

    fn truncate(&mut self, since: u64) {
        self.entries.split_off(&since);
    }

    fn purge(&mut self, upto: LogId) {
        self.entries = self.entries.split_off(&(upto.index + 1));
        self.purged = self.purged.max(Some(upto));
    }

    fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }

    /// The frames of a file that says what is in memory.
    fn encode(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut head = Vec::new();
        head.extend(self.vote.map(Record::Vote));
        head.extend(self.purged.map(Record::Purge));
        frame::encode(&serde_json::to_vec(&head)?, &mut bytes)?;
        let entries: Vec<Record> = self.entries.values().cloned().map(Record::Entry).collect();
        for some in entries.chunks(1_000) {
            frame::encode(&serde_json::to_vec(some)?, &mut bytes)?;
        }
        Ok(bytes)
    }
}

/// The hint is overwritten in place, so it has a checksum of its own; a broken one is no hint.
fn encode_hint(id: LogId) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&id.leader_id.term.to_le_bytes());
    bytes[8..16].copy_from_slice(&id.index.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..16]).to_le_bytes();
    bytes[16..].copy_from_slice(&sum);
    bytes
}

fn decode_hint(bytes: &[u8]) -> Option<LogId> {
    let bytes: &[u8; 20] = bytes.try_into().ok()?;
    let word = |from: usize| bytes[from..from + 8].try_into().map(u64::from_le_bytes).ok();
    let id = LogId::new(CommittedLeaderId::new(word(0)?, 0), word(8)?);
    (encode_hint(id) == *bytes).then_some(id)
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.memory().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let memory = self.memory();
        Ok(LogState { last_purged_log_id: memory.purged, last_log_id: memory.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.memory().vote = Some(*vote);
        self.write(vec![Record::Vote(*vote)]).await.map_err(|e| StorageIOError::write_vote(&e))?;
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.memory().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.memory().committed = committed;
        if let Some(id) = committed {
            self.commit_hint
                .write_all_at(&encode_hint(id), 0)
                .map_err(|e| StorageIOError::write(&e))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.memory().committed)
    }

    async fn append<I>(&mut self, entries: I, done: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut records = Vec::new();
        {
            let mut memory = self.memory();
            for entry in entries {
                if let EntryPayload::Normal(command) = &entry.payload {
                    command.mark_appended();
                }
                memory.entries.insert(entry.log_id.index, entry.clone());
                records.push(Record::Entry(entry));
            }
        }
        self.write(records).await.map_err(|e| StorageIOError::write_logs(&e))?;
        done.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        self.memory().truncate(from.index);
        self.disk.lock().await.pending.push(Record::Truncate(from.index));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        self.memory().purge(upto);
        self.disk.lock().await.pending.push(Record::Purge(upto));
        if self.saved.covers(upto) {
            self.compact().await.map_err(|e| StorageIOError::write_logs(&e))?;
        }
        Ok(())
    }
}
