//! A connection to one peer that many askers share, and that comes back by itself.
//!
//! Frames on the wire are `length (u32), number (u64), body`, little-endian; an answer carries its
//! question's number, so a slow answer holds up no other.
//!
//! A cut link loses packets but closes nothing: TCP would go on retransmitting, ever more rarely,
//! for long after the cut has healed. So a connection on which an answer is overdue and nothing
//! else arrives is given up for a new one. A paused peer looks the same, and loses nothing by it.
//!
//! An asker who stops waiting is told whether the question may have left: [`LinkError::NotSent`] is
//! a certainty, because a question is claimed, by one atomic step, either by the asker who gives up
//! or by the sender, never by both.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// A longer frame is not one of ours.
const LONGEST: usize = 256 << 20;
const HEADER: usize = 12;
/// Below the second after which the kernel would repeat a lost SYN.
const CONNECT: Duration = Duration::from_millis(600);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// The question certainly did not reach the peer, and never will.
    NotSent(String),
    /// It may have.
    NoAnswer(String),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotSent(why) | Self::NoAnswer(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for LinkError {}

/// One peer; clones share the connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    questions: mpsc::UnboundedSender<Question>,
}

type Answer = oneshot::Sender<Result<Vec<u8>, LinkError>>;

#[derive(Debug)]
struct Question {
    body: Vec<u8>,
    answer: Answer,
    fate: Arc<AtomicU8>,
}

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Question {
    /// Claims it for sending; false if its asker has withdrawn it, or is gone.
    fn claim(&self) -> bool {
        !self.answer.is_closed()
            && self.fate.compare_exchange(QUEUED, SENT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Link {
    /// A link that connects when something is asked. `patience` is how long an answer may take
    /// before a silent connection counts as dead.
    pub(crate) fn new(addr: SocketAddr, patience: Duration) -> Self {
        let (questions, queue) = mpsc::unbounded_channel();
        tokio::spawn(keep_connected(addr, patience, queue));
        Self { questions }
    }

    /// Asks, and waits for the answer for at most `within`.
    pub(crate) async fn ask(&self, body: Vec<u8>, within: Duration) -> Result<Vec<u8>, LinkError> {
        let (answer, answered) = oneshot::channel();
        let fate = Arc::new(AtomicU8::new(QUEUED));
        let question = Question { body, answer, fate: fate.clone() };
        if self.questions.send(question).is_err() {
            return Err(LinkError::NotSent("the link is closed".to_owned()));
        }
        match timeout(within, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(LinkError::NoAnswer("the connection was lost".to_owned())),
            Err(_) => {
                let why = format!("no answer within {} ms", within.as_millis());
                let withdrawn =
                    fate.compare_exchange(QUEUED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire);
                Err(if withdrawn.is_ok() {
                    LinkError::NotSent(why)
                } else {
                    LinkError::NoAnswer(why)
                })
            }
        }
    }
}

async fn keep_connected(
    addr: SocketAddr,
    patience: Duration,
    mut queue: mpsc::UnboundedReceiver<Question>,
) {
    while let Some(first) = queue.recv().await {
        match connect(addr).await {
            Ok(stream) => converse(stream, patience, first, &mut queue).await,
            Err(error) => {
                let why = format!("cannot connect to {addr}: {error}");
                let refuse = |question: Question| {
                    // Nobody may be waiting any more.
                    let _ = question.answer.send(Err(LinkError::NotSent(why.clone())));
                };
                refuse(first);
                while let Ok(question) = queue.try_recv() {
                    refuse(question);
                }
            }
        }
    }
}

/// Asks what is in the queue until the connection is lost, or nobody holds the link any more.
async fn converse(
    stream: TcpStream,
    patience: Duration,
    first: Question,
    queue: &mut mpsc::UnboundedReceiver<Question>,
) {
    let (mut reader, writer) = stream.into_split();
    let mut conversation = Conversation::new(writer, patience);
    let mut buffer = Vec::new();
    let mut alive = conversation.send(first).await.is_ok();
    while alive {
        // The deadline moves with each answer, so it is looked up anew.
        let overdue = conversation.overdue();
        alive = tokio::select! {
            question = queue.recv() => match question {
                Some(question) => conversation.send(question).await.is_ok(),
                None => false,
            },
            read = reader.read_buf(&mut buffer) => {
                read.is_ok_and(|bytes| bytes > 0) && conversation.hear(&mut buffer).is_ok()
            }
            () = sleep_until(overdue) => false,
        };
    }
}

async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, TcpStream::connect(addr))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time"))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One connection. Dropping it tells everybody who waits that there will be no answer.
struct Conversation {
    writer: OwnedWriteHalf,
    patience: Duration,
    next: u64,
    waiting: BTreeMap<u64, (Instant, Answer)>,
    heard: Instant,
}

impl Conversation {
    fn new(writer: OwnedWriteHalf, patience: Duration) -> Self {
        Self { writer, patience, next: 0, waiting: BTreeMap::new(), heard: Instant::now() }
    }

    async fn send(&mut self, question: Question) -> io::Result<()> {
        if !question.claim() {
            return Ok(());
        }
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, (Instant::now(), question.answer));
        let frame = frame(number, &question.body)?;
        // A paused peer reads nothing: once its buffers are full, writing waits as well.
        timeout(self.patience, self.writer.write_all(&frame)).await?
    }

    /// When the connection counts as dead unless something is heard.
    fn overdue(&self) -> Instant {
        let oldest = self.waiting.first_key_value().map(|(_, (since, _))| *since);
        oldest.map_or_else(
            || Instant::now() + Duration::from_hours(1),
            |since| since.max(self.heard) + self.patience,
        )
    }

    fn hear(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.heard = Instant::now();
        while let Some((number, body)) = take_frame(buffer)? {
            if let Some((_, answer)) = self.waiting.remove(&number) {
                // The asker may have stopped waiting.
                let _ = answer.send(Ok(body));
            }
        }
        Ok(())
    }
}

/// A frame for the wire.
pub(crate) fn frame(number: u64, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// Takes the first whole frame out of what has been read.
pub(crate) fn take_frame(buffer: &mut Vec<u8>) -> io::Result<Option<(u64, Vec<u8>)>> {
    let Some((length, rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(io::Error::other)?;
    if length > LONGEST {
        return Err(io::Error::other(format!("a frame of {length} bytes is not one of ours")));
    }
    let Some((number, body)) = rest.split_first_chunk::<8>() else { return Ok(None) };
    if body.len() < length {
        return Ok(None);
    }
    let found = (u64::from_le_bytes(*number), body[..length].to_vec());
    buffer.drain(..HEADER + length);
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::{Link, LinkError, frame, take_frame};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    const SOON: Duration = Duration::from_millis(200);
    const LATER: Duration = Duration::from_secs(5);

    async fn next(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> (u64, Vec<u8>) {
        loop {
            if let Some(found) = take_frame(buffer).unwrap() {
                return found;
            }
            assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "closed");
        }
    }

    #[test]
    fn frames_arrive_whole_however_they_are_cut() {
        let bytes = [frame(7, b"hello").unwrap(), frame(8, b"").unwrap()].concat();
        let mut buffer = Vec::new();
        let mut found = Vec::new();
        for byte in bytes {
            buffer.push(byte);
            found.extend(take_frame(&mut buffer).unwrap());
        }
        assert_eq!(found, [(7, b"hello".to_vec()), (8, Vec::new())]);
        assert!(take_frame(&mut vec![0xff; 20]).is_err());
    }

    #[tokio::test]
    async fn answers_find_their_questions_in_any_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::new(listener.local_addr().unwrap(), LATER);
        let peer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = Vec::new();
            let one = next(&mut stream, &mut buffer).await;
            let two = next(&mut stream, &mut buffer).await;
            for (number, body) in [two, one] {
                stream.write_all(&frame(number, &body).unwrap()).await.unwrap();
            }
        };
        let (one, two, ()) =
            tokio::join!(link.ask(b"1".to_vec(), LATER), link.ask(b"2".to_vec(), LATER), peer);
        assert_eq!((one.unwrap(), two.unwrap()), (b"1".to_vec(), b"2".to_vec()));
    }

    #[tokio::test]
    async fn a_refused_connection_is_certain_and_a_lost_one_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let link = Link::new(addr, LATER);
        let (asked, ()) = tokio::join!(link.ask(b"1".to_vec(), LATER), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            next(&mut stream, &mut Vec::new()).await;
        });
        assert!(matches!(asked, Err(LinkError::NoAnswer(_))), "{asked:?}");
        drop(listener);
        let asked = link.ask(b"2".to_vec(), LATER).await;
        assert!(matches!(asked, Err(LinkError::NotSent(_))), "{asked:?}");
    }

    #[tokio::test]
    async fn a_silent_connection_is_given_up_for_a_new_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::new(listener.local_addr().unwrap(), SOON);
        let (asked, (mut silent, _)) = tokio::join!(link.ask(b"1".to_vec(), LATER), async {
            listener.accept().await.unwrap()
        });
        assert!(matches!(asked, Err(LinkError::NoAnswer(_))), "{asked:?}");
        let (asked, ()) = tokio::join!(link.ask(b"2".to_vec(), LATER), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (number, body) = next(&mut stream, &mut Vec::new()).await;
            stream.write_all(&frame(number, &body).unwrap()).await.unwrap();
        });
        assert_eq!(asked.unwrap(), b"2");
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, frame(0, b"1").unwrap());
    }
}
