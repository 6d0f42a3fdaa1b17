//! Plume's text, which AWDIT reads too: sessions of transactions, without any time.
//!
//! There are two forms of it. In one, a line of equals signs begins a session, one of hyphens a
//! transaction; `w 3 1` is a write of 1 to the key 3, and `r 3 1` a read that found it. In the
//! other, `w(3,1,0,7)` and `r(3,1,0,7)` say it of transaction 7 in session 0; lines of one
//! transaction stand together, transaction -1 was aborted, and a read that found 0 found what was
//! there before any write. All other transactions have committed.
//!
//! A transaction becomes an invocation and its completion, of the process that is its session. They
//! come in the order of the text, which is not that of time: whoever judges them may rely on the
//! order within a session only.

use super::ReadError;
use super::window::{Output, Syntax, Window};
use crate::api::Asked;
use crate::event::{Kind, RawEvent};
use crate::form::{Shape, Tape};
use crate::op::Process;
use rustc_hash::FxHashSet;

/// Reads Plume's text.
#[derive(Debug, Default)]
pub(super) struct Plume {
    tape: Tape,
    session: u64,
    /// The session has transactions.
    begun: bool,
    /// Transactions that lines have named.
    named: FxHashSet<Place>,
}

/// A micro-operation.
#[derive(Clone, Copy)]
struct Mop<'w> {
    at: usize,
    f: &'w str,
    key: &'w str,
    value: Option<&'w str>,
}

/// Session and transaction, where a line says them; an aborted one has no number.
type Place = (u64, Option<u64>);

/// A line.
enum Line<'w> {
    Session,
    Transaction,
    Mop(Mop<'w>, Option<Place>),
    Blank,
}

impl Syntax for Plume {
    fn take(&mut self, window: &Window<'_>, output: &mut Output<'_>) -> Result<usize, ReadError> {
        let text = window.text;
        let (mut pos, mut start) = (0, 0);
        let mut mops = Vec::new();
        let mut place = None;
        while pos < text.len() {
            let end = match memchr::memchr(b'\n', &text.as_bytes()[pos..]) {
                Some(length) => pos + length,
                None if window.last => text.len(),
                None => return Ok(start),
            };
            let line = line(window, pos, end)?;
            let begun = std::mem::replace(&mut pos, text.len().min(end + 1));
            match line {
                Line::Mop(mop, at) => {
                    if at != place && !mops.is_empty() {
                        self.transaction(window, start, (&mops, place), output)?;
                        mops.clear();
                        start = begun;
                    }
                    place = at;
                    self.session = at.map_or(self.session, |(session, _)| session);
                    mops.push(mop);
                }
                Line::Blank => {}
                Line::Session | Line::Transaction => {
                    self.transaction(window, start, (&mops, place), output)?;
                    mops.clear();
                    start = pos;
                    if matches!(line, Line::Session) && std::mem::take(&mut self.begun) {
                        self.session += 1;
                    }
                }
            }
        }
        if !window.last {
            return Ok(start);
        }
        self.transaction(window, start, (&mops, place), output)?;
        Ok(text.len())
    }
}

impl Plume {
    fn transaction(
        &mut self,
        window: &Window<'_>,
        start: usize,
        (mops, place): (&[Mop<'_>], Option<Place>),
        output: &mut Output<'_>,
    ) -> Result<(), ReadError> {
        let Some(first) = mops.first() else { return Ok(()) };
        self.begun = true;
        let aborted = place.is_some_and(|(_, number)| number.is_none());
        if let Some(place @ (_, Some(number))) = place
            && !self.named.insert(place)
        {
            let message = format!(
                "expected another transaction, found {number} again: the lines of one have to \
                 stand together"
            );
            return Err(window.error(first.at, message));
        }
        for kind in [Kind::Invoke, if aborted { Kind::Fail } else { Kind::Ok }] {
            self.fill(start, mops, kind);
            let raw = RawEvent {
                index: None,
                time: None,
                kind,
                process: Process::Client(self.session),
                asked: Asked { f: "txn", key: None, value: self.tape.root() },
                node: None,
                error: None,
            };
            output.event(window, start, &raw)?;
        }
        Ok(())
    }

    /// Puts the transaction on the tape; what it read is known when it is done.
    fn fill(&mut self, start: usize, mops: &[Mop<'_>], kind: Kind) {
        let tape = &mut self.tape;
        tape.clear();
        let list = tape.open(0, Shape::List);
        for mop in mops {
            let at = u32::try_from(mop.at - start).unwrap_or(u32::MAX);
            let open = tape.open(at, Shape::List);
            tape.word(at, mop.f);
            atom(tape, at, mop.key);
            match mop.value {
                Some(value) if mop.f == "w" || kind == Kind::Ok => atom(tape, at, value),
                _ => tape.nil(at),
            }
            tape.close(&open);
        }
        tape.close(&list);
    }
}

fn atom(tape: &mut Tape, at: u32, text: &str) {
    match text.parse() {
        Ok(number) => tape.int(at, number),
        Err(_) => tape.text(at, text),
    }
}

fn line<'w>(window: &Window<'w>, start: usize, end: usize) -> Result<Line<'w>, ReadError> {
    let text = window.text[start..end].trim();
    let only = |mark: char| text.len() >= 3 && text.chars().all(|found| found == mark);
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    if only('=') {
        return Ok(Line::Session);
    }
    if only('-') {
        return Ok(Line::Transaction);
    }
    if let Some((mop, place)) = placed(text, start) {
        return Ok(Line::Mop(mop, Some(place)));
    }
    let mut words = text.split_ascii_whitespace();
    let mop = match (words.next(), words.next(), words.next(), words.next()) {
        (Some("w"), Some(key), value @ Some(_), None) => Some(("w", key, value)),
        (Some("r"), Some(key), value, None) => Some(("r", key, value)),
        _ => None,
    };
    let (f, key, value) = mop.ok_or_else(|| {
        let found = super::text::found(text, 0);
        let message = format!(
            "expected w KEY VALUE, r KEY VALUE, ===== or -----, \
             or r(KEY,VALUE,SESSION,TRANSACTION), found {found}"
        );
        window.error(start, message)
    })?;
    Ok(Line::Mop(Mop { at: start, f, key, value }, None))
}

/// `w(3,1,0,7)`: key, value, session, transaction.
fn placed(text: &str, at: usize) -> Option<(Mop<'_>, Place)> {
    let (f, rest) = text.split_once('(')?;
    let f = match f {
        "w" => "w",
        "r" => "r",
        _ => return None,
    };
    let mut parts = rest.strip_suffix(')')?.split(',').map(str::trim);
    let (key, value) = (parts.next()?, parts.next()?);
    let session = parts.next()?.parse().ok()?;
    let number = match parts.next()? {
        "-1" => None,
        number => Some(number.parse().ok()?),
    };
    let whole = parts.next().is_none() && !key.is_empty() && !value.is_empty();
    let value = Some(value).filter(|value| f == "w" || *value != "0");
    whole.then_some((Mop { at, f, key, value }, (session, number)))
}
