//! Netlink messages to and from the kernel's queue, as bytes.
//!
//! The format is that of `linux/netlink.h`, `linux/netfilter/nfnetlink.h` and
//! `nfnetlink_queue.h`: headers in the machine's byte order, the queue's own fields in the
//! network's.

const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
/// `NFNL_SUBSYS_QUEUE`, in the upper byte of a message's type.
const QUEUE: u16 = 3 << 8;
const PACKET: u16 = QUEUE;
const VERDICT: u16 = QUEUE | 1;
const CONFIG: u16 = QUEUE | 2;
/// Netlink's header and netfilter's.
const HEADERS: usize = 16 + 4;

/// What the kernel says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A packet waits for its verdict.
    Packet {
        /// Its number, to be named in the verdict.
        id: u32,
        /// Its bytes from the IP header on; empty if copies weren't asked for.
        payload: &'a [u8],
    },
    /// The outcome of an earlier message; 0 if all was well.
    Error(i32),
}

/// What a bound queue is asked for.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    /// Whether packets' bytes are wanted.
    pub(super) copying: bool,
    /// How many packets may wait; beyond it they pass at once.
    pub(super) longest: u32,
}

/// Binds a queue and sets it up, in one message that the kernel answers.
pub(super) fn config(queue: u16, setup: Setup) -> Vec<u8> {
    const FAIL_OPEN: u32 = 1;
    const GSO: u32 = 4;
    let (copy_mode, copy_range) = if setup.copying { (2, 0xffff_u32) } else { (1, 0) };
    // Without GSO the kernel computes checksums and cuts packets to the wire's size before they
    // come here: work that is needed only for a packet that leaves as a copy.
    let flags = if setup.copying { FAIL_OPEN } else { FAIL_OPEN | GSO };
    let mut params = copy_range.to_be_bytes().to_vec();
    params.push(copy_mode);
    let bind = [1, 0, 0, 0];
    message(
        CONFIG,
        NLM_F_REQUEST | NLM_F_ACK,
        queue,
        &[
            (1, &bind),
            (2, &params),
            (3, &setup.longest.to_be_bytes()),
            (4, &(FAIL_OPEN | GSO).to_be_bytes()),
            (5, &flags.to_be_bytes()),
        ],
    )
}

/// Lets a packet go on, or drops it. The kernel answers only if that fails.
pub(super) fn verdict(queue: u16, id: u32, accept: bool) -> Vec<u8> {
    let mut verdict = [0; 8];
    verdict[..4].copy_from_slice(&u32::from(accept).to_be_bytes());
    verdict[4..].copy_from_slice(&id.to_be_bytes());
    message(VERDICT, NLM_F_REQUEST, queue, &[(2, &verdict)])
}

fn message(kind: u16, flags: u16, queue: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&queue.to_be_bytes());
    for (kind, data) in attributes {
        let length = u16::try_from(data.len() + 4).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[0..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

/// The messages in what was received. Whatever is cut short or of no interest is left out.
pub(super) fn parse(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        loop {
            let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
            let whole = bytes.get(..length).filter(|whole| whole.len() >= 16)?;
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
            if let Some(message) = parse_one(whole) {
                return Some(message);
            }
        }
    })
}

fn parse_one(message: &[u8]) -> Option<Message<'_>> {
    match read_u16(message, 4)? {
        NLMSG_ERROR => {
            let errno = message.get(16..20)?.try_into().ok()?;
            Some(Message::Error(i32::from_ne_bytes(errno).saturating_neg()))
        }
        PACKET => {
            let (mut id, mut payload): (_, &[u8]) = (None, &[]);
            let mut rest = message.get(HEADERS..)?;
            while let (Some(length), Some(kind)) = (read_u16(rest, 0), read_u16(rest, 2)) {
                let length = usize::from(length);
                let data = rest.get(4..length)?;
                // The two upper bits say how an attribute is laid out.
                match kind & 0x3fff {
                    1 => id = data.get(..4).and_then(|id| id.try_into().ok()),
                    10 => payload = data,
                    _ => {}
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
            Some(Message::Packet { id: u32::from_be_bytes(id?), payload })
        }
        _ => None,
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Message, PACKET, Setup, config, message, parse, verdict};
    use proptest::prelude::*;

    fn packet(id: u32, payload: &[u8]) -> Vec<u8> {
        let mut header = id.to_be_bytes().to_vec();
        header.extend_from_slice(&[8, 0, 1]);
        message(PACKET, 0, 3, &[(1, &header), (9, &[1; 3]), (10, payload)])
    }

    #[test]
    fn packets_and_errors_are_read() {
        let mut bytes = packet(7, b"hello");
        bytes.extend(message(0x999, 0, 3, &[]));
        let mut error = message(super::NLMSG_ERROR, 0, 0, &[]);
        error[16..20].copy_from_slice(&(-2i32).to_ne_bytes());
        bytes.extend(error);
        bytes.extend(packet(8, b""));
        let got: Vec<_> = parse(&bytes).collect();
        let want = [
            Message::Packet { id: 7, payload: b"hello" },
            Message::Error(2),
            Message::Packet { id: 8, payload: b"" },
        ];
        assert_eq!(got, want);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn messages_are_laid_out_as_the_kernel_wants() {
        let verdict = verdict(0x0102, 5, true);
        let want = [
            32, 0, 0, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, // netlink
            0, 0, 1, 2, // netfilter
            12, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 5, // verdict: accept 5
        ];
        assert_eq!(verdict, want);
        let config = config(1, Setup { copying: true, longest: 9 });
        assert_eq!(config.len() % 4, 0);
        assert_eq!(config[20..28], [8, 0, 1, 0, 1, 0, 0, 0], "bind");
        assert_eq!(config[28..40], [9, 0, 2, 0, 0, 0, 0xff, 0xff, 2, 0, 0, 0], "copy packets");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).count() <= bytes.len() / 16);
        }

        #[test]
        fn a_message_cut_short_is_no_message(cut in 1usize..40) {
            let bytes = packet(7, b"hello");
            let cut = bytes.len().saturating_sub(cut);
            prop_assert_eq!(parse(&bytes[..cut]).count(), 0);
        }
    }
}
