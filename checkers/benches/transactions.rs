//! What it costs to judge transactions: `cargo bench -p schism-checkers --bench transactions`.
//!
//! Each row is judged in a process of its own, so that its peak of memory is its own: from EDN in
//! memory to a verdict, reading included; the peak is without the text. `--quick` takes only what
//! is done in a second or so, `--huge` also ten million transactions; any other argument takes the
//! rows whose names contain it. `--write FILE NAME` writes a row's EDN, for other checkers.

use schism_checkers::generate::transactions::{Plant, Shape, Transactions};
use schism_checkers::models::{self, Options};
use schism_core::format::{self, Format};
use schism_core::limits::Limits;
use std::process::{Command, ExitCode};
use std::time::Instant;

struct Row {
    name: String,
    asked: Transactions,
    options: Options,
}

fn row(shape: Shape, transactions: usize, plant: Plant, level: Option<&str>) -> Row {
    let model = model(shape);
    let size = match transactions {
        0..1_000_000 => format!("{}k", transactions / 1_000),
        _ => format!("{}M", transactions / 1_000_000),
    };
    let what = match plant {
        Plant::None => "valid",
        Plant::ReadSkew => "G-single",
        Plant::WriteSkew => "G2-item",
        Plant::AbortedRead => "G1a",
        Plant::StaleRead => "realtime",
    };
    let asked = Transactions { transactions, plant, ..Transactions::new(shape, 7) };
    let name = format!("{model} {size} {what}{}", level.map_or(String::new(), |l| format!(" {l}")));
    let consistency_models = level.map(|level| vec![level.to_owned()]);
    Row { name, asked, options: Options { consistency_models, ..Options::default() } }
}

fn model(shape: Shape) -> &'static str {
    match shape {
        Shape::Lists => "list-append",
        Shape::Registers => "rw-register",
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for shape in [Shape::Lists, Shape::Registers] {
        for plant in [Plant::None, Plant::ReadSkew, Plant::WriteSkew, Plant::StaleRead] {
            for transactions in [10_000, 100_000, 1_000_000, 10_000_000] {
                rows.push(row(shape, transactions, plant, None));
            }
        }
    }
    for level in ["axiomatic-read-committed", "axiomatic-read-atomic", "causal", "serializable"] {
        for transactions in [100_000, 1_000_000] {
            rows.push(row(Shape::Registers, transactions, Plant::None, Some(level)));
        }
    }
    rows
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let named = |name: &str| rows().into_iter().find(|row| row.name == name);
    match arguments.as_slice() {
        [flag, name] if flag == "--row" => {
            return named(name).map_or(ExitCode::FAILURE, |row| measure(&row));
        }
        [flag, file, name] if flag == "--write" => {
            let written = named(name).map(|row| std::fs::write(file, edn(&row)));
            return ExitCode::from(u8::from(!matches!(written, Some(Ok(())))));
        }
        _ => {}
    }
    let flag = |flag: &str| arguments.iter().any(|word| word == flag);
    let most = match (flag("--quick"), flag("--huge")) {
        (true, _) => 100_000,
        (_, true) => usize::MAX,
        _ => 1_000_000,
    };
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    println!("| case | verdict | anomalies | seconds | µs/transaction | MB of EDN | peak MB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for row in rows().into_iter().filter(|row| row.asked.transactions <= most) {
        if wanted.is_empty() || wanted.iter().any(|word| row.name.contains(word.as_str())) {
            let ran = Command::new(&program).args(["--row", &row.name]).status();
            if !ran.is_ok_and(|status| status.success()) {
                println!("| {} | died | | | | | |", row.name);
            }
        }
    }
    ExitCode::SUCCESS
}

fn edn(row: &Row) -> Vec<u8> {
    let mut text = Vec::new();
    row.asked.write_edn(&mut text).expect("EDN into memory");
    text
}

/// Judges one history and prints its line.
fn measure(row: &Row) -> ExitCode {
    let model = models::find(model(row.asked.shape)).map(|model| model.make(&row.options));
    let Some(Ok(mut judge)) = model else { return ExitCode::FAILURE };
    let text = edn(row);
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let begin = Instant::now();
    let limits = Limits::default();
    if format::read(Format::Edn, text.as_slice(), judge.as_mut(), &limits).is_err() {
        return ExitCode::FAILURE;
    }
    let judged = judge.judge(&limits);
    let seconds = begin.elapsed().as_secs_f64();
    let megabytes = text.len() as f64 / 1e6;
    println!(
        "| {} | {} | {} | {seconds:.2} | {:.2} | {megabytes:.0} | {:.0} |",
        row.name,
        judged.verdict.word(),
        judged.findings[0].details["anomalies"],
        1e6 * seconds / row.asked.transactions as f64,
        peak() - megabytes,
    );
    ExitCode::SUCCESS
}

/// The most memory that this process ever had, in MB; as far as the system says.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0 / 1e6
}
