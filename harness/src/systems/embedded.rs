//! The chapter's systems and Raft, each node a `schism node PROTOCOL` process of its own.
//!
//! One client and one way to start serve all of them; a protocol adds its name and which Apis it
//! speaks. Answers say themselves whether something certainly did not happen; what this client adds
//! is only the certainty that nothing was sent when no connection was had.

use super::{Configure, SystemOptions};
use anyhow::Context as _;
use schism_agreement::protocol::Protocol;
use schism_core::api::Api;
use schism_core::api::consensus::Consensus;
use schism_core::api::leadership::Leadership;
use schism_core::api::list_append::ListAppend;
use schism_core::api::log::Log;
use schism_core::api::register::Register;
use schism_core::api::set::Set;
use schism_core::client::{Client, ClientError};
use schism_core::cluster::{Cluster, NodeId};
use schism_core::system::{Launch, Missing, NodeDirs, Serves, System};
use schism_core::wire::{CLIENT_PORT, NodeStatus, Request, Response, STATUS};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Which protocol a cluster runs: a type, so that pairs that don't fit don't compile.
pub trait Speaker: 'static {
    /// Its name, by which [`find`] knows the rest.
    const NAME: &'static str;
    /// How many nodes it has unless the user says otherwise.
    const NODES: usize;
}

/// A protocol that has answers for an Api.
pub trait Speaks<A: Api>: Speaker {}

/// A cluster of `schism node` processes.
pub struct Embedded<P> {
    options: SystemOptions,
    protocol: &'static Protocol,
    speaker: PhantomData<P>,
}

/// Declares the protocols: a type each, with its number of nodes and what it speaks.
macro_rules! speakers {
    ($($(#[$doc:meta])* $type:ident $name:literal $nodes:literal $($api:ident),+;)*) => {
        $(
            $(#[$doc])*
            pub struct $type;
            impl Speaker for $type {
                const NAME: &'static str = $name;
                const NODES: usize = $nodes;
            }
            $(impl Speaks<$api> for $type {})+
        )*
    };
}

speakers! {
    /// Broadcast, and wait for everybody.
    NaiveBroadcast "naive-broadcast" 5 Consensus;
    /// Decide on the first majority of proposals.
    NaiveMajority "naive-majority" 5 Consensus;
    /// Then vote on the candidate.
    TwoPhaseVote "two-phase-vote" 5 Consensus;
    /// One node decides for all.
    DesignatedLeader "designated-leader" 5 Consensus;
    /// f+1 synchronous rounds.
    SyncRounds "sync-rounds" 5 Consensus;
    /// The coordinated attack.
    TwoGenerals "two-generals" 2 Consensus;
    /// Acknowledge whoever asks first.
    AckElection "ack-election" 5 Leadership;
    /// Promotion by an outside monitor.
    PrimaryReplica "primary-replica" 3 Register, Set;
    /// Asynchronous replication with failover.
    AsyncFailover "async-failover" 3 Set, Register;
    /// Reads from any replica.
    StaleReplicas "stale-replicas" 3 Register;
    /// Paxos, single-decree and as a log.
    Paxos "paxos" 5 Consensus, Log;
    /// Raft, on openraft.
    Raft "raft" 5 Register, Set, ListAppend, Leadership, Log, Consensus;
}

/// What `schism node` can run: the chapter's protocols, and Raft.
pub fn find(name: &str) -> Option<&'static Protocol> {
    [&schism_raft::PROTOCOL]
        .into_iter()
        .find(|raft| raft.name == name)
        .or_else(|| schism_agreement::find(name))
}

impl<P: Speaker> Configure for Embedded<P> {
    fn configure(options: &SystemOptions) -> anyhow::Result<Self> {
        let protocol = find(P::NAME).with_context(|| format!("no protocol {}", P::NAME))?;
        let mut options = options.clone();
        if !options.reads.is_empty() {
            options.options.insert("reads".to_owned(), options.reads.clone());
        }
        protocol.check(P::NODES, &options.options)?;
        Ok(Self { options, protocol, speaker: PhantomData })
    }
}

impl<P: Speaker> System for Embedded<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn about(&self) -> &'static str {
        self.protocol.about
    }

    fn default_nodes(&self) -> usize {
        P::NODES
    }

    fn possible_nodes(&self) -> RangeInclusive<usize> {
        self.protocol.nodes.clone()
    }

    fn version(&self) -> Result<String, Missing> {
        Ok(concat!("embedded in schism ", env!("CARGO_PKG_VERSION")).to_owned())
    }

    fn roles(&self, cluster: &Cluster) -> Vec<(String, NodeId)> {
        let last = NodeId(cluster.size() - 1);
        self.protocol.last_node.map(|role| (role.to_owned(), last)).into_iter().collect()
    }

    fn launch(&self, cluster: &Cluster, node: NodeId, dirs: &NodeDirs) -> Launch {
        let program = std::env::current_exe()
            .map_or_else(|_| "schism".to_owned(), |path| path.to_string_lossy().into_owned());
        let nodes: Vec<String> =
            cluster.nodes().iter().map(|node| format!("{}={}", node.name, node.ip)).collect();
        let mut argv = vec![
            program,
            "node".to_owned(),
            P::NAME.to_owned(),
            "--me".to_owned(),
            node.0.to_string(),
            "--cluster".to_owned(),
            nodes.join(","),
            "--data".to_owned(),
            dirs.data.to_string_lossy().into_owned(),
            "--seed".to_owned(),
            self.options.seed.to_string(),
        ];
        for (name, value) in &self.options.options {
            argv.push("--option".to_owned());
            argv.push(format!("{name}={value}"));
        }
        Launch { argv, ..Launch::default() }
    }

    async fn status(&self, cluster: &Cluster, node: NodeId) -> anyhow::Result<NodeStatus> {
        let mut connection = Connection::open(cluster.addr(node, CLIENT_PORT)).await?;
        let request = Request { api: STATUS.to_owned(), payload: None };
        match connection.ask(&request).await? {
            Response::Ok { value } => Ok(serde_json::from_value(value)?),
            Response::Fail { error } | Response::Info { error } => anyhow::bail!(error),
        }
    }
}

impl<P: Speaks<A>, A: Api> Serves<A> for Embedded<P> {
    type Client = Connection;

    async fn open(&self, cluster: &Cluster, node: NodeId) -> Result<Connection, ClientError> {
        Connection::open(cluster.addr(node, CLIENT_PORT))
            .await
            // Nothing was sent: there is no connection to have sent it over.
            .map_err(|error| ClientError::definite(format!("{error:#}")))
    }
}

/// A connection to one node.
pub struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Connection {
    async fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self { reader: BufReader::new(reader), writer })
    }

    async fn ask(&mut self, request: &Request) -> anyhow::Result<Response> {
        let mut bytes = serde_json::to_vec(request)?;
        bytes.push(b'\n');
        self.writer.write_all(&bytes).await?;
        let mut line = String::new();
        self.reader.read_line(&mut line).await?;
        anyhow::ensure!(line.ends_with('\n'), "the node closed the connection");
        Ok(serde_json::from_str(&line)?)
    }
}

impl<A: Api> Client<A> for Connection {
    async fn invoke(&mut self, call: &A::Call) -> Result<A::Reply, ClientError> {
        let request = Request { api: A::NAME.to_owned(), payload: Some(A::encode_call(call)) };
        match self.ask(&request).await? {
            Response::Ok { value } => Ok(A::reply_from_json(call, &value)?),
            // The node itself says so, and each protocol says why it may.
            Response::Fail { error } => Err(ClientError::definite(error)),
            Response::Info { error } => Err(ClientError::indefinite(error)),
        }
    }
}
