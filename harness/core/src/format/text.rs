//! What the syntaxes share: escapes, numbers, and what can be wrong with a value.

use super::ReadError;
use super::window::Window;

/// Collections may be nested this deep.
pub(super) const MAX_DEPTH: usize = 512;

/// Why a value could not be read.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble {
    /// The text ends, and more may follow.
    More,
    /// Something is wrong.
    Wrong {
        /// At this offset.
        at: usize,
        /// What was expected and what was found.
        message: String,
        /// The bracket that is still open: its offset, and how it looks.
        open: Option<(usize, &'static str)>,
    },
}

impl Trouble {
    pub(super) fn wrong(at: usize, message: impl Into<String>) -> Self {
        Self::Wrong { at, message: message.into(), open: None }
    }

    /// As an error of the file; `None` if more text is needed.
    pub(super) fn error(self, window: &Window<'_>) -> Option<ReadError> {
        match self {
            Self::More => None,
            Self::Wrong { at, message, open: None } => Some(window.error(at, message)),
            Self::Wrong { at, message, open: Some((open, bracket)) } => {
                let place = window.place(open);
                let message = format!("{message}; the {bracket} of {place} is open");
                Some(window.error(at, message))
            }
        }
    }
}

/// The start of what was found, for a message.
pub(super) fn found(text: &str, at: usize) -> String {
    let rest = text.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return "the end of the text".to_owned();
    }
    let first = rest.lines().next().unwrap_or_default();
    let mut shown: String = first.chars().take(30).collect();
    if shown.len() < first.len() {
        shown.push_str("...");
    }
    if shown.is_empty() { "the end of the line".to_owned() } else { shown }
}

/// The character of `\uXXXX`, whose four digits stand at `at`, and the offset behind it. Two halves
/// of a surrogate pair are one character.
pub(super) fn unicode_escape(text: &str, at: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 4)?;
        if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        }
    };
    let high = unit(at)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Some((char::from_u32(high)?, at + 4));
    }
    let low = text.get(at + 4..at + 6).filter(|escape| *escape == "\\u").and(unit(at + 6))?;
    if !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, at + 10))
}
