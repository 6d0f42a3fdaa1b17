//! `schism matrix`: many tests, each with the verdict that it is expected to have.
//!
//! Each test is a `schism test` process of its own, in a sandbox of its own, so that several can
//! run side by side. A row that expects `valid` has to be valid with every seed: one false alarm is
//! one too many. A row that expects `invalid` depends on timing; it has to be found with 19 seeds
//! of 20.

use crate::check::read_verdict;
use crate::cli::Failure;
use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The arguments of `schism matrix`.
#[derive(Args)]
#[command(after_help = "A row of the file:

  [[row]]
  test = \"primary-replica --workload register\"   what follows `schism test`
  expect = \"invalid\"                             valid, invalid or unknown
  anomaly = \"split-brain\"                        how an anomaly found begins; may be left out
  says = \"neither side\"                         words of a checker's summary; may be left out

Examples:
  schism matrix harness/docs/chapter.toml
  schism matrix harness/docs/chapter.toml --seeds 20 --jobs 3")]
pub struct Matrix {
    /// The rows
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// How many seeds a row
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// A row that expects `invalid` and misses it may try so many seeds more
    #[arg(long, default_value_t = 0)]
    more: u64,
    /// How many tests at a time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only the rows whose test contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Where runs are kept
    #[arg(long, default_value = "runs/matrix", value_name = "DIR")]
    store: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    test: String,
    expect: String,
    #[serde(default)]
    anomaly: Option<String>,
    #[serde(default)]
    says: Option<String>,
}

/// What one test came to.
#[derive(Clone, Debug)]
struct Seen {
    seed: u64,
    met: bool,
    words: String,
}

impl Matrix {
    /// Carries it out.
    ///
    /// # Errors
    /// If the file can't be read, or a test can't be started.
    pub fn run(self) -> Result<u8, Failure> {
        let rows = self.rows().map_err(Failure::Usage)?;
        let work: VecDeque<usize> = (0..rows.len()).collect();
        let work = Mutex::new(work);
        let missed = Mutex::new(0usize);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs.max(1))
                .map(|_| scope.spawn(|| self.work(&rows, &work, &missed)))
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker failed"))?)
        })?;
        let missed = missed.into_inner().unwrap_or(rows.len());
        println!("{} passed, {missed} failed", rows.len() - missed);
        Ok(u8::from(missed > 0))
    }

    fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let path = self.file.display();
        let text =
            std::fs::read_to_string(&self.file).with_context(|| format!("cannot read {path}"))?;
        let file: File = toml::from_str(&text).with_context(|| format!("{path} is no matrix"))?;
        for row in &file.row {
            ensure!(
                ["valid", "invalid", "unknown"].contains(&row.expect.as_str()),
                "{path}: expect = {:?}; expected valid, invalid or unknown",
                row.expect
            );
        }
        Ok(file.row.into_iter().filter(|row| row.test.contains(&self.only)).collect())
    }

    fn work(
        &self,
        rows: &[Row],
        work: &Mutex<VecDeque<usize>>,
        missed: &Mutex<usize>,
    ) -> anyhow::Result<()> {
        loop {
            let next = work.lock().map_err(|_| anyhow!("a worker failed"))?.pop_front();
            let Some(position) = next else { return Ok(()) };
            let row = &rows[position];
            let seen = self.row(row, position)?;
            let met = seen.iter().filter(|one| one.met).count();
            let good = if row.expect == "invalid" {
                // 19 of 20; with few seeds, or more tries than seeds, one is enough.
                let wanted = usize::try_from(self.seeds * 19 / 20).unwrap_or(usize::MAX);
                met >= wanted.max(1)
            } else {
                met == seen.len()
            };
            let mut lines = format!(
                "{} {} {met}/{}  {}",
                if good { "✓" } else { "✗" },
                row.expect,
                seen.len(),
                row.test
            );
            if let Some(example) = seen.iter().find(|one| one.met) {
                let _ = write!(lines, "\n    seed {}: {}", example.seed, example.words);
            }
            for other in seen.iter().filter(|one| !one.met) {
                let _ = write!(lines, "\n  ✗ seed {}: {}", other.seed, other.words);
            }
            println!("{lines}");
            if !good {
                *missed.lock().map_err(|_| anyhow!("a worker failed"))? += 1;
            }
        }
    }

    fn row(&self, row: &Row, position: usize) -> anyhow::Result<Vec<Seen>> {
        let mut seen = Vec::new();
        for seed in self.first_seed..self.first_seed + self.seeds {
            seen.push(self.one(row, position, seed)?);
        }
        let more = self.first_seed + self.seeds..self.first_seed + self.seeds + self.more;
        for seed in more {
            if row.expect != "invalid" || seen.iter().any(|one| one.met) {
                break;
            }
            seen.push(self.one(row, position, seed)?);
        }
        Ok(seen)
    }

    fn one(&self, row: &Row, position: usize, seed: u64) -> anyhow::Result<Seen> {
        let store = self.store.join(format!("{position}-{seed}"));
        let program = std::env::current_exe().context("cannot find this program")?;
        let output = Command::new(program)
            .arg("test")
            .args(row.test.split_whitespace())
            .args(["--no-color", "--seed", &seed.to_string(), "--store"])
            .arg(&store)
            .stdin(Stdio::null())
            .output()?;
        let code = output.status.code();
        let verdict = store.join("latest").join("verdict.json");
        let judged = [0, 1, 3].map(Some).contains(&code);
        let (met, words) = if let (true, Ok(verdict)) = (judged, read_verdict(&verdict)) {
            let (valid, kinds, headline, summaries) = verdict;
            let word = word(&valid);
            let kind_found = row
                .anomaly
                .as_ref()
                .is_none_or(|start| kinds.iter().any(|kind| kind.starts_with(start)));
            let words = format!("{word} {}{headline}", listed(&kinds));
            let said = row.says.as_ref().is_none_or(|words| summaries.contains(words.as_str()));
            (word == row.expect && kind_found && said && code == Some(exit_code(word)), words)
        } else {
            let error = String::from_utf8_lossy(&output.stderr);
            (false, format!("exit code {code:?}: {}", error.trim()))
        };
        if met {
            // What went as expected needs no evidence; what didn't, does.
            remove(&store);
        }
        Ok(Seen { seed, met, words })
    }
}

fn remove(store: &Path) {
    let _ = std::fs::remove_dir_all(store);
}

fn listed(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!("({}) ", kinds.join(", ")) }
}

fn word(valid: &Value) -> &'static str {
    match valid {
        Value::Bool(true) => "valid",
        Value::Bool(false) => "invalid",
        _ => "unknown",
    }
}

fn exit_code(word: &str) -> i32 {
    match word {
        "valid" => 0,
        "invalid" => 1,
        _ => 3,
    }
}
