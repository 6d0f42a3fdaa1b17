//! The store against openraft's own suite, and against crashes.

use super::log::LogStore;
use super::machine::MachineStore;
use crate::trace::Trace;
use crate::types::{Command, Entry, StorageError, Types, Vote};
use openraft::entry::FromAppData as _;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt as _, RaftStateMachine};
use openraft::testing::{StoreBuilder, Suite, log_id};
use openraft::{RaftLogReader as _, RaftSnapshotBuilder as _, StorageIOError};
use schism_core::api::Payload;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

struct Fresh;

impl StoreBuilder<Types, LogStore, MachineStore, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, LogStore, MachineStore), StorageError> {
        let data = tempfile::tempdir().map_err(|e| StorageIOError::write(&e))?;
        let (log, machine) = super::open(data.path(), Trace::new())
            .map_err(|e| StorageIOError::read(&std::io::Error::other(e)))?;
        Ok((data, log, machine))
    }
}

#[test]
fn passes_the_suite_that_openraft_has_for_stores() {
    Suite::test_all(Fresh).unwrap();
}

/// A message, as the entry of a term.
fn entry(term: u64, index: u64) -> Entry {
    let payload = Payload::unkeyed("broadcast", index.into());
    let mut entry = Entry::from_app_data(Command::new("log", &payload).0);
    entry.log_id = log_id(term, 0, index);
    entry
}

fn open(data: &Path) -> (LogStore, MachineStore) {
    super::open(data, Trace::new()).unwrap()
}

async fn ids(log: &mut LogStore) -> Vec<(u64, u64)> {
    let entries = log.try_get_log_entries(0..).await.unwrap();
    entries.iter().map(|entry| (entry.log_id.leader_id.term, entry.log_id.index)).collect()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let (mut log, _) = open(data.path());
    log.save_vote(&Vote::new_committed(3, 1)).await.unwrap();
    log.blocking_append([entry(1, 0), entry(1, 1), entry(1, 2)]).await.unwrap();
    log.truncate(log_id(1, 0, 1)).await.unwrap();
    log.blocking_append([entry(2, 1), entry(3, 2)]).await.unwrap();
    log.save_committed(Some(log_id(2, 0, 1))).await.unwrap();

    let (mut log, _) = open(data.path());
    assert_eq!(ids(&mut log).await, [(1, 0), (2, 1), (3, 2)]);
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(2, 0, 1)));
    // The vote binds, but a leader comes back as a follower.
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
}

#[tokio::test]
async fn a_torn_tail_is_dropped_wherever_it_tears_and_the_log_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("log");
    let (mut log, _) = open(data.path());
    log.blocking_append([entry(1, 0)]).await.unwrap();
    let one = fs::read(&path).unwrap().len();
    log.blocking_append([entry(1, 1), entry(1, 2)]).await.unwrap();
    drop(log);
    let whole = fs::read(&path).unwrap();
    for cut in one..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut log, _) = open(data.path());
        assert_eq!(ids(&mut log).await, [(1, 0)], "cut at {cut}");
        assert_eq!(fs::read(&path).unwrap().len(), one, "cut at {cut}");
    }
    let (mut log, _) = open(data.path());
    log.blocking_append([entry(2, 1)]).await.unwrap();
    assert_eq!(ids(&mut open(data.path()).0).await, [(1, 0), (2, 1)]);
}

#[tokio::test]
async fn corruption_in_the_middle_is_an_error_that_names_the_place() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("log");
    let (mut log, _) = open(data.path());
    log.blocking_append([entry(1, 0)]).await.unwrap();
    log.blocking_append([entry(1, 1)]).await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = format!("{:#}", super::open(data.path(), Trace::new()).unwrap_err());
    assert!(error.contains("log: corrupt at byte 0"), "{error}");
}

#[tokio::test]
async fn a_lost_or_damaged_commit_hint_costs_nothing() {
    for damage in [&b""[..], b"short", &[7; 20]] {
        let data = tempfile::tempdir().unwrap();
        let (mut log, _) = open(data.path());
        log.blocking_append([entry(1, 0)]).await.unwrap();
        log.save_committed(Some(log_id(1, 0, 0))).await.unwrap();
        fs::write(data.path().join("committed"), damage).unwrap();
        let (mut log, _) = open(data.path());
        assert_eq!(log.read_committed().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_snapshot_replaces_the_entries_in_it_and_the_file_shrinks() {
    let data = tempfile::tempdir().unwrap();
    let (mut log, mut machine) = open(data.path());
    let entries: Vec<Entry> = (0..200).map(|index| entry(1, index)).collect();
    log.save_vote(&Vote::new(1, 0)).await.unwrap();
    log.blocking_append(entries.clone()).await.unwrap();
    machine.apply(entries[..150].to_vec()).await.unwrap();
    machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    let before = fs::metadata(data.path().join("log")).unwrap().len();
    log.purge(log_id(1, 0, 140)).await.unwrap();
    let after = fs::metadata(data.path().join("log")).unwrap().len();
    assert!(after < before / 2, "{before} to {after}");

    log.blocking_append([entry(1, 200)]).await.unwrap();
    let (mut log, mut restored) = open(data.path());
    let expected: Vec<(u64, u64)> = (141..=200).map(|index| (1, index)).collect();
    assert_eq!(ids(&mut log).await, expected);
    assert_eq!(log.purged(), Some(log_id(1, 0, 140)));
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(1, 0)));
    assert_eq!(restored.applied_state().await.unwrap().0, Some(log_id(1, 0, 149)));
    assert_eq!(restored.machine().state(), machine.machine().state());
}

/// openraft purges, and truncates, before a snapshot that it installs is on disk.
#[tokio::test]
async fn a_crash_before_the_snapshot_is_installed_leaves_the_entries() {
    let data = tempfile::tempdir().unwrap();
    let (mut log, _) = open(data.path());
    log.blocking_append([entry(1, 0), entry(1, 1), entry(1, 2)]).await.unwrap();
    log.truncate(log_id(1, 0, 1)).await.unwrap();
    log.purge(log_id(2, 0, 9)).await.unwrap();
    assert_eq!(ids(&mut log).await, []);
    assert_eq!(ids(&mut open(data.path()).0).await, [(1, 0), (1, 1), (1, 2)]);
}

#[tokio::test]
async fn a_log_whose_snapshot_is_missing_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let (mut log, mut machine) = open(data.path());
    log.blocking_append([entry(1, 0), entry(1, 1)]).await.unwrap();
    machine.apply([entry(1, 0), entry(1, 1)]).await.unwrap();
    machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    log.purge(log_id(1, 0, 1)).await.unwrap();
    fs::remove_file(data.path().join("snapshot")).unwrap();
    let error = format!("{:#}", super::open(data.path(), Trace::new()).unwrap_err());
    assert!(error.contains("begins after entry 1, but the snapshot beside it ends at nothing"));
}

#[tokio::test]
async fn an_older_snapshot_never_replaces_a_newer_one() {
    let data = tempfile::tempdir().unwrap();
    let (_, mut machine) = open(data.path());
    machine.apply([entry(1, 0)]).await.unwrap();
    let mut late = machine.get_snapshot_builder().await;
    machine.apply([entry(1, 1)]).await.unwrap();
    machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    late.build_snapshot().await.unwrap();
    let (_, mut machine) = open(data.path());
    assert_eq!(machine.applied_state().await.unwrap().0, Some(log_id(1, 0, 1)));
}

#[tokio::test]
async fn a_command_knows_whether_it_reached_the_log() {
    let data = tempfile::tempdir().unwrap();
    let (mut log, _) = open(data.path());
    let (command, appended) = Command::new("log", &Payload::unkeyed("broadcast", 1.into()));
    let mut entry = Entry::from_app_data(command);
    entry.log_id = log_id(1, 0, 0);
    assert!(!appended.is_set());
    log.blocking_append([entry]).await.unwrap();
    assert!(appended.is_set());
}
