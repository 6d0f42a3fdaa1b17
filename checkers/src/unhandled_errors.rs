//! Errors that a client did not foresee, grouped. It judges nothing: always valid.
//!
//! Under faults, operations fail to connect, or wait in vain. An operation whose fate is unknown
//! for any other reason met what nobody thought of: a status that the client doesn't know, an
//! answer that it can't read, a message of the system's about itself. These are grouped by their
//! words, numbers aside, most frequent first, each with its first example and where it stands.
//! Operations that certainly failed are not counted: to say so, a client had to know why.
//!
//! Which words are expected is a list that a user can replace. `O(n)` in the words.
//!
//! Source: Jepsen's `unhandled-exceptions`.
//!
//! ```
//! use schism_checkers::unhandled_errors::UnhandledErrors;
//! use schism_core::{api::register::Register, checker::Checker, history::History};
//! let mut lines = String::new();
//! for (process, error) in ["timed out", "500: shard 7 is gone", "500: shard 8 is gone"]
//!     .into_iter()
//!     .enumerate()
//! {
//!     let more = format!(",\"error\":\"{error}\"");
//!     for (kind, more) in [("invoke", ""), ("info", more.as_str())] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":{process},\"f\":\"read\"{more}}}\n");
//!     }
//! }
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let finding =
//!     UnhandledErrors::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.details["errors"][0]["count"], 2);
//! assert_eq!(finding.details["errors"][0]["example"]["error"], "500: shard 7 is gone");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::words::{asked, count, ended};
use rustc_hash::FxHashMap;
use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use serde_json::json;

/// The checker's name.
pub const NAME: &str = "unhandled-errors";

/// How many kinds are listed, and how many may be told apart.
const LISTED: usize = 20;
const KINDS: usize = 10_000;

/// How an error that a fault explains is told, in lower case.
const EXPECTED: &[&str] = &[
    "time limit",
    "timed out",
    "timed-out",
    "timeout",
    "deadline exceeded",
    "never completed",
    "connection refused",
    "connection reset",
    "connection closed",
    "connection aborted",
    "closed the connection",
    "broken pipe",
    "unexpected end of file",
    "unexpectedeof",
    "incompletemessage",
    "connection closed before message completed",
    "unreachable",
    "not the leader",
    "no leader",
    "leader changed",
    "leadership",
];

/// Groups errors that are not expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnhandledErrors {
    /// An error that has one of these words, in lower case, is expected.
    pub expected: Vec<String>,
}

impl Default for UnhandledErrors {
    fn default() -> Self {
        Self { expected: EXPECTED.iter().map(|words| (*words).to_owned()).collect() }
    }
}

/// Errors of one kind.
struct Group<'h, A: Api> {
    count: usize,
    first: &'h Op<A>,
    reason: &'h str,
}

impl<A: Api> Checker<A> for UnhandledErrors {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<A>, _: &RunFacts, _: &Limits) -> Finding {
        let mut groups: FxHashMap<String, Group<'_, A>> = FxHashMap::default();
        let mut unhandled = 0;
        for op in history.ops() {
            let Outcome::Info(reason) = &op.outcome else { continue };
            let kind = kind(reason);
            if self.expected.iter().any(|words| kind.contains(words.as_str())) {
                continue;
            }
            unhandled += 1;
            if let Some(group) = groups.get_mut(&kind) {
                group.count += 1;
            } else if groups.len() < KINDS {
                groups.insert(kind, Group { count: 1, first: op, reason });
            }
        }
        let mut sorted: Vec<(String, Group<'_, A>)> = groups.into_iter().collect();
        sorted
            .sort_by_key(|(_, group)| (std::cmp::Reverse(group.count), group.first.invoked.index));
        let errors: Vec<_> = sorted
            .iter()
            .take(LISTED)
            .map(|(kind, group)| {
                json!({ "kind": kind, "count": group.count, "example": example(group) })
            })
            .collect();
        let details = json!({ "unhandled": unhandled, "kinds": sorted.len(), "errors": errors });
        let summary = match sorted.first() {
            None => "every error was one that clients expect".to_owned(),
            Some((_, group)) => format!(
                "{} of {}; {} times: {}",
                count(unhandled, "unexpected error", "unexpected errors"),
                count(sorted.len(), "kind", "kinds"),
                group.count,
                group.reason
            ),
        };
        Finding::new(NAME, Verdict::Valid, summary).with_details(details)
    }
}

fn example<A: Api>(group: &Group<'_, A>) -> serde_json::Value {
    let op = group.first;
    json!({
        "index": op.completed.map_or(op.invoked.index, |stamp| stamp.index),
        "time_s": ended(op).as_secs_f64(),
        "f": A::encode_call(&op.call).f,
        "asked": asked(op),
        "error": group.reason,
    })
}

/// A reason in lower case, with each number as `N`: those of one kind differ in ports and terms.
fn kind(reason: &str) -> String {
    let mut kind = String::with_capacity(reason.len());
    let mut in_number = false;
    for letter in reason.chars() {
        let digit = letter.is_ascii_digit();
        if !digit {
            kind.extend(letter.to_lowercase());
        } else if !in_number {
            kind.push('N');
        }
        in_number = digit;
    }
    kind
}
