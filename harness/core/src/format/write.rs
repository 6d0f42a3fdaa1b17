//! Histories in the formats that other tools read, written event by event.
//!
//! A [`Writer`] is a [`Sink`], so that reading with one format and writing with another is a
//! conversion that holds one event in memory.
//!
//! - **EDN** is as Jepsen writes it: a map a line, keywords for `:type`, `:f`, the nemesis and the
//!   names of micro-operations. Reading it back gives the same events, except that a name may have
//!   become a string or a string a name, which no checker tells apart.
//! - **JSON** is as elle-cli reads it: an array of objects. Keywords become strings, sets arrays,
//!   and tags are lost, for JSON has none of these.
//! - **JSON lines** are our own `history.jsonl`.
//!
//! An operation on one of several objects has its key beside the value in our format. Jepsen's
//! tools know pairs `[key value]` in the value's place, so that is what EDN and JSON get, with
//! `:keyed true` beside it, so that reading it back isn't a guess. What an event doesn't have
//! is left out; nothing is made up.
//!
//! ```
//! use schism_core::format::{self, Format, write::Writer};
//! let line = r#"{"index":0,"type":"ok","process":0,"f":"txn","value":[["r","x",[1]]]}"#;
//! let mut writer = Writer::new(Format::Edn, Vec::new())?;
//! format::read(Format::Jsonl, line.as_bytes(), &mut writer, &Default::default())?;
//! assert_eq!(
//!     String::from_utf8(writer.finish()?)?,
//!     "{:index 0, :type :ok, :process 0, :f :txn, :value [[:r \"x\" [1]]]}\n"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod edn;
mod json;
#[cfg(test)]
mod tests;

use super::Format;
use crate::event::{Kind, RawEvent};
use crate::history::{Refused, Sink};
use std::fmt;
use std::io::{self, Write};

/// How much is gathered before it is written.
const CHUNK: usize = 64 << 10;

/// Writes the events that it takes.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    syntax: Syntax,
    buffer: Vec<u8>,
    any: bool,
    failed: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Edn,
    Json,
    Jsonl,
}

/// A format that is read and not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotWritten(Format);

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a format that is written: edn, json or jsonl; found {}", self.0)
    }
}

impl std::error::Error for NotWritten {}

impl TryFrom<Format> for Syntax {
    type Error = NotWritten;

    fn try_from(format: Format) -> Result<Self, NotWritten> {
        match format {
            Format::Edn => Ok(Self::Edn),
            Format::Json => Ok(Self::Json),
            Format::Jsonl => Ok(Self::Jsonl),
            Format::JepsenLog | Format::Plume => Err(NotWritten(format)),
        }
    }
}

impl Syntax {
    fn event(self, out: &mut Vec<u8>, raw: &RawEvent<'_>) {
        match self {
            Self::Edn => edn::event(out, raw),
            Self::Jsonl => json::event(out, raw, json::Keys::Beside),
            Self::Json => json::event(out, raw, json::Keys::Before),
        }
    }
}

/// Appends one event, as a line.
pub(super) fn write(
    format: Format,
    raw: &RawEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<(), NotWritten> {
    Syntax::try_from(format)?.event(out, raw);
    out.push(b'\n');
    Ok(())
}

impl<W: Write> Writer<W> {
    /// Writes in this format, if it is one of those that are written.
    pub fn new(format: Format, out: W) -> Result<Self, NotWritten> {
        let syntax = Syntax::try_from(format)?;
        Ok(Self { out, syntax, buffer: Vec::new(), any: false, failed: None })
    }

    /// Writes what is still to be written, or says why an event could not be.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.syntax == Syntax::Json {
            self.buffer.extend_from_slice(if self.any { b"\n]\n" } else { b"[]\n" });
        }
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn flush(&mut self) -> Result<(), Refused> {
        let result = self.out.write_all(&self.buffer);
        self.buffer.clear();
        result.map_err(|error| {
            let refused = Refused::from(format!("cannot be written: {error}"));
            self.failed = Some(error);
            refused
        })
    }
}

impl<W: Write> Sink for Writer<W> {
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        let out = &mut self.buffer;
        match self.syntax {
            Syntax::Json => {
                out.extend_from_slice(if self.any { b",\n" } else { b"[\n" });
                self.syntax.event(out, raw);
            }
            Syntax::Edn | Syntax::Jsonl => {
                self.syntax.event(out, raw);
                out.push(b'\n');
            }
        }
        self.any = true;
        if self.buffer.len() >= CHUNK { self.flush() } else { Ok(()) }
    }
}

/// The name of a type.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    }
}

/// Appends a whole number from 0.
fn natural(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a whole number.
fn whole(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    natural(out, number.unsigned_abs());
}

/// Appends what has a form in words.
fn shown(out: &mut Vec<u8>, what: impl fmt::Display) {
    // Writing to memory can't fail.
    let _never = write!(out, "{what}");
}
