//! Datagrams that show whether a packet gets from one node to another, and how late.
//!
//! Each node's namespace has one UDP socket of the controller's. A ping could not show a cut of one
//! direction; these can, and they need nothing on the node.

#![allow(clippy::disallowed_methods, reason = "a probe measures real time")]

use super::spawn;
use schism_core::cluster::{Cluster, NodeId};
use std::cell::{Cell, RefCell};
use std::net::UdpSocket as StdSocket;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// The port of the probe sockets.
const PROBE_PORT: u16 = 7999;

/// One probe socket a node.
pub(super) struct Probes {
    /// `None` where the node has no network now.
    sockets: RefCell<Vec<Option<Rc<UdpSocket>>>>,
    round: Cell<usize>,
}

impl Probes {
    /// Opens a socket in each namespace.
    pub(super) fn open<'a>(
        cluster: &Cluster,
        namespaces: impl Iterator<Item = BorrowedFd<'a>>,
    ) -> anyhow::Result<Self> {
        let probes =
            Self { sockets: RefCell::new(vec![None; cluster.size()]), round: Cell::new(0) };
        for (id, ns) in cluster.ids().zip(namespaces) {
            probes.reopen(cluster, id, Some(ns))?;
        }
        Ok(probes)
    }

    /// The node has another network now, or none.
    pub(super) fn reopen(
        &self,
        cluster: &Cluster,
        node: NodeId,
        ns: Option<BorrowedFd<'_>>,
    ) -> anyhow::Result<()> {
        let socket = ns.map(|ns| {
            let addr = cluster.addr(node, PROBE_PORT);
            let socket = spawn::inside(ns, || StdSocket::bind(addr))?;
            socket.set_nonblocking(true)?;
            anyhow::Ok(Rc::new(UdpSocket::from_std(socket)?))
        });
        self.sockets.borrow_mut()[node.0] = socket.transpose()?;
        Ok(())
    }

    /// See `Environment::probe`.
    pub(super) async fn measure(
        &self,
        cluster: &Cluster,
        links: &[(NodeId, NodeId)],
        count: usize,
        wait: Duration,
    ) -> anyhow::Result<Vec<Vec<Duration>>> {
        // The round keeps a late datagram of an earlier measurement from being counted in this one.
        let round = self.round.get() + 1;
        self.round.set(round);
        let sockets = self.sockets.borrow().clone();
        let start = Instant::now();
        let mut sent = vec![vec![None; count]; links.len()];
        let all = (0..count).flat_map(|number| (0..links.len()).map(move |link| (number, link)));
        for (number, link) in all {
            let (from, to) = links[link];
            let message = [round, link, number];
            let bytes: Vec<u8> =
                message.iter().flat_map(|word| (*word as u64).to_be_bytes()).collect();
            let addr = cluster.addr(to, PROBE_PORT);
            let Some(socket) = &sockets[from.0] else { continue };
            // A refused datagram is one that did not arrive.
            if socket.send_to(&bytes, addr).await.is_ok() {
                sent[link][number] = Some(Instant::now());
            }
        }
        let mut arrived = vec![Vec::new(); links.len()];
        let mut missing = links.len() * count;
        let deadline = tokio::time::Instant::from_std(start + wait);
        while missing > 0 {
            let Ok(bytes) = tokio::time::timeout_at(deadline, next(&sockets)).await else { break };
            let Some([its_round, link, number]) = parse(&bytes?) else { continue };
            if its_round != round {
                continue;
            }
            if let Some(at) =
                sent.get_mut(link).and_then(|of| of.get_mut(number)).and_then(Option::take)
            {
                arrived[link].push(at.elapsed());
                missing -= 1;
            }
        }
        Ok(arrived)
    }
}

/// The next datagram that arrives at any node.
async fn next(sockets: &[Option<Rc<UdpSocket>>]) -> anyhow::Result<Vec<u8>> {
    let mut receiving = sockets
        .iter()
        .flatten()
        .map(|socket| {
            Box::pin(async move {
                let mut bytes = vec![0; 64];
                let length = socket.recv(&mut bytes).await?;
                bytes.truncate(length);
                anyhow::Ok(bytes)
            })
        })
        .peekable();
    if receiving.peek().is_none() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(receiving).await.0
}

fn parse(bytes: &[u8]) -> Option<[usize; 3]> {
    let mut words = bytes.chunks_exact(8).map(|chunk| {
        let word = u64::from_be_bytes(chunk.try_into().ok()?);
        usize::try_from(word).ok()
    });
    Some([words.next()??, words.next()??, words.next()??])
}
