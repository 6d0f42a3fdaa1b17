//! The part of a file that is in memory, and how it moves along.
//!
//! A [`Syntax`] is shown a window of text and takes as many whole events from it as there are. What
//! it leaves is shown again, with more behind it: at least twice as much as before, so that an
//! event of any size is read in linear time although it is begun anew. The buffer grows only when
//! one event is that big.
//!
//! UTF-8 is checked once for a whole window, not for each string. Lines and columns are counted
//! only where a window moves along, and for errors.

use super::ReadError;
use crate::event::RawEvent;
use crate::history::{HistoryError, Refused, Sink};
use crate::limits::Limits;
use std::io::{ErrorKind, Read};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// How much is read at first: all of most histories that are small.
const FIRST: usize = 8 << 10;

/// The longest window, and so the longest event: its offsets have to fit 32 bits.
const MAX_WINDOW: usize = u32::MAX as usize - 1;

/// How many events pass between two looks at the limits.
const POLL: u64 = 4096;

/// Where something stands: line and column, both from 1. A column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A stretch of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'w> {
    /// The text.
    pub(super) text: &'w str,
    /// Nothing follows.
    pub(super) last: bool,
    base: Place,
}

impl<'w> Window<'w> {
    /// A text that is all there is.
    pub(super) fn whole(text: &'w str) -> Self {
        Self { text, last: true, base: Place { line: 1, column: 1 } }
    }

    /// Where the byte at this offset stands.
    pub(super) fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let lines = memchr::memchr_iter(b'\n', before.as_bytes()).count() as u64;
        match memchr::memrchr(b'\n', before.as_bytes()) {
            Some(newline) => Place {
                line: self.base.line + lines,
                column: before[newline + 1..].chars().count() as u64 + 1,
            },
            None => Place {
                line: self.base.line,
                column: self.base.column + before.chars().count() as u64,
            },
        }
    }

    /// That something is wrong at this offset.
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> ReadError {
        let Place { line, column } = self.place(offset);
        ReadError::Malformed(HistoryError { line, column, message: message.into() })
    }
}

/// Where events go, with what has to be watched meanwhile.
pub(super) struct Output<'s> {
    sink: &'s mut dyn Sink,
    limits: &'s Limits,
    /// How many events went there.
    pub(super) events: u64,
}

impl<'s> Output<'s> {
    pub(super) fn new(sink: &'s mut dyn Sink, limits: &'s Limits) -> Self {
        Self { sink, limits, events: 0 }
    }

    /// Hands over an event whose text starts at this offset of the window.
    pub(super) fn event(
        &mut self,
        window: &Window<'_>,
        start: usize,
        raw: &RawEvent<'_>,
    ) -> Result<(), ReadError> {
        self.sink.event(raw).map_err(|Refused { message, at }| {
            window.error(start + at.map_or(0, |at| at as usize), message)
        })?;
        self.events += 1;
        if self.events.is_multiple_of(POLL) { self.poll() } else { Ok(()) }
    }

    fn poll(&self) -> Result<(), ReadError> {
        match self.limits.exceeded() {
            None => Ok(()),
            Some(limit) => Err(ReadError::Stopped { limit: limit.to_owned(), events: self.events }),
        }
    }
}

/// How a format's events are found in its text.
pub(super) trait Syntax {
    /// Takes whole events from the window, and says how much of it is done with. What is left, the
    /// next window starts with. If the window is the last, nothing is left.
    fn take(&mut self, window: &Window<'_>, output: &mut Output<'_>) -> Result<usize, ReadError>;

    /// May a last line that isn't even UTF-8 have been cut off while it was written?
    fn forgives_cut_line(&mut self) -> bool {
        false
    }
}

/// Reads all of a file.
pub(super) fn drive(
    reader: impl Read,
    syntax: &mut dyn Syntax,
    output: &mut Output<'_>,
) -> Result<(), ReadError> {
    drive_within(MAX_WINDOW, reader, syntax, output)
}

/// Reads all of a file of which no event is longer than `max` bytes.
fn drive_within(
    max: usize,
    mut reader: impl Read,
    syntax: &mut dyn Syntax,
    output: &mut Output<'_>,
) -> Result<(), ReadError> {
    let mut buffer = Buffer { max, ..Buffer::default() };
    let mut base = Place { line: 1, column: 1 };
    let mut first = true;
    loop {
        output.poll()?;
        buffer.fill(&mut reader)?;
        if std::mem::take(&mut first) && buffer.bytes().starts_with(b"\xEF\xBB\xBF") {
            buffer.done("\u{FEFF}".len());
        }
        let (text, broken) = longest_text(buffer.bytes(), buffer.ended);
        let window = Window { text, last: buffer.ended && !broken, base };
        let done = syntax.take(&window, output)?;
        if window.last {
            return Ok(());
        }
        if broken {
            let rest = &buffer.bytes()[done..];
            let in_last_line = memchr::memchr(b'\n', rest).is_none();
            if !(in_last_line && syntax.forgives_cut_line()) {
                return Err(not_text(&window, buffer.bytes()[text.len()]));
            }
            if buffer.ended {
                return Ok(());
            }
        }
        if done == 0 && buffer.bytes().len() == max {
            let message = format!("an event of more than {max} bytes; expected smaller ones");
            return Err(window.error(done, message));
        }
        base = window.place(done);
        buffer.done(done);
    }
}

fn not_text(window: &Window<'_>, byte: u8) -> ReadError {
    window.error(
        window.text.len(),
        format!("expected text in UTF-8, found the byte 0x{byte:02X}, which can't stand here"),
    )
}

/// What of these bytes is text, and whether something that isn't text follows it. A character that
/// is cut off at the end may still become whole, unless the file has ended.
fn longest_text(bytes: &[u8], ended: bool) -> (&str, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => {
            let text = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            (text, ended || error.error_len().is_some())
        }
    }
}

/// Bytes that were read and are not done with.
#[derive(Debug, Default)]
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// How big it may get.
    max: usize,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    fn done(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads until there is at least twice as much as before, or the file ends.
    fn fill(&mut self, reader: &mut impl Read) -> Result<(), ReadError> {
        let full = self.end == self.memory.len();
        self.memory.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let wanted = (2 * self.end).min(self.max);
        let size = match self.memory.len() {
            0 => FIRST,
            size if full => size.max(CHUNK).max(wanted),
            size => size.max(wanted),
        };
        self.memory.resize(size.min(self.max), 0);
        while !self.ended {
            match reader.read(&mut self.memory[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
            if self.end >= wanted.max(1) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Output, drive_within};
    use crate::event::RawEvent;
    use crate::format::edn::Edn;
    use crate::history::{Refused, Sink};
    use crate::limits::Limits;

    struct Any;

    impl Sink for Any {
        fn event(&mut self, _: &RawEvent<'_>) -> Result<(), Refused> {
            Ok(())
        }
    }

    #[test]
    fn an_event_that_is_too_long_is_refused_where_it_begins() {
        let event = "{:type :ok, :process 0, :f :read}\n";
        let limits = Limits::default();
        for (length, fits) in [(50, true), (60, true), (61, false), (1000, false)] {
            let text =
                format!("{event}{event}{{:type {}:ok, :process 0, :f :r}}", " ".repeat(length));
            let mut any = Any;
            let mut output = Output::new(&mut any, &limits);
            let result = drive_within(90, text.as_bytes(), &mut Edn::default(), &mut output);
            match result {
                Ok(()) => assert!(fits, "{length}"),
                Err(error) => {
                    assert!(!fits, "{length}: {error}");
                    let message = "line 3, column 1: an event of more than 90 bytes; expected";
                    assert!(error.to_string().starts_with(message), "{error}");
                }
            }
        }
    }
}
