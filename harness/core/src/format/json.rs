//! JSON: an array of objects or objects one after another, as elle-cli has it; and our own
//! `history.jsonl`, an object a line, of which a controller that was killed may have left the last
//! one unfinished.

mod value;

use super::ReadError;
use super::fields::{self, JSON_EVENT, Processes};
use super::text::{Trouble, found};
use super::window::{Output, Place, Syntax, Window};
use crate::form::{NOWHERE, Tape};
use value::Values;

/// Reads events, wherever in the text they stand.
#[derive(Debug, Default)]
struct Events {
    values: Values,
    tape: Tape,
    processes: Processes,
}

impl Events {
    /// Puts the event that begins at `pos` on the tape.
    fn parse(&mut self, text: &str, pos: &mut usize, last: bool) -> Result<(), Trouble> {
        self.tape.clear();
        self.values.next(text, pos, last, &mut self.tape)?;
        self.tape.nil(NOWHERE);
        Ok(())
    }

    /// Hands over the event on the tape, which began at `start`.
    fn hand(
        &mut self,
        window: &Window<'_>,
        start: usize,
        output: &mut Output<'_>,
    ) -> Result<(), ReadError> {
        match fields::event(&self.tape, &mut self.processes, JSON_EVENT) {
            Ok(raw) => output.event(window, start, &raw),
            Err(refused) => {
                let at = refused.at.map_or(0, |at| at as usize);
                Err(window.error(start + at, refused.message))
            }
        }
    }
}

/// Reads arrays of events, or events one after another.
#[derive(Debug, Default)]
pub(super) struct Json {
    events: Events,
    /// Where the array that is open began.
    array: Option<Place>,
    /// In an array, an event has been and its comma hasn't.
    comma: bool,
}

impl Syntax for Json {
    fn take(&mut self, window: &Window<'_>, output: &mut Output<'_>) -> Result<usize, ReadError> {
        let text = window.text;
        let mut pos = 0;
        loop {
            pos = skip_space(text, pos);
            match text.as_bytes().get(pos) {
                None if window.last => return self.end(window).map(|()| pos),
                None => return Ok(pos),
                Some(b'[') if self.array.is_none() => {
                    self.array = Some(window.place(pos));
                    self.comma = false;
                    pos += 1;
                }
                Some(b']') if self.array.is_some() => {
                    self.array = None;
                    self.comma = false;
                    pos += 1;
                }
                Some(b',') if self.comma => {
                    self.comma = false;
                    pos += 1;
                }
                Some(b'{') if !self.comma => {
                    let start = pos;
                    if let Err(trouble) = self.events.parse(text, &mut pos, window.last) {
                        return trouble.error(window).map_or(Ok(start), Err);
                    }
                    self.events.hand(window, start, output)?;
                    self.comma = self.array.is_some();
                }
                Some(_) => return Err(self.wrong(window, pos)),
            }
        }
    }
}

impl Json {
    fn end(&self, window: &Window<'_>) -> Result<(), ReadError> {
        if self.array.is_none() { Ok(()) } else { Err(self.wrong(window, window.text.len())) }
    }

    fn wrong(&self, window: &Window<'_>, pos: usize) -> ReadError {
        let found = found(window.text, pos);
        let message = match self.array {
            Some(place) if self.comma => {
                format!("expected a comma or the ] of the [ of {place}, found {found}")
            }
            Some(place) => format!(
                "expected an event like {JSON_EVENT} or the ] of the [ of {place}, found {found}"
            ),
            None => format!("expected an event like {JSON_EVENT}, found {found}"),
        };
        window.error(pos, message)
    }
}

/// Reads an event a line.
#[derive(Debug, Default)]
pub(super) struct Jsonl {
    events: Events,
    /// The last line was cut off.
    pub(super) truncated: bool,
}

impl Syntax for Jsonl {
    fn take(&mut self, window: &Window<'_>, output: &mut Output<'_>) -> Result<usize, ReadError> {
        let text = window.text;
        let mut pos = 0;
        while pos < text.len() {
            let newline = memchr::memchr(b'\n', &text.as_bytes()[pos..]);
            let end = match newline {
                Some(length) => pos + length,
                None if window.last => text.len(),
                None => return Ok(pos),
            };
            if let Some(error) = self.line(window, pos, &text[..end], output)? {
                if newline.is_some() {
                    return Err(error);
                }
                self.truncated = true;
            }
            pos = end + 1;
        }
        Ok(text.len())
    }

    fn forgives_cut_line(&mut self) -> bool {
        self.truncated = true;
        true
    }
}

impl Jsonl {
    /// Reads the line at the end of `text`. A line that isn't whole is not yet an error.
    fn line(
        &mut self,
        window: &Window<'_>,
        pos: usize,
        text: &str,
        output: &mut Output<'_>,
    ) -> Result<Option<ReadError>, ReadError> {
        let mut pos = skip_space(text, pos);
        if pos == text.len() {
            return Ok(None);
        }
        let start = pos;
        if text.as_bytes()[pos] != b'{' {
            let found = found(text, pos);
            let message = format!("expected an event like {JSON_EVENT}, found {found}");
            return Ok(Some(window.error(pos, message)));
        }
        if let Err(Trouble::Wrong { at, message, open }) = self.events.parse(text, &mut pos, true) {
            let message = format!("expected an event like {JSON_EVENT}: {message}");
            return Ok(Trouble::Wrong { at, message, open }.error(window));
        }
        let after = skip_space(text, pos);
        if after < text.len() {
            let found = found(text, after);
            let message = format!("expected the end of the line behind the event, found {found}");
            return Ok(Some(window.error(after, message)));
        }
        self.events.hand(window, start, output).map(|()| None)
    }
}

fn skip_space(text: &str, from: usize) -> usize {
    let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
    let bytes = &text.as_bytes()[from..];
    from + bytes.iter().position(|byte| !space(byte)).unwrap_or(bytes.len())
}
