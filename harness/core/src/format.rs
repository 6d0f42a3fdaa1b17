//! Histories in the formats that people have them in, read as a stream of events.
//!
//! [`read()`] hands a file's events to a [`Sink`] one by one, while they come: what is in memory is
//! one event and a buffer, however long the history. Parsing is by hand and straight onto a
//! [`Tape`], whose memory serves every event again, so that a million operations cost neither a
//! million allocations nor a tree of values each. Every syntax is a loop with a stack of its own,
//! at most 512 deep; nothing recurses into the input.
//!
//! What is wrong with a file is said with line and column, what was expected and what was found;
//! so is what the sink refuses. [`Format::detect`] tells formats apart by how they begin.
//!
//! ```
//! use schism_core::api::register::Register;
//! use schism_core::format::{self, Format};
//! use schism_core::history::HistoryBuilder;
//! let text = "{:process 0, :type :invoke, :f :write, :value 3}\n\
//!             {:process 0, :type :ok,     :f :write, :value 3}\n";
//! let mut history = HistoryBuilder::<Register>::default();
//! let format = Format::detect(text.as_bytes()).unwrap();
//! let summary = format::read(format, text.as_bytes(), &mut history, &Default::default())?;
//! assert_eq!((format, summary.events, history.len()), (Format::Edn, 2, 1));
//!
//! let cut = &text.as_bytes()[..60];
//! let error = format::read(Format::Edn, cut, &mut history, &Default::default()).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "line 2, column 12: expected }, found the end of the text; \
//!      the { of line 2, column 1 is open"
//! );
//! # Ok::<(), format::ReadError>(())
//! ```
//!
//! [`Tape`]: crate::form::Tape

mod detect;
mod edn;
mod fields;
mod jepsen_log;
mod json;
mod plume;
#[cfg(test)]
mod tests;
mod text;
mod window;
pub mod write;

use crate::event::RawEvent;
use crate::history::{HistoryError, Sink};
use crate::limits::Limits;
use std::fmt;
use std::io::Read;
use std::str::FromStr;

/// A format of histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own `history.jsonl`: a JSON object a line.
    Jsonl,
    /// EDN, as Jepsen's `history.edn`: maps one after another, or in a vector or list.
    Edn,
    /// JSON, as elle-cli reads it: objects in an array, or one after another.
    Json,
    /// What Jepsen prints: `INFO  jepsen.util - 0 :invoke :read nil`.
    JepsenLog,
    /// Plume's text: sessions of transactions of `w KEY VALUE` and `r KEY VALUE`.
    Plume,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Jsonl, Self::Edn, Self::Json, Self::JepsenLog, Self::Plume];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Edn => "edn",
            Self::Json => "json",
            Self::JepsenLog => "jepsen-log",
            Self::Plume => "plume",
        }
    }

    /// The format of a file that begins so, if it can be told. A few kilobytes are enough; names of
    /// files are not looked at.
    pub fn detect(head: &[u8]) -> Option<Self> {
        detect::detect(head)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no format has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Format::ALL.map(Format::name).join(", ");
        write!(f, "expected a format ({names}), found {:?}", self.0)
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many events the sink took.
    pub events: u64,
    /// The last line of a [`Format::Jsonl`] was cut off, and has been dropped.
    pub truncated: bool,
    /// The events are in the order of time. If not, only the order of each process means something.
    pub has_real_time: bool,
}

/// Why a history could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// Something is wrong with it.
    Malformed(HistoryError),
    /// The file could not be read.
    Io(std::io::Error),
    /// A limit was exceeded.
    Stopped {
        /// Which, in words.
        limit: String,
        /// How many events the sink had taken.
        events: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Stopped { limit, events } => {
                write!(f, "not read to its end: {limit} was exceeded after {events} events")
            }
        }
    }
}

// What it comes from is in its text, and is not told a second time as a source.
impl std::error::Error for ReadError {}

/// Reads a history and hands its events to the sink, in order. `O(bytes)`; holds one event.
///
/// What the sink took before an error stays with it.
pub fn read(
    format: Format,
    reader: impl Read,
    sink: &mut dyn Sink,
    limits: &Limits,
) -> Result<Summary, ReadError> {
    let mut output = window::Output::new(sink, limits);
    let mut truncated = false;
    match format {
        Format::Jsonl => {
            let mut jsonl = json::Jsonl::default();
            window::drive(reader, &mut jsonl, &mut output)?;
            truncated = jsonl.truncated;
        }
        Format::Edn => window::drive(reader, &mut edn::Edn::default(), &mut output)?,
        Format::Json => window::drive(reader, &mut json::Json::default(), &mut output)?,
        Format::JepsenLog => {
            window::drive(reader, &mut jepsen_log::JepsenLog::default(), &mut output)?;
        }
        Format::Plume => window::drive(reader, &mut plume::Plume::default(), &mut output)?,
    }
    let has_real_time = format != Format::Plume;
    Ok(Summary { events: output.events, truncated, has_real_time })
}

/// Appends one event to a text, as a line; [`write::Writer`] writes whole histories. JSON's lines
/// are objects one after another, which is one of the ways that [`Format::Json`] is read.
pub fn write(
    format: Format,
    raw: &RawEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<(), write::NotWritten> {
    write::write(format, raw, out)
}
