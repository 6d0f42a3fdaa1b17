//! What nodes' logs say of themselves: panics, failed assertions, corrupted data.
//!
//! A store can answer every client rightly and yet have crashed on the way. So each line of each
//! node's log is matched with patterns. Two kinds of them:
//! - *built in*: panics of Rust, Go and the JVM, failed assertions, fatal signals, sanitizers'
//!   reports, corrupted data, memory that ran out. They inform and never accuse, since a program
//!   may well panic when a disk breaks under it, and a log may speak of a panic without having one;
//! - *named by the user*: whoever names a pattern says that it must not occur. A match is an
//!   anomaly, `log-pattern`, as with Jepsen's checker of log files.
//!
//! A node that is killed by a fault logs nothing of it, so that expected crash is no finding.
//!
//! *Sound.* A pattern of the user's is reported exactly where a line matches it; there is nothing
//! inferred. Of a line the first 4,096 bytes are looked at. Without any line, a log says nothing:
//! that is no reason to doubt the run, so the verdict is valid and says so.
//!
//! Linear in the size of the logs, whatever the patterns are (finite automata); a line at a time,
//! and at most ten lines of each pattern are kept.
//!
//! Source: Jepsen's `log-file-pattern`.
//!
//! ```
//! use schism_checkers::log_patterns::LogPatterns;
//! let patterns = LogPatterns::new(&["lost quorum".to_owned()])?;
//! let mut scan = patterns.scan();
//! scan.node("n1");
//! scan.line(b"all is well");
//! scan.line(b"thread 'main' panicked at src/store.rs:7:5:");
//! let logged = scan.finish();
//! assert_eq!(logged.finding.verdict.word(), "valid");
//! assert!(logged.warnings[0].starts_with("n1 logged a Rust panic, line 2: thread 'main'"));
//! # Ok::<(), schism_checkers::log_patterns::BadPattern>(())
//! ```

use crate::tally::LISTED;
use crate::words::count;
use regex::bytes::RegexSet;
use schism_core::checker::Finding;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;
use std::fmt;
use std::sync::Arc;

/// The checker's name.
pub const NAME: &str = "log-patterns";

/// How much of a line is looked at, in bytes; whoever reads lines need not hold more of them.
pub const LINE: usize = 4096;

/// How much of a line is shown, in characters.
const SHOWN: usize = 160;

/// The patterns that are always looked for: what a match is, and how it is told.
const BUILT_IN: &[(&str, &str)] = &[
    ("a Rust panic", r"thread '[^']*' (\(\d+\) )?panicked at "),
    (
        "a Go panic",
        r#"^(panic|fatal error): |^unexpected fault address |"level":"(d?panic|fatal)""#,
    ),
    (
        "a fatal error of the JVM",
        concat!(
            r"A fatal error has been detected by the Java Runtime|^Exception in thread |",
            r"java\.lang\.(OutOfMemory|StackOverflow|Internal)Error",
        ),
    ),
    ("a failed assertion", r"(?i)assertion [^\n]*\bfailed\b|\bassert(ion)? failed|AssertionError"),
    (
        "a fatal signal",
        r"\bSIG(SEGV|ABRT|BUS|ILL|FPE)\b|[Ss]egmentation fault|\bsegfault\b|^Aborted\b|core dumped",
    ),
    (
        "a sanitizer's report",
        r"ERROR: (Address|Memory|Leak)Sanitizer|WARNING: (ThreadSanitizer|DATA RACE)",
    ),
    (
        "corrupted data",
        concat!(
            r"(?i)\bdata corruption\b|corruption (detected|found)|",
            r"\b(is|are|was|were) corrupt(ed)?\b|(checksum|crc) mismatch",
        ),
    ),
    ("memory that ran out", r"(?i)\bout of memory\b|memory allocation of \d+ bytes failed"),
    ("a fatal error", r"\bFATAL\b|\bPANIC\b"),
];

/// A pattern that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern(pub String);

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPattern {}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct LogPatterns {
    set: RegexSet,
    /// The user's, which come after those built in.
    own: Vec<String>,
}

impl LogPatterns {
    /// The patterns built in, and these regular expressions.
    ///
    /// # Errors
    /// If one of them is none, or is too large.
    pub fn new(own: &[String]) -> Result<Self, BadPattern> {
        for pattern in own {
            if let Err(error) = regex::bytes::Regex::new(pattern) {
                return Err(BadPattern(format!("pattern {pattern:?}: {error}")));
            }
        }
        let built_in = BUILT_IN.iter().map(|(_, pattern)| *pattern);
        let set = RegexSet::new(built_in.chain(own.iter().map(String::as_str)));
        let set = set.map_err(|error| BadPattern(format!("all patterns together: {error}")))?;
        Ok(Self { set, own: own.to_vec() })
    }

    /// Begins to look through logs.
    pub fn scan(&self) -> Scan<'_> {
        let found = vec![Found::default(); self.set.len()];
        Scan { patterns: self, node: Arc::from("a node"), line: 0, nodes: 0, lines: 0, found }
    }

    /// What a match of this pattern is.
    fn name(&self, pattern: usize) -> String {
        match pattern.checked_sub(BUILT_IN.len()).and_then(|own| self.own.get(own)) {
            Some(own) => format!("what matches {own:?}"),
            None => BUILT_IN.get(pattern).map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }
}

/// Where a pattern matched.
#[derive(Clone, Debug, Default)]
struct Found {
    count: usize,
    listed: Vec<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    node: Arc<str>,
    line: u64,
    text: String,
}

/// Logs while they are looked through, node by node and line by line.
#[derive(Debug)]
pub struct Scan<'p> {
    patterns: &'p LogPatterns,
    node: Arc<str>,
    line: u64,
    nodes: usize,
    lines: u64,
    found: Vec<Found>,
}

/// What logs say.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Invalid if something matched that the user named.
    pub finding: Finding,
    /// One sentence for each pattern built in that matched.
    pub warnings: Vec<String>,
}

impl Scan<'_> {
    /// The lines that come now are of this node's log, from its first line on.
    pub fn node(&mut self, name: &str) {
        self.node = Arc::from(name);
        self.line = 0;
        self.nodes += 1;
    }

    /// The next line.
    pub fn line(&mut self, bytes: &[u8]) {
        self.line += 1;
        self.lines += 1;
        let bytes = &bytes[..bytes.len().min(LINE)];
        let matches = self.patterns.set.matches(bytes);
        // A line is told once, by what says most of it; what a user named is always told.
        let first = matches.iter().next();
        for pattern in matches.iter().filter(|at| *at >= BUILT_IN.len() || Some(*at) == first) {
            let found = &mut self.found[pattern];
            found.count += 1;
            if found.listed.len() < LISTED {
                let text = shown(bytes);
                found.listed.push(Place { node: self.node.clone(), line: self.line, text });
            }
        }
    }

    /// What was found.
    pub fn finish(self) -> Logged {
        let (mut warnings, mut anomalies) = (Vec::new(), Vec::new());
        let mut matches = Vec::new();
        for (pattern, found) in self.found.iter().enumerate() {
            let name = self.patterns.name(pattern);
            let Some(first) = found.listed.first() else { continue };
            for place in &found.listed {
                matches.push(json!({
                    "pattern": name, "node": place.node, "line": place.line, "text": place.text,
                }));
            }
            if pattern < BUILT_IN.len() {
                let more = match found.count {
                    1 => String::new(),
                    count => format!(" (and {} more)", count - 1),
                };
                let Place { node, line, text } = first;
                warnings.push(format!("{node} logged {name}, line {line}: {text}{more}"));
            } else {
                anomalies.extend(found.listed.iter().map(|place| anomaly(&name, place)));
            }
        }
        let counts: serde_json::Map<_, _> = self
            .found
            .iter()
            .enumerate()
            .filter(|(_, found)| found.count > 0)
            .map(|(pattern, found)| (self.patterns.name(pattern), found.count.into()))
            .collect();
        let details = json!({ "lines": self.lines, "counts": counts, "matches": matches });
        let lines = usize::try_from(self.lines).unwrap_or(usize::MAX);
        let logs = count(self.nodes, "node", "nodes");
        let read = format!("{} of {logs}", count(lines, "line", "lines"));
        let summary = match (anomalies.first(), warnings.first()) {
            (Some(first), _) => first.summary.clone(),
            (None, Some(first)) => first.clone(),
            (None, None) if self.lines == 0 => format!("the logs of {logs} are empty"),
            (None, None) => format!("nothing in {read} speaks of a crash"),
        };
        let finding = Finding::new(NAME, Verdict::from_anomalies(anomalies), summary);
        Logged { finding: finding.with_details(details), warnings }
    }
}

fn anomaly(name: &str, place: &Place) -> Anomaly {
    let Place { node, line, text } = place;
    let summary = format!("{node} logged {name}, line {line}");
    let mut anomaly = Anomaly::new("log-pattern", summary).because(text.clone());
    anomaly.nodes.push(node.clone());
    anomaly
}

/// A line as it is shown: what is no text made visible, and its end left out if it is long.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
