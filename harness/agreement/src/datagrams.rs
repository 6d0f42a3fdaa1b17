//! Messages over UDP: each is one datagram, and a lossy link really loses it.

use crate::host::NodeConfig;
use crate::peers::Inbox;
use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// More than any message here takes.
const LONGEST: usize = 2048;

#[derive(Serialize, Deserialize)]
struct Datagram<M> {
    from: usize,
    body: M,
}

/// Where a node sends its datagrams.
pub(crate) struct Datagrams {
    me: usize,
    socket: Rc<UdpSocket>,
    addrs: Vec<SocketAddr>,
}

impl Datagrams {
    /// Opens this node's socket and listens on it. Call it inside a `LocalSet`.
    pub(crate) async fn open<M>(config: &NodeConfig) -> anyhow::Result<(Self, Inbox<M>)>
    where
        M: DeserializeOwned + 'static,
    {
        let addr = config.peer_addr(config.me);
        let socket =
            UdpSocket::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
        let socket = Rc::new(socket);
        let (sender, inbox) = unbounded_channel();
        tokio::task::spawn_local(receive(socket.clone(), config.size(), sender));
        let addrs = (0..config.size()).map(|node| config.peer_addr(node)).collect();
        Ok((Self { me: config.me, socket, addrs }, inbox))
    }

    /// Sends a message once; it may never arrive.
    pub(crate) fn send<M: Serialize>(&self, to: usize, body: M) {
        let datagram = Datagram { from: self.me, body };
        let bytes = serde_json::to_vec(&datagram).expect("a message is plain data");
        let (socket, addr) = (self.socket.clone(), self.addrs[to]);
        tokio::task::spawn_local(async move {
            // A datagram that can't be sent is a datagram lost, which is what they do.
            let _ = socket.send_to(&bytes, addr).await;
        });
    }
}

async fn receive<M: DeserializeOwned>(
    socket: Rc<UdpSocket>,
    nodes: usize,
    inbox: UnboundedSender<(usize, M)>,
) {
    let mut buffer = vec![0; LONGEST];
    loop {
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        // What isn't a message may have been damaged on its way: it is lost.
        if let Ok(Datagram { from, body }) = serde_json::from_slice(&buffer[..length])
            && from < nodes
        {
            let _ = inbox.send((from, body));
        }
    }
}
