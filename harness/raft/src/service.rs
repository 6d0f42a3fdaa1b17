//! How a node answers: which calls it serves itself, which it hands to the leader, and what it says
//! when it doesn't know what became of one.
//!
//! A call fails only if it certainly did not happen. A read that got no answer is such a call. A
//! write is one only as long as it has not reached the leader's log: then its fate is open, and it
//! stays open, because a later leader may still commit it from another node's log.

use crate::election::Contact;
use crate::membership;
use crate::network::{Links, PeerRequest, PeerResponse, address};
use crate::options::{Options, Reads};
use crate::state::Route;
use crate::store::log::LogStore;
use crate::store::machine::MachineStore;
use crate::trace::Trace;
use crate::types::{Command, Raft};
use openraft::error::{ClientWriteError, RaftError};
use schism_agreement::host::{NodeConfig, Service, answer};
use schism_core::api::consensus::Consensus;
use schism_core::api::leadership::{Call, Leadership, Reply};
use schism_core::api::{Api as _, Payload};
use schism_core::op::Outcome;
use schism_core::wire::{NodeStatus, Request, Response};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A client is answered within this.
const BUDGET: Duration = Duration::from_millis(1_400);
/// What a forwarded call leaves for the way back.
const FORWARD: Duration = Duration::from_millis(1_200);
/// How long a call waits for an election to end.
const LEADERLESS: Duration = Duration::from_millis(500);

/// The name of a consensus proposal.
const PROPOSE: &str = "propose";
/// The pause before a proposal is made again.
const RETRY: Duration = Duration::from_millis(100);

/// A running node.
pub(crate) struct Served {
    pub(crate) me: u64,
    pub(crate) config: NodeConfig,
    pub(crate) options: Options,
    pub(crate) raft: Raft,
    pub(crate) log: LogStore,
    pub(crate) machine: MachineStore,
    pub(crate) links: Links,
    pub(crate) contact: Contact,
    pub(crate) trace: Trace,
    pub(crate) boot: u64,
    pub(crate) reign: Mutex<Reign>,
}

/// The terms that this node has led: how many, and the last.
#[derive(Debug, Default)]
pub(crate) struct Reign {
    count: u64,
    term: u64,
}

/// What clients talk to.
pub(crate) struct Front(pub(crate) Arc<Served>);

impl Service for Front {
    async fn call(self: Rc<Self>, api: String, payload: Payload) -> Response {
        if api == Consensus::NAME && payload.f == PROPOSE {
            return insist(self.0.clone(), payload).await;
        }
        self.0.call(&api, &payload).await
    }

    fn status(&self) -> NodeStatus {
        self.0.status()
    }
}

/// Proposes until the instance is decided. The client stops waiting at some time; the node doesn't
/// stop trying, because Termination is promised to every proposal that was handed over. Trying
/// again is harmless: the first proposal in the log decides, and every later one is answered with
/// it.
async fn insist(served: Arc<Served>, payload: Payload) -> Response {
    if let Err(error) = payload.decode::<Consensus>() {
        return Response::Fail { error: error.to_string() };
    }
    let trying = tokio::task::spawn_local(async move {
        loop {
            let response = served.call(Consensus::NAME, &payload).await;
            if matches!(response, Response::Ok { .. }) {
                return response;
            }
            sleep(RETRY).await;
        }
    });
    match timeout(BUDGET, trying).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) | Err(_) => Response::Info {
            error: format!("not decided within {} ms, still trying", BUDGET.as_millis()),
        },
    }
}

impl Served {
    async fn call(&self, api: &str, payload: &Payload) -> Response {
        if api == Leadership::NAME {
            return answer::<Leadership, _>(payload, |call| self.leadership(call)).await;
        }
        if api == membership::NAME && payload.f == membership::LIST {
            return membership::list(self);
        }
        let route = match self.route(api, payload) {
            Ok(route) => route,
            Err(error) => return Response::Fail { error },
        };
        if route == Route::Local {
            return self.machine.machine().state().read(api, payload);
        }
        let served = self.perform(api, payload, route);
        timeout(BUDGET, served).await.unwrap_or_else(|_| {
            unknown(route, format!("no answer within {} ms", BUDGET.as_millis()))
        })
    }

    fn route(&self, api: &str, payload: &Payload) -> Result<Route, String> {
        if api == membership::NAME {
            return Ok(Route::Write);
        }
        Route::of(api, payload).map(|route| match (route, self.options.reads) {
            (Route::Read, Reads::Local) => Route::Local,
            _ => route,
        })
    }

    async fn perform(&self, api: &str, payload: &Payload, route: Route) -> Response {
        match self.leader().await {
            Some(leader) if leader == self.me => self.lead(api, payload, route).await,
            Some(leader) => self.forward(leader, api, payload, route).await,
            None => Response::Fail { error: "no leader is known".to_owned() },
        }
    }

    /// Serves a call that another node forwarded: here, or not at all.
    pub(crate) async fn perform_as_leader(&self, api: &str, payload: &Payload) -> Response {
        let route = match self.route(api, payload) {
            Ok(route) => route,
            Err(error) => return Response::Fail { error },
        };
        if !self.leads() {
            return Response::Fail { error: format!("{} is not the leader", self.config.name()) };
        }
        timeout(FORWARD, self.lead(api, payload, route)).await.unwrap_or_else(|_| {
            unknown(route, format!("no answer within {} ms", FORWARD.as_millis()))
        })
    }

    /// The leader, as soon as one is known.
    async fn leader(&self) -> Option<u64> {
        let mut metrics = self.raft.metrics();
        let known = timeout(LEADERLESS, metrics.wait_for(|now| now.current_leader.is_some())).await;
        known.ok()?.ok()?.current_leader
    }

    async fn lead(&self, api: &str, payload: &Payload, route: Route) -> Response {
        if api == membership::NAME {
            return membership::change(self, payload).await;
        }
        if route == Route::Write {
            return self.propose(api, payload).await;
        }
        match self.raft.ensure_linearizable().await {
            Ok(_) => self.machine.machine().state().read(api, payload),
            Err(error) => Response::Fail { error: format!("cannot read as leader: {error}") },
        }
    }

    async fn propose(&self, api: &str, payload: &Payload) -> Response {
        let (command, appended) = Command::new(api, payload);
        match self.raft.client_write(command).await {
            Ok(written) => written.data,
            // See `Appended` for why the error alone doesn't tell.
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))
                if !appended.is_set() =>
            {
                Response::Fail { error: "not the leader any more; not proposed".to_owned() }
            }
            Err(error) => Response::Info { error: error.to_string() },
        }
    }

    async fn forward(&self, leader: u64, api: &str, payload: &Payload, route: Route) -> Response {
        let node = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            metrics.membership_config.membership().get_node(&leader).cloned()
        };
        let Some(Ok(addr)) = node.as_ref().map(address) else {
            return Response::Fail { error: format!("{} has no address", self.name(leader)) };
        };
        let request = Request { api: api.to_owned(), payload: Some(payload.clone()) };
        let error = match self.links.ask(addr, &PeerRequest::Call(request), FORWARD).await {
            Ok(PeerResponse::Call(response)) => return response,
            Ok(PeerResponse::Failed(why)) => why,
            Ok(other) => format!("an answer to something else: {other:?}"),
            Err(error @ crate::link::LinkError::NotSent(_)) => {
                let error = format!("not forwarded to {}: {error}", self.name(leader));
                return Response::Fail { error };
            }
            Err(error) => error.to_string(),
        };
        unknown(route, format!("forwarded to {}: {error}", self.name(leader)))
    }

    /// A node's name, for people.
    pub(crate) fn name(&self, id: u64) -> String {
        let known = usize::try_from(id).ok().and_then(|at| self.config.nodes.get(at));
        known.map_or_else(|| format!("node {id}"), |(name, _)| name.clone())
    }

    /// Does this node hold itself for the leader?
    pub(crate) fn leads(&self) -> bool {
        self.leadership_now().1
    }

    /// As a leader: has it heard from a quorum lately?
    pub(crate) fn has_quorum(&self) -> bool {
        let lately = u64::try_from((2 * self.options.election).as_millis()).unwrap_or(u64::MAX);
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.millis_since_quorum_ack.is_some_and(|millis| millis < lately)
    }

    async fn leadership(&self, call: Call) -> Outcome<Reply> {
        if call == Call::Campaign {
            self.contact.touch();
            self.trace.say(format_args!("a client asked this node to run for leader"));
            if let Err(error) = self.raft.trigger().elect().await {
                return Outcome::Info(error.to_string().into());
            }
            let asked = Instant::now();
            while asked.elapsed() < self.options.election && !self.leads() {
                sleep(self.options.election / 20).await;
            }
        }
        Outcome::Ok(self.observe())
    }

    fn observe(&self) -> Reply {
        let (term, leader) = self.leadership_now();
        let mut reign = self.reign.lock().unwrap_or_else(PoisonError::into_inner);
        // A node leads a term without interruption, or not at all: a new term is a new reign.
        if leader && term > reign.term {
            *reign = Reign { count: reign.count + 1, term };
        }
        Reply { term, leader, reign: reign.count, boot: self.boot }
    }

    /// The term, and whether this node leads it, from one sample.
    fn leadership_now(&self) -> (u64, bool) {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let leads = metrics.state.is_leader() && metrics.current_leader == Some(self.me);
        (metrics.current_term, leads)
    }

    fn status(&self) -> NodeStatus {
        let metrics = self.raft.metrics().borrow().clone();
        let applied = metrics.last_applied.map_or(0, |id| id.index);
        let term = metrics.current_term;
        let leader = metrics.state.is_leader() && metrics.current_leader == Some(self.me);
        let heard = self.contact.last().elapsed() < 2 * self.options.election;
        let quorum = if leader { self.has_quorum() } else { self.contact.leader_has_quorum() };
        let connected = heard || leader;
        // A leader has applied all that is committed once it has applied an entry of its own term;
        // a follower, what the leader has told it.
        let near = if leader {
            metrics.last_applied.is_some_and(|id| id.leader_id.term == term)
        } else {
            applied >= self.contact.committed()
        };
        let role = match metrics.current_leader {
            _ if leader && quorum => "leader".to_owned(),
            _ if leader => "leader without a quorum".to_owned(),
            Some(other) if metrics.state.is_learner() => format!("learner of {}", self.name(other)),
            Some(other) if connected && quorum => format!("follower of {}", self.name(other)),
            Some(other) if connected => {
                format!("follower of {}, which has no quorum", self.name(other))
            }
            Some(other) => format!("hears nothing from {}", self.name(other)),
            None if metrics.state.is_candidate() => "candidate".to_owned(),
            None => "without a leader".to_owned(),
        };
        NodeStatus {
            ready: metrics.current_leader.is_some() && connected && quorum && near,
            leader,
            term,
            says: format!("{role}, term {term}, applied {applied}"),
        }
    }
}

/// A call of which nothing was heard: a read is as if it had never been, a write may have happened.
fn unknown(route: Route, error: String) -> Response {
    match route {
        Route::Write => Response::Info { error },
        Route::Read | Route::Local => Response::Fail { error },
    }
}
