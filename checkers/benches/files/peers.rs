//! The same files judged by other checkers, if they are installed.

use super::measure::{self, Costs, Folder};
use super::{Asked, rows};
use std::path::Path;
use std::process::{Command, Stdio};

/// Prints what a row cost both, and how many times as much it cost the other.
fn compare(name: &str, ours: &Costs, theirs: &Costs) {
    let times = |theirs: f64, ours: f64| theirs / ours;
    let agree = if ours.code == theirs.code { "" } else { " (verdicts differ)" };
    println!(
        "| {name}{agree} | {:.2} s, {:.0} MB | {:.2} s, {:.0} MB | {:.1} ×, {:.1} × |",
        ours.cpu,
        ours.peak,
        theirs.cpu,
        theirs.peak,
        times(theirs.cpu.median(), ours.cpu.median()),
        times(theirs.peak.median(), ours.peak.median())
    );
}

fn heading(peer: &str, file: &str) {
    println!("\n| {file} | Schism, cpu and peak | {peer} | ratio of time, of memory |");
    println!("| --- | --- | --- | --- |");
}

/// True if the program can be started.
fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Beside adya: 100,000 and a million transactions.
pub(crate) fn adya(asked: &Asked, folder: &Folder) -> Result<(), String> {
    let rows: Vec<rows::Row> = ["list-append", "rw-register"]
        .into_iter()
        .flat_map(|model| [100_000, 1_000_000].map(|n| rows::transactions(model, "nothing", n)))
        .filter(|row| asked.wants(&format!("adya {}", row.name())))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    if !is_installed("adya") {
        println!("\nadya: not installed (cargo install adya --no-default-features)");
        return Ok(());
    }
    heading("adya", "transactions");
    let file = folder.file("history.edn");
    for row in rows {
        asked.generate(&row.generate, &file)?;
        let ours = measure::repeated(&asked.check(row.model, &[], &file), asked.runs)?;
        let theirs = ["adya", "check", "-m", row.model].map(Into::into);
        let theirs = [&theirs[..], &[file.clone().into()]].concat();
        let theirs = measure::repeated(&theirs, asked.runs)?;
        compare(&row.name(), &ours, &theirs);
    }
    Ok(())
}

/// Beside awdit, on histories that it generates itself, without a seed.
pub(crate) fn awdit(asked: &Asked, folder: &Folder) -> Result<(), String> {
    let mut rows = Vec::new();
    for events in [100_000, 1_000_000] {
        for level in ["read-committed", "read-atomic", "causal"] {
            // Awdit itself takes minutes and gigabytes for the last of the six.
            let name = format!("awdit {level}, {} events", rows::size(events));
            if (level != "causal" || events == 100_000) && asked.wants(&name) {
                rows.push((name, level, events));
            }
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    if !is_installed("awdit") {
        println!("\nawdit: not installed (it is built from its repository)");
        return Ok(());
    }
    heading("awdit", "events, level");
    let file = folder.file("history.txt");
    for (name, level, events) in rows {
        write(level, events, &file)?;
        let more = ["--format", "plume", "--consistency-models", level];
        let ours = measure::repeated(&asked.check("rw-register", &more, &file), asked.runs)?;
        let theirs = ["awdit", "check", "-i", level].map(Into::into);
        let theirs = [&theirs[..], &[file.clone().into()]].concat();
        let theirs = measure::repeated(&theirs, asked.runs)?;
        compare(&name, &ours, &theirs);
    }
    Ok(())
}

fn write(level: &str, events: usize, file: &Path) -> Result<(), String> {
    let mut command = Command::new("awdit");
    command.args(["generate", "-l", "300", "-i", level, "-e"]).arg(events.to_string()).arg(file);
    let written = command.stdout(Stdio::null()).status().map_err(|error| error.to_string())?;
    if written.success() { Ok(()) } else { Err(format!("awdit generate: {written}")) }
}
