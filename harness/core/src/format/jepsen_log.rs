//! What Jepsen prints while it runs: `INFO  jepsen.util - 0 :invoke :read nil`, an event a line.
//!
//! Lines that speak of no client's operation are skipped: other loggers', the nemesis', stack
//! traces. Of an operation that failed or stayed open, the error may stand in its value's place.
//!
//! There are no indices and no times: lines are in order, and that is all that is known.

use super::ReadError;
use super::edn::value::{Found, Level, Values};
use super::fields::kind_of;
use super::text::{Trouble, found};
use super::window::{Output, Syntax, Window};
use crate::api::Asked;
use crate::event::{Kind, RawEvent};
use crate::form::{Form, Shape, Tape};
use crate::op::Process;

/// What operations are logged as.
pub(super) const LOGGER: &str = "jepsen.util";

/// Reads logs.
#[derive(Debug, Default)]
pub(super) struct JepsenLog {
    values: Values,
    tape: Tape,
}

impl Syntax for JepsenLog {
    fn take(&mut self, window: &Window<'_>, output: &mut Output<'_>) -> Result<usize, ReadError> {
        let text = window.text;
        let mut pos = 0;
        while pos < text.len() {
            let end = match memchr::memchr(b'\n', &text.as_bytes()[pos..]) {
                Some(length) => pos + length,
                None if window.last => text.len(),
                None => return Ok(pos),
            };
            self.line(window, pos, end, output)?;
            pos = end + 1;
        }
        Ok(text.len())
    }
}

/// The next word of a line, and what is behind it.
fn word(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()))
}

impl JepsenLog {
    fn line(
        &mut self,
        window: &Window<'_>,
        start: usize,
        end: usize,
        output: &mut Output<'_>,
    ) -> Result<(), ReadError> {
        let line = &window.text[start..end];
        let Some(logger) = memchr::memmem::find(line.as_bytes(), LOGGER.as_bytes()) else {
            return Ok(());
        };
        let rest = line[logger + LOGGER.len()..].trim_start();
        let (process, rest) = word(rest.strip_prefix("- ").unwrap_or(rest));
        let Ok(process) = process.parse() else { return Ok(()) };
        let (kind, rest) = word(rest);
        if !kind.starts_with(':') {
            return Ok(());
        }
        let kind = kind_of(kind).ok_or_else(|| {
            let at = end - rest.len() - kind.len();
            window.error(at, format!("expected :invoke, :ok, :fail or :info, found {kind}"))
        })?;
        let (f, rest) = word(rest);
        let f = f.trim_start_matches(':');
        if f.is_empty() {
            let message = "expected the operation's name, found the end of the line";
            return Err(window.error(end, message));
        }
        let values = self.values(window, end - rest.len(), end)?;
        let mut forms = self.tape.root().members();
        let first = forms.next().filter(|_| values > 0);
        let (value, error) = match (first, forms.next()) {
            (Some(first), None) if is_error(kind, first) => (None, Some(first)),
            (first, second) => (first, second),
        };
        let nil = self.tape.form(self.tape.len() - 1);
        let raw = RawEvent {
            index: None,
            time: None,
            kind,
            process: Process::Client(process),
            asked: Asked { f, key: None, value: value.unwrap_or(nil) },
            node: None,
            error: error.filter(|error| !error.is_nil()),
        };
        output.event(window, end - rest.len(), &raw)
    }

    /// Puts what is left of a line on the tape as one list, nil behind it, and says how many values
    /// it has.
    fn values(
        &mut self,
        window: &Window<'_>,
        start: usize,
        end: usize,
    ) -> Result<usize, ReadError> {
        let text = &window.text[start..end];
        self.tape.clear();
        let list = self.tape.open(0, Shape::List);
        let mut count = 0;
        let mut pos = 0;
        loop {
            let from = pos;
            match self.values.next(text, &mut pos, true, Level::Value, &mut self.tape) {
                Ok(Found::Value) => count += 1,
                Ok(Found::End) => break,
                // Behind the value and its error there may be anything.
                _ if count > 1 => break,
                Ok(Found::Open(at) | Found::Close(at)) => {
                    let found = found(text, at);
                    return Err(
                        window.error(start + at, format!("expected a value, found {found}"))
                    );
                }
                Err(Trouble::Wrong { at, message, .. }) => {
                    return Err(window.error(start + at, message));
                }
                Err(Trouble::More) => break,
            }
            debug_assert!(pos > from, "a value was found");
        }
        self.tape.close(&list);
        self.tape.nil(0);
        Ok(count)
    }
}

fn is_error(kind: Kind, form: Form<'_>) -> bool {
    matches!(kind, Kind::Fail | Kind::Info) && form.word().is_some()
}
