//! Adding and removing nodes while the cluster runs, by joint consensus (§6 of the paper).
//!
//! ```text
//! → {"api":"membership","f":"list"}
//! ← {"type":"ok","value":{"voters":[0,1,2],"learners":[]}}
//! → {"api":"membership","f":"add","value":3}
//! → {"api":"membership","f":"remove","value":0}
//! ```
//!
//! Nodes are meant by their position in the configuration. One that is to be added later is started
//! like the others; the option `members` says how many nodes found the cluster.

use crate::service::Served;
use openraft::error::ChangeMembershipError::{EmptyMembership, LearnerNotFound};
use openraft::error::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use openraft::{BasicNode, ChangeMembers};
use schism_core::api::Payload;
use schism_core::wire::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What requests call it.
pub(crate) const NAME: &str = "membership";
/// Asks a node what it knows; the others have to reach the leader.
pub(crate) const LIST: &str = "list";

type Written = Result<
    ClientWriteResponse<crate::types::Types>,
    RaftError<u64, ClientWriteError<u64, BasicNode>>,
>;

/// The members, as this node knows them.
pub(crate) fn list(served: &Served) -> Response {
    let metrics = served.raft.metrics().borrow().clone();
    let membership = metrics.membership_config.membership();
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    let learners: BTreeSet<u64> = membership.learner_ids().collect();
    Response::Ok { value: json!({ "voters": voters, "learners": learners }) }
}

/// Adds or removes a node; on the leader.
pub(crate) async fn change(served: &Served, payload: &Payload) -> Response {
    let asked = payload.value.as_u64().filter(|id| *id < served.config.size() as u64);
    let Some(id) = asked else {
        let error = format!(
            "expected a node from 0 to {}, found {}",
            served.config.size() - 1,
            payload.value
        );
        return Response::Fail { error };
    };
    let name = served.name(id);
    served.trace.say(format_args!("membership: {} {name}", payload.f));
    let one = BTreeSet::from([id]);
    match payload.f.as_ref() {
        "add" => {
            let Ok(at) = usize::try_from(id) else {
                return Response::Fail { error: format!("no node {id}") };
            };
            let node = BasicNode::new(served.config.peer_addr(at));
            // First a learner, until it has the log: a voter that lags would count for the quorum
            // without being of use to it.
            let learning = outcome(served.raft.add_learner(id, node, true).await, &payload.value);
            if !matches!(learning, Response::Ok { .. }) {
                return learning;
            }
            let added = served.raft.change_membership(ChangeMembers::AddVoterIds(one), false).await;
            // The node stays a learner whatever happens, so this can't be called undone any more.
            match outcome(added, &payload.value) {
                Response::Fail { error } => Response::Info { error },
                other => other,
            }
        }
        "remove" => {
            let removed =
                served.raft.change_membership(ChangeMembers::RemoveVoters(one), false).await;
            outcome(removed, &payload.value)
        }
        other => Response::Fail { error: format!("expected list, add or remove, found {other:?}") },
    }
}

fn outcome(written: Written, value: &Value) -> Response {
    match written {
        Ok(_) => Response::Ok { value: value.clone() },
        // These are found before the first of the two steps is proposed. That a change is already
        // in progress may be found before the second as well.
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
            error @ (EmptyMembership(_) | LearnerNotFound(_)),
        ))) => Response::Fail { error: error.to_string() },
        Err(error) => Response::Info { error: error.to_string() },
    }
}
