//! `schism convert`: every format that is read becomes every format that is written, and what can't
//! be converted is said with its place.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn schism(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command.arg("convert").args(arguments).current_dir(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

/// Its answer, which has to be without complaints.
fn converted(dir: &Path, arguments: &[&str]) -> String {
    let output = schism(dir, arguments);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    text(&output.stdout)
}

const JSONL: &str = concat!(
    r#"{"index":0,"time":5,"type":"invoke","process":0,"f":"cas","key":1,"value":[2,3],"node":"n1"}"#,
    "\n",
    r#"{"index":1,"time":9,"type":"info","process":0,"f":"cas","key":1,"value":[2,3],"node":"n1","error":"timed out"}"#,
    "\n",
    r#"{"index":2,"time":9,"type":"info","process":"nemesis","f":"heal","value":{"links":null}}"#,
    "\n",
    r#"{"index":3,"time":10,"type":"ok","process":1,"f":"txn","value":[["append","x",1],["r",7,[1]]]}"#,
    "\n",
);

const EDN: &str = "\
{:index 0, :time 5, :type :invoke, :process 0, :f :cas, :value [1 [2 3]], :keyed true, :node \"n1\"}
{:index 1, :time 9, :type :info, :process 0, :f :cas, :value [1 [2 3]], :keyed true, :node \"n1\", \
:error \"timed out\"}
{:index 2, :time 9, :type :info, :process :nemesis, :f :heal, :value {\"links\" nil}}
{:index 3, :time 10, :type :ok, :process 1, :f :txn, :value [[:append \"x\" 1] [:r 7 [1]]]}
";

#[test]
fn our_own_history_becomes_jepsens_and_elle_clis_and_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("a.jsonl"), JSONL).unwrap();
    assert_eq!(converted(dir, &["a.jsonl"]), EDN);
    for name in ["b.edn", "b.json", "b.jsonl"] {
        assert_eq!(converted(dir, &["a.jsonl", "-o", name]), "");
        assert_eq!(converted(dir, &[name, "--to", "jsonl"]), JSONL, "{name}");
        assert_eq!(converted(dir, &[name]), EDN, "{name}");
    }
    assert_eq!(read(dir, "b.edn"), EDN);
    let json: serde_json::Value = serde_json::from_str(&read(dir, "b.json")).unwrap();
    assert_eq!(json[0]["value"], serde_json::json!([1, [2, 3]]));
    assert_eq!(json[2]["process"], "nemesis");
}

#[test]
fn logs_and_sessions_and_standard_input_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("log"), "INFO  jepsen.util - 3\t:ok\t:read\tnil\n").unwrap();
    let event = "{:type :ok, :process 3, :f :read, :value nil}\n";
    assert_eq!(converted(dir, &["log"]), event);

    std::fs::write(dir.join("sessions"), "w 0 1\n=====\nr 0 1\n").unwrap();
    let output = schism(dir, &["sessions"]);
    assert_eq!(text(&output.stdout).lines().count(), 4);
    assert!(text(&output.stderr).contains("nothing of real time"));

    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    let command = command.args(["convert", "--to", "json", "-"]).current_dir(dir);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        text(&output.stdout),
        "[\n{\"type\":\"ok\",\"process\":3,\"f\":\"read\",\"value\":null}\n]\n"
    );
}

#[test]
fn a_last_line_that_was_cut_off_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cut.jsonl"), &JSONL[..JSONL.len() - 5]).unwrap();
    let output = schism(dir.path(), &["cut.jsonl"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout).lines().count(), 3);
    assert!(text(&output.stderr).contains("cut.jsonl: the last line was cut off"));
}

#[test]
fn what_cannot_be_converted_is_said_with_its_place_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("bad.edn"), &EDN[..EDN.len() - 9]).unwrap();
    std::fs::write(dir.join("hello"), "hello").unwrap();
    std::fs::write(dir.join("kept.json"), "kept").unwrap();
    for (arguments, code, words) in [
        (&["bad.edn", "-o", "kept.json"][..], 2, "bad.edn: line 4, column 82: expected ], found"),
        (&["hello"], 2, "hello: its format can't be told"),
        (&["nowhere"], 2, "nowhere: cannot be opened: No such file"),
        (&[".", "--from", "edn"], 2, ".: cannot be read"),
        (&["bad.edn", "--to", "plume"], 2, "[possible values: edn, json, jsonl]"),
        (&["bad.edn", "-o", "no/where.edn"], 4, "cannot create no/where.edn.part"),
    ] {
        let output = schism(dir, arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    assert_eq!(read(dir, "kept.json"), "kept");
    assert!(!dir.join("kept.json.part").exists());
}
