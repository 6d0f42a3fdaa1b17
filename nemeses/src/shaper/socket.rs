//! The sockets: netlink to the kernel's queue, and raw ones for copies.

use super::message::{self, Message, Setup};
use crate::rules::DUPLICATE_MARK;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, SockaddrIn,
    SockaddrIn6, bind, recv, send, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use nix::{setsockopt_impl, sockopt_impl};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// How many packets may wait before they pass at once.
const LONGEST: u32 = 100_000;
/// Room for packets that arrive while we are busy.
const RECEIVE_BUFFER: usize = 8 << 20;

sockopt_impl!(
    /// With it, a full receive buffer is no error: packets are then lost, or pass.
    NoEnobufs,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_NO_ENOBUFS,
    bool
);

/// A bound queue.
pub(super) struct Queue {
    fd: OwnedFd,
    number: u16,
    buffer: Vec<u8>,
}

impl Queue {
    /// Binds a queue.
    pub(super) fn bind(number: u16, copying: bool) -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )
        .map_err(|errno| explained("can't open a netfilter socket", errno))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        // The queue works with a small buffer and with errors too, only less well.
        if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            // In a user namespace the machine's limit holds.
            let _ = setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER);
        }
        let _ = setsockopt(&fd, NoEnobufs, &true);
        let mut queue = Self { fd, number, buffer: vec![0; 1 << 17] };
        queue.send(&message::config(number, Setup { copying, longest: LONGEST }))?;
        queue.await_answer()?;
        Ok(queue)
    }

    fn await_answer(&mut self) -> io::Result<()> {
        loop {
            let size = recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            let answer = message::parse(&self.buffer[..size]).find_map(|message| match message {
                Message::Error(errno) => Some(errno),
                Message::Packet { .. } => None,
            });
            match answer {
                Some(0) => return Ok(()),
                Some(errno) => {
                    let what = format!("can't have queue {}", self.number);
                    return Err(explained(&what, Errno::from_raw(errno)));
                }
                // A packet that came before the answer: the rule was there too early. It passes.
                None => {
                    for message in message::parse(&self.buffer[..size]) {
                        if let Message::Packet { id, .. } = message {
                            self.accept(id)?;
                        }
                    }
                }
            }
        }
    }

    /// Waits until something can be received, at most so long; for ever if `None`.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, timeout.map(TimeSpec::from_duration), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The messages that are there, without waiting.
    pub(super) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(size) => Ok(self.buffer.get(..size)),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Lets a packet go on.
    pub(super) fn accept(&self, id: u32) -> io::Result<()> {
        self.send(&message::verdict(self.number, id, true))
    }

    /// Drops a packet.
    pub(super) fn drop(&self, id: u32) -> io::Result<()> {
        self.send(&message::verdict(self.number, id, false))
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// The answer to a verdict may be that the packet is gone, as happens when an interface goes down.
pub(super) fn tolerate(errno: i32) -> io::Result<()> {
    match Errno::from_raw(errno) {
        Errno::ENOENT => Ok(()),
        _ if errno == 0 => Ok(()),
        errno => Err(explained("the kernel refused a verdict", errno)),
    }
}

/// Where packets that arrive twice are sent again, to this node itself.
pub(super) struct Copies {
    four: OwnedFd,
    /// Not there if the kernel has no IPv6.
    six: Option<OwnedFd>,
}

impl Copies {
    /// Opens the raw sockets.
    pub(super) fn open() -> io::Result<Self> {
        let open = |family| -> nix::Result<OwnedFd> {
            let fd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?;
            setsockopt(&fd, sockopt::Mark, &DUPLICATE_MARK)?;
            Ok(fd)
        };
        let four = open(AddressFamily::Inet)
            .map_err(|errno| explained("can't open a raw socket", errno))?;
        Ok(Self { four, six: open(AddressFamily::Inet6).ok() })
    }

    /// Sends a packet, IP header included. One that can't be sent is lost, as packets are.
    pub(super) fn send(&self, packet: &[u8]) {
        let flags = MsgFlags::MSG_DONTWAIT;
        match (packet.first().map(|byte| byte >> 4), &self.six) {
            (Some(4), _) => {
                if let Some(to) = packet.get(16..20).and_then(|to| <[u8; 4]>::try_from(to).ok()) {
                    let to = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::from(to), 0));
                    let _ = sendto(self.four.as_raw_fd(), packet, &to, flags);
                }
            }
            (Some(6), Some(six)) => {
                if let Some(to) = packet.get(24..40).and_then(|to| <[u8; 16]>::try_from(to).ok()) {
                    let to = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::from(to), 0, 0, 0));
                    let _ = sendto(six.as_raw_fd(), packet, &to, flags);
                }
            }
            _ => {}
        }
    }
}

fn explained(what: &str, errno: Errno) -> io::Error {
    let advice = match errno {
        // The kernel says this also where the queue is another's.
        Errno::EPERM => {
            "CAP_NET_ADMIN and CAP_NET_RAW are needed, and that no other process has it"
        }
        Errno::EPROTONOSUPPORT | Errno::EINVAL | Errno::EOPNOTSUPP => {
            "the kernel may lack nfnetlink_queue"
        }
        _ => return io::Error::new(io::Error::from(errno).kind(), format!("{what}: {errno}")),
    };
    io::Error::new(io::Error::from(errno).kind(), format!("{what}: {errno}; {advice}"))
}
