//! `schism check`: judges a stored run again, or histories by a model.
//!
//! Every history is judged by a process of its own (`worker`, started by `pool`). So the limits
//! that a user sets are kept whatever a checker does, what one file costs is measured by the
//! kernel, and a history that brings its judge down costs only its own answer.

mod answer;
mod judging;
mod pool;
mod progress;
mod watch;
pub(crate) mod worker;

use crate::cli::Failure;
use crate::{judge, registry, store};
pub(crate) use answer::{Answer, steps};
use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
pub(crate) use judging::Judging;
use serde_json::Value;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The arguments of `schism check`.
#[derive(Args)]
#[command(after_help = "Examples:
  schism check runs/latest                              a run, by the workload it had
  schism check --model cas-register history.edn         a history, with what was found
  schism check --model cas-register a.edn b.jsonl       several, one line of answer each
  schism check --model list-append --consistency-models snapshot-isolation --json a.edn
  schism check --model rw-register --anomalies G1,internal a.edn
  schism check --model register --time-limit 60s --memory-limit 4GiB big.edn
  schism check --model rw-register --format plume --consistency-models causal a.txt

`schism list models` shows the models, `schism list models NAME` one model's page.
Exit codes: 0 valid, 1 invalid, 2 usage or input error, 3 unknown; of several files the worst.")]
pub struct Check {
    #[command(flatten)]
    judging: Judging,
    /// One JSON object for each file
    #[arg(long)]
    json: bool,
    /// How many files are judged at a time
    #[arg(long, default_value = "1", value_name = "N")]
    jobs: NonZeroUsize,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
    /// No colours
    #[arg(long)]
    no_color: bool,
    /// Histories, or a run
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,
}

impl Check {
    /// Carries it out.
    ///
    /// # Errors
    /// If a file or run can't be read, or the model isn't known.
    pub fn run(self) -> Result<u8, Failure> {
        if self.judging.model.is_none() {
            return self.check_run();
        }
        self.judging.make().map_err(Failure::Usage)?;
        Ok(self.check_files()?)
    }

    fn check_run(&self) -> Result<u8, Failure> {
        let (name, more) = self.files.split_first().context("no run was named")?;
        let name = name.to_string_lossy();
        if !more.is_empty() || Path::new(name.as_ref()).is_file() {
            return Err(Failure::usage(anyhow!(
                "--model is missing: {name} is a history, not a run; \
                 `schism list models` shows the models"
            )));
        }
        let run = store::find(&self.store, &name).map_err(Failure::Usage)?;
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

    fn check_files(&self) -> anyhow::Result<u8> {
        let mut worst = 0;
        let alone = self.files.len() == 1;
        pool::judge(&self.judging, &self.files, self.jobs.get(), |answer| {
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    worst = worse(worst, 4);
                    eprintln!("schism: {error:#}");
                    return;
                }
            };
            worst = worse(worst, answer.exit_code());
            if answer.truncated {
                eprintln!("schism: {}: the last line was cut off, and is left out", answer.file);
            }
            if self.json {
                println!("{}", answer.to_json());
            } else if let Some(error) = &answer.error {
                eprintln!("schism: {}: {error}", answer.file);
            } else {
                print!("{}", answer.in_words(alone));
            }
        })?;
        Ok(worst)
    }
}

/// Judges one history in a process of its own, as `schism check` does.
pub(crate) fn judge_file(judging: &Judging, file: &OsString) -> anyhow::Result<Answer> {
    let mut only = None;
    pool::judge(judging, std::slice::from_ref(file), 1, |answer| only = Some(answer))?;
    only.context("no answer")?
}

/// The worse of two exit codes: an error outweighs a violation, that unknown, that valid.
fn worse(left: u8, right: u8) -> u8 {
    let rank = |code: u8| match code {
        0 => 0,
        3 => 1,
        1 => 2,
        2 => 3,
        _ => 4,
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
