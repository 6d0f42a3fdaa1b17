//! Bad input: a clear error with the right exit code, and nothing lost.

use std::path::Path;
use std::process::{Command, Output};

/// Runs it in a directory of its own: a test that is not refused must not leave a run in the tree.
fn schism(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_schism"))
        .args(arguments)
        .current_dir(dir.path())
        .output()
        .unwrap()
}

/// Runs it and checks the exit code, and that the error contains each of `words`.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = schism(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    for word in words {
        assert!(error.contains(word), "{arguments:?}: {word:?} is missing in: {error}");
    }
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn an_unknown_system_workload_fault_or_option_is_named_with_what_there_is() {
    refused(&["test", "etdc"], 2, &["unknown system \"etdc\"", "etcd", "raft"]);
    refused(&["test", "raft", "--workload", "bank"], 2, &["no workload \"bank\"", "register"]);
    refused(&["test", "--faults", "kil"], 2, &["kil", "kill"]);
    refused(&["test", "etcd", "--reads", "dirty"], 2, &["dirty", "serializable"]);
    refused(&["test", "etcd", "--option", "x=1"], 2, &["no option"]);
    refused(&["test", "--option", "x"], 2, &["NAME=VALUE"]);
    refused(&["test", "--env", "mars"], 2, &["mars", "netns"]);
}

#[test]
fn numbers_that_make_no_sense_are_refused_before_anything_is_started() {
    refused(&["test", "--nodes", "0"], 2, &["at least 1", "got 0"]);
    refused(&["test", "naive-majority", "--nodes", "1"], 2, &["at least 3", "got 1"]);
    refused(&["test", "two-generals", "--nodes", "3"], 2, &["at most 2", "got 3"]);
    refused(&["test", "--nodes", "n1,n1"], 2, &["n1", "twice"]);
    refused(&["test", "--nodes", "n1,b d"], 2, &["no host name"]);
    refused(&["test", "--nodes", "100000"], 2, &["at most"]);
    refused(&["test", "--rate", "-5"], 2, &["--rate -5", "more than 0"]);
    refused(&["test", "--rate", "NaN"], 2, &["more than 0"]);
    refused(&["test", "--time-limit", "soon"], 2, &["--time-limit", "30s"]);
    refused(&["test", "--time-limit", "0s"], 2, &["more than 0"]);
    refused(&["test", "--concurrency", "0"], 2, &["at least one"]);
}

#[test]
fn a_store_that_cannot_be_written_is_a_failure_of_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let store = file.path().to_string_lossy().into_owned();
    refused(&["test", "--store", &store], 4, &["cannot create", "--store"]);
}

#[test]
fn histories_that_are_none_are_refused_with_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> String {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let check = |path: &str, code, words: &[&str]| {
        refused(&["check", "--model", "register", path], code, words);
    };
    let invoke = r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":1}"#;
    check(&write("foreign", "hello\nworld\n"), 2, &["line 1", "column", "expected an event"]);
    check(&write("alone", &invoke.replace("invoke", "ok")), 2, &["line 1", "none open"]);
    let twice = format!("{invoke}\n{}\n", invoke.replace(":0,\"time", ":1,\"time"));
    check(&write("twice", &twice), 2, &["line 2", "second operation"]);
    let cas = invoke.replace("write", "cas");
    check(&write("typed", &cas), 2, &["line 1", "column", "[old new]"]);
    check(&write("f", &invoke.replace("write", "fly")), 2, &["read, write, cas"]);
    check(&write("binary", "\u{0}\u{1}\n\n"), 2, &["line 1"]);
    refused(&["check", "--model", "register", "/nowhere/h.jsonl"], 2, &["cannot be opened"]);
    refused(&["check", "--model", "regster", "/nowhere"], 2, &["unknown model", "register"]);
    refused(&["check", "/nowhere"], 2, &["no run", "schism list runs"]);
}

#[test]
fn a_history_whose_last_line_was_cut_off_is_judged_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    let text = concat!(
        r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"write","value":1}"#,
        "\n",
        r#"{"index":1,"time":2,"type":"ok","process":0,"f":"write","value":1}"#,
        "\n",
        r#"{"index":2,"time":3,"type":"inv"#,
    );
    std::fs::write(&path, text).unwrap();
    let output = schism(&["check", "--model", "register", &path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\tvalid"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut off"));
}

#[test]
fn several_histories_get_a_line_each_and_the_worst_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let line = |index: u32, kind: &str, f: &str, value: &str| {
        format!(
            "{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",\"process\":0,\
             \"f\":\"{f}\",\"value\":{value}}}\n"
        )
    };
    let good = line(0, "invoke", "write", "1") + &line(1, "ok", "write", "1");
    let bad = line(0, "invoke", "read", "null") + &line(1, "ok", "read", "7");
    std::fs::write(dir.path().join("good"), good).unwrap();
    std::fs::write(dir.path().join("bad"), bad).unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let output = schism(&["check", "--model", "register", &path("good"), &path("bad")]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(lines[0].ends_with("good\tvalid"), "{text}");
    assert!(lines[1].contains("bad\tinvalid\t"), "{text}");
}

#[test]
fn help_teaches_with_examples() {
    for arguments in [&["--help"][..], &["test", "--help"], &["check", "--help"]] {
        let output = schism(arguments);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("Examples:"), "{arguments:?}");
    }
}

#[test]
fn a_dry_run_shows_the_plan_and_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("runs");
    let output = schism(&[
        "test",
        "--dry-run",
        "--faults",
        "partition-leader,kill:leader",
        "--seed",
        "1",
        "--store",
        &store.to_string_lossy(),
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("SIGKILL to n1") && text.contains("drops packets from"), "{text}");
    assert!(!Path::new(&store).exists());
}
