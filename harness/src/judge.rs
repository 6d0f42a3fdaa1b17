//! Judges a run from what is in its directory, writes the verdict and the reports.
//!
//! A run that has just ended and one of last year take the same way, so nothing that a verdict
//! rests on can be missing from the directory. Results are written before they are drawn: a report
//! that fails costs no verdict.

mod logs;

use crate::store::RunDir;
use crate::systems::{Configure, SystemOptions};
use crate::{beliefs, journal, registry};
use anyhow::Context as _;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::{
    FaultRecord, FindingRecord, RunFacts, TestRecord, VerdictRecord, valid_value, windows,
};
use schism_core::time::Nanos;
use schism_core::verdict::Verdict;
use schism_core::workload::{Params, Workload};
use schism_reports::view::{Belief, Link, NodeLog, OpView, RunView};
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The nemesis' line in a history that says that everything is healed.
pub const HEALED: &str = "healed";
/// That the cluster works again.
pub const RECOVERED: &str = "recovered";
/// That the final reads begin.
pub const FINAL_PHASE: &str = "final-phase";
/// Something that a person should know although it doesn't change the verdict.
pub const WARNING: &str = "warning";
/// The round trip between nodes in milliseconds, measured before anything else.
pub const ROUND_TRIP: &str = "round-trip-ms";

/// Checkers whose sentence is no reason for a valid verdict.
const INFORMING: [&str; 4] = [
    schism_checkers::availability::NAME,
    schism_checkers::stats::NAME,
    schism_checkers::unhandled_errors::NAME,
    schism_checkers::log_patterns::NAME,
];

/// What a node's log may add to a report, in bytes.
const LOG_TAIL: u64 = 200_000;

/// A run that has been judged.
pub struct Judged {
    /// What was found.
    pub verdict: Verdict,
    /// Everything that reports show.
    pub view: RunView,
}

/// Judges a stored run; writes `verdict.json`, `report.html` and `junit.xml`.
///
/// # Errors
/// If the run can't be read, or its results can't be written.
pub fn stored<S: Configure, W: Workload + Default>(run: &RunDir) -> anyhow::Result<Judged> {
    let workload = W::default();
    let record = run.record()?;
    let path = run.file("history.jsonl");
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let read = History::<W::Api>::from_jsonl(BufReader::with_capacity(1 << 20, file))
        .with_context(|| format!("cannot read {}", path.display()))?;
    let history = read.history;
    let journal = journal::read(&run.file("faults.jsonl")).unwrap_or_default();
    let params = params(&record, serving::<S>(&record)?);
    let facts = facts(&history, &journal, &record, &workload, &params);
    let (mut verdict, mut findings) =
        schism_checkers::judge(&workload.checkers(&params), &history, &facts, &Limits::default());
    let logged = logs::look_through(run, &record)?;
    verdict = verdict.merge(logged.finding.verdict.clone());
    findings.push(logged.finding);
    let mut warnings = words(&history, WARNING);
    warnings.extend(logged.warnings);
    if read.truncated {
        warnings.push("the history's last line was cut off, and is left out".to_owned());
    }
    let findings: Vec<FindingRecord> = findings.into_iter().map(FindingRecord::from).collect();
    let record_of_verdict = VerdictRecord {
        valid: valid_value(&verdict),
        headline: headline(&verdict, &findings),
        checkers: findings,
        healed_at: facts.healed_at,
        recovered_at: facts.recovered_at,
        final_phase_at: facts.final_phase_at,
        round_trip_ms: words(&history, ROUND_TRIP).first().and_then(|text| text.parse().ok()),
        warnings,
    };
    run.write("verdict.json", &serde_json::to_vec_pretty(&record_of_verdict)?)?;
    let ops = history.ops().iter().map(OpView::from_op).collect();
    let view = view(run, record, record_of_verdict, facts, journal, ops);
    run.write("junit.xml", schism_reports::junit(&view).as_bytes())?;
    run.write("report.html", schism_reports::html(&view).as_bytes())?;
    Ok(Judged { verdict, view })
}

/// A path as a person would type it: relative to where he is, if it is below.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display().to_string()
}

/// How many of a record's nodes serve clients.
fn serving<S: Configure>(record: &TestRecord) -> anyhow::Result<usize> {
    let system = S::configure(&SystemOptions::of(record))?;
    Ok(record.nodes.len() - system.roles(&registry::nowhere(&record.nodes)).len())
}

/// What a workload may know of the run.
pub fn params(record: &TestRecord, serving_nodes: usize) -> Params {
    Params {
        serving_nodes,
        concurrency: record.concurrency,
        keys: record.keys,
        rate: record.rate,
        time_limit: Duration::from_secs_f64(record.time_limit_secs),
        recovery_limit: Duration::from_secs_f64(record.recovery_limit_secs),
    }
}

fn names(record: &TestRecord) -> Vec<Arc<str>> {
    record.nodes.iter().map(|name| Arc::from(name.as_str())).collect()
}

fn facts<W: Workload>(
    history: &History<W::Api>,
    journal: &[FaultRecord],
    record: &TestRecord,
    workload: &W,
    params: &Params,
) -> RunFacts {
    let at = |f: &str| -> Option<Nanos> {
        history.nemesis().iter().rfind(|(_, event)| event.f == f).map(|(stamp, _)| stamp.time)
    };
    let nodes = names(record);
    RunFacts {
        faults: windows(journal, &nodes),
        nodes,
        healed_at: at(HEALED),
        recovered_at: at(RECOVERED),
        final_phase_at: at(FINAL_PHASE),
        recovery_limit: params.recovery_limit,
        coverage: workload.coverage(params),
    }
}

/// What the nemesis wrote under the name `f`.
fn words<A: schism_core::api::Api>(history: &History<A>, f: &str) -> Vec<String> {
    let events = history.nemesis().iter().filter(|(_, event)| event.f == f);
    events
        .map(|(_, event)| {
            event.value.as_str().map_or_else(|| event.value.to_string(), str::to_owned)
        })
        .collect()
}

/// The sentence for the first screen.
fn headline(verdict: &Verdict, findings: &[FindingRecord]) -> String {
    match verdict {
        Verdict::Invalid(anomalies) => match anomalies.as_slice() {
            [] => "a violation was found".to_owned(),
            [only] => only.summary.clone(),
            [first, rest @ ..] => format!("{} (and {} more)", first.summary, rest.len()),
        },
        Verdict::Unknown(why) => why.clone(),
        Verdict::Valid => {
            let judging: Vec<&str> = findings
                .iter()
                .filter(|finding| !INFORMING.contains(&finding.checker.as_str()))
                .map(|finding| finding.summary.as_str())
                .collect();
            judging
                .first()
                .map_or_else(|| "nothing was found".to_owned(), |text| (*text).to_owned())
        }
    }
}

fn view(
    run: &RunDir,
    test: TestRecord,
    verdict: VerdictRecord,
    facts: RunFacts,
    journal: Vec<FaultRecord>,
    ops: Vec<OpView>,
) -> RunView {
    let logs = test.nodes.iter().map(|name| node_log(run, name)).collect();
    let beliefs = beliefs::read(&run.file("beliefs.jsonl"))
        .into_iter()
        .map(|belief| Belief::sampled(belief.time, belief.node, belief.status.as_ref()))
        .collect();
    let beside = ["history.jsonl", "faults.jsonl", "verdict.json", "junit.xml", "test.toml"];
    let links = beside
        .iter()
        .map(|name| Link { label: (*name).to_owned(), href: (*name).to_owned() })
        .collect();
    RunView { test, verdict, faults: facts.faults, journal, ops, logs, beliefs, links }
}

fn node_log(run: &RunDir, name: &str) -> NodeLog {
    let dir = run.file("nodes").join(name);
    let starts = std::fs::read_to_string(dir.join("starts")).unwrap_or_default();
    NodeLog {
        node: name.into(),
        text: tail(&dir.join("log")),
        starts: starts.lines().filter_map(|line| line.parse().ok()).collect(),
    }
}

/// The end of a file, from the beginning of a line; empty if it can't be read.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(if length > LOG_TAIL {
            text.split_once('\n').map_or_else(String::new, |(_, rest)| rest.to_owned())
        } else {
            text
        })
    };
    read().unwrap_or_default()
}
