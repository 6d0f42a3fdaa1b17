//! Judges one history in this process: what `schism check` starts for each file.

use super::answer::{Answer, Cost};
use super::judging::Judging;
use super::progress::{Counted, Progress};
use super::watch::{self, Bounds, Watch};
use crate::cli::Failure;
use anyhow::{Context as _, anyhow};
use clap::Args;
use schism_checkers::models::Judged;
use schism_core::format::{self, Format, ReadError, Summary};
use schism_core::limits::Limits;
use schism_core::record::{FindingRecord, valid_value};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;

/// The arguments of a worker.
#[derive(Args)]
pub(crate) struct Worker {
    /// What is to be done, as JSON
    job: String,
    /// The history
    file: OsString,
}

/// What a worker is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) judging: Judging,
    /// Draw how far it is.
    pub(super) progress: bool,
}

/// How many bytes a look at the format takes.
const LOOK: usize = 64 << 10;

impl Worker {
    /// Judges, and prints the answer as JSON.
    #[allow(clippy::disallowed_methods, reason = "what it takes is measured in real time")]
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let job: Job = serde_json::from_str(&self.job)?;
        let begun = Instant::now();
        let cost = || Cost { time: begun.elapsed(), peak_bytes: watch::peak() };
        let file = self.file.to_string_lossy();
        let model = job.judging.model.clone().unwrap_or_default();
        let answer = match judge(&job, &self.file) {
            Ok(done) => done.answer(&file, &model, cost()),
            Err(Trouble::Stopped(why)) => Answer::unknown(&file, &model, why, cost()),
            Err(Trouble::Refused(error)) => {
                Answer::refused(&file, &model, format!("{error:#}"), cost())
            }
        };
        println!("{}", answer.to_json());
        Ok(0)
    }
}

/// What was read, and what was found in it.
struct Done {
    summary: Summary,
    operations: usize,
    judged: Judged,
}

impl Done {
    fn answer(self, file: &str, model: &str, cost: Cost) -> Answer {
        let valid = valid_value(&self.judged.verdict);
        let findings = self.judged.findings.into_iter().map(FindingRecord::from).collect();
        let answer = Answer::empty(file, model, valid, cost).with_findings(findings);
        Answer { operations: self.operations, truncated: self.summary.truncated, ..answer }
    }
}

/// Why there is nothing that was found.
enum Trouble {
    /// A limit was reached before all was read.
    Stopped(String),
    /// It can't be judged.
    Refused(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

fn judge(job: &Job, path: &OsString) -> Result<Done, Trouble> {
    let (model, mut options) = job.judging.make()?;
    let mut file = File::open(path).context("cannot be opened")?;
    let bytes = file.metadata().context("cannot be looked at")?.len();
    let (format, head) = match job.judging.asked_format() {
        Some(format) => (format, Vec::new()),
        None => detect(&mut file)?,
    };
    if format == Format::Plume {
        without_real_time(model.name, &mut options)?;
        options.define_by_axioms();
    }
    let progress = Arc::new(Progress::new(bytes, job.progress));
    let limits = Limits::default();
    let bounds = Bounds { time: job.judging.time_limit, memory: job.judging.memory_limit };
    let _watch = Watch::begin(bounds, limits.clone(), progress.clone());
    let mut judge = model.make(&options)?;
    let reader = Counted { reader: head.as_slice().chain(file), progress: progress.clone() };
    let summary = match format::read(format, reader, judge.as_mut(), &limits) {
        Ok(summary) => summary,
        Err(ReadError::Stopped { limit, events }) => {
            return Err(Trouble::Stopped(format!("{limit} was reached after {events} events")));
        }
        Err(error) => return Err(Trouble::Refused(error.into())),
    };
    let operations = judge.operations();
    progress.judging(operations);
    let judged = judge.judge(&limits);
    Ok(Done { summary, operations, judged })
}

/// Reads the beginning of a file, and tells its format by it.
pub(crate) fn detect(file: &mut File) -> anyhow::Result<(Format, Vec<u8>)> {
    let mut head = Vec::new();
    file.by_ref().take(LOOK as u64).read_to_end(&mut head).context("cannot be read")?;
    let format = Format::detect(&head).ok_or_else(|| {
        let line: String = String::from_utf8_lossy(&head).chars().take(40).collect();
        let line = line.lines().next().unwrap_or_default().to_owned();
        anyhow!(
            "line 1, column 1: expected an event of a history, found {line:?}; \
             if it is one all the same, name its --format: jsonl, edn, json, jepsen-log or plume"
        )
    })?;
    Ok((format, head))
}

/// AWDIT's text says nothing of real time, so no model that needs it can be asked for.
fn without_real_time(
    model: &str,
    options: &mut schism_checkers::models::Options,
) -> anyhow::Result<()> {
    if model != "rw-register" {
        return Err(anyhow!("format plume has transactions over registers: --model rw-register"));
    }
    let asked = options.consistency_models.get_or_insert_with(|| vec!["serializable".to_owned()]);
    let needs = |name: &&String| {
        name.starts_with("strict-")
            || (name.starts_with("strong-") && !name.starts_with("strong-session-"))
    };
    match asked.iter().find(needs) {
        None => Ok(()),
        Some(name) => Err(anyhow!(
            "format plume says nothing of real time, which {name} needs; \
             expected a model such as serializable, causal or read-committed"
        )),
    }
}
