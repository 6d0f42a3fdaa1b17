//! Every checker: its verdict, its sentence, its figures.

use crate::view::{Mark, RunView};
use serde::Serialize;

/// Details beyond this many characters are cut: they are in `verdict.json` in full.
const DETAILS_CHARS: usize = 60_000;

/// What the template needs of one checker.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    name: String,
    word: String,
    class: &'static str,
    sign: &'static str,
    summary: String,
    unknown: Option<String>,
    anomalies: usize,
    details: Option<String>,
}

/// One entry for each checker.
pub(super) fn checkers(run: &RunView) -> Vec<Shown> {
    let checkers = run.verdict.checkers.iter();
    checkers
        .map(|finding| {
            let mark = Mark::of(&finding.valid);
            Shown {
                name: finding.checker.clone(),
                word: mark.word().to_lowercase(),
                class: mark.class(),
                sign: mark.sign(),
                summary: finding.summary.clone(),
                unknown: finding.unknown.clone(),
                anomalies: finding.anomalies.len(),
                details: details(&finding.details),
            }
        })
        .collect()
}

fn details(value: &serde_json::Value) -> Option<String> {
    if value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) {
        return None;
    }
    let mut text = serde_json::to_string_pretty(value).ok()?;
    if let Some((cut, _)) = text.char_indices().nth(DETAILS_CHARS) {
        text.truncate(cut);
        text.push_str("\n… (the rest is in verdict.json)");
    }
    Some(text)
}
