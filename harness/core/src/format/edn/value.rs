//! EDN values onto a tape.
//!
//! A loop with a stack of its own, so that no input decides how deep the machine's stack gets.
//! Tagged literals and discards are frames too: each ends by itself with the value behind it.
//!
//! Beyond EDN's own text, what Clojure prints is read: regular expressions, the tag of a map whose
//! keys share a namespace, and the numbers of [`super::number`].

use super::scan::Scan;
use crate::form::{Mark, Opened, Shape, Tape};
use crate::format::text::{MAX_DEPTH, Trouble, found};

/// What the text goes on with.
#[derive(Debug, PartialEq)]
pub(in crate::format) enum Found {
    /// A value, which is on the tape now.
    Value,
    /// The bracket at this offset, which opens a list of events.
    Open(usize),
    /// The bracket at this offset, which closes what was opened before the text.
    Close(usize),
    /// Nothing more.
    End,
}

/// What stands around the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::format) enum Level {
    /// A history: a list here holds events, and is not a value.
    History,
    /// Anything: a list here is a value.
    Value,
}

/// What is being read.
#[derive(Debug)]
struct Frame {
    what: What,
    /// The offset at which it began.
    at: usize,
    members: usize,
}

#[derive(Debug)]
enum What {
    List(Opened, u8),
    Set(Opened),
    Map(Opened),
    Tag(Opened),
    Discard(Mark),
}

impl Frame {
    fn bracket(&self) -> &'static str {
        match self.what {
            What::List(_, b')') => "(",
            What::List(..) => "[",
            What::Set(_) => "#{",
            What::Map(_) => "{",
            What::Tag(_) => "tag",
            What::Discard(_) => "#_",
        }
    }

    fn closing(&self) -> Option<u8> {
        match self.what {
            What::List(_, closing) => Some(closing),
            What::Set(_) | What::Map(_) => Some(b'}'),
            What::Tag(_) | What::Discard(_) => None,
        }
    }
}

/// A reader of values; it keeps its stack's memory.
#[derive(Debug, Default)]
pub(in crate::format) struct Values {
    frames: Vec<Frame>,
}

impl Values {
    /// Puts the next value at or behind `pos` on the tape and moves `pos` behind it. Offsets on the
    /// tape count from `pos`. Unless nothing follows the text, a value that may go on behind it is
    /// not taken.
    pub(in crate::format) fn next(
        &mut self,
        text: &str,
        pos: &mut usize,
        last: bool,
        level: Level,
        tape: &mut Tape,
    ) -> Result<Found, Trouble> {
        self.frames.clear();
        let mut scan = Scan::new(text, *pos, last);
        let found = self.value(&mut scan, level, tape)?;
        *pos = scan.pos;
        Ok(found)
    }

    fn value(
        &mut self,
        scan: &mut Scan<'_>,
        level: Level,
        tape: &mut Tape,
    ) -> Result<Found, Trouble> {
        loop {
            let Some(&byte) = scan.bytes.get(scan.pos) else { return self.ended(scan) };
            match byte {
                b' ' | b'\n' | b',' | b'\t' | b'\r' | b'\x0b' | b'\x0c' => {
                    scan.pos += 1;
                    continue;
                }
                b'0'..=b'9' => scan.number(tape)?,
                b':' => scan.keyword(tape)?,
                b'[' | b'(' | b'{' => {
                    if byte != b'{' && level == Level::History && self.frames.is_empty() {
                        scan.pos += 1;
                        return Ok(Found::Open(scan.pos - 1));
                    }
                    self.open(scan, byte, level, tape)?;
                    continue;
                }
                b']' | b')' | b'}' => {
                    if self.frames.is_empty() {
                        scan.pos += 1;
                        return Ok(Found::Close(scan.pos - 1));
                    }
                    self.close(scan, byte, tape)?;
                }
                b'"' => scan.string(tape)?,
                b'-' | b'+' => scan.signed(tape)?,
                b';' => {
                    scan.comment()?;
                    continue;
                }
                b'\\' => scan.character(tape)?,
                b'#' => {
                    if !self.dispatch(scan, tape)? {
                        continue;
                    }
                }
                _ => scan.symbol(tape)?,
            }
            if self.complete(tape) {
                return Ok(Found::Value);
            }
        }
    }

    /// The text has ended.
    fn ended(&self, scan: &Scan<'_>) -> Result<Found, Trouble> {
        if !scan.last {
            return Err(Trouble::More);
        }
        match self.frames.last() {
            None => Ok(Found::End),
            Some(frame) => Err(Trouble::Wrong {
                at: scan.pos,
                message: match frame.closing() {
                    Some(closing) => {
                        format!("expected {}, found the end of the text", char::from(closing))
                    }
                    None => "expected a value, found the end of the text".to_owned(),
                },
                open: Some((frame.at, frame.bracket())),
            }),
        }
    }

    fn push(&mut self, scan: &Scan<'_>, what: What) -> Result<(), Trouble> {
        if self.frames.len() == MAX_DEPTH {
            let message = format!("values nested more than {MAX_DEPTH} deep; expected fewer");
            return Err(Trouble::wrong(scan.pos, message));
        }
        self.frames.push(Frame { what, at: scan.pos, members: 0 });
        Ok(())
    }

    fn open(
        &mut self,
        scan: &mut Scan<'_>,
        byte: u8,
        level: Level,
        tape: &mut Tape,
    ) -> Result<(), Trouble> {
        if level == Level::History {
            self.refuse_as_key(scan)?;
        }
        let what = match byte {
            b'[' => What::List(tape.open(scan.at(), Shape::List), b']'),
            b'(' => What::List(tape.open(scan.at(), Shape::List), b')'),
            _ => What::Map(tape.open(scan.at(), Shape::Map)),
        };
        self.push(scan, what)?;
        scan.pos += 1;
        Ok(())
    }

    /// No event has a collection among its keys: where one stands, the event's end is missing, and
    /// it is better to say so than to read on to the end of the file.
    fn refuse_as_key(&self, scan: &Scan<'_>) -> Result<(), Trouble> {
        let ([event] | [Frame { what: What::Tag(_), .. }, event]) = self.frames.as_slice() else {
            return Ok(());
        };
        if !matches!(event.what, What::Map(_)) || event.members % 2 == 1 {
            return Ok(());
        }
        Err(Trouble::Wrong {
            at: scan.pos,
            message: format!(
                "expected a key such as :type, or the event's closing }}, found {}",
                found(scan.text, scan.pos)
            ),
            open: Some((event.at, "{")),
        })
    }

    fn close(&mut self, scan: &mut Scan<'_>, byte: u8, tape: &mut Tape) -> Result<(), Trouble> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let wrong = |message: String| {
            let open = Some((frame.at, frame.bracket()));
            Err(Trouble::Wrong { at: scan.pos, message, open })
        };
        match frame.closing() {
            Some(closing) if closing == byte => {}
            Some(closing) => {
                return wrong(format!(
                    "expected {}, found {}",
                    char::from(closing),
                    char::from(byte)
                ));
            }
            None => return wrong(format!("expected a value, found {}", char::from(byte))),
        }
        match &frame.what {
            What::Map(_) if frame.members % 2 == 1 => {
                return wrong("expected the value of the last key, found }".to_owned());
            }
            What::Map(opened) | What::Set(opened) | What::List(opened, _) => tape.close(opened),
            What::Tag(_) | What::Discard(_) => {}
        }
        self.frames.pop();
        scan.pos += 1;
        Ok(())
    }

    /// What begins with #. False if it isn't a whole value.
    fn dispatch(&mut self, scan: &mut Scan<'_>, tape: &mut Tape) -> Result<bool, Trouble> {
        match scan.bytes.get(scan.pos + 1) {
            None if !scan.last => return Err(Trouble::More),
            Some(b'{') => {
                let what = What::Set(tape.open(scan.at(), Shape::Set));
                self.push(scan, what)?;
                scan.pos += 2;
                return Ok(false);
            }
            Some(b'_') => {
                self.push(scan, What::Discard(tape.mark()))?;
                scan.pos += 2;
                return Ok(false);
            }
            Some(b'"') => {
                scan.pos += 1;
                scan.string(tape)?;
                return Ok(true);
            }
            Some(b'#') => {
                scan.symbolic(tape)?;
                return Ok(true);
            }
            _ => {}
        }
        let end = scan.token_end(scan.pos + 1)?;
        let tag = &scan.text[scan.pos + 1..end];
        if tag.is_empty() || tag.starts_with('<') {
            return Err(Trouble::wrong(
                scan.pos,
                format!("expected a value, found {}", found(scan.text, scan.pos)),
            ));
        }
        let opened = tape.open(scan.at(), Shape::Tagged);
        tape.word(scan.at(), tag);
        self.push(scan, What::Tag(opened))?;
        scan.pos = end;
        Ok(false)
    }

    /// A value is complete: so may be what it is in. True if nothing is open any more.
    fn complete(&mut self, tape: &mut Tape) -> bool {
        loop {
            let Some(frame) = self.frames.last_mut() else { return true };
            match &frame.what {
                What::List(..) | What::Set(_) | What::Map(_) => {
                    frame.members += 1;
                    return false;
                }
                What::Tag(opened) => {
                    tape.close(opened);
                    self.frames.pop();
                }
                What::Discard(mark) => {
                    tape.rewind(*mark);
                    self.frames.pop();
                    return false;
                }
            }
        }
    }
}
