//! What judging costs from file to verdict: `.ci/bench`, which builds what is measured.
//!
//! Every row's history is generated from one seed into a temporary folder, judged by whole
//! processes, and removed. Time is what the kernel counted for the process and those it started:
//! user and system together (`cpu`), and from start to end (`wall`); the peak is the most memory
//! that one of them had. Each is the median, with the least and the most in brackets where they
//! differ by more than a twentieth. Growth says by how much time and memory grew with ten times
//! the operations. A row whose verdict isn't the one that was built in is marked, and makes
//! the exit code 1; one that was given up after two minutes is unknown.
//!
//! Beside `adya` and `awdit`, where they are found in the PATH: the same files, the same way.

#[path = "files/measure.rs"]
mod measure;
#[path = "files/peers.rs"]
mod peers;
#[path = "files/rows.rs"]
mod rows;

use measure::{Costs, Folder};
use rows::Row;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// After this a judgement is given up.
const LIMIT: &str = "2m";

/// What was asked for.
pub(crate) struct Asked {
    schism: PathBuf,
    runs: usize,
    quick: bool,
    all: bool,
    words: Vec<String>,
}

impl Asked {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked =
            Self { schism: "schism".into(), runs: 3, quick: false, all: false, words: Vec::new() };
        let mut arguments = arguments.filter(|word| word != "--bench");
        while let Some(word) = arguments.next() {
            match word.as_str() {
                "--quick" => asked.quick = true,
                "--all" => asked.all = true,
                "--schism" => asked.schism = arguments.next().unwrap_or_default().into(),
                "--runs" => {
                    let runs = arguments.next().and_then(|runs| runs.parse().ok());
                    asked.runs = runs.filter(|runs| *runs > 0).ok_or("--runs needs a number")?;
                }
                flag if flag.starts_with('-') => return Err(format!("unknown option {flag}")),
                _ => asked.words.push(word),
            }
        }
        Ok(asked)
    }

    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// The command that judges a file.
    pub(crate) fn check(&self, model: &str, more: &[&str], file: &Path) -> Vec<OsString> {
        let mut command = vec![OsString::from(&self.schism)];
        command
            .extend(["check", "--json", "--time-limit", LIMIT, "--model", model].map(Into::into));
        command.extend(more.iter().map(Into::into));
        command.push(file.into());
        command
    }

    /// Generates a history.
    pub(crate) fn generate(&self, arguments: &[String], file: &Path) -> Result<(), String> {
        let status = Command::new(&self.schism)
            .arg("generate")
            .args(arguments)
            .arg("-o")
            .arg(file)
            .stdout(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("schism generate {}: {status}", arguments.join(" "))),
            Err(error) => Err(format!("{}: {error}", self.schism.display())),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, command @ ..] = arguments.as_slice()
        && flag == measure::FLAG
    {
        return measure::one(command);
    }
    match Asked::parse(arguments.into_iter()).and_then(|asked| run(&asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the tables; whether every verdict was right.
fn run(asked: &Asked) -> Result<bool, String> {
    let folder = Folder::new()?;
    let mut right = true;
    let rows: Vec<Row> = rows::rows(asked.all)
        .into_iter()
        .filter(|row| !(asked.quick && row.operations >= 10_000_000))
        .filter(|row| asked.wants(&row.name()))
        .collect();
    if !rows.is_empty() {
        println!("| history | verdict | cpu s | wall s | peak MB | ops/s | growth: time, memory |");
        println!("| --- | --- | --- | --- | --- | --- | --- |");
    }
    let mut smaller: Option<(&Row, Costs)> = None;
    for row in &rows {
        let file = folder.file("history.edn");
        asked.generate(&row.generate, &file)?;
        let costs = measure::repeated(&asked.check(row.model, &[], &file), asked.runs)?;
        std::fs::remove_file(&file).map_err(|error| error.to_string())?;
        let growth = match &smaller {
            Some((before, less)) if before.tenfold(row) => costs.growth(less),
            _ => String::new(),
        };
        right &= row.is_right(costs.code);
        let verdict = row.verdict(costs.code);
        let rate = row.operations as f64 / costs.cpu.median();
        println!(
            "| {} | {verdict} | {:.2} | {:.2} | {:.0} | {rate:.0} | {growth} |",
            row.name(),
            costs.cpu,
            costs.wall,
            costs.peak
        );
        smaller = Some((row, costs));
    }
    peers::adya(asked, &folder)?;
    peers::awdit(asked, &folder)?;
    Ok(right)
}
