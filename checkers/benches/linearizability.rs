//! What it costs to judge registers: `cargo bench -p schism-checkers --bench linearizability`.
//!
//! Each row is judged in a process of its own, so that its peak of memory is its own. `--quick`
//! takes only what is done in a second or so; any other argument takes the rows whose names contain
//! it. Seconds are those of the judgement; making the history is not in them, its memory is. A row
//! is given up after `LIMIT`.

use schism_checkers::generate::registers::{Domain, Plant, Registers};
use schism_checkers::models::{self, Options};
use schism_core::limits::Limits;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// After this a row is unknown.
const LIMIT: Duration = Duration::from_mins(2);

struct Row {
    name: String,
    quick: bool,
    asked: Registers,
}

const SMALL: Domain = Domain::Small(5);

fn row(concurrency: usize, domain: Domain, operations: usize, crashed: u32, plant: Plant) -> Row {
    let of = match domain {
        Domain::Unique => "unique",
        Domain::Small(_) => "small",
    };
    let size = match operations {
        0..1_000_000 => format!("{}k", operations / 1_000),
        _ => format!("{}M", operations / 1_000_000),
    };
    let info = if crashed == 0 { String::new() } else { format!(" {crashed}% info") };
    let what = match plant {
        Plant::None => "valid",
        Plant::StaleRead => "stale",
        Plant::PhantomRead => "phantom",
        Plant::LostWrite => "lost",
        Plant::DoubleCas => "double cas",
        Plant::LaggingReads => "lagging",
    };
    let asked = Registers {
        operations,
        concurrency,
        crashed: f64::from(crashed) / 100.0,
        plant,
        ..Registers::new(domain, 1)
    };
    let name = format!("C={concurrency} {of} {size}{info} {what}");
    Row { name, quick: operations <= 100_000, asked }
}

fn rows() -> Vec<Row> {
    use Domain::Unique;
    use Plant::{DoubleCas, LaggingReads, LostWrite, None, PhantomRead, StaleRead};
    let mut rows = Vec::new();
    for plant in [None, StaleRead] {
        rows.push(row(5, Unique, 100_000, 0, plant));
        rows.push(row(10, SMALL, 10_000, 0, plant));
        rows.push(row(10, SMALL, 100_000, 0, plant));
        rows.push(row(10, Unique, 100_000, 0, plant));
        for concurrency in [20, 50] {
            for operations in [1_000, 10_000, 100_000] {
                rows.push(row(concurrency, SMALL, operations, 0, plant));
            }
            rows.push(row(concurrency, Unique, 10_000, 0, plant));
        }
        rows.push(row(10, Unique, 10_000, 1, plant));
        rows.push(row(20, Unique, 1_000, 5, plant));
        for operations in [1_000_000, 10_000_000] {
            rows.push(row(50, Unique, operations, 5, plant));
        }
        rows.push(row(10, SMALL, 1_000_000, 0, plant));
        for (concurrency, operations) in
            [(5, 1_000), (10, 1_000), (10, 10_000), (20, 1_000), (20, 10_000), (50, 1_000)]
        {
            rows.push(row(concurrency, SMALL, operations, 5, plant));
        }
    }
    for (operations, crashed) in [(10_000, 0), (1_000, 5), (10_000, 1), (10_000, 5)] {
        rows.push(row(10, SMALL, operations, crashed, LaggingReads));
    }
    for plant in [LostWrite, DoubleCas, PhantomRead] {
        rows.push(row(10, SMALL, 10_000, 5, plant));
        rows.push(row(50, Unique, 1_000_000, 5, plant));
    }
    for (domain, crashed, plant) in
        [(SMALL, 0, None), (Unique, 0, None), (Unique, 5, PhantomRead), (SMALL, 5, PhantomRead)]
    {
        let mut row = row(10, domain, 1_000_000, crashed, plant);
        row.asked.keys = 100;
        row.name += ", 100 keys";
        rows.push(row);
    }
    rows
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let quick = arguments.iter().any(|word| word == "--quick");
    let wanted: Vec<&String> = arguments.iter().filter(|word| *word != "--quick").collect();
    if let [flag, name] = wanted.as_slice()
        && *flag == "--row"
    {
        return match rows().into_iter().find(|row| row.name == **name) {
            Some(row) => measure(&row),
            None => ExitCode::FAILURE,
        };
    }
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    println!("| case | verdict | decided by | seconds | µs/op | peak MB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for row in rows() {
        let named = wanted.is_empty() || wanted.iter().any(|word| row.name.contains(word.as_str()));
        if named && (row.quick || !quick) {
            let ran = Command::new(&program).args(["--row", &row.name]).status();
            if !ran.is_ok_and(|status| status.success()) {
                println!("| {} | died | | | | |", row.name);
            }
        }
    }
    ExitCode::SUCCESS
}

/// Judges one history and prints its line.
fn measure(row: &Row) -> ExitCode {
    let judge = models::find("cas-register").map(|model| model.make(&Options::default()));
    let Some(Ok(mut judge)) = judge else { return ExitCode::FAILURE };
    if row.asked.fill(judge.as_mut()).is_err() {
        return ExitCode::FAILURE;
    }
    let limits = Limits::default();
    let shared = limits.clone();
    std::thread::spawn(move || {
        std::thread::sleep(LIMIT);
        shared.stop(format!("the time limit of {} s", LIMIT.as_secs()));
    });
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    let judged = judge.judge(&limits);
    let seconds = start.elapsed().as_secs_f64();
    let by = judged.findings.first().map(|finding| finding.details["decided_by"].to_string());
    let by = by.unwrap_or_default().replace(['{', '}', '"'], "");
    println!(
        "| {} | {} | {by} | {seconds:.2} | {:.2} | {} |",
        row.name,
        judged.verdict.word(),
        seconds * 1e6 / row.asked.operations as f64,
        peak_megabytes()
    );
    ExitCode::SUCCESS
}

/// The most memory this process ever had, where the system says so.
fn peak_megabytes() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or_else(|| "?".to_owned(), |kilobytes| (kilobytes / 1024).to_string())
}
