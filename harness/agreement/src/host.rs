//! What every embedded node has around its protocol: its configuration and its client port.
//!
//! A protocol implements [`Service`]; [`serve`] answers clients with it until the process is
//! killed. Clients are served one task a connection, their requests one after the other.

use anyhow::Context as _;
use schism_core::api::{Api, Payload};
use schism_core::op::Outcome;
use schism_core::rng::Rng;
use schism_core::wire::{CLIENT_PORT, NodeStatus, PEER_PORT, Request, Response, STATUS};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a node is told when it starts.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its position among `nodes`.
    pub me: usize,
    /// Every node's name and address, in the same order on all of them.
    pub nodes: Vec<(String, IpAddr)>,
    /// Where it may keep what has to survive a restart.
    pub data: PathBuf,
    /// Where its chance comes from; the same on all nodes, so mix in `me`.
    pub seed: u64,
    /// Options of its protocol, such as `trace=five-colours`.
    pub options: BTreeMap<String, String>,
}

impl NodeConfig {
    /// How many nodes there are.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The smallest number of nodes that is more than half.
    pub fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.nodes[self.me].0
    }

    /// Where the other nodes reach this one, or where this one reaches node `node`.
    pub fn peer_addr(&self, node: usize) -> SocketAddr {
        SocketAddr::new(self.nodes[node].1, PEER_PORT)
    }

    /// Where clients reach this node.
    pub fn client_addr(&self) -> SocketAddr {
        SocketAddr::new(self.nodes[self.me].1, CLIENT_PORT)
    }

    /// An option as a number, or `default` if it isn't given.
    pub fn number(&self, option: &str, default: u64) -> anyhow::Result<u64> {
        self.options.get(option).map_or(Ok(default), |text| {
            text.parse().with_context(|| format!("option {option}={text}: expected a number"))
        })
    }

    /// An option as a number of milliseconds, or `default` of them if it isn't given.
    pub fn millis(&self, option: &str, default: u64) -> anyhow::Result<Duration> {
        self.number(option, default).map(Duration::from_millis)
    }

    /// An option that is one of a few words; the first is what it is if it isn't given.
    pub fn one_of<'a>(&self, option: &str, words: &[&'a str]) -> anyhow::Result<&'a str> {
        let Some(text) = self.options.get(option) else {
            return Ok(words.first().copied().unwrap_or_default());
        };
        words.iter().copied().find(|word| word == text).with_context(|| {
            format!("option {option}={text}: expected one of {}", words.join(", "))
        })
    }

    /// This node's own chance for `purpose`, from the seed that all nodes share.
    pub fn rng(&self, purpose: &str) -> Rng {
        Rng::seeded(self.seed).fork(self.name()).fork(purpose)
    }
}

/// A number that differs each time a node starts, by which others tell its lives apart.
#[expect(clippy::disallowed_methods, reason = "lives of a process differ in when they began")]
pub fn incarnation() -> u64 {
    static STARTED_HERE: AtomicU64 = AtomicU64::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
    // Tests start several nodes in one process, perhaps in one microsecond.
    (micros << 8) | (STARTED_HERE.fetch_add(1, Ordering::Relaxed) & 0xff)
}

/// A protocol as its clients see it. All of a node runs on one thread, so that the code reads like
/// the pseudo-code: between two `.await`s nothing else happens.
pub trait Service: 'static {
    /// Answers a client's call to the Api named `api`; see [`answer`].
    fn call(self: Rc<Self>, api: String, payload: Payload) -> impl Future<Output = Response>;

    /// How the node sees itself.
    fn status(&self) -> NodeStatus;
}

/// Decodes a call of the Api `A`, has `perform` do it, and encodes the outcome.
pub async fn answer<A: Api, F>(payload: &Payload, perform: impl FnOnce(A::Call) -> F) -> Response
where
    F: Future<Output = Outcome<A::Reply>>,
{
    let call = match payload.decode::<A>() {
        Ok(call) => call,
        Err(error) => return Response::Fail { error: error.to_string() },
    };
    match perform(call.clone()).await {
        Outcome::Ok(reply) => Response::Ok { value: A::encode_reply(&call, &reply) },
        Outcome::Fail(reason) => Response::Fail { error: reason.into_owned() },
        Outcome::Info(reason) => Response::Info { error: reason.into_owned() },
    }
}

/// The answer to a call of an Api that a protocol doesn't have.
pub fn not_served(api: &str) -> Response {
    Response::Fail { error: format!("this protocol does not serve {api}") }
}

/// Answers clients for as long as the process lives. Call it inside a [`tokio::task::LocalSet`].
pub async fn serve<S: Service>(config: &NodeConfig, service: Rc<S>) -> anyhow::Result<()> {
    let addr = config.client_addr();
    let listener =
        TcpListener::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::task::spawn_local(async move {
            // A client that goes away ends its task, and nothing else.
            let _ = converse(stream, service).await;
        });
    }
}

async fn converse<S: Service>(stream: TcpStream, service: Rc<S>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let response = match serde_json::from_str::<Request>(&line) {
            Ok(Request { api, .. }) if api == STATUS => {
                Response::Ok { value: serde_json::to_value(service.status())? }
            }
            Ok(Request { api, payload: Some(payload) }) => service.clone().call(api, payload).await,
            Ok(Request { api, payload: None }) => {
                Response::Fail { error: format!("a call to {api} needs \"f\"") }
            }
            Err(error) => Response::Fail { error: format!("not a request: {error}") },
        };
        let mut bytes = serde_json::to_vec(&response)?;
        bytes.push(b'\n');
        writer.write_all(&bytes).await?;
    }
    Ok(())
}
