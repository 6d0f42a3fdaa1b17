//! EDN's tokens: what is no collection.

use super::number;
use crate::form::Tape;
use crate::format::text::{Trouble, found, unicode_escape};

/// A place in the text.
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) pos: usize,
    /// Where offsets on the tape count from.
    start: usize,
    /// Nothing follows the text.
    pub(super) last: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, pos: usize, last: bool) -> Self {
        Self { text, bytes: text.as_bytes(), pos, start: pos, last }
    }

    /// The offset as the tape has it.
    pub(super) fn at(&self) -> u32 {
        u32::try_from(self.pos - self.start).unwrap_or(u32::MAX)
    }

    /// The end of the token that goes on at `from`.
    pub(super) fn token_end(&self, from: usize) -> Result<usize, Trouble> {
        match self.bytes[from..].iter().position(|byte| DELIMITERS[usize::from(*byte)]) {
            Some(length) => Ok(from + length),
            None if self.last => Ok(self.bytes.len()),
            None => Err(Trouble::More),
        }
    }

    pub(super) fn comment(&mut self) -> Result<(), Trouble> {
        match memchr::memchr(b'\n', &self.bytes[self.pos..]) {
            Some(length) => self.pos += length + 1,
            None if self.last => self.pos = self.bytes.len(),
            None => return Err(Trouble::More),
        }
        Ok(())
    }

    pub(super) fn keyword(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        let end = self.token_end(self.pos + 1)?;
        if end == self.pos + 1 {
            let found = found(self.text, self.pos);
            return Err(Trouble::wrong(self.pos, format!("expected a keyword, found {found}")));
        }
        tape.word(self.at(), &self.text[self.pos + 1..end]);
        self.pos = end;
        Ok(())
    }

    pub(super) fn symbol(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        let end = self.token_end(self.pos)?;
        match &self.text[self.pos..end] {
            "nil" => tape.nil(self.at()),
            "true" => tape.bool(self.at(), true),
            "false" => tape.bool(self.at(), false),
            symbol => {
                let control = symbol.bytes().any(|byte| byte < b' ' || byte == 0x7f);
                if control || matches!(symbol.as_bytes()[0], b'^' | b'`' | b'@' | b'~') {
                    return Err(Trouble::wrong(
                        self.pos,
                        format!("expected a value, found {:?}", found(self.text, self.pos)),
                    ));
                }
                tape.word(self.at(), symbol);
            }
        }
        self.pos = end;
        Ok(())
    }

    /// A number, or a symbol that begins like one.
    pub(super) fn signed(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        match self.bytes.get(self.pos + 1) {
            Some(b'0'..=b'9') => self.number(tape),
            None if !self.last => Err(Trouble::More),
            _ => self.symbol(tape),
        }
    }

    pub(super) fn number(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        let negative = self.bytes[self.pos] == b'-';
        let mut end = self.pos + usize::from(negative);
        let mut number = 0_i64;
        // Eighteen digits can't overflow; nearly every number has fewer.
        let limit = self.bytes.len().min(end + 18);
        while end < limit && self.bytes[end].is_ascii_digit() {
            number = number * 10 + i64::from(self.bytes[end] - b'0');
            end += 1;
        }
        let delimited = self.bytes.get(end).is_some_and(|byte| DELIMITERS[usize::from(*byte)]);
        if delimited && (self.bytes[end - 1].is_ascii_digit()) {
            tape.int(self.at(), if negative { -number } else { number });
            self.pos = end;
            return Ok(());
        }
        let end = self.token_end(self.pos)?;
        let token = &self.text[self.pos..end];
        match number::parse(token) {
            Ok(number::Number::Int(number)) => tape.int(self.at(), number),
            Ok(number::Number::Float(number)) => tape.float(self.at(), number),
            Err(expected) => {
                let message = format!("expected {expected}, found {}", found(token, 0));
                return Err(Trouble::wrong(self.pos, message));
            }
        }
        self.pos = end;
        Ok(())
    }

    /// `##Inf`, `##-Inf` or `##NaN`.
    pub(super) fn symbolic(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        let end = self.token_end(self.pos + 2)?;
        let number = match &self.text[self.pos..end] {
            "##Inf" => f64::INFINITY,
            "##-Inf" => f64::NEG_INFINITY,
            "##NaN" => f64::NAN,
            other => {
                let message = format!("expected ##Inf, ##-Inf or ##NaN, found {other}");
                return Err(Trouble::wrong(self.pos, message));
            }
        };
        tape.float(self.at(), number);
        self.pos = end;
        Ok(())
    }

    pub(super) fn character(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
        // The first may be a delimiter, as in \( and \".
        let rest = self.text[self.pos + 1..].chars().next();
        let Some(first) = rest else {
            let wrong = Trouble::wrong(self.pos, "expected a character behind \\");
            return Err(if self.last { wrong } else { Trouble::More });
        };
        let end = self.token_end(self.pos + 1 + first.len_utf8())?;
        let name = &self.text[self.pos + 1..end];
        let character = match name {
            "newline" => '\n',
            "space" => ' ',
            "tab" => '\t',
            "return" => '\r',
            "backspace" => '\x08',
            "formfeed" => '\x0c',
            _ if name.len() == first.len_utf8() => first,
            _ => match unicode_escape(name, 1) {
                Some((character, 5)) if first == 'u' && name.len() == 5 => character,
                _ => {
                    let found = found(name, 0);
                    let message = format!("expected a character such as \\a, found \\{found}");
                    return Err(Trouble::wrong(self.pos, message));
                }
            },
        };
        tape.text(self.at(), character.encode_utf8(&mut [0; 4]));
        self.pos = end;
        Ok(())
    }

    pub(super) fn string(&mut self, tape: &mut Tape) -> Result<(), Trouble> {
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
                        message: "expected \" at a string's end, found the end of the text"
                            .to_owned(),
                        open: Some((self.pos, "\"")),
                    });
                }
                None => return Err(Trouble::More),
            }
        }
        let raw = &self.text[from..end];
        if escaped {
            let text = unescape(raw).map_err(|(at, message)| Trouble::wrong(from + at, message))?;
            tape.text(self.at(), &text);
        } else {
            tape.text(self.at(), raw);
        }
        self.pos = end + 1;
        Ok(())
    }
}

/// A string's text without its escapes, or the offset of one that doesn't exist.
fn unescape(raw: &str) -> Result<String, (usize, String)> {
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
            Some(b'"') => ('"', pos + 2),
            Some(b'\\') => ('\\', pos + 2),
            Some(b'u') => unicode_escape(raw, pos + 2).ok_or_else(|| {
                (
                    pos,
                    format!("expected \\u with four hexadecimal digits, found {}", found(raw, pos)),
                )
            })?,
            _ => {
                let message = format!(
                    "expected \\n \\t \\r \\b \\f \\\" \\\\ or \\uXXXX, found {}",
                    found(raw, pos)
                );
                return Err((pos, message));
            }
        };
        text.push(character);
        pos = after;
    }
    text.push_str(&raw[pos..]);
    Ok(text)
}

/// What ends a token.
const DELIMITERS: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b" \t\n\r\x0b\x0c,;\"()[]{}\\";
    let mut position = 0;
    while position < bytes.len() {
        table[bytes[position] as usize] = true;
        position += 1;
    }
    table
};
