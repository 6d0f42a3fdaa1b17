//! What holds of every reader, whatever it is given.

use schism_core::format::write::Writer;
use schism_core::format::{self, Format, ReadError, Summary};
use schism_core::limits::Limits;
use std::io::Read;

/// Reads these bytes, whole and in pieces, writes what was read in every way, and reads it back.
///
/// # Panics
/// If the readers don't agree, an error has no place in the text, or something is lost.
pub fn check(format: Format, bytes: &[u8]) {
    let _any = Format::detect(bytes);
    let (edn, result) = convert(format, bytes, Format::Edn);
    let step = bytes.len() % 7 + 1;
    let (pieces, again) = convert(format, Trickle { rest: bytes, step }, Format::Edn);
    assert_eq!(edn, pieces, "read in pieces, it is another history");
    match (result, again) {
        (Ok(summary), Ok(again)) => assert_eq!(summary, again),
        (Err(ReadError::Malformed(error)), Err(ReadError::Malformed(again))) => {
            assert_eq!((error.line, error.column), (again.line, again.column));
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            let line = usize::try_from(error.line).expect("a line of the text");
            assert!(1 <= line && line <= lines.len(), "{error}");
            let column = usize::try_from(error.column).expect("a column of the text");
            assert!(1 <= column && column <= lines[line - 1].len() + 1, "{error}");
        }
        (one, other) => panic!("{one:?} but in pieces {other:?}"),
    }
    stable(Format::Edn, &edn);
    for other in [Format::Json, Format::Jsonl] {
        stable(other, &convert(Format::Edn, edn.as_slice(), other).0);
    }
}

/// What was written is read and written again without a difference.
fn stable(format: Format, text: &[u8]) {
    let (again, result) = convert(format, text, format);
    let shown = String::from_utf8_lossy(text);
    result.unwrap_or_else(|error| panic!("{error} in what was written:\n{shown}"));
    assert_eq!(shown, String::from_utf8_lossy(&again));
}

/// The events until the first error, in another format.
fn convert(from: Format, text: impl Read, to: Format) -> (Vec<u8>, Result<Summary, ReadError>) {
    let mut writer = Writer::new(to, Vec::new()).expect("a format that is written");
    let result = format::read(from, text, &mut writer, &Limits::default());
    (writer.finish().expect("memory can be written"), result)
}

/// A reader that gives a few bytes at a time.
struct Trickle<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.step.min(self.rest.len()).min(out.len());
        out[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        Ok(count)
    }
}
