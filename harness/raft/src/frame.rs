//! Frames: how bytes get into a file such that what was written whole can be told from what was
//! not.
//!
//! A frame is `length, crc32(payload), crc32(of these eight bytes)`, little-endian, and the
//! payload. The log's writer syncs each frame before it writes the next, so at most the last one
//! can be torn. That is the whole argument of [`scan`]: a broken frame that is followed by a good
//! one had been synced, so it is corruption; a broken frame with nothing good behind it is a torn
//! tail, which nobody was promised. Damage to the very last frame cannot be told from a torn one.

use std::fmt;

const HEADER: usize = 12;

/// Where a file is broken although it had been written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt {
    pub(crate) at: usize,
    pub(crate) next_good: usize,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "corrupt at byte {}: the frame there is broken, but a whole one follows at byte {}",
            self.at, self.next_good
        )
    }
}

impl std::error::Error for Corrupt {}

/// The good frames of a file, and how many bytes they take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan<'a> {
    pub(crate) payloads: Vec<&'a [u8]>,
    pub(crate) good: usize,
}

/// Appends one frame to `out`.
///
/// # Errors
/// If the payload has 4 GiB or more.
pub(crate) fn encode(payload: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(std::io::Error::other)?;
    let mut head = [0; 8];
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

/// Reads the frames of a file. `O(bytes)` unless a broken frame is large.
pub(crate) fn scan(bytes: &[u8]) -> Result<Scan<'_>, Corrupt> {
    let mut payloads = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some(payload) = frame_at(bytes, at) else {
            let later = (at + 1..bytes.len()).find(|offset| frame_at(bytes, *offset).is_some());
            return match later {
                Some(next_good) => Err(Corrupt { at, next_good }),
                None => Ok(Scan { payloads, good: at }),
            };
        };
        payloads.push(payload);
        at += HEADER + payload.len();
    }
    Ok(Scan { payloads, good: at })
}

fn frame_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (head, rest) = bytes.get(at..)?.split_at_checked(HEADER)?;
    let word = |from: usize| head[from..from + 4].try_into().map(u32::from_le_bytes).ok();
    if crc32fast::hash(&head[..8]) != word(8)? {
        return None;
    }
    let payload = rest.get(..usize::try_from(word(0)?).ok()?)?;
    (crc32fast::hash(payload) == word(4)?).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::{Corrupt, HEADER, encode, scan};

    fn file(payloads: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            encode(payload.as_bytes(), &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn every_cut_leaves_the_whole_frames_before_it() {
        let bytes = file(&["one", "two!", "three"]);
        let ends = [0, HEADER + 3, 2 * HEADER + 7, 3 * HEADER + 12];
        for cut in 0..=bytes.len() {
            let found = scan(&bytes[..cut]).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!((found.payloads.len(), found.good), (whole, ends[whole]), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_byte_before_the_last_frame_is_corruption() {
        let bytes = file(&["one", "two!", "three"]);
        let last = 2 * HEADER + 7;
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            if at < last {
                let frame = if at < HEADER + 3 { 0 } else { HEADER + 3 };
                let next_good = if frame == 0 { HEADER + 3 } else { last };
                assert_eq!(scan(&damaged), Err(Corrupt { at: frame, next_good }), "byte {at}");
            } else {
                assert_eq!(scan(&damaged).unwrap().good, last, "byte {at}");
            }
        }
    }

    #[test]
    fn a_tail_of_zeros_is_a_torn_tail() {
        let mut bytes = file(&["one"]);
        bytes.extend([0; 100]);
        assert_eq!(scan(&bytes).unwrap().good, HEADER + 3);
    }
}
