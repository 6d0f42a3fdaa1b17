//! Answers peers: each connection's requests side by side, each answered under its own number.

use crate::link::{frame, take_frame};
use crate::network::{PeerRequest, PeerResponse};
use crate::service::Served;
use openraft::Snapshot;
use openraft::raft::AppendEntriesResponse;
use schism_core::wire::{Request, Response};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Answers for as long as the process lives.
pub(crate) async fn serve(listener: TcpListener, served: Arc<Served>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let served = served.clone();
        tokio::spawn(async move {
            // A peer that goes away ends its connection's tasks, and nothing else.
            let _ = converse(stream, served).await;
        });
    }
}

async fn converse(stream: TcpStream, served: Arc<Served>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let (answers, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
    let writing = async move {
        while let Some(answer) = queue.recv().await {
            writer.write_all(&answer).await?;
        }
        std::io::Result::Ok(())
    };
    let reading = async move {
        let mut buffer = Vec::new();
        while reader.read_buf(&mut buffer).await? > 0 {
            while let Some((number, body)) = take_frame(&mut buffer)? {
                let (answers, served) = (answers.clone(), served.clone());
                tokio::spawn(async move {
                    let response = match serde_json::from_slice(&body) {
                        Ok(request) => answer(&served, request).await,
                        Err(error) => PeerResponse::Failed(format!("not a request: {error}")),
                    };
                    let bytes = serde_json::to_vec(&response).map_err(std::io::Error::other);
                    if let Ok(bytes) = bytes.and_then(|bytes| frame(number, &bytes)) {
                        // The peer may be gone; then nobody waits for it.
                        let _ = answers.send(bytes);
                    }
                });
            }
        }
        std::io::Result::Ok(())
    };
    tokio::try_join!(writing, reading)?;
    Ok(())
}

async fn answer(served: &Arc<Served>, request: PeerRequest) -> PeerResponse {
    let raft = &served.raft;
    match request {
        PeerRequest::Append { rpc, quorum } => {
            let committed = rpc.leader_commit;
            match raft.append_entries(rpc).await {
                Ok(response) => {
                    if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
                        served.contact.hear_leader(quorum, committed);
                    }
                    PeerResponse::Append(response)
                }
                Err(error) => PeerResponse::Failed(error.to_string()),
            }
        }
        PeerRequest::Vote(rpc) => match raft.vote(rpc).await {
            Ok(response) => {
                if response.vote_granted {
                    served.contact.touch();
                }
                PeerResponse::Vote(response)
            }
            Err(error) => PeerResponse::Failed(error.to_string()),
        },
        PeerRequest::Snapshot { vote, meta, state } => {
            let last = meta.last_log_id;
            let snapshot = Snapshot { meta, snapshot: Box::new(state) };
            match raft.install_full_snapshot(vote, snapshot).await {
                Ok(response) => {
                    if response.vote == vote {
                        // How far the leader is by now, its next append says: not ready before.
                        served.contact.hear_leader(false, last);
                    }
                    PeerResponse::Snapshot(response)
                }
                Err(error) => PeerResponse::Failed(error.to_string()),
            }
        }
        PeerRequest::PreVote(last) => PeerResponse::PreVote(served.would_vote_for(last)),
        PeerRequest::Call(Request { api, payload: Some(payload) }) => {
            PeerResponse::Call(served.perform_as_leader(&api, &payload).await)
        }
        PeerRequest::Call(Request { api, payload: None }) => {
            let error = format!("a call to {api} needs \"f\"");
            PeerResponse::Call(Response::Fail { error })
        }
    }
}
