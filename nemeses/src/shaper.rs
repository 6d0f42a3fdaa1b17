//! A bad network in user space: delay, jitter, loss and duplicates, without `tc netem`.
//!
//! Many kernels, and all that containers share, come without netem. But they have NFQUEUE: a rule
//! (see [`rules::shape`](crate::rules::shape)) hands each arriving packet to a process, which
//! answers when and whether it goes on. That process is [`run`], started by the harness inside the
//! node's network namespace.
//!
//! Design: one thread, one netlink socket, one heap of packets that wait, ordered by release time.
//! Packets stay in the kernel meanwhile, and only their numbers come here, unless copies have to be
//! made. A copy goes out through a raw socket, with a mark that the rule excludes. What is decided
//! about the k-th packet depends on the seed alone.
//!
//! It shapes on the receiving side, because a delay on the sending side fills the sender's own
//! queues, and TCP all but stops. Packets that the kernel has merged (GRO, or a sender's
//! segmentation offload) are one packet here.
//!
//! It refuses to guess when it is no longer needed: it runs until it is killed. Packets that it
//! holds at that moment are lost, as in any outage; TCP sends them again.

mod fate;
mod line;
mod message;
mod socket;

use fate::Fate;
use line::{Line, Step};
use message::Message;
use schism_core::fault::LinkShape;
use schism_core::rng::Rng;
use socket::{Copies, Queue};
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

/// How a shaper runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShaperConfig {
    /// The NFQUEUE's number, as given to [`rules::shape`](crate::rules::shape).
    pub queue: u16,
    /// What happens to packets.
    pub shape: LinkShape,
    /// Where its chance comes from.
    pub seed: u64,
}

/// Shapes what comes to the queue until the process is killed. Writes `ready` and a newline to
/// standard output once packets may come; install the rule then.
///
/// Needs `CAP_NET_ADMIN` in the network namespace, and `CAP_NET_RAW` to duplicate. `O(log waiting)`
/// for each packet.
///
/// # Errors
/// If the shape makes no sense, if the queue can't be had (no such right, no NFQUEUE in the kernel,
/// or another process has it), or if the kernel refuses a verdict.
pub fn run(config: ShaperConfig) -> io::Result<()> {
    fate::check(&config.shape)?;
    // Otherwise the kernel may wake us 50 µs late, to save energy.
    let _ = nix::sys::prctl::set_timerslack(1);
    let copying = config.shape.duplicate > 0.0;
    let queue = Queue::bind(config.queue, copying)?;
    let mut shaper = Shaper {
        queue,
        copies: copying.then(Copies::open).transpose()?,
        shape: config.shape,
        rng: Rng::seeded(config.seed),
        line: Line::default(),
        start: now(),
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    drop(stdout);
    loop {
        shaper.turn()?;
    }
}

struct Shaper {
    queue: Queue,
    copies: Option<Copies>,
    shape: LinkShape,
    rng: Rng,
    line: Line,
    start: Instant,
}

impl Shaper {
    /// Waits for a packet or for the next release, and deals with what there is.
    fn turn(&mut self) -> io::Result<()> {
        let wait = self.line.next().map(|at| at.saturating_sub(self.elapsed()));
        self.queue.wait(wait)?;
        // Bounded, so that a flood of arrivals doesn't hold up those whose time has come.
        for _ in 0..64 {
            let Some(bytes) = self.queue.receive()? else { break };
            let at = now().duration_since(self.start);
            for message in message::parse(bytes) {
                match message {
                    Message::Packet { id, payload } => {
                        let fate = fate::decide(&self.shape, &mut self.rng);
                        enqueue(&mut self.line, at, fate, id, payload);
                    }
                    Message::Error(errno) => socket::tolerate(errno)?,
                }
            }
        }
        self.release()
    }

    fn release(&mut self) -> io::Result<()> {
        while let Some(step) = self.line.due(self.elapsed()) {
            match step {
                Step::Accept(id) => self.queue.accept(id)?,
                Step::Drop(id) => self.queue.drop(id)?,
                Step::Copy(packet) => {
                    if let Some(copies) = &self.copies {
                        copies.send(&packet);
                    }
                }
            }
        }
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        now().duration_since(self.start)
    }
}

fn enqueue(line: &mut Line, at: Duration, fate: Fate, id: u32, payload: &[u8]) {
    match fate {
        Fate::Lost => line.push(at, Step::Drop(id)),
        Fate::Arrives { after, again } => {
            line.push(at + after, Step::Accept(id));
            if let Some(again) = again {
                line.push(at + again, Step::Copy(payload.into()));
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "packets are held for real time, in a process apart")]
fn now() -> Instant {
    Instant::now()
}
