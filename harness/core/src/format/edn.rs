//! EDN as Jepsen writes it: a stream of maps, or vectors or lists of them.

mod number;
mod scan;
pub(super) mod value;

use super::ReadError;
use super::fields::{self, EDN_EVENT, Processes};
use super::text::found;
use super::window::{Output, Place, Syntax, Window};
use crate::form::{NOWHERE, Tape};
use value::{Found, Level, Values};

/// Reads EDN.
#[derive(Debug, Default)]
pub(super) struct Edn {
    values: Values,
    tape: Tape,
    processes: Processes,
    /// The list of events that is open: its bracket and where it stands.
    list: Option<(u8, Place)>,
}

impl Syntax for Edn {
    fn take(&mut self, window: &Window<'_>, output: &mut Output<'_>) -> Result<usize, ReadError> {
        let mut pos = 0;
        loop {
            let start = skip_space(window.text, pos);
            let mut end = start;
            self.tape.clear();
            let next = self.values.next(
                window.text,
                &mut end,
                window.last,
                Level::History,
                &mut self.tape,
            );
            match next {
                Ok(Found::Value) => self.event(window, start, output)?,
                Ok(Found::Open(at)) => self.open(window, at)?,
                Ok(Found::Close(at)) => self.close(window, at)?,
                Ok(Found::End) => return self.end(window).map(|()| end),
                Err(trouble) => return trouble.error(window).map_or(Ok(start), Err),
            }
            pos = end;
        }
    }
}

impl Tape {
    /// The value that stands alone in this text, which is EDN.
    ///
    /// ```
    /// use schism_core::form::Tape;
    /// let options = Tape::from_edn("{:anomalies [:G0 :G1]}")?;
    /// assert_eq!(options.root().get("anomalies").unwrap().to_string(), "[:G0 :G1]");
    /// assert_eq!(
    ///     Tape::from_edn("{:anomalies").unwrap_err().to_string(),
    ///     "line 1, column 12: expected }, found the end of the text; \
    ///      the { of line 1, column 1 is open"
    /// );
    /// # Ok::<(), schism_core::format::ReadError>(())
    /// ```
    pub fn from_edn(text: &str) -> Result<Self, ReadError> {
        let window = Window::whole(text);
        let (mut values, mut tape) = (Values::default(), Self::default());
        let mut next = |pos: &mut usize, tape: &mut Self| {
            let from = *pos;
            values.next(text, pos, true, Level::Value, tape).map_err(|trouble| {
                trouble
                    .error(&window)
                    .unwrap_or_else(|| window.error(from, "expected a whole value"))
            })
        };
        let mut pos = 0;
        let first = next(&mut pos, &mut tape)?;
        let mut end = pos;
        match (first, next(&mut end, &mut Self::default())?) {
            (Found::Value, Found::End) => Ok(tape),
            (Found::Value, _) => {
                let found = found(text, skip_space(text, pos));
                Err(window.error(pos, format!("expected the end of the text, found {found}")))
            }
            _ => {
                let at = skip_space(text, 0);
                let found = found(text, at);
                Err(window.error(at, format!("expected a value, found {found}")))
            }
        }
    }
}

impl Edn {
    fn event(
        &mut self,
        window: &Window<'_>,
        start: usize,
        output: &mut Output<'_>,
    ) -> Result<(), ReadError> {
        self.tape.nil(NOWHERE);
        match fields::event(&self.tape, &mut self.processes, EDN_EVENT) {
            Ok(raw) => output.event(window, start, &raw),
            Err(refused) => {
                let at = refused.at.map_or(0, |at| at as usize);
                Err(window.error(start + at, refused.message))
            }
        }
    }

    fn open(&mut self, window: &Window<'_>, at: usize) -> Result<(), ReadError> {
        if let Some((_, place)) = self.list {
            let found = found(window.text, at);
            return Err(window.error(
                at,
                format!(
                    "expected an event like {EDN_EVENT}, found {found}; \
                         the list of events began at {place}"
                ),
            ));
        }
        self.list = Some((window.text.as_bytes()[at], window.place(at)));
        Ok(())
    }

    fn close(&mut self, window: &Window<'_>, at: usize) -> Result<(), ReadError> {
        let byte = window.text.as_bytes()[at];
        let message = match self.list.take() {
            Some((b'[', _)) if byte == b']' => return Ok(()),
            Some((b'(', _)) if byte == b')' => return Ok(()),
            Some((open, place)) => format!(
                "expected an event or the bracket that closes the {} of {place}, found {}",
                char::from(open),
                char::from(byte)
            ),
            None => {
                format!("expected an event, found {}, but no bracket is open", char::from(byte))
            }
        };
        Err(window.error(at, message))
    }

    fn end(&self, window: &Window<'_>) -> Result<(), ReadError> {
        match self.list {
            None => Ok(()),
            Some((open, place)) => Err(window.error(
                window.text.len(),
                format!(
                    "expected an event or the bracket that closes the {} of {place}, \
                     found the end of the text",
                    char::from(open)
                ),
            )),
        }
    }
}

/// Where, behind space and comments, the next event begins.
fn skip_space(text: &str, mut from: usize) -> usize {
    let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b',' | b'\t' | b'\r');
    loop {
        let bytes = &text.as_bytes()[from..];
        from += bytes.iter().position(|byte| !space(byte)).unwrap_or(bytes.len());
        let rest = &text.as_bytes()[from..];
        match rest.first() {
            Some(b';') => match memchr::memchr(b'\n', rest) {
                Some(length) => from += length + 1,
                None => return from,
            },
            _ => return from,
        }
    }
}
