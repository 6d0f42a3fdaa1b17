//! etcd, as a third-party store: its own binary, over its JSON gateway.
//!
//! One HTTP client a worker, to one node only, without retries, redirects, proxies or a second
//! connection: whatever happens to a request has to be in the history.

use super::{Configure, SystemOptions};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::redirect::Policy;
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::client::{Client, ClientError};
use schism_core::cluster::{Cluster, NodeId};
use schism_core::system::{Launch, Missing, NodeDirs, Serves, System};
use schism_core::wire::NodeStatus;
use serde_json::{Value, json};
use std::time::Duration;

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// etcd 3.4 or later, from the PATH.
pub struct Etcd {
    serializable_reads: bool,
    /// What every key begins with.
    prefix: String,
}

impl Configure for Etcd {
    fn configure(options: &SystemOptions) -> anyhow::Result<Self> {
        if let Some(name) = options.options.keys().next() {
            anyhow::bail!("etcd has no option {name:?} here; expected none");
        }
        let serializable_reads = match options.reads.as_str() {
            "" | "linearizable" => false,
            "serializable" => true,
            other => {
                anyhow::bail!("etcd has no reads {other:?}; it has linearizable, serializable")
            }
        };
        Ok(Self { serializable_reads, prefix: format!("schism/{}/", options.run) })
    }
}

impl System for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn about(&self) -> &'static str {
        "the etcd found on the PATH (Debian: etcd-server), over HTTP"
    }

    fn debian_packages(&self) -> &'static [&'static str] {
        &["etcd-server"]
    }

    fn version(&self) -> Result<String, Missing> {
        let missing = || Missing {
            program: "etcd 3.4 or later".to_owned(),
            debian_packages: self.debian_packages().iter().map(|&name| name.into()).collect(),
        };
        let output = std::process::Command::new("etcd").arg("--version").output();
        let text = output.map_err(|_| missing())?.stdout;
        let text = String::from_utf8_lossy(&text).into_owned();
        let version = text.lines().find_map(|line| line.strip_prefix("etcd Version: "));
        version.filter(|version| has_gateway(version)).map(str::to_owned).ok_or_else(missing)
    }

    fn launch(&self, cluster: &Cluster, node: NodeId, dirs: &NodeDirs) -> Launch {
        let url = |id: NodeId, port: u16| format!("http://{}", cluster.addr(id, port));
        let members: Vec<String> = cluster
            .ids()
            .map(|id| format!("{}={}", cluster.name(id), url(id, PEER_PORT)))
            .collect();
        let data = dirs.data.join("etcd").to_string_lossy().into_owned();
        let arguments = [
            ("--name", cluster.name(node).to_string()),
            ("--data-dir", data),
            ("--listen-peer-urls", url(node, PEER_PORT)),
            ("--initial-advertise-peer-urls", url(node, PEER_PORT)),
            ("--listen-client-urls", url(node, CLIENT_PORT)),
            ("--advertise-client-urls", url(node, CLIENT_PORT)),
            ("--initial-cluster-token", "schism".to_owned()),
            ("--initial-cluster", members.join(",")),
            ("--initial-cluster-state", "new".to_owned()),
            ("--heartbeat-interval", "100".to_owned()),
            ("--election-timeout", "1000".to_owned()),
        ];
        let mut argv = vec!["etcd".to_owned()];
        argv.extend(arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        Launch { argv, ..Launch::default() }
    }

    async fn status(&self, cluster: &Cluster, node: NodeId) -> anyhow::Result<NodeStatus> {
        let http = Http::new(cluster, node)?;
        let status = http.post("/v3/maintenance/status", &json!({})).await?.json::<Value>().await?;
        let text = |value: &Value| value.as_str().unwrap_or("0").to_owned();
        let me = text(&status["header"]["member_id"]);
        let leader = text(&status["leader"]);
        let term = text(&status["raftTerm"]).parse().unwrap_or(0);
        // A member may know a leader that it no longer reaches; only a linearizable read tells.
        let read = http.post("/v3/kv/range", &json!({ "key": BASE64.encode("ready") })).await?;
        let ready = leader != "0" && read.status().is_success();
        let role = if leader == me { "leader" } else { "follower" };
        Ok(NodeStatus {
            ready,
            leader: leader == me,
            term,
            says: format!("{role} of term {term}, raft index {}", text(&status["raftIndex"])),
        })
    }
}

impl Serves<Register> for Etcd {
    type Client = EtcdClient;

    async fn open(&self, cluster: &Cluster, node: NodeId) -> Result<EtcdClient, ClientError> {
        // Nothing is sent yet.
        let http = Http::new(cluster, node).map_err(|e| ClientError::definite(format!("{e:#}")))?;
        Ok(EtcdClient {
            http,
            serializable_reads: self.serializable_reads,
            prefix: self.prefix.clone(),
        })
    }
}

/// One node's gateway.
struct Http {
    base: String,
    client: reqwest::Client,
}

impl Http {
    fn new(cluster: &Cluster, node: NodeId) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(1)
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(1))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { base: format!("http://{}", cluster.addr(node, CLIENT_PORT)), client })
    }

    async fn post(&self, path: &str, body: &Value) -> Result<reqwest::Response, reqwest::Error> {
        self.client.post(format!("{}{path}", self.base)).json(body).send().await
    }
}

/// A worker's client.
pub struct EtcdClient {
    http: Http,
    serializable_reads: bool,
    prefix: String,
}

impl EtcdClient {
    async fn ask(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let response = match self.http.post(path, body).await {
            Ok(response) => response,
            // No connection could be made, so the request was never sent.
            Err(error) if error.is_connect() => {
                return Err(ClientError::definite(format!("{:#}", anyhow::Error::from(error))));
            }
            Err(error) => return Err(error.into()),
        };
        if response.status().is_success() {
            return Ok(response.json().await?);
        }
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        // etcd refuses with this before it proposes anything; every other error (leader changed,
        // request timed out, unavailable) may come after.
        if body.contains("etcdserver: too many requests") {
            return Err(ClientError::definite("etcdserver: too many requests"));
        }
        Err(ClientError::indefinite(format!("{status}: {}", body.trim())))
    }

    async fn read(&self, key: &str) -> Result<Reply, ClientError> {
        let body = json!({ "key": key, "serializable": self.serializable_reads });
        let answer = self.ask("/v3/kv/range", &body).await.map_err(|error| match error {
            // A read changes nothing: one without an answer is as good as one that did not happen.
            ClientError::Indefinite(reason) | ClientError::Definite(reason) => {
                ClientError::Definite(reason)
            }
        })?;
        let value = &answer["kvs"][0]["value"];
        Ok(Reply::Read(if value.is_null() { None } else { Some(decode(value)?) }))
    }
}

fn decode(value: &Value) -> anyhow::Result<i64> {
    let text = value.as_str().context("etcd's answer has no value")?;
    let bytes = BASE64.decode(text)?;
    Ok(std::str::from_utf8(&bytes)?.parse()?)
}

impl Client<Register> for EtcdClient {
    async fn invoke(&mut self, call: &Call) -> Result<Reply, ClientError> {
        let name = call.key.as_ref().map_or_else(|| "r".to_owned(), |key| format!("r{key}"));
        let key = BASE64.encode(format!("{}{name}", self.prefix));
        let number = |value: i64| BASE64.encode(value.to_string());
        match call.op {
            RegisterOp::Read => self.read(&key).await,
            RegisterOp::Write(value) => {
                self.ask("/v3/kv/put", &json!({ "key": key, "value": number(value) })).await?;
                Ok(Reply::Written)
            }
            RegisterOp::Cas(old, new) => {
                let body = json!({
                    "compare": [{
                        "key": key, "target": "VALUE", "result": "EQUAL", "value": number(old),
                    }],
                    "success": [{ "requestPut": { "key": key, "value": number(new) } }],
                });
                let answer = self.ask("/v3/kv/txn", &body).await?;
                // The transaction was carried out; its comparison was false, so it wrote nothing.
                if answer["succeeded"] == json!(true) {
                    Ok(Reply::Written)
                } else {
                    Err(ClientError::definite("the compared value differs"))
                }
            }
        }
    }
}

/// Only from 3.4 on is the gateway at `/v3`.
fn has_gateway(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(3), Some(4))
}

#[cfg(test)]
mod tests {
    use super::has_gateway;

    #[test]
    fn an_etcd_before_3_4_counts_as_missing() {
        assert!(has_gateway("3.4.23") && has_gateway("3.10.0") && has_gateway("4.0.0"));
        assert!(!has_gateway("3.3.25") && !has_gateway("2.9") && !has_gateway("garbage"));
    }
}
