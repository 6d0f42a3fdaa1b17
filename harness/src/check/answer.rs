//! What was found in one file, and how it is printed.

use schism_core::record::FindingRecord;
use schism_core::verdict::Anomaly;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// What was found in one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The file, as it was named.
    pub(crate) file: String,
    /// What it was judged by.
    pub(crate) model: String,
    /// true, false or "unknown".
    pub(crate) valid: Value,
    /// The anomalies' names, in order.
    pub(crate) anomalies: Vec<String>,
    /// The weakest consistency models that are ruled out.
    pub(crate) not: Vec<String>,
    /// The others that are.
    pub(crate) also_not: Vec<String>,
    /// How many operations there were.
    pub(crate) operations: usize,
    /// Wall-clock time, reading included.
    pub(crate) seconds: f64,
    /// The most memory that was resident.
    pub(crate) peak_bytes: u64,
    /// The last line was cut off, and was left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) truncated: bool,
    /// Why it could not be judged at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What each checker found.
    pub(crate) checkers: Vec<FindingRecord>,
}

/// What a file cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    pub(crate) peak_bytes: u64,
}

impl Answer {
    /// Without any finding.
    pub(crate) fn empty(file: &str, model: &str, valid: Value, cost: Cost) -> Self {
        Self {
            file: file.to_owned(),
            model: model.to_owned(),
            valid,
            anomalies: Vec::new(),
            not: Vec::new(),
            also_not: Vec::new(),
            operations: 0,
            seconds: cost.time.as_secs_f64(),
            peak_bytes: cost.peak_bytes,
            truncated: false,
            error: None,
            checkers: Vec::new(),
        }
    }

    /// It could not be judged.
    pub(crate) fn refused(file: &str, model: &str, error: String, cost: Cost) -> Self {
        let empty = Self::empty(file, model, Value::from("unknown"), cost);
        Self { error: Some(error), ..empty }
    }

    /// It is unknown, for this reason only.
    pub(crate) fn unknown(file: &str, model: &str, why: String, cost: Cost) -> Self {
        let finding = FindingRecord {
            checker: model.to_owned(),
            valid: Value::from("unknown"),
            summary: why.clone(),
            unknown: Some(why),
            anomalies: Vec::new(),
            details: Value::Null,
        };
        let empty = Self::empty(file, model, Value::from("unknown"), cost);
        Self { checkers: vec![finding], ..empty }
    }

    /// What the findings say on anomalies and models.
    pub(crate) fn with_findings(mut self, findings: Vec<FindingRecord>) -> Self {
        let names = |details: &Value, name: &str| -> Vec<String> {
            let list = details.get(name).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
        };
        for finding in &findings {
            let kinds = finding.anomalies.iter().map(|anomaly| anomaly.kind.clone());
            self.anomalies.extend(kinds);
            self.anomalies.extend(names(&finding.details, "anomaly-types"));
            self.not.extend(names(&finding.details, "not"));
            self.also_not.extend(names(&finding.details, "also_not"));
        }
        for list in [&mut self.anomalies, &mut self.not, &mut self.also_not] {
            list.sort_unstable();
            list.dedup();
        }
        self.checkers = findings;
        self
    }

    /// 0 valid, 1 invalid, 2 could not be read, 3 unknown.
    pub(crate) fn exit_code(&self) -> u8 {
        match (&self.error, &self.valid) {
            (Some(_), _) => 2,
            (None, Value::Bool(true)) => 0,
            (None, Value::Bool(false)) => 1,
            (None, _) => 3,
        }
    }

    /// One line of JSON.
    pub(crate) fn to_json(&self) -> String {
        // Writing to memory what serde_json made itself can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// `FILE<TAB>verdict[<TAB>anomalies]`, and with `details` what was found, a line each.
    pub(crate) fn in_words(&self, details: bool) -> String {
        let word = match &self.valid {
            Value::Bool(true) => "valid",
            Value::Bool(false) => "invalid",
            _ => "unknown",
        };
        let mut text = format!("{}\t{word}", self.file);
        if !self.anomalies.is_empty() {
            let _ = write!(text, "\t{}", self.anomalies.join(","));
        }
        text.push('\n');
        if !details {
            return text;
        }
        for finding in &self.checkers {
            let _ = writeln!(text, "  {}: {}", finding.checker, finding.summary);
            for anomaly in &finding.anomalies {
                let _ = writeln!(text, "    {}", anomaly.summary);
                for step in steps(anomaly) {
                    let _ = writeln!(text, "    {step}");
                }
            }
            if let Some(why) = finding.unknown.as_ref().filter(|why| **why != finding.summary) {
                let _ = writeln!(text, "    {why}");
            }
            if let Some(by) = finding.details.get("decided_by") {
                let _ = writeln!(text, "  decided by: {}", decided(by));
            }
        }
        for (what, names) in [("not", &self.not), ("also not", &self.also_not)] {
            if !names.is_empty() {
                let _ = writeln!(text, "  {what}: {}", names.join(", "));
            }
        }
        text
    }
}

/// The steps of an anomaly's argument; of very many, the first and the last.
pub(crate) fn steps(anomaly: &Anomaly) -> Vec<String> {
    const MOST: usize = 40;
    const LAST: usize = 5;
    let all = &anomaly.because;
    if all.len() <= MOST {
        return all.clone();
    }
    let (first, last) = (&all[..MOST - LAST], &all[all.len() - LAST..]);
    let between = format!("… {} more steps …", all.len() - MOST);
    first.iter().cloned().chain([between]).chain(last.iter().cloned()).collect()
}

/// `unique (12 keys), sweep (1 key)`.
fn decided(by: &Value) -> String {
    let Some(methods) = by.as_object() else {
        return by.as_str().unwrap_or_default().to_owned();
    };
    let parts: Vec<String> = methods
        .iter()
        .map(|(method, keys)| match keys.as_u64() {
            Some(1) => format!("{method} (1 key)"),
            _ => format!("{method} ({keys} keys)"),
        })
        .collect();
    parts.join(", ")
}
