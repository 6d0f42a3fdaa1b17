//! What nodes say to each other, and openraft's way of saying it.
//!
//! Bodies are JSON. openraft gives each RPC its time and drops what takes longer; an RPC that could
//! not even be sent is reported as unreachable, which makes openraft wait a heartbeat before the
//! next try instead of trying at once.

use crate::link::{Link, LinkError};
use crate::types::{LogId, SnapshotMeta, Types, Vote};
use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, Snapshot};
use schism_core::wire::{Request, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Snapshots are megabytes at most; a follower that needs longer is as good as gone.
const SNAPSHOT: Duration = Duration::from_secs(5);

/// A question to a peer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PeerRequest {
    Append {
        rpc: AppendEntriesRequest<Types>,
        /// The leader hears from a quorum; a follower says so when it is asked whether it is ready.
        quorum: bool,
    },
    Vote(VoteRequest<u64>),
    Snapshot {
        vote: Vote,
        meta: SnapshotMeta,
        state: String,
    },
    /// Would you vote for a log that ends here?
    PreVote(Option<LogId>),
    /// A client's call, for the leader.
    Call(Request),
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PeerResponse {
    Append(AppendEntriesResponse<u64>),
    Vote(VoteResponse<u64>),
    Snapshot(SnapshotResponse<u64>),
    PreVote(bool),
    Call(Response),
    /// The peer could not do it.
    Failed(String),
}

/// The links to all peers, made when they are needed.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    by_addr: Arc<Mutex<BTreeMap<SocketAddr, Link>>>,
    patience: Duration,
    backoff: Duration,
    quorum: Arc<AtomicBool>,
}

impl Links {
    /// `patience`: how long a connection may be silent; `backoff`: how long to leave an unreachable
    /// peer alone.
    pub(crate) fn new(patience: Duration, backoff: Duration) -> Self {
        Self { by_addr: Arc::default(), patience, backoff, quorum: Arc::default() }
    }

    /// Notes whether this node, as a leader, hears from a quorum.
    pub(crate) fn set_quorum(&self, quorum: bool) {
        self.quorum.store(quorum, Ordering::Relaxed);
    }

    /// Asks a peer, for at most `within`.
    pub(crate) async fn ask(
        &self,
        addr: SocketAddr,
        request: &PeerRequest,
        within: Duration,
    ) -> Result<PeerResponse, LinkError> {
        let link = {
            let mut links = self.by_addr.lock().unwrap_or_else(PoisonError::into_inner);
            links.entry(addr).or_insert_with(|| Link::new(addr, self.patience)).clone()
        };
        ask(&link, request, within).await
    }
}

async fn ask(
    link: &Link,
    request: &PeerRequest,
    within: Duration,
) -> Result<PeerResponse, LinkError> {
    let body = serde_json::to_vec(request).map_err(|e| LinkError::NotSent(e.to_string()))?;
    let answer = link.ask(body, within).await?;
    serde_json::from_slice(&answer)
        .map_err(|e| LinkError::NoAnswer(format!("the answer cannot be read: {e}")))
}

/// The address that a membership has for a node.
pub(crate) fn address(node: &BasicNode) -> Result<SocketAddr, LinkError> {
    let wrong = |e| LinkError::NotSent(format!("{:?} is no address: {e}", node.addr));
    node.addr.parse().map_err(wrong)
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Peer;

    async fn new_client(&mut self, _: u64, node: &BasicNode) -> Peer {
        Peer { addr: address(node), links: self.clone() }
    }
}

/// One peer, as openraft sees it.
pub(crate) struct Peer {
    addr: Result<SocketAddr, LinkError>,
    links: Links,
}

type RpcError = RPCError<u64, BasicNode, RaftError<u64>>;

impl Peer {
    async fn ask(
        &self,
        request: PeerRequest,
        option: &RPCOption,
    ) -> Result<PeerResponse, RpcError> {
        let result = match &self.addr {
            Ok(addr) => self.links.ask(*addr, &request, option.hard_ttl()).await,
            Err(error) => Err(error.clone()),
        };
        result.map_err(|error| match error {
            LinkError::NotSent(_) => RPCError::Unreachable(Unreachable::new(&error)),
            LinkError::NoAnswer(_) => RPCError::Network(NetworkError::new(&error)),
        })
    }

    async fn send_snapshot(&self, request: PeerRequest) -> Result<PeerResponse, LinkError> {
        // A connection of its own: on the shared one, heartbeats would queue up behind it.
        ask(&Link::new(self.addr.clone()?, SNAPSHOT), &request, SNAPSHOT).await
    }
}

fn unexpected(answer: &PeerResponse) -> NetworkError {
    let why = match answer {
        PeerResponse::Failed(why) => why.clone(),
        other => format!("an answer to something else: {other:?}"),
    };
    NetworkError::new(&LinkError::NoAnswer(why))
}

impl RaftNetwork<Types> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RpcError> {
        let quorum = self.links.quorum.load(Ordering::Relaxed);
        match self.ask(PeerRequest::Append { rpc, quorum }, &option).await? {
            PeerResponse::Append(response) => Ok(response),
            other => Err(unexpected(&other).into()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RpcError> {
        match self.ask(PeerRequest::Vote(rpc), &option).await? {
            PeerResponse::Vote(response) => Ok(response),
            other => Err(unexpected(&other).into()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<Types>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types, Fatal<u64>>> {
        let Snapshot { meta, snapshot } = snapshot;
        let request = PeerRequest::Snapshot { vote, meta, state: *snapshot };
        let sent = tokio::select! {
            sent = self.send_snapshot(request) => sent,
            closed = cancel => return Err(closed.into()),
        };
        match sent {
            Ok(PeerResponse::Snapshot(response)) => Ok(response),
            Ok(other) => Err(unexpected(&other).into()),
            Err(error) => Err(Unreachable::new(&error).into()),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(self.links.backoff))
    }
}
