//! Links between nodes: JSON lines over TCP, one connection for each direction.
//!
//! A link reconnects for as long as the node lives. Each message has a number on its link, and the
//! receiver acknowledges the highest that it has; a connection whose acknowledgements stay away is
//! given up, because after a cut TCP itself would wait for many seconds before it tries again. What
//! becomes of a message that was not acknowledged is the protocol's choice:
//!
//! - [`Delivery::UntilReceived`]: it is sent again over the next connection, and the receiver drops
//!   what it has already had. That is the reliable link of an asynchronous system: a message may
//!   take any time, but arrives once, if both ends live.
//! - [`Delivery::WhileConnected`]: it is forgotten, as is what is sent without a connection.
//!
//! Between two nodes messages arrive in the order in which they were sent, unless the link is given
//! [jitter](Peers::with_jitter).

use crate::host::{NodeConfig, incarnation};
use crate::say::say;
use anyhow::Context as _;
use schism_core::rng::Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The pause before a broken link is tried again.
const BACKOFF: Duration = Duration::from_millis(50);
/// How long one attempt to connect may take: enough for a link that delays by 700 ms each way.
const CONNECT_PATIENCE: Duration = Duration::from_millis(1500);
/// How long an acknowledgement may stay away before the connection is given up.
const ACK_PATIENCE: Duration = Duration::from_secs(2);

/// An acknowledgement that takes longer is a sign that the link doesn't work now.
const OVERDUE: Duration = Duration::from_millis(300);

/// What becomes of a message whose connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is sent again until it has been received.
    UntilReceived,
    /// It is lost, and so is what is sent while there is no connection.
    WhileConnected,
}

/// What others sent: who, and what.
pub(crate) type Inbox<M> = UnboundedReceiver<(usize, M)>;

/// The first line on a connection.
#[derive(Serialize, Deserialize)]
struct Hello {
    from: usize,
    boot: u64,
}

/// Every further line.
#[derive(Deserialize)]
struct Frame<M> {
    seq: u64,
    body: M,
}

/// The links of one node to all of them, itself included.
pub(crate) struct Peers<M> {
    me: usize,
    links: Vec<Rc<Link>>,
    own: UnboundedSender<(usize, M)>,
    jitter: Option<Jitter>,
}

struct Jitter {
    rng: RefCell<Rng>,
    most: Duration,
}

impl<M: Serialize + DeserializeOwned + Clone + 'static> Peers<M> {
    /// Listens to the peers and starts to connect to them. Call it inside a `LocalSet`.
    pub(crate) async fn join(
        config: &NodeConfig,
        delivery: Delivery,
    ) -> anyhow::Result<(Self, Inbox<M>)> {
        let addr = config.peer_addr(config.me);
        let listener =
            TcpListener::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
        let (own, inbox) = unbounded_channel();
        tokio::task::spawn_local(accept(config.clone(), listener, own.clone()));
        let hello = serde_json::to_string(&Hello { from: config.me, boot: incarnation() })? + "\n";
        let hello: Rc<str> = hello.into();
        let links: Vec<Rc<Link>> = (0..config.size())
            .map(|_| {
                let queue = RefCell::new(Queue::default());
                Rc::new(Link { delivery, queue, wake: Notify::new() })
            })
            .collect();
        for (peer, link) in links.iter().enumerate().filter(|(peer, _)| *peer != config.me) {
            let addr = config.peer_addr(peer);
            let (link, hello) = (link.clone(), hello.clone());
            tokio::task::spawn_local(async move {
                loop {
                    if let Ok(Ok(stream)) =
                        timeout(CONNECT_PATIENCE, TcpStream::connect(addr)).await
                    {
                        link.queue.borrow_mut().connected = true;
                        // However the connection ended, the next one takes over from it.
                        let _ = pump(&link, stream, &hello).await;
                        link.disconnected();
                    }
                    sleep(BACKOFF).await;
                }
            });
        }
        Ok((Self { me: config.me, links, own, jitter: None }, inbox))
    }

    /// Delays each message by a random time below `most`, as a network with queues would; so two
    /// messages to one peer may swap.
    pub(crate) fn with_jitter(mut self, rng: Rng, most: Duration) -> Self {
        self.jitter = (!most.is_zero()).then(|| Jitter { rng: RefCell::new(rng), most });
        self
    }

    /// Sends a message to one node; to itself it arrives at once, without a network.
    pub(crate) fn send(&self, to: usize, message: &M) {
        if to == self.me {
            // The inbox is gone only when the node is.
            let _ = self.own.send((to, message.clone()));
            return;
        }
        let body = serde_json::to_string(message).expect("a message is plain data");
        let link = self.links[to].clone();
        match &self.jitter {
            None => link.push(&body),
            Some(Jitter { rng, most }) => {
                let pause = most.mul_f64(rng.borrow_mut().unit());
                tokio::task::spawn_local(async move {
                    sleep(pause).await;
                    link.push(&body);
                });
            }
        }
    }

    /// Sends a message to every node, this one included.
    pub(crate) fn broadcast(&self, message: &M) {
        (0..self.links.len()).for_each(|to| self.send(to, message));
    }

    /// Sends a message to every other node.
    pub(crate) fn tell_others(&self, message: &M) {
        (0..self.links.len()).filter(|to| *to != self.me).for_each(|to| self.send(to, message));
    }

    /// How many nodes can be reached as far as one can tell, this one included: those that are
    /// connected and keep up with their acknowledgements.
    pub(crate) fn reached(&self) -> usize {
        let reaches = |(to, link): (usize, &Rc<Link>)| {
            let queue = link.queue.borrow();
            let overdue = queue.due_since.is_some_and(|since| since.elapsed() > OVERDUE);
            to == self.me || (queue.connected && !overdue)
        };
        self.links.iter().enumerate().filter(|link| reaches(*link)).count()
    }

    /// Is there a connection to that node? It may be about to break.
    pub(crate) fn connected(&self, to: usize) -> bool {
        to == self.me || self.links[to].queue.borrow().connected
    }
}

/// Hands what arrives to `hear`, for as long as the node lives.
pub(crate) async fn listen<M>(
    mut inbox: Inbox<M>,
    mut hear: impl FnMut(usize, M),
) -> anyhow::Result<()> {
    while let Some((from, message)) = inbox.recv().await {
        hear(from, message);
    }
    anyhow::bail!("the links to the other nodes are gone")
}

struct Link {
    delivery: Delivery,
    queue: RefCell<Queue>,
    wake: Notify,
}

/// Messages that were not acknowledged, oldest first.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<(u64, String)>,
    /// How many of them went out over the present connection.
    written: usize,
    last_seq: u64,
    connected: bool,
    /// Since when an acknowledgement is due.
    due_since: Option<Instant>,
}

impl Link {
    fn push(&self, body: &str) {
        let mut queue = self.queue.borrow_mut();
        if self.delivery == Delivery::WhileConnected && !queue.connected {
            return;
        }
        queue.last_seq += 1;
        let seq = queue.last_seq;
        queue.waiting.push_back((seq, format!("{{\"seq\":{seq},\"body\":{body}}}\n")));
        self.wake.notify_one();
    }

    fn unwritten(&self) -> String {
        let mut queue = self.queue.borrow_mut();
        let text: String =
            queue.waiting.iter().skip(queue.written).map(|(_, line)| line.as_str()).collect();
        queue.written = queue.waiting.len();
        if queue.written > 0 && queue.due_since.is_none() {
            queue.due_since = Some(Instant::now());
        }
        text
    }

    fn acknowledged(&self, seq: u64) {
        let mut queue = self.queue.borrow_mut();
        while queue.written > 0 && queue.waiting.front().is_some_and(|(front, _)| *front <= seq) {
            queue.waiting.pop_front();
            queue.written -= 1;
        }
        queue.due_since = (queue.written > 0).then(Instant::now);
    }

    fn disconnected(&self) {
        let mut queue = self.queue.borrow_mut();
        queue.connected = false;
        queue.written = 0;
        queue.due_since = None;
        if self.delivery == Delivery::WhileConnected {
            queue.waiting.clear();
        }
    }
}

/// Sends what waits and takes acknowledgements, until the connection breaks or goes quiet.
async fn pump(link: &Link, stream: TcpStream, hello: &str) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut acks = BufReader::new(reader).lines();
    writer.write_all(hello.as_bytes()).await?;
    loop {
        let text = link.unwritten();
        if !text.is_empty() {
            timeout(ACK_PATIENCE, writer.write_all(text.as_bytes())).await??;
        }
        let due_since = link.queue.borrow().due_since;
        let impatient = async {
            match due_since {
                Some(since) => sleep_until(since + ACK_PATIENCE).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ack = acks.next_line() => match ack? {
                Some(seq) => link.acknowledged(seq.parse()?),
                None => return Ok(()),
            },
            () = link.wake.notified() => {}
            () = impatient => return Ok(()),
        }
    }
}

/// The last number had from each life of each peer.
type Had = Rc<RefCell<HashMap<(usize, u64), u64>>>;

async fn accept<M: DeserializeOwned + 'static>(
    config: NodeConfig,
    listener: TcpListener,
    inbox: UnboundedSender<(usize, M)>,
) {
    let had = Had::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, perhaps; there may be some again later.
            sleep(BACKOFF).await;
            continue;
        };
        let (config, had, inbox) = (config.clone(), had.clone(), inbox.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = receive(stream, config.size(), &had, &inbox).await
                && !error.is::<std::io::Error>()
            {
                say!(config, "drops a peer's connection: {error:#}");
            }
        });
    }
}

async fn receive<M: DeserializeOwned>(
    stream: TcpStream,
    nodes: usize,
    had: &Had,
    inbox: &UnboundedSender<(usize, M)>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer): (OwnedReadHalf, OwnedWriteHalf) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).await?;
    if !line.ends_with(b"\n") {
        return Ok(());
    }
    let Hello { from, boot } = serde_json::from_slice(&line).context("not a greeting")?;
    anyhow::ensure!(from < nodes, "a greeting from node {from}, but there are {nodes}");
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
        let frame: Frame<M> = serde_json::from_slice(&line)
            .with_context(|| format!("not a message: {}", String::from_utf8_lossy(&line)))?;
        {
            let mut had = had.borrow_mut();
            let last = had.entry((from, boot)).or_insert(0);
            if frame.seq > *last {
                *last = frame.seq;
                let _ = inbox.send((from, frame.body));
            }
        }
        // One acknowledgement stands for all before it.
        if !reader.buffer().contains(&b'\n') {
            writer.write_all(format!("{}\n", frame.seq).as_bytes()).await?;
        }
    }
}
