//! `schism check` and `schism explain` as people use them: answers, limits, explanations.

#![allow(clippy::disallowed_methods, reason = "limits are in real time")]

use schism_checkers::generate::transactions::{Plant, Shape, Transactions};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn schism(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command.args(arguments).current_dir(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    let line = text(&output.stdout);
    serde_json::from_str(line.trim()).unwrap_or_else(|e| panic!("{e}: {line}"))
}

fn transactions(path: &Path, asked: &Transactions) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    asked.write_edn(&mut file).unwrap();
}

const STALE: &str = "\
{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 0, :type :invoke, :f :write, :value 2}
{:process 0, :type :ok, :f :write, :value 2}
{:process 2, :type :invoke, :f :read, :value nil}
{:process 2, :type :ok, :f :read, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}
";

#[test]
fn an_answer_in_json_has_verdict_reason_and_cost() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("stale.edn"), STALE).unwrap();
    let output = schism(dir.path(), &["check", "--model", "register", "--json", "stale.edn"]);
    assert_eq!(output.status.code(), Some(1));
    let answer = json(&output);
    assert_eq!(answer["file"], "stale.edn");
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["anomalies"], serde_json::json!(["stale-read"]));
    assert_eq!(answer["operations"], 4);
    assert!(answer["seconds"].as_f64().unwrap() < 10.0);
    assert!(answer["peak_bytes"].as_u64().unwrap() > 100_000);
}

#[test]
fn a_violation_is_explained_in_words_by_its_smallest_part_and_as_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("stale.edn"), STALE).unwrap();
    let arguments = ["explain", "--model", "register", "--smallest", "small.edn", "stale.edn"];
    let output = schism(dir.path(), &arguments);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    assert!(said.contains("stale-read") && said.contains("3 of 4 operations"), "{said}");
    let svg = std::fs::read_to_string(dir.path().join("stale.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("read → 1"), "{svg}");
    // What is called the smallest part does fail, and in the same way.
    let output = schism(dir.path(), &["check", "--model", "register", "--json", "small.edn"]);
    let answer = json(&output);
    assert_eq!(answer["operations"], 3);
    assert_eq!(answer["anomalies"], serde_json::json!(["stale-read"]));
}

#[test]
fn a_cycle_is_explained_step_by_step_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Transactions {
        transactions: 300,
        plant: Plant::WriteSkew,
        ..Transactions::new(Shape::Lists, 3)
    };
    transactions(&dir.path().join("skew.edn"), &asked);
    let arguments = ["explain", "--model", "list-append", "--svg", "cycle.svg", "skew.edn"];
    let output = schism(dir.path(), &arguments);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    assert!(said.contains("G2-item") && said.contains("1. "), "{said}");
    let svg = std::fs::read_to_string(dir.path().join("cycle.svg")).unwrap();
    assert!(svg.matches("class=\"arrow\"").count() >= 2, "{svg}");
}

#[test]
fn the_time_limit_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Transactions { transactions: 60_000, ..Transactions::new(Shape::Lists, 5) };
    transactions(&dir.path().join("long.edn"), &asked);
    let begun = Instant::now();
    let arguments =
        ["check", "--model", "list-append", "--time-limit", "100ms", "--json", "long.edn"];
    let answer = json(&schism(dir.path(), &arguments));
    assert_eq!(answer["valid"], "unknown", "{answer}");
    let why = answer["checkers"][0]["unknown"].as_str().unwrap();
    assert!(why.contains("the time limit of 100ms"), "{why}");
    // A tenth, and what starting two processes takes while other tests run.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn the_memory_limit_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Transactions { transactions: 200_000, ..Transactions::new(Shape::Lists, 5) };
    transactions(&dir.path().join("large.edn"), &asked);
    let limit = 30 << 20;
    let arguments =
        ["check", "--model", "list-append", "--memory-limit", "30MiB", "--json", "large.edn"];
    let answer = json(&schism(dir.path(), &arguments));
    assert_eq!(answer["valid"], "unknown", "{answer}");
    let why = answer["checkers"][0]["unknown"].as_str().unwrap();
    assert!(why.contains("the memory limit of 30.0 MiB"), "{why}");
    let peak = answer["peak_bytes"].as_u64().unwrap();
    assert!(peak < limit + limit / 10, "{peak}");
}

#[test]
fn every_model_of_the_contract_has_a_page_and_refuses_options_that_it_does_not_have() {
    let dir = tempfile::tempdir().unwrap();
    let listed = text(&schism(dir.path(), &["list", "models"]).stdout);
    for model in [
        "register",
        "cas-register",
        "multi-register",
        "mutex",
        "reentrant-mutex",
        "fencing-lock",
        "fifo-queue",
        "unordered-queue",
        "priority-queue",
        "stack",
        "set",
        "counter",
        "list-append",
        "rw-register",
        "bank",
        "long-fork",
        "set-full",
        "total-queue",
        "unique-ids",
        "leader-election",
        "consensus",
        "total-order",
        "kv",
    ] {
        assert!(listed.lines().any(|line| line.split(' ').next() == Some(model)), "{model}");
        let page = text(&schism(dir.path(), &["list", "models", model]).stdout);
        assert!(page.contains("Operations: ") && page.contains("{f: "), "{page}");
        if model != "long-fork" {
            let arguments = ["check", "--model", model, "--group-size", "3", "nowhere"];
            let output = schism(dir.path(), &arguments);
            assert_eq!(output.status.code(), Some(2));
            assert!(text(&output.stderr).contains("--group-size"), "{model}");
        }
    }
}
