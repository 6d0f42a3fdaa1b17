//! Histories that are no histories, as a user meets them: `schism check` says which file, line and
//! column, what was expected and what was found, and never panics.

use std::path::Path;
use std::process::Command;

/// Checks that a history is refused with this exit code and message, whose place comes first.
fn refused(name: &str, text: impl AsRef<[u8]>, model: &str, message: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    refused_in(dir.path(), name, model, message);
}

fn refused_in(dir: &Path, name: &str, model: &str, message: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    let output = command.args(["check", "--model", model, name]).current_dir(dir).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}: {error}");
    assert!(error.starts_with(&format!("schism: {name}: {message}")), "{message}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
}

const WRITE: &str = "{:index 0, :type :invoke, :process 0, :f :write, :value 1}\n";
const WRITTEN: &str = "{:index 1, :type :ok, :process 0, :f :write, :value 1}\n";

#[test]
fn edn_that_was_cut_off_or_whose_brackets_do_not_match() {
    for (text, message) in [
        (
            format!("{WRITE}{}", &WRITTEN[..30]),
            "line 2, column 31: expected }, found the end of the text; \
             the { of line 2, column 1 is open",
        ),
        (
            format!("[{WRITE}{WRITTEN}"),
            "line 3, column 1: expected an event or the bracket that closes the [ of line 1, \
             column 1, found the end of the text",
        ),
        (
            format!("{WRITE}{WRITTEN}]\n"),
            "line 3, column 1: expected an event, found ], but no bracket is open",
        ),
        (
            format!("{WRITE}{}", WRITTEN.replace("1}", "[1)}")),
            "line 2, column 55: expected ], found ); the [ of line 2, column 53 is open",
        ),
        (
            format!("{}{WRITTEN}", WRITE.replace('}', "")),
            "line 2, column 1: expected a key such as :type, or the event's closing }, found",
        ),
        (
            format!("{WRITE}{{:type :ok, :value {}", "[".repeat(100_000)),
            "line 2, column 531: values nested more than 512 deep",
        ),
    ] {
        refused("bad.edn", text, "register", message);
    }
}

#[test]
fn a_hundred_megabytes_on_one_line() {
    let text = "x".repeat(100 << 20);
    refused(
        "cut.edn",
        format!("{WRITE}{{:type :ok, :process 0, :f :write, :value \"{text}\n"),
        "register",
        "line 3, column 1: expected \" at a string's end, found the end of the text; \
         the \" of line 2, column 43 is open",
    );
    refused(
        "long.jsonl",
        format!("{{\"type\":\"ok\",\"process\":0,\"f\":\"read\",\"value\":[\"{text}\",1}}\n"),
        "register",
        "line 1, column 104857650: expected an event like {\"type\":\"invoke\"",
    );
}

#[test]
fn operations_that_do_not_pair() {
    refused(
        "alone.edn",
        format!("{WRITE}{WRITTEN}{}", WRITTEN.replace('1', "2")),
        "register",
        "line 3, column 1: process 0 completes an operation, but has none open; \
         expected an \"invoke\" of it before",
    );
    refused(
        "twice.edn",
        format!("{WRITE}\n; a comment\n  {}", WRITE.replace("index 0", "index 1")),
        "register",
        "line 4, column 3: process 0 invokes a second operation while its first is open; \
         expected its \"ok\", \"fail\" or \"info\" before",
    );
    refused(
        "back.edn",
        format!("{WRITE}{}", WRITTEN.replace("index 1", "index 0")),
        "register",
        "line 2, column 1: index 0 after index 0; expected indices that grow",
    );
}

#[test]
fn bytes_numbers_and_names_that_cannot_be() {
    let mut latin = format!("{WRITE}{{:type :ok, :value \"").into_bytes();
    latin.extend_from_slice(b"caf\xE9\"}");
    refused(
        "latin.edn",
        latin,
        "register",
        "line 2, column 24: expected text in UTF-8, found the byte 0xE9",
    );
    for (from, to, message) in [
        (":index 0", ":index -3", "line 1, column 9: expected an index: a whole number from 0"),
        (":index 0", ":time -3", "line 1, column 8: expected a time: whole nanoseconds from 0"),
        (":invoke", ":begin", "line 1, column 18: expected the type invoke, ok, fail or info"),
        (":process 0", ":process -1", "line 1, column 36: expected a process"),
        (":process 0", ":process nil", "line 1, column 36: expected a process"),
        (":type :invoke, ", "", "line 1, column 1: an event without type; expected one like"),
        (":f :write, ", "", "line 1, column 1: an event without f; expected one like"),
        (":write", ":wirte", "line 1, column 1: expected an operation of"),
        (":value 1", ":value 1x", "line 1, column 57: expected a number, found 1x"),
    ] {
        refused("bad.edn", WRITE.replace(from, to), "register", message);
    }
    refused("hello.txt", "hello", "register", "line 1, column 1: expected an event of a history");
}

#[test]
fn a_value_of_the_wrong_type_for_the_model() {
    for (model, f, value, message) in [
        ("cas-register", "cas", "3", "expected [old new], found 3"),
        ("list-append", "txn", "[[:append :x]]", "expected [\"append\", key, element]"),
        ("rw-register", "txn", "7", "expected a list of [f, key, value], found 7"),
        ("fifo-queue", "enqueue", "[:a {:b 2}]", "expected a whole number, found"),
        ("counter", "add", "\"many\"", "expected a whole number, found \"many\""),
        ("set", "add", "nil", "expected an element, found nil"),
        ("consensus", "propose", "nil", "expected a whole number, found nil"),
    ] {
        let text = format!("{{:type :invoke, :process 0, :f :{f},\n :value {value}}}\n");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("bad.edn"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
        let command = command.args(["check", "--model", model, "bad.edn"]);
        let output = command.current_dir(dir.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{model}: {error}");
        assert!(error.starts_with("schism: bad.edn: line 2, column "), "{model}: {error}");
        assert!(error.contains(message), "{model}: {error}");
    }
}
