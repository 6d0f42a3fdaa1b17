//! Which format a file has, by how it begins.

use super::Format;
use super::jepsen_log::LOGGER;

/// The first bytes, of which the last line may be cut off, tell the format.
pub(super) fn detect(head: &[u8]) -> Option<Format> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    let mut rest = text.chars();
    match rest.next()? {
        '{' => Some(object(text, rest.as_str())),
        '[' => {
            let rest = rest.as_str().trim_start();
            match rest.strip_prefix('{').map(str::trim_start) {
                Some(map) if map.starts_with('"') || map.starts_with('}') => Some(Format::Json),
                _ => Some(Format::Edn),
            }
        }
        '(' | '#' | ';' => Some(Format::Edn),
        _ if text.lines().any(|line| line.contains(LOGGER)) => Some(Format::JepsenLog),
        _ => text.lines().next().filter(|line| is_plume(line)).map(|_| Format::Plume),
    }
}

/// A map of EDN or an object of JSON; our own is one a line.
fn object(text: &str, rest: &str) -> Format {
    if !rest.trim_start().starts_with('"') {
        return Format::Edn;
    }
    match text.split_once('\n') {
        Some((first, _)) if !first.trim_end().ends_with('}') => Format::Json,
        _ => Format::Jsonl,
    }
}

fn is_plume(line: &str) -> bool {
    let line = line.trim();
    let mark = |mark: char| line.len() >= 3 && line.chars().all(|found| found == mark);
    let begins = ["w ", "r ", "w(", "r("].iter().any(|begin| line.starts_with(begin));
    mark('=') || mark('-') || begins
}
