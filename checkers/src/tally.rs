//! Anomalies while they are found: all are counted, the first few of each kind are kept.

use schism_core::verdict::{Anomaly, Verdict};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How many anomalies of one kind a verdict lists.
pub(crate) const LISTED: usize = 10;

/// Anomalies by kind.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    listed: Vec<Anomaly>,
    counts: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Counts one more of `kind`; `describe` is asked only if it will be listed.
    pub(crate) fn add(&mut self, kind: &'static str, describe: impl FnOnce() -> Anomaly) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= LISTED {
            self.listed.push(describe());
        }
    }

    /// How many of `kind` there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Is there none at all?
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Every kind that was added.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.counts.keys().copied()
    }

    /// Adds what another has, after what is here.
    pub(crate) fn append(&mut self, other: Self) {
        self.listed.extend(other.listed);
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    /// Only these kinds.
    pub(crate) fn only(mut self, kinds: &BTreeSet<&'static str>) -> Self {
        self.listed.retain(|anomaly| kinds.contains(anomaly.kind.as_str()));
        self.counts.retain(|kind, _| kinds.contains(kind));
        self
    }

    /// `{"lost": 12, …}`
    pub(crate) fn to_json(&self) -> Value {
        let entries = self.counts.iter().map(|(kind, count)| ((*kind).to_owned(), (*count).into()));
        Value::Object(entries.collect::<Map<_, _>>())
    }

    /// `12 lost, 1 duplicated`
    pub(crate) fn in_words(&self) -> String {
        let parts: Vec<String> =
            self.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        parts.join(", ")
    }

    /// Lists the anomalies of `kind` before all others, for they say most.
    pub(crate) fn put_first(&mut self, kind: &str) {
        self.listed.sort_by_key(|anomaly| anomaly.kind != kind);
    }

    /// The verdict with its sentence: invalid with what is listed, and `checked` says in how much;
    /// else unknown, if there is a reason; else valid.
    pub(crate) fn conclude(
        self,
        checked: &str,
        unknown: Option<String>,
        valid: impl FnOnce() -> String,
    ) -> (Verdict, String) {
        if !self.is_empty() {
            let summary = format!("{checked}: {}", self.in_words());
            return (self.into_verdict(), summary);
        }
        match unknown {
            Some(why) => (Verdict::Unknown(why.clone()), why),
            None => (Verdict::Valid, valid()),
        }
    }

    /// Invalid with what is listed; without anything, valid.
    pub(crate) fn into_verdict(self) -> Verdict {
        Verdict::from_anomalies(self.listed)
    }
}
