//! JSON values onto a tape.
//!
//! A loop with a stack of its own, so that no input decides how deep the machine's stack gets.
//! Control characters inside strings are let through. Whole numbers that don't fit 64 bits are
//! refused: as floats, two that differ could become one.

use crate::form::{Opened, Shape, Tape};
use crate::format::text::{MAX_DEPTH, Trouble, found, unicode_escape};

/// What has to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrClose,
    Name,
    NameOrClose,
    Colon,
    CommaOrClose,
}

impl Expect {
    fn words(self) -> &'static str {
        match self {
            Self::Value => "a value",
            Self::ValueOrClose => "a value or ]",
            Self::Name => "a name in quotes",
            Self::NameOrClose => "a name in quotes or }",
            Self::Colon => "a colon",
            Self::CommaOrClose => "a comma or the closing bracket",
        }
    }
}

#[derive(Debug)]
struct Frame {
    opened: Opened,
    map: bool,
    at: usize,
}

/// A reader of values; it keeps its stack's memory.
#[derive(Debug, Default)]
pub(in crate::format) struct Values {
    frames: Vec<Frame>,
}

impl Values {
    /// Puts the value that begins at `pos` on the tape and moves `pos` behind it. Offsets on the
    /// tape count from `pos`. Unless nothing follows the text, a value that may go on behind it is
    /// not taken.
    pub(in crate::format) fn next(
        &mut self,
        text: &str,
        pos: &mut usize,
        last: bool,
        tape: &mut Tape,
    ) -> Result<(), Trouble> {
        self.frames.clear();
        let mut scan = Scan { text, bytes: text.as_bytes(), pos: *pos, start: *pos, last };
        self.value(&mut scan, tape)?;
        *pos = scan.pos;
        Ok(())
    }

    fn value(&mut self, scan: &mut Scan<'_>, tape: &mut Tape) -> Result<(), Trouble> {
        let mut expect = Expect::Value;
        loop {
            let Some(&byte) = scan.bytes.get(scan.pos) else {
                return Err(if scan.last { self.wrong(scan, expect) } else { Trouble::More });
            };
            expect = match (byte, expect) {
                (b' ' | b'\n' | b'\t' | b'\r', _) => {
                    scan.pos += 1;
                    expect
                }
                (b',', Expect::CommaOrClose) => {
                    scan.pos += 1;
                    let map = self.frames.last().is_some_and(|frame| frame.map);
                    if map { Expect::Name } else { Expect::Value }
                }
                (b':', Expect::Colon) => {
                    scan.pos += 1;
                    Expect::Value
                }
                (b'"', Expect::Name | Expect::NameOrClose) => {
                    scan.string(tape)?;
                    Expect::Colon
                }
                (b'[' | b'{', Expect::Value | Expect::ValueOrClose) => {
                    self.open(scan, byte, tape)?
                }
                (_, Expect::Value) => {
                    if !scan.scalar(byte, tape)? {
                        return Err(self.wrong(scan, expect));
                    }
                    Expect::CommaOrClose
                }
                (_, Expect::ValueOrClose) if byte != b']' => {
                    if !scan.scalar(byte, tape)? {
                        return Err(self.wrong(scan, expect));
                    }
                    Expect::CommaOrClose
                }
                (b']', Expect::ValueOrClose)
                | (b'}', Expect::NameOrClose)
                | (b']' | b'}', Expect::CommaOrClose) => {
                    if !self.close(scan, byte, tape) {
                        return Err(self.wrong(scan, expect));
                    }
                    Expect::CommaOrClose
                }
                _ => return Err(self.wrong(scan, expect)),
            };
            if expect == Expect::CommaOrClose && self.frames.is_empty() {
                return Ok(());
            }
        }
    }

    fn open(&mut self, scan: &mut Scan<'_>, byte: u8, tape: &mut Tape) -> Result<Expect, Trouble> {
        if self.frames.len() == MAX_DEPTH {
            let message = format!("values nested more than {MAX_DEPTH} deep; expected fewer");
            return Err(Trouble::wrong(scan.pos, message));
        }
        let map = byte == b'{';
        let opened = tape.open(scan.at(), if map { Shape::Map } else { Shape::List });
        self.frames.push(Frame { opened, map, at: scan.pos });
        scan.pos += 1;
        Ok(if map { Expect::NameOrClose } else { Expect::ValueOrClose })
    }

    /// False if another bracket is open.
    fn close(&mut self, scan: &mut Scan<'_>, byte: u8, tape: &mut Tape) -> bool {
        match self.frames.pop_if(|frame| frame.map == (byte == b'}')) {
            Some(frame) => {
                tape.close(&frame.opened);
                scan.pos += 1;
                true
            }
            None => false,
        }
    }

    fn wrong(&self, scan: &Scan<'_>, expect: Expect) -> Trouble {
        Trouble::Wrong {
            at: scan.pos,
            message: format!("expected {}, found {}", expect.words(), found(scan.text, scan.pos)),
            open: self.frames.last().map(|frame| (frame.at, if frame.map { "{" } else { "[" })),
        }
    }
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    start: usize,
    last: bool,
}

impl Scan<'_> {
    /// The offset as the tape has it.
    fn at(&self) -> u32 {
        u32::try_from(self.pos - self.start).unwrap_or(u32::MAX)
    }

    /// Takes a value that is no collection; false if there is none.
    fn scalar(&mut self, byte: u8, tape: &mut Tape) -> Result<bool, Trouble> {
        match byte {
            b'0'..=b'9' | b'-' => self.number(tape)?,
            b'"' => self.string(tape)?,
            b'a'..=b'z' => {
                let end = self.end_of(|byte| byte.is_ascii_alphanumeric() || byte == b'_')?;
                match &self.text[self.pos..end] {
                    "null" => tape.nil(self.at()),
                    "true" => tape.bool(self.at(), true),
                    "false" => tape.bool(self.at(), false),
                    _ => return Ok(false),
                }
                self.pos = end;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Where the bytes end of which `part` is true.
    fn end_of(&self, part: impl Fn(u8) -> bool) -> Result<usize, Trouble> {
        match self.bytes[self.pos..].iter().position(|byte| !part(*byte)) {
            Some(length) => Ok(self.pos + length),
            None if self.last => Ok(self.bytes.len()),
            None => Err(Trouble::More),
        }
    }

    fn number(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        let negative = self.bytes[self.pos] == b'-';
        let digits = self.pos + usize::from(negative);
        let mut end = digits;
        let mut number = 0_i64;
        // Eighteen digits can't overflow; nearly every number has fewer.
        let limit = self.bytes.len().min(end + 18);
        while end < limit && self.bytes[end].is_ascii_digit() {
            number = number * 10 + i64::from(self.bytes[end] - b'0');
            end += 1;
        }
        let part =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-' | b'_');
        let delimited = self.bytes.get(end).is_some_and(|byte| !part(*byte));
        if delimited && end > digits {
            tape.int(self.at(), if negative { -number } else { number });
            self.pos = end;
            return Ok(());
        }
        let end = self.end_of(part)?;
        let token = &self.text[self.pos..end];
        if token[usize::from(negative)..].bytes().all(|byte| byte.is_ascii_digit()) {
            let number = token.parse().map_err(|_| {
                let expected = "a whole number that fits 64 bits";
                Trouble::wrong(self.pos, format!("expected {expected}, found {}", found(token, 0)))
            })?;
            tape.int(self.at(), number);
        } else {
            let digit = self.bytes.get(digits).is_some_and(u8::is_ascii_digit);
            let number = token.parse().ok().filter(|number: &f64| digit && number.is_finite());
            let number = number.ok_or_else(|| {
                let expected = "a number that fits a 64-bit float";
                Trouble::wrong(self.pos, format!("expected {expected}, found {}", found(token, 0)))
            })?;
            tape.float(self.at(), number);
        }
        self.pos = end;
        Ok(())
    }

    fn string(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        let from = self.pos + 1;
        let mut end = from;
        let mut escaped = false;
        loop {
            match memchr::memchr2(b'"', b'\\', &self.bytes[end.min(self.bytes.len())..]) {
                Some(length) if self.bytes[end + length] == b'"' => {
                    end += length;
                    break;
                }
                Some(length) => {
                    escaped = true;
                    end += length + 2;
                }
                None if self.last => {
                    return Err(Trouble::Wrong {
                        at: self.bytes.len(),
                        message: format!(
                            "expected \" at a string's end, found {}",
                            found(self.text, self.bytes.len())
                        ),
                        open: Some((self.pos, "\"")),
                    });
                }
                None => return Err(Trouble::More),
            }
        }
        let raw = &self.text[from..end];
        if escaped {
            let text = unescape(raw).map_err(|at| {
                Trouble::wrong(
                    from + at,
                    format!("expected an escape such as \\n or \\u00e9, found {}", found(raw, at)),
                )
            })?;
            tape.text(self.at(), &text);
        } else {
            tape.text(self.at(), raw);
        }
        self.pos = end + 1;
        Ok(())
    }
}

/// A string's text without its escapes, or the offset of one that doesn't exist.
fn unescape(raw: &str) -> Result<String, usize> {
    let mut text = String::with_capacity(raw.len());
    let mut pos = 0;
    while let Some(length) = memchr::memchr(b'\\', &raw.as_bytes()[pos..]) {
        text.push_str(&raw[pos..pos + length]);
        pos += length;
        let (character, after) = match raw.as_bytes().get(pos + 1) {
            Some(b'n') => ('\n', pos + 2),
            Some(b't') => ('\t', pos + 2),
            Some(b'r') => ('\r', pos + 2),
            Some(b'b') => ('\x08', pos + 2),
            Some(b'f') => ('\x0c', pos + 2),
            Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(*byte), pos + 2),
            Some(b'u') => unicode_escape(raw, pos + 2).ok_or(pos)?,
            _ => return Err(pos),
        };
        text.push(character);
        pos = after;
    }
    text.push_str(&raw[pos..]);
    Ok(text)
}
