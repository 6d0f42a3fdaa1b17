//! What a run directory holds besides the history, as types: the options (`test.toml`), the fault
//! journal (`faults.jsonl`) and the verdict (`verdict.json`).
//!
//! The runner writes them, checkers read [`RunFacts`] made from them, and reports read everything.

use crate::checker::Finding;
use crate::event::Kind;
use crate::fault::Plan;
use crate::time::Nanos;
use crate::verdict::{Anomaly, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `test.toml`: every resolved option, enough to run the same test again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// Schism's version.
    pub schism: String,
    /// The system under test.
    pub system: String,
    /// Its version, as it says itself.
    pub version: String,
    /// The workload.
    pub workload: String,
    /// The faults, as they can be given to `--faults`.
    pub faults: Vec<String>,
    /// Where nodes live: `netns`, `docker` or `ssh`.
    pub env: String,
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// How long clients and nemesis run, in seconds.
    pub time_limit_secs: f64,
    /// Operations a second, over all clients.
    pub rate: f64,
    /// Client workers.
    pub concurrency: usize,
    /// How many keys at a time.
    pub keys: usize,
    /// How long one operation may take, in seconds.
    pub op_timeout_secs: f64,
    /// Seconds between faults, on average.
    pub nemesis_interval_secs: f64,
    /// How long after the last heal everything must work again, in seconds.
    pub recovery_limit_secs: f64,
    /// How reads are asked for, such as `serializable`; empty for the system's default.
    #[serde(default)]
    pub reads: String,
    /// Regular expressions that no line of a node's log may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_patterns: Vec<String>,
    /// Where all chance comes from.
    pub seed: u64,
    /// When the run began, UTC, `YYYY-MM-DDThh:mm:ssZ`.
    pub started: String,
    /// Options of the system or workload only.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Options of the environment only, such as a `project` of containers, or an `image`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub place: BTreeMap<String, String>,
}

impl TestRecord {
    /// The command that runs the same test again.
    pub fn command(&self) -> String {
        let words: Vec<String> = self.arguments().into_iter().map(quoted).collect();
        format!("schism {}", words.join(" "))
    }

    /// Its arguments.
    pub fn arguments(&self) -> Vec<String> {
        let faults = if self.faults.is_empty() { "none".to_owned() } else { self.faults.join(",") };
        let mut words = vec!["test".to_owned(), self.system.clone()];
        let flags = [
            ("--workload", self.workload.clone()),
            ("--faults", faults),
            ("--nodes", self.nodes.join(",")),
            ("--time-limit", seconds(self.time_limit_secs)),
            ("--rate", self.rate.to_string()),
            ("--concurrency", self.concurrency.to_string()),
            ("--keys", self.keys.to_string()),
            ("--op-timeout", seconds(self.op_timeout_secs)),
            ("--nemesis-interval", seconds(self.nemesis_interval_secs)),
            ("--recovery-limit", seconds(self.recovery_limit_secs)),
            ("--seed", self.seed.to_string()),
        ];
        words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        if !self.env.is_empty() && self.env != "netns" {
            words.extend(["--env".to_owned(), self.env.clone()]);
        }
        for (name, value) in &self.place {
            words.extend([format!("--{name}"), value.clone()]);
        }
        if !self.reads.is_empty() {
            words.extend(["--reads".to_owned(), self.reads.clone()]);
        }
        for pattern in &self.log_patterns {
            words.extend(["--log-pattern".to_owned(), pattern.clone()]);
        }
        for (name, value) in &self.options {
            words.extend(["--option".to_owned(), format!("{name}={value}")]);
        }
        words
    }
}

/// A word as a shell takes it.
fn quoted(word: String) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.,:=/+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A duration as the command line takes it.
fn seconds(secs: f64) -> String {
    format!("{}ms", (secs * 1000.0).round())
}

/// How far a fault has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultStage {
    /// Its plan, with the heal, is on disk; nothing has been done yet.
    Planned,
    /// Nothing to do now, or not possible here; `note` says why.
    Skipped,
    /// Every action of the injection was performed.
    Injected,
    /// Probed after the injection: `ok` says whether it took effect.
    Verified,
    /// Every action of the heal was performed.
    Healed,
    /// Probed after the heal: `ok` says whether it is gone.
    HealVerified,
    /// Something went wrong; `note` says what.
    Failed,
}

/// One line of `faults.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Which fault, numbered from 1 within the run.
    pub fault: u32,
    /// When.
    pub time: Nanos,
    /// Its full name, such as `partition-leader`.
    pub name: String,
    /// How far it has come.
    pub stage: FaultStage,
    /// With [`FaultStage::Planned`]: what will be done, and how it is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// With a verification: whether the probes saw what was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// With a verification: what each probe saw, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Why it was skipped or failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// One fault from injection to heal, put together from its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// Its number within the run.
    pub fault: u32,
    /// Its full name.
    pub name: String,
    /// Its plan's one line.
    pub summary: String,
    /// The nodes that it was done to.
    pub nodes: Vec<Arc<str>>,
    /// The groups that could talk within themselves; empty unless it cut the network.
    pub sides: Vec<Vec<Arc<str>>>,
    /// When the injection began.
    pub start: Nanos,
    /// When the heal was complete; `None` if it never was.
    pub end: Option<Nanos>,
    /// Whether the probes saw it take effect; `None` if they could not tell.
    pub verified: Option<bool>,
    /// Whether the probes saw it gone.
    pub heal_verified: Option<bool>,
    /// What the probes saw.
    pub evidence: Vec<String>,
}

impl FaultWindow {
    /// True if the fault was in force at some moment of `from..=to`.
    pub fn overlaps(&self, from: Nanos, to: Nanos) -> bool {
        self.start <= to && self.end.is_none_or(|end| end >= from)
    }
}

/// Puts the journal's records together, one window for each fault that was injected.
pub fn windows(records: &[FaultRecord], nodes: &[Arc<str>]) -> Vec<FaultWindow> {
    let mut windows: BTreeMap<u32, FaultWindow> = BTreeMap::new();
    let name = |id: crate::cluster::NodeId| {
        nodes.get(id.0).cloned().unwrap_or_else(|| format!("n{}", id.0 + 1).into())
    };
    for record in records {
        match (record.stage, &record.plan) {
            (FaultStage::Planned, Some(plan)) => {
                let mut touched: Vec<Arc<str>> = Vec::new();
                for action in &plan.inject {
                    let node = name(action.node());
                    if !touched.contains(&node) {
                        touched.push(node);
                    }
                }
                windows.insert(
                    record.fault,
                    FaultWindow {
                        fault: record.fault,
                        name: record.name.clone(),
                        summary: plan.summary.clone(),
                        nodes: touched,
                        sides: plan
                            .sides
                            .iter()
                            .map(|side| side.iter().map(|id| name(*id)).collect())
                            .collect(),
                        start: record.time,
                        end: None,
                        verified: None,
                        heal_verified: None,
                        evidence: Vec::new(),
                    },
                );
            }
            (FaultStage::Skipped, _) => {
                windows.remove(&record.fault);
            }
            (stage, _) => {
                let Some(window) = windows.get_mut(&record.fault) else { continue };
                window.evidence.extend(record.evidence.iter().cloned());
                match stage {
                    FaultStage::Verified => window.verified = record.ok,
                    FaultStage::Healed => window.end = Some(record.time),
                    FaultStage::HealVerified => window.heal_verified = record.ok,
                    FaultStage::Failed => window.evidence.push(record.note.clone()),
                    FaultStage::Planned | FaultStage::Skipped | FaultStage::Injected => {}
                }
            }
        }
    }
    windows.into_values().collect()
}

/// What a checker may know of a run besides its history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFacts {
    /// The nodes' names; empty for a foreign history.
    pub nodes: Vec<Arc<str>>,
    /// The faults that were injected.
    pub faults: Vec<FaultWindow>,
    /// When the final heal was complete.
    pub healed_at: Option<Nanos>,
    /// When the readiness predicate held again after it; `None` if it never did.
    pub recovered_at: Option<Nanos>,
    /// When the final reads began; operations from then on belong to the final phase.
    pub final_phase_at: Option<Nanos>,
    /// How long after the last heal operations may take to complete again.
    pub recovery_limit: std::time::Duration,
    /// What a meaningful run reaches at least.
    pub coverage: Vec<Coverage>,
}

impl RunFacts {
    /// The faults in force at some moment of `from..=to`.
    pub fn faults_during(&self, from: Nanos, to: Nanos) -> impl Iterator<Item = &FaultWindow> {
        self.faults.iter().filter(move |window| window.overlaps(from, to))
    }

    /// `", while X was in force"` for the faults of that time, or nothing: the end of a sentence.
    pub fn faults_in_words(&self, from: Nanos, to: Nanos) -> String {
        let names: Vec<&str> =
            self.faults_during(from, to).map(|window| window.summary.as_str()).collect();
        match names.as_slice() {
            [] => String::new(),
            names => format!(", while {}", names.join(" and ")),
        }
    }
}

/// A lower bound on what a meaningful run contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The operation's name, such as `write`.
    pub f: String,
    /// How many of them must end in `kind` at least.
    pub at_least: usize,
    /// Usually `ok`.
    pub kind: Kind,
}

/// The notes that the runner keeps beside the history, in `verdict.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// true, false or "unknown".
    pub valid: Value,
    /// The sentence for the first screen.
    pub headline: String,
    /// What each checker found.
    pub checkers: Vec<FindingRecord>,
    /// When the final heal was complete.
    #[serde(default)]
    pub healed_at: Option<Nanos>,
    /// When everything worked again after it.
    #[serde(default)]
    pub recovered_at: Option<Nanos>,
    /// When the final reads began.
    #[serde(default)]
    pub final_phase_at: Option<Nanos>,
    /// Measured round trip between nodes before any fault, in milliseconds: the median.
    #[serde(default)]
    pub round_trip_ms: Option<f64>,
    /// What went wrong in the harness without spoiling the verdict.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A [`Finding`] as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRecord {
    /// The checker's name.
    pub checker: String,
    /// true, false or "unknown".
    pub valid: Value,
    /// One sentence.
    pub summary: String,
    /// Why it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Anomaly>,
    /// Figures.
    #[serde(default)]
    pub details: Value,
}

impl From<Finding> for FindingRecord {
    fn from(finding: Finding) -> Self {
        let Finding { checker, verdict, summary, details } = finding;
        let valid = valid_value(&verdict);
        let (unknown, anomalies) = match verdict {
            Verdict::Valid => (None, Vec::new()),
            Verdict::Unknown(why) => (Some(why), Vec::new()),
            Verdict::Invalid(anomalies) => (None, anomalies),
        };
        Self { checker, valid, summary, unknown, anomalies, details }
    }
}

/// How a verdict is written: true, false or "unknown".
pub fn valid_value(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Valid => Value::Bool(true),
        Verdict::Invalid(_) => Value::Bool(false),
        Verdict::Unknown(_) => Value::from("unknown"),
    }
}
