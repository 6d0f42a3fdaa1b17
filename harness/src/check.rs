//! `schism check`: judges a stored run again, or histories by a model.

use crate::cli::Failure;
use crate::{judge, registry, store};
use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use schism_checkers::linearizable::Linearizable;
use schism_core::api::Api;
use schism_core::checker::Checker;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::{FindingRecord, RunFacts, valid_value};
use schism_core::verdict::Verdict;
use serde_json::{Value, json};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The arguments of `schism check`.
#[derive(Args)]
#[command(after_help = "Examples:
  schism check runs/latest                              a run, by the workload it had
  schism check --model cas-register a.jsonl b.jsonl     histories, one line of answer each
  schism check --model list-append --json a.jsonl

`schism list models` shows the models. A history is our history.jsonl; other formats are to come.")]
pub struct Check {
    /// What to judge histories by; left out, FILE is a run directory
    #[arg(long)]
    model: Option<String>,
    /// The histories' format
    #[arg(long, default_value = "auto", value_parser = ["auto", "jsonl"])]
    format: String,
    /// One JSON object for each file
    #[arg(long)]
    json: bool,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
    /// No colours
    #[arg(long)]
    no_color: bool,
    /// Histories, or a run
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

/// A model by which histories can be judged.
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    judge: fn(&Path) -> anyhow::Result<Answer>,
}

/// What was found in one file.
struct Answer {
    verdict: Verdict,
    findings: Vec<FindingRecord>,
    operations: usize,
    truncated: bool,
}

/// Every model.
pub const MODELS: &[Model] = &[
    Model {
        name: "register",
        about: "registers (read, write), linearizable, each key on its own",
        judge: |path| by(path, Linearizable::default()),
    },
    Model {
        name: "cas-register",
        about: "registers with compare-and-set, linearizable, each key on its own",
        judge: |path| by(path, Linearizable::default()),
    },
    Model {
        name: "set-full",
        about: "a growing set: nothing acknowledged is lost",
        judge: |path| by(path, schism_checkers::set_full::SetFull { linearizable: false }),
    },
    Model {
        name: "set",
        about: "a growing set, linearizable: a read sees what was acknowledged before it",
        judge: |path| by(path, schism_checkers::set_full::SetFull { linearizable: true }),
    },
    Model {
        name: "list-append",
        about: "transactions over lists, strict-serializable",
        judge: |path| by(path, schism_checkers::list_append::ListAppend::default()),
    },
    Model {
        name: "leader-election",
        about: "at most one leader a term",
        judge: |path| {
            let checker =
                schism_checkers::leader_election::LeaderElection { exclusive_in_time: false };
            by(path, checker)
        },
    },
    Model {
        name: "consensus",
        about: "Agreement, Validity and Integrity of decisions",
        judge: |path| by(path, schism_checkers::consensus::Consensus { termination: false }),
    },
    Model {
        name: "total-order",
        about: "every node delivers the same messages in the same order",
        judge: |path| by(path, schism_checkers::total_order::TotalOrder::default()),
    },
];

fn by<A: Api>(path: &Path, checker: impl Checker<A> + 'static) -> anyhow::Result<Answer> {
    let file = File::open(path).context("cannot be opened")?;
    let read = History::<A>::from_jsonl(BufReader::with_capacity(1 << 20, file))?;
    let (verdict, findings) = schism_checkers::judge(
        &[Box::new(checker)],
        &read.history,
        &RunFacts::default(),
        &Limits::default(),
    );
    Ok(Answer {
        verdict,
        findings: findings.into_iter().map(FindingRecord::from).collect(),
        operations: read.history.ops().len(),
        truncated: read.truncated,
    })
}

impl Check {
    /// Carries it out.
    ///
    /// # Errors
    /// If a file or run can't be read, or the model isn't known.
    pub fn run(self) -> Result<u8, Failure> {
        match &self.model {
            None => self.check_run(),
            Some(name) => {
                let model = MODELS.iter().find(|model| model.name == *name).ok_or_else(|| {
                    let known: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
                    let known = known.join(", ");
                    Failure::usage(anyhow!("unknown model {name:?}; expected one of {known}"))
                })?;
                Ok(self.check_files(model))
            }
        }
    }

    fn check_run(&self) -> Result<u8, Failure> {
        let (name, more) = self.files.split_first().context("no run was named")?;
        if !more.is_empty() || Path::new(name).is_file() {
            return Err(Failure::usage(anyhow!(
                "--model is missing: {name} is a history, not a run; \
                 `schism list models` shows the models"
            )));
        }
        let run = store::find(&self.store, name).map_err(Failure::Usage)?;
        let record = run.record().map_err(Failure::Usage)?;
        let entry =
            registry::find(&record.system, Some(&record.workload)).map_err(Failure::Usage)?;
        let judged = (entry.judge)(&run).map_err(Failure::Usage)?;
        if self.json {
            println!("{}", serde_json::to_string(&judged.view.verdict)?);
        } else {
            let report = judge::shown(&run.file("report.html"));
            let color = crate::cli::color(self.no_color);
            print!(
                "{}",
                schism_reports::terminal(&judged.view, &report, color, crate::cli::width())
            );
        }
        Ok(judged.verdict.exit_code())
    }

    fn check_files(&self, model: &Model) -> u8 {
        let mut worst = 0;
        for file in &self.files {
            let code = match (model.judge)(Path::new(file)) {
                Ok(answer) => {
                    self.print(file, model, &answer);
                    answer.verdict.exit_code()
                }
                Err(error) => {
                    eprintln!("schism: {file}: {error:#}");
                    2
                }
            };
            worst = worse(worst, code);
        }
        worst
    }

    fn print(&self, file: &str, model: &Model, answer: &Answer) {
        if answer.truncated {
            eprintln!("schism: {file}: the last line was cut off, and is left out");
        }
        let mut kinds: Vec<&str> =
            answer.verdict.anomalies().iter().map(|anomaly| anomaly.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if self.json {
            let line = json!({
                "file": file,
                "model": model.name,
                "valid": valid_value(&answer.verdict),
                "anomalies": kinds,
                "operations": answer.operations,
                "checkers": answer.findings,
            });
            println!("{line}");
            return;
        }
        let mut line = format!("{file}\t{}", answer.verdict.word());
        if !kinds.is_empty() {
            line.push('\t');
            line.push_str(&kinds.join(","));
        }
        println!("{line}");
        if self.files.len() == 1 {
            for finding in &answer.findings {
                println!("  {}: {}", finding.checker, finding.summary);
                let lines = finding
                    .anomalies
                    .iter()
                    .flat_map(|anomaly| std::iter::once(&anomaly.summary).chain(&anomaly.because));
                lines.for_each(|line| println!("    {line}"));
                if let Some(why) = &finding.unknown {
                    println!("    {why}");
                }
            }
        }
    }
}

/// The worse of two exit codes: an error outweighs a violation, that unknown, that valid.
fn worse(left: u8, right: u8) -> u8 {
    let rank = |code: u8| match code {
        0 => 0,
        3 => 1,
        1 => 2,
        _ => 3,
    };
    if rank(right) > rank(left) { right } else { left }
}

/// Reads a verdict's JSON file for its `valid`, its anomalies' kinds, its headline, and what its
/// checkers say, a line each.
///
/// # Errors
/// If the file is no verdict.
pub fn read_verdict(path: &Path) -> anyhow::Result<(Value, Vec<String>, String, String)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let record: schism_core::record::VerdictRecord = serde_json::from_slice(&bytes)?;
    ensure!(!record.checkers.is_empty(), "{} has no findings", path.display());
    let kinds = record.checkers.iter().flat_map(|finding| &finding.anomalies);
    let mut kinds: Vec<String> = kinds.map(|anomaly| anomaly.kind.clone()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let summaries: Vec<&str> =
        record.checkers.iter().map(|finding| finding.summary.as_str()).collect();
    Ok((record.valid, kinds, record.headline, summaries.join("\n")))
}
