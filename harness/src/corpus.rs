//! `schism corpus`: judges a folder of histories whose verdicts are known, and compares.
//!
//! The folder has `verdicts.tsv`: file, model, options, verdict, anomaly types, models ruled out;
//! and may have `unlabelled.tsv`: file, model, options, for histories that only have to be decided.
//! Options are those of `schism check` as `name=value`, or the map that Elle takes. A verdict may
//! be three, by consistency model: `read-committed=valid causal=invalid`.
//!
//! Where a table is held to be wrong, a file of disputes says so: file, verdict, and why.

use crate::check::{Answer, Judging, judge_file};
use crate::cli::Failure;
use anyhow::{Context as _, bail};
use clap::Args;
use schism_core::form::{Form, Tape};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The arguments of `schism corpus`.
#[derive(Args)]
#[command(after_help = "Example:
  schism corpus my-histories --time-limit 10s --memory-limit 1GiB

Exit codes: 0 everything is as it should be, 1 something is not, 2 usage error.")]
pub(crate) struct Corpus {
    /// The most wall-clock time for one file
    #[arg(long, value_name = "TIME", default_value = "10s",
          value_parser = humantime::parse_duration)]
    time_limit: Duration,
    /// The most memory for one file
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory_limit: bytesize::ByteSize,
    /// Histories of which another verdict is right: file, verdict and why, between tabs
    #[arg(long, value_name = "FILE")]
    disputed: Option<PathBuf>,
    /// Print every file, not only those that differ
    #[arg(long)]
    all: bool,
    /// The folder with verdicts.tsv
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// One line of a table, for one consistency model if it names several.
struct Row {
    file: String,
    judging: Judging,
    /// Nothing is known if it is empty.
    verdict: String,
    /// Elle's names, where the table has them.
    anomalies: Option<BTreeSet<String>>,
    not: Option<BTreeSet<String>>,
    /// Why the table is held to be wrong.
    dispute: Option<String>,
}

/// What all of it came to.
#[derive(Default)]
struct Total {
    judged: usize,
    differ: usize,
    disputed: usize,
    undecided: usize,
    slowest: f64,
    largest: u64,
}

impl Corpus {
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let mut failed = false;
        for (table, labelled) in [("verdicts.tsv", true), ("unlabelled.tsv", false)] {
            let path = self.folder.join(table);
            if !labelled && !path.exists() {
                continue;
            }
            let mut rows = self.rows(&path).map_err(Failure::Usage)?;
            if labelled {
                self.dispute(&mut rows).map_err(Failure::Usage)?;
            }
            let mut total = Total::default();
            for row in &rows {
                self.one(row, &mut total)?;
            }
            let Total { judged, differ, disputed, undecided, slowest, largest } = total;
            println!(
                "{table}: {judged} judged, {differ} differ, {disputed} disputed, \
                 {undecided} undecided; \
                 at most {slowest:.2} s and {} each",
                bytesize::ByteSize(largest)
            );
            failed |= differ + undecided > 0;
        }
        Ok(u8::from(failed))
    }

    fn one(&self, row: &Row, total: &mut Total) -> anyhow::Result<()> {
        let answer = judge_file(&row.judging, &self.folder.join(&row.file).into_os_string())?;
        total.judged += 1;
        total.slowest = total.slowest.max(answer.seconds);
        total.largest = total.largest.max(answer.peak_bytes);
        let problem =
            if row.verdict.is_empty() { undecided(&answer) } else { differs(row, &answer) };
        let said = said(&answer);
        match &problem {
            Some(problem) if row.verdict.is_empty() => {
                total.undecided += 1;
                println!("{}\t{said}\tUNDECIDED: {problem}", row.file);
            }
            Some(problem) => {
                total.differ += 1;
                println!("{}\t{said}\tDIFFERS: {problem}", row.file);
            }
            None if row.dispute.is_some() => {
                total.disputed += 1;
                let why = row.dispute.as_deref().unwrap_or_default();
                println!("{}\t{said}\tdisputed: {why}", row.file);
            }
            None if self.all => {
                let (seconds, mib) = (answer.seconds, answer.peak_bytes >> 20);
                println!("{}\t{said}\t{seconds:.2} s\t{mib} MiB", row.file);
            }
            None => {}
        }
        Ok(())
    }

    fn rows(&self, path: &Path) -> anyhow::Result<Vec<Row>> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let mut rows = Vec::new();
        for (number, line) in (1..).zip(text.lines()).skip(1).filter(|(_, line)| !line.is_empty()) {
            let row = self.row(line);
            rows.extend(row.with_context(|| format!("{}:{number}", path.display()))?);
        }
        Ok(rows)
    }

    /// Changes the rows that are disputed.
    fn dispute(&self, rows: &mut [Row]) -> anyhow::Result<()> {
        let Some(path) = &self.disputed else { return Ok(()) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
            let mut columns = line.splitn(3, '\t');
            let parts = columns.next().zip(columns.next()).zip(columns.next());
            let ((file, verdict), why) = parts.context("expected file, verdict and why")?;
            for row in rows.iter_mut().filter(|row| row.file == file) {
                verdict.clone_into(&mut row.verdict);
                row.dispute = Some(why.to_owned());
                (row.anomalies, row.not) = (None, None);
            }
        }
        Ok(())
    }

    fn row(&self, line: &str) -> anyhow::Result<Vec<Row>> {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default().trim();
        let (file, model, options, verdict) = (next(), next(), next(), next());
        let (anomalies, not) = (names(next()), names(next()));
        let mut judging = Judging {
            model: Some(model.to_owned()),
            format: "auto".to_owned(),
            time_limit: Some(self.time_limit),
            memory_limit: Some(self.memory_limit.as_u64()),
            ..Judging::default()
        };
        apply(&mut judging, options)?;
        // Elle's checkers alone name anomalies in the table. Where its search gave up, it found
        // less than there is.
        let elle = file.contains("elle-list-append") || file.contains("elle-rw-register");
        let elle = elle && !anomalies.contains("cycle-search-timeout");
        let row = |judging: Judging, verdict: &str| Row {
            file: file.to_owned(),
            judging,
            verdict: verdict.to_owned(),
            anomalies: (elle && !verdict.is_empty()).then(|| anomalies.clone()),
            not: (elle && !verdict.is_empty()).then(|| not.clone()),
            dispute: None,
        };
        if !verdict.contains('=') {
            return Ok(vec![row(judging, verdict)]);
        }
        let each = verdict.split(' ').map(|part| {
            let (level, verdict) = part.split_once('=').context("expected level=verdict")?;
            let mut judging = judging.clone();
            judging.consistency_models = Some(vec![level.to_owned()]);
            Ok(row(judging, verdict))
        });
        each.collect()
    }
}

/// `a,b` as a set.
fn names(list: &str) -> BTreeSet<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Sets what a table's options ask for.
fn apply(judging: &mut Judging, options: &str) -> anyhow::Result<()> {
    if options.starts_with('{') {
        let tape = Tape::from_edn(options).with_context(|| format!("options {options}"))?;
        for (name, value) in tape.root().entries()? {
            elle(judging, name.text()?, value)?;
        }
        return Ok(());
    }
    for option in options.split_whitespace() {
        let (name, value) = option.split_once('=').context("expected name=value")?;
        match name {
            "init" => judging.init = Some(value.to_owned()),
            "group-size" => judging.group_size = Some(value.parse()?),
            "format" => value.trim_end_matches("-text").clone_into(&mut judging.format),
            "consistency-models" => judging.consistency_models = Some(list(value)),
            other => bail!("unknown option {other:?}"),
        }
    }
    Ok(())
}

fn list(names: &str) -> Vec<String> {
    names.split(',').map(str::to_owned).collect()
}

/// Sets one of the options that Elle's checkers take.
fn elle(judging: &mut Judging, name: &str, value: Form<'_>) -> anyhow::Result<()> {
    let names = || -> anyhow::Result<Option<Vec<String>>> {
        if value.is_nil() {
            return Ok(None);
        }
        let names = value.items()?.map(|name| Ok(name.text()?.to_owned()));
        names.collect::<anyhow::Result<_>>().map(Some)
    };
    match name {
        "consistency-models" => judging.consistency_models = names()?,
        "anomalies" => judging.anomalies = names()?,
        "linearizable-keys?" => judging.linearizable_keys = value.bool()?,
        "sequential-keys?" => judging.sequential_keys = value.bool()?,
        "wfr-keys?" => judging.wfr_keys = value.bool()?,
        "transaction-order" => judging.transaction_order = Some(value.to_string()),
        // How pictures are drawn changes no verdict.
        "plot-format" | "directory" => {}
        other => bail!("unknown option {other:?} of Elle's"),
    }
    Ok(())
}

fn said(answer: &Answer) -> &'static str {
    match (&answer.error, &answer.valid) {
        (Some(_), _) => "error",
        (None, Value::Bool(true)) => "valid",
        (None, Value::Bool(false)) => "invalid",
        (None, _) => "unknown",
    }
}

fn reason(answer: &Answer) -> String {
    let unknown = answer.checkers.iter().find_map(|finding| finding.unknown.clone());
    answer.error.clone().or(unknown).unwrap_or_default()
}

/// Why it is no decision. That nothing can be said of an empty graph is one.
fn undecided(answer: &Answer) -> Option<String> {
    let vacuous = answer.anomalies.iter().any(|name| name == "empty-transaction-graph")
        || reason(answer).starts_with("vacuous");
    (said(answer) == "error" || (said(answer) == "unknown" && !vacuous)).then(|| reason(answer))
}

/// How it is other than it should be.
fn differs(row: &Row, answer: &Answer) -> Option<String> {
    if said(answer) != row.verdict {
        let names = answer.anomalies.join(",");
        return Some(format!("expected {}: {names} {}", row.verdict, reason(answer)));
    }
    let compare = |what: &str, expected: &Option<BTreeSet<String>>, found: &[String]| {
        let expected = expected.as_ref()?;
        let found: BTreeSet<String> = found.iter().cloned().collect();
        (*expected != found).then(|| format!("{what}: expected {expected:?}, found {found:?}"))
    };
    compare("anomalies", &row.anomalies, &answer.anomalies)
        .or_else(|| compare("not", &row.not, &answer.not))
}
