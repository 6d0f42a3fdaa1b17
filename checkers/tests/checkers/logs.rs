//! What nodes logged, and errors that nobody expected.

use crate::build::{NEVER, fail, info, ok};
use crate::check;
use proptest::prelude::*;
use schism_checkers::log_patterns::{LINE, LogPatterns, Logged};
use schism_checkers::unhandled_errors::UnhandledErrors;
use schism_core::api::set::{Call, Reply, Set};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;

fn scan(own: &[&str], logs: &[(&str, &str)]) -> Logged {
    let own: Vec<String> = own.iter().map(|pattern| (*pattern).to_owned()).collect();
    let patterns = LogPatterns::new(&own).expect("regular expressions");
    let mut scan = patterns.scan();
    for (node, text) in logs {
        scan.node(node);
        text.lines().for_each(|line| scan.line(line.as_bytes()));
    }
    scan.finish()
}

#[test]
fn what_programs_log_when_they_crash_is_told_and_accuses_nobody() {
    for (line, what) in [
        ("thread 'main' panicked at src/main.rs:4:9:", "a Rust panic"),
        ("thread 'tokio-1' (812) panicked at src/x.rs:4:9:", "a Rust panic"),
        ("panic: runtime error: index out of range [3] with length 3", "a Go panic"),
        (r#"{"level":"panic","msg":"failed to save Raft state"}"#, "a Go panic"),
        ("fatal error: concurrent map writes", "a Go panic"),
        ("Exception in thread \"main\" java.lang.Error", "a fatal error of the JVM"),
        ("server: log.c:40: append: Assertion `n > 0' failed.", "a failed assertion"),
        ("[signal SIGSEGV: segmentation violation code=0x1]", "a fatal signal"),
        ("==1==ERROR: AddressSanitizer: heap-use-after-free", "a sanitizer's report"),
        ("WARNING: DATA RACE", "a sanitizer's report"),
        ("E1203 wal: crc mismatch at offset 812", "corrupted data"),
        ("memory allocation of 812 bytes failed", "memory that ran out"),
        ("2026-01-01 FATAL: cannot open the log", "a fatal error"),
    ] {
        let logged = scan(&[], &[("n1", "fine"), ("n2", &format!("fine\n{line}\nfine"))]);
        assert_eq!(logged.finding.verdict, Verdict::Valid);
        assert_eq!(logged.warnings, [format!("n2 logged {what}, line 2: {line}")]);
        assert_eq!(logged.finding.details["counts"][what], 1, "{line}");
    }
}

#[test]
fn what_programs_log_when_all_is_well_is_not_told() {
    for line in [
        r#"{"level":"info","msg":"starting initial corruption check","timeout":"7s"}"#,
        r#"{"level":"info","initial-corrupt-check":false}"#,
        "received signal; shutting down, signal: terminated",
        "Killed",
        "recovered from the panic of yesterday",
        "no fatal error was seen by the monitor, asserting leadership",
    ] {
        assert_eq!(scan(&[], &[("n1", line)]).warnings, [""; 0], "{line}");
    }
    let logged = scan(&[], &[("n1", "a\nb"), ("n2", "")]);
    assert_eq!(logged.finding.summary, "nothing in 2 lines of 2 nodes speaks of a crash");
    assert_eq!(scan(&[], &[("n1", "")]).finding.summary, "the logs of 1 node are empty");
}

#[test]
fn what_a_user_names_must_not_occur() {
    let text = "one\nlost quorum in term 7\nthree\nlost quorum in term 8";
    let logged = scan(&["quorum in term \\d+"], &[("n1", "one"), ("n3", text)]);
    let [first, second] = logged.finding.verdict.anomalies() else { panic!("{logged:#?}") };
    assert_eq!(first.kind, "log-pattern");
    assert_eq!(first.summary, r#"n3 logged what matches "quorum in term \\d+", line 2"#);
    assert_eq!(first.because, ["lost quorum in term 7"]);
    assert_eq!(first.nodes, ["n3".into()]);
    assert!(second.summary.ends_with("line 4"));
    let error = LogPatterns::new(&["(".to_owned()]).expect_err("no regular expression");
    assert!(error.to_string().starts_with("pattern \"(\": "), "{error}");
}

#[test]
fn long_lines_and_bytes_that_are_no_text_are_shown_shortened() {
    let patterns = LogPatterns::new(&[]).expect("the patterns built in");
    let mut scan = patterns.scan();
    scan.node("n1");
    let line = [b"panic: \xff\x1b[31m".as_slice(), &[b'x'; 2 * LINE]].concat();
    scan.line(&line);
    let late = [&[b'x'; LINE], b" SIGSEGV ".as_slice()].concat();
    scan.line(&late);
    let logged = scan.finish();
    let [warning] = logged.warnings.as_slice() else { panic!("{logged:#?}") };
    assert!(warning.starts_with("n1 logged a Go panic, line 1: panic: \u{fffd} [31mxxx"));
    assert!(warning.ends_with("xxx…"));
}

proptest! {
    /// The oracle: a line matches what stands in it, and lines are counted as they come.
    #[test]
    fn every_match_is_found_where_it_is(lines in prop::collection::vec("[ab]{0,4}", 0..20)) {
        let logged = scan(&["abb"], &[("n1", &lines.join("\n"))]);
        let wanted: Vec<u64> = (1..)
            .zip(lines.join("\n").lines())
            .filter_map(|(number, line)| line.contains("abb").then_some(number))
            .collect();
        let found: Vec<u64> = logged.finding.details["matches"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|found| found["line"].as_u64())
            .collect();
        prop_assert_eq!(&found[..], &wanted[..wanted.len().min(10)]);
        let count = logged.finding.details["counts"][r#"what matches "abb""#].as_u64();
        prop_assert_eq!(count.unwrap_or(0), wanted.len() as u64);
        prop_assert_eq!(logged.finding.verdict.word() == "invalid", !wanted.is_empty());
    }
}

#[test]
fn errors_are_grouped_and_those_that_faults_explain_are_left_out() {
    let ops = [
        ok("n1", 0..1, Call::Add(1), Reply::Added),
        fail::<Set>("n1", 2..3, Call::Read),
        // "timed out"
        info("n1", 4..5, Call::Read),
        info("n1", 6..NEVER, Call::Read),
    ];
    let finding = check(&UnhandledErrors::default(), ops.clone(), &RunFacts::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    assert_eq!(finding.summary, "every error was one that clients expect");
    let strict = UnhandledErrors { expected: vec!["never completed".to_owned()] };
    let finding = check(&strict, ops, &RunFacts::default());
    assert_eq!(finding.summary, "1 unexpected error of 1 kind; 1 times: timed out");
    let example = &finding.details["errors"][0]["example"];
    assert_eq!((example["index"].as_u64(), example["asked"].as_str()), (Some(5), Some("n1")));
}
