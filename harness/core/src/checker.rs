//! Checkers: they judge a history, and draw nothing.

use crate::api::Api;
use crate::history::History;
use crate::limits::Limits;
use crate::record::RunFacts;
use crate::verdict::Verdict;
use serde_json::Value;

/// Judges a history.
///
/// It may say unknown. It must never say invalid of a history that a correct store could have
/// produced, nor valid of one that it could not.
pub trait Checker<A: Api>: Send + Sync {
    /// Its name in the verdict, such as `linearizable`.
    fn name(&self) -> &'static str;

    /// Judges. Pure: no clock, no chance, no input or output. Once a limit is exceeded, it answers
    /// unknown with what it has decided so far.
    fn check(&self, history: &History<A>, run: &RunFacts, limits: &Limits) -> Finding;
}

/// What one checker found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The checker's name.
    pub checker: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// One sentence for a person, with figures: what was checked, or what was found.
    pub summary: String,
    /// Figures for programs and plots; an object.
    pub details: Value,
}

impl Finding {
    /// A finding without figures.
    pub fn new(checker: &str, verdict: Verdict, summary: impl Into<String>) -> Self {
        Self {
            checker: checker.to_owned(),
            verdict,
            summary: summary.into(),
            details: Value::Object(serde_json::Map::new()),
        }
    }

    /// Adds the figures.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}
