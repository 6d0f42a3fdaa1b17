//! The first screen: the verdict, the reason for it, what was tested, and how to run it again.

use crate::latency::{Quantiles, count, millis};
use crate::view::{Fate, Mark, RunView};
use serde::Serialize;

/// Reasons that fit on the first screen.
const REASONS: usize = 6;

/// What the template needs.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    title: String,
    word: &'static str,
    class: &'static str,
    sign: &'static str,
    headline: String,
    /// What the reasons are, such as `Because`.
    reasons_title: &'static str,
    /// What was found, where the headline doesn't say it already.
    found: Option<String>,
    reasons: Vec<String>,
    more_reasons: usize,
    facts: Vec<(&'static str, String)>,
    /// The replay command's words; a line may break between them only.
    command: Vec<String>,
    warnings: Vec<String>,
    links: Vec<(String, String)>,
    schism: String,
    started: String,
}

/// Puts the first screen together.
pub(super) fn summary(run: &RunView) -> Summary {
    let mark = run.outcome();
    let test = &run.test;
    let (reasons_title, found, mut reasons) = reasons(run, mark);
    let more_reasons = reasons.len().saturating_sub(REASONS);
    reasons.truncate(REASONS);
    Summary {
        title: format!("{} · {} {} · Schism", mark.word(), test.system, test.workload),
        word: mark.word(),
        class: mark.class(),
        sign: mark.sign(),
        headline: run.verdict.headline.clone(),
        reasons_title,
        found,
        reasons,
        more_reasons,
        facts: facts(run),
        command: test.command().split(' ').map(ToOwned::to_owned).collect(),
        warnings: run.verdict.warnings.clone(),
        links: links(run),
        schism: test.schism.clone(),
        started: test.started.clone(),
    }
}

fn reasons(run: &RunView, mark: Mark) -> (&'static str, Option<String>, Vec<String>) {
    let checkers = &run.verdict.checkers;
    match mark {
        Mark::Invalid => {
            let Some(first) = checkers.iter().flat_map(|c| &c.anomalies).next() else {
                let invalid = checkers.iter().filter(|c| Mark::of(&c.valid) == Mark::Invalid);
                return ("Because", None, invalid.map(|c| c.summary.clone()).collect());
            };
            let told = run.verdict.headline.contains(&first.summary);
            let found = (!told).then(|| format!("{}: {}", first.kind, first.summary));
            ("Because", found, first.because.clone())
        }
        Mark::Unknown => {
            let unknown = checkers.iter().filter(|c| Mark::of(&c.valid) == Mark::Unknown);
            let reason = |c: &schism_core::record::FindingRecord| {
                format!("{}: {}", c.checker, c.unknown.as_deref().unwrap_or(&c.summary))
            };
            ("It could not be decided, because", None, unknown.map(reason).collect())
        }
        Mark::Valid => {
            let sentence =
                |c: &schism_core::record::FindingRecord| format!("{}: {}", c.checker, c.summary);
            ("What was checked", None, checkers.iter().map(sentence).collect())
        }
    }
}

fn facts(run: &RunView) -> Vec<(&'static str, String)> {
    let test = &run.test;
    let of = |fate| run.ops.iter().filter(|op| op.fate == fate).count();
    let mut facts = vec![
        ("System", format!("{} {}", test.system, test.version)),
        ("Workload", test.workload.clone()),
        ("Nodes", format!("{} in {}: {}", test.nodes.len(), test.env, test.nodes.join(", "))),
        (
            "Faults",
            match (run.faults.len(), test.faults.as_slice()) {
                (_, []) => "none".to_owned(),
                (injected, names) => format!("{injected} injected of {}", names.join(", ")),
            },
        ),
        (
            "Operations",
            format!(
                "{}: {} ok, {} failed, {} unknown",
                count(run.ops.len()),
                count(of(Fate::Ok)),
                count(of(Fate::Fail)),
                count(of(Fate::Info))
            ),
        ),
    ];
    if let Some(all) = Quantiles::of_ok(run.ops.iter()) {
        facts.push(("Latency", format!("median {}, p99 {}", millis(all.p50), millis(all.p99))));
    }
    facts.extend([
        (
            "Load",
            format!(
                "{} operations a second by {} clients on {} keys",
                test.rate, test.concurrency, test.keys
            ),
        ),
        (
            "Duration",
            format!("{} s, {:.1} s with recovery", test.time_limit_secs, run.end().as_secs_f64()),
        ),
        ("Seed", test.seed.to_string()),
        ("Started", test.started.clone()),
    ]);
    facts
}

/// Files beside the report. Only plain relative places become links: a report is handed on, and
/// must not lead elsewhere.
fn links(run: &RunView) -> Vec<(String, String)> {
    let plain = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    run.links
        .iter()
        .filter(|link| link.href.chars().all(plain) && !link.href.starts_with('/'))
        .map(|link| (link.label.clone(), link.href.clone()))
        .collect()
}
