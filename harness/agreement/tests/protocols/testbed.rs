//! A cluster in one process.

use schism_agreement::host::NodeConfig;
use schism_agreement::protocol::Protocol;
use schism_core::wire::{NodeStatus, Response, STATUS};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

/// Nodes of one protocol.
pub(crate) struct Cluster {
    protocol: &'static Protocol,
    configs: Vec<NodeConfig>,
    running: Vec<Option<Running>>,
    links: Vec<Vec<Arc<Link>>>,
    _proxies: Option<Running>,
    _data: tempfile::TempDir,
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a proxy does to one direction between two nodes.
#[derive(Default)]
pub(crate) struct Link {
    cut: AtomicBool,
    held: AtomicBool,
    delay_ms: AtomicU64,
    loss_percent: AtomicU32,
}

/// A network of 127/8 that no other cluster uses: tests run in several processes and threads.
fn network() -> [u8; 2] {
    static USED: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id() * 41 + USED.fetch_add(1, Ordering::Relaxed);
    [1 + (number % 250) as u8, (number / 250 % 250) as u8]
}

impl Cluster {
    /// Starts nodes whose links are the machine's own.
    pub(crate) fn start(protocol: &str, nodes: usize, options: &[(&str, &str)]) -> Self {
        Self::launch(protocol, nodes, options, false)
    }

    /// Starts nodes whose links can be cut and slowed.
    pub(crate) fn start_with_proxies(
        protocol: &str,
        nodes: usize,
        options: &[(&str, &str)],
    ) -> Self {
        Self::launch(protocol, nodes, options, true)
    }

    fn launch(protocol: &str, nodes: usize, options: &[(&str, &str)], slowable: bool) -> Self {
        let protocol = schism_agreement::find(protocol).expect("a known protocol");
        let [a, b] = network();
        let addr = |last: usize| IpAddr::V4(Ipv4Addr::new(127, a, b, last as u8));
        let data = tempfile::tempdir().expect("a temporary directory");
        let options: BTreeMap<String, String> =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let configs = (0..nodes)
            .map(|me| NodeConfig {
                me,
                nodes: (0..nodes)
                    .map(|node| {
                        let through =
                            if slowable && node != me { 10 + me * 10 + node } else { 1 + node };
                        (format!("n{}", node + 1), addr(through))
                    })
                    .collect(),
                data: data.path().join(format!("n{}", me + 1)),
                seed: u64::from(std::process::id()),
                options: options.clone(),
            })
            .collect();
        let links: Vec<Vec<Arc<Link>>> =
            (0..nodes).map(|_| (0..nodes).map(|_| Arc::default()).collect()).collect();
        let proxies = slowable.then(|| {
            let mut routes = Vec::new();
            for (from, links) in links.iter().enumerate() {
                for (to, link) in links.iter().enumerate().filter(|(to, _)| *to != from) {
                    let here = SocketAddr::new(addr(10 + from * 10 + to), 7001);
                    let there = SocketAddr::new(addr(1 + to), 7001);
                    routes.push((here, there, link.clone()));
                }
            }
            Running::start(move || async move {
                for (here, there, link) in routes {
                    tokio::task::spawn_local(tcp_proxy(here, there, link.clone()));
                    tokio::task::spawn_local(udp_proxy(here, there, link));
                }
                std::future::pending::<()>().await;
            })
        });
        let running = (0..nodes).map(|_| None).collect();
        let mut cluster =
            Self { protocol, configs, running, links, _proxies: proxies, _data: data };
        (0..nodes).for_each(|node| cluster.restart(node));
        cluster
    }

    pub(crate) fn size(&self) -> usize {
        self.configs.len()
    }

    /// Kills a node: its memory and its connections are gone.
    pub(crate) fn kill(&mut self, node: usize) {
        self.running[node] = None;
    }

    /// Starts a node again, with what it had on disk.
    pub(crate) fn restart(&mut self, node: usize) {
        let node_future = self.protocol.node;
        let config = self.configs[node].clone();
        self.running[node] = Some(Running::start(move || async move {
            let error = node_future(config).await.expect_err("a node ends only with an error");
            panic!("a node ended: {error:#}");
        }));
    }

    /// Cuts or heals both directions between two nodes.
    pub(crate) fn cut(&self, a: usize, b: usize, cut: bool) {
        self.links[a][b].cut.store(cut, Ordering::Relaxed);
        self.links[b][a].cut.store(cut, Ordering::Relaxed);
    }

    /// Cuts or heals everything between a node and the others.
    pub(crate) fn isolate(&self, node: usize, cut: bool) {
        (0..self.size())
            .filter(|other| *other != node)
            .for_each(|other| self.cut(node, other, cut));
    }

    /// Lets nothing through between two nodes, and breaks no connection, as a dropping firewall
    /// does; or lets it through again, and what was held first.
    pub(crate) fn hold(&self, a: usize, b: usize, held: bool) {
        self.links[a][b].held.store(held, Ordering::Relaxed);
        self.links[b][a].held.store(held, Ordering::Relaxed);
    }

    /// Slows both directions between two nodes.
    pub(crate) fn delay(&self, a: usize, b: usize, delay: Duration) {
        let millis = delay.as_millis() as u64;
        self.links[a][b].delay_ms.store(millis, Ordering::Relaxed);
        self.links[b][a].delay_ms.store(millis, Ordering::Relaxed);
    }

    /// Loses datagrams, on all links.
    pub(crate) fn lose(&self, percent: u32) {
        for link in self.links.iter().flatten() {
            link.loss_percent.store(percent, Ordering::Relaxed);
        }
    }

    fn client_addr(&self, node: usize) -> SocketAddr {
        self.configs[node].client_addr()
    }

    /// Asks a node, and waits for its answer; `None` if there is none in that time.
    pub(crate) fn ask_within(
        &self,
        patience: Duration,
        node: usize,
        request: &Value,
    ) -> Option<Response> {
        ask(self.client_addr(node), patience, request)
    }

    /// Asks a node that is expected to answer.
    pub(crate) fn ask(&self, node: usize, request: &Value) -> Response {
        let answer = self.ask_within(Duration::from_secs(5), node, request);
        answer.unwrap_or_else(|| panic!("n{} does not answer {request}", node + 1))
    }

    /// Asks a node for something that has to go well.
    pub(crate) fn value(&self, node: usize, request: &Value) -> Value {
        match self.ask(node, request) {
            Response::Ok { value } => value,
            other => panic!("n{} answers {request} with {other:?}", node + 1),
        }
    }

    pub(crate) fn status(&self, node: usize) -> Option<NodeStatus> {
        let request = json!({"api": STATUS});
        match self.ask_within(Duration::from_secs(2), node, &request)? {
            Response::Ok { value } => serde_json::from_value(value).ok(),
            _ => None,
        }
    }

    /// Waits until a condition holds.
    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited 15 s for: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until every node that runs says that it is ready.
    pub(crate) fn wait_until_ready(&self) {
        self.wait("every node is ready", |cluster| {
            (0..cluster.size())
                .filter(|node| cluster.running[*node].is_some())
                .all(|node| cluster.status(node).is_some_and(|status| status.ready))
        });
    }

    /// Proposes a value on each of these nodes at once; what each has decided after that time.
    pub(crate) fn propose(
        &self,
        patience: Duration,
        instance: i64,
        values: &[(usize, i64)],
    ) -> Vec<Option<i64>> {
        let calls: Vec<_> = values
            .iter()
            .map(|(node, value)| {
                let addr = self.client_addr(*node);
                let request =
                    json!({"api": "consensus", "f": "propose", "key": instance, "value": value});
                std::thread::spawn(move || ask(addr, patience, &request))
            })
            .collect();
        let answers = calls.into_iter().map(|call| call.join().expect("a client's thread"));
        answers
            .map(|answer| match answer {
                Some(Response::Ok { value }) => value.as_i64(),
                _ => None,
            })
            .collect()
    }

    /// What a node has decided.
    pub(crate) fn learn(&self, node: usize, instance: i64) -> Option<i64> {
        self.value(node, &json!({"api": "consensus", "f": "learn", "key": instance})).as_i64()
    }
}

/// A different proposal for each node: 10 and up.
pub(crate) fn values(nodes: usize) -> Vec<(usize, i64)> {
    (0..nodes).map(|node| (node, 10 + node as i64)).collect()
}

/// One question to one address, over a connection of its own.
fn ask(addr: SocketAddr, patience: Duration, request: &Value) -> Option<Response> {
    let deadline = Instant::now() + patience;
    let stream = loop {
        // A node that was just started may not listen yet.
        match TcpStream::connect(addr) {
            Ok(stream) => break stream,
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => return None,
        }
    };
    let left = deadline.saturating_duration_since(Instant::now());
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).ok()?;
    stream.set_nodelay(true).ok()?;
    writeln!(&stream, "{request}").ok()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

impl Running {
    fn start<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            tokio::task::LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = task() => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let stop = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(stop.is_some_and(|told| told.is_ok()), "a node ended before it was stopped");
            assert!(ended.is_some_and(|thread| thread.is_ok()), "a node panicked");
        }
    }
}

async fn tcp_proxy(here: SocketAddr, there: SocketAddr, link: Arc<Link>) {
    let listener = TcpListener::bind(here).await.expect("a free address");
    loop {
        let (inner, _) = listener.accept().await.expect("a connection");
        if link.cut.load(Ordering::Relaxed) {
            continue;
        }
        let link = link.clone();
        tokio::task::spawn_local(async move {
            let Ok(outer) = tokio::net::TcpStream::connect(there).await else { return };
            let ((in_read, in_write), (out_read, out_write)) =
                (inner.into_split(), outer.into_split());
            let is_cut = async {
                while !link.cut.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                () = copy_slowly(in_read, out_write, &link) => {}
                () = copy_slowly(out_read, in_write, &link) => {}
                () = is_cut => {}
            }
        });
    }
}

async fn copy_slowly(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    link: &Link,
) {
    let (sender, mut queue) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let delay = Duration::from_millis(link.delay_ms.load(Ordering::Relaxed));
            if sender.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    };
    let writing = async {
        while let Some((due, bytes)) = queue.recv().await {
            sleep_until(due).await;
            while link.held.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(5)).await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

async fn udp_proxy(here: SocketAddr, there: SocketAddr, link: Arc<Link>) {
    let socket = UdpSocket::bind(here).await.expect("a free address");
    let mut rng = schism_core::rng::Rng::seeded(u64::from(std::process::id()));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
        if !rng.chance(f64::from(link.loss_percent.load(Ordering::Relaxed)) / 100.0) {
            let _ = socket.send_to(&buffer[..length], there).await;
        }
    }
}
