//! The types that openraft is instantiated with.

use openraft::BasicNode;
use schism_core::api::Payload;
use schism_core::wire::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

openraft::declare_raft_types!(
    /// A command in the log, a response from applying it, and snapshots as JSON text.
    pub(crate) Types:
        D = Command,
        R = Response,
        SnapshotData = String,
);

pub(crate) type Raft = openraft::Raft<Types>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, BasicNode>;
pub(crate) type StorageError = openraft::StorageError<u64>;

/// What the log holds: a call as a client made it, so that a log can be read with the eye.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) api: String,
    #[serde(flatten)]
    pub(crate) payload: Payload,
    #[serde(skip)]
    appended: Option<Arc<AtomicBool>>,
}

/// Tells the one who proposed a command whether it ever reached this node's log.
///
/// openraft answers `ForwardToLeader` both when it refuses a proposal and when it truncates the
/// entry of one that it had accepted. The first is certain not to happen. The second is not: a copy
/// on another node may still be committed by a later leader. The store makes the difference
/// visible.
#[derive(Clone, Debug)]
pub(crate) struct Appended(Arc<AtomicBool>);

impl Command {
    pub(crate) fn new(api: &str, payload: &Payload) -> (Self, Appended) {
        let flag = Arc::new(AtomicBool::new(false));
        let (api, payload) = (api.to_owned(), payload.clone());
        (Self { api, payload, appended: Some(flag.clone()) }, Appended(flag))
    }

    /// Called by the store before it begins to write.
    pub(crate) fn mark_appended(&self) {
        if let Some(flag) = &self.appended {
            flag.store(true, Ordering::Release);
        }
    }
}

impl Appended {
    /// True if the command may have reached this node's log.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
