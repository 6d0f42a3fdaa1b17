//! Who answered while which fault was in force, and how soon after the heal.
//!
//! The counts come from the `availability` checker's details where they are there, because a reader
//! should see the figures that were judged; else the operations are counted here. Details are read
//! leniently: a report of a later or earlier version's run shows what it finds.

use crate::latency::millis;
use crate::view::{Fate, Mark, OpView, RunView};
use schism_core::record::{FaultWindow, FindingRecord};
use schism_core::time::Nanos;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the template needs.
#[derive(Debug, Serialize)]
pub(super) struct Sides {
    summary: Option<String>,
    nodes: Vec<String>,
    windows: Vec<Window>,
    recovery: Recovery,
}

#[derive(Debug, Serialize)]
struct Window {
    fault: u32,
    name: String,
    summary: String,
    from: String,
    to: String,
    /// For each of the run's nodes.
    cells: Vec<Cell>,
    /// Sentences about the sides.
    notes: Vec<String>,
}

/// How those fared who asked a node while the fault was in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Cell {
    ok: u64,
    fail: u64,
    info: u64,
    /// Answered only after the heal.
    waited: u64,
    /// The letter of its side, where the network was cut.
    side: Option<char>,
    /// The fault was done to this node.
    struck: bool,
}

#[derive(Debug, Serialize)]
struct Recovery {
    sentences: Vec<String>,
    /// Node, and how long after the heal its clients had their first answer.
    nodes: Vec<(String, String)>,
    figures: Vec<(String, String)>,
}

/// Counts who answered.
pub(super) fn sides(run: &RunView) -> Sides {
    let checker = |name: &str| run.verdict.checkers.iter().find(|c| c.checker == name);
    let availability = checker("availability");
    let records = availability.and_then(|c| c.details.get("windows")).and_then(Value::as_array);
    let windows = run.faults.iter().map(|window| {
        let recorded = records.into_iter().flatten().find(|record| {
            record.get("fault").and_then(Value::as_u64) == Some(u64::from(window.fault))
        });
        show(run, window, recorded)
    });
    Sides {
        summary: availability.map(|checker| checker.summary.clone()),
        nodes: run.test.nodes.clone(),
        windows: windows.collect(),
        recovery: recovery(run, checker("recovery")),
    }
}

fn show(run: &RunView, window: &FaultWindow, recorded: Option<&Value>) -> Window {
    let counts = recorded.and_then(per_node).unwrap_or_else(|| counted(run, window));
    let cells = run.test.nodes.iter().map(|node| {
        let has = |nodes: &[std::sync::Arc<str>]| nodes.iter().any(|n| n.as_ref() == node);
        let side = window.sides.iter().position(|side| has(side));
        Cell {
            side: side.and_then(|at| ('A'..='Z').nth(at)),
            struck: has(&window.nodes),
            ..counts.get(node).cloned().unwrap_or_default()
        }
    });
    Window {
        fault: window.fault,
        name: window.name.clone(),
        summary: window.summary.clone(),
        from: window.start.to_string(),
        to: window.end.map_or("never healed".to_owned(), |end| end.to_string()),
        cells: cells.collect(),
        notes: recorded.map(notes).unwrap_or_default(),
    }
}

fn per_node(record: &Value) -> Option<BTreeMap<String, Cell>> {
    let nodes = record.get("per_node")?.as_object()?;
    let figure = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let cell = |value: &Value| Cell {
        ok: figure(value, "ok"),
        fail: figure(value, "fail"),
        info: figure(value, "info"),
        waited: figure(value, "waited"),
        ..Cell::default()
    };
    Some(nodes.iter().map(|(node, value)| (node.clone(), cell(value))).collect())
}

fn counted(run: &RunView, window: &FaultWindow) -> BTreeMap<String, Cell> {
    let mut counts: BTreeMap<String, Cell> = BTreeMap::new();
    let end = window.end.unwrap_or(Nanos(u64::MAX));
    let asked = |op: &&OpView| op.invoked.time >= window.start && op.invoked.time <= end;
    for op in run.ops.iter().filter(asked) {
        let Some(node) = &op.node else { continue };
        if !counts.contains_key(node.as_ref()) {
            counts.insert(node.to_string(), Cell::default());
        }
        let Some(cell) = counts.get_mut(node.as_ref()) else { continue };
        match op.fate {
            Fate::Ok | Fate::Fail if op.end() > end => cell.waited += 1,
            Fate::Ok => cell.ok += 1,
            Fate::Fail => cell.fail += 1,
            Fate::Info => cell.info += 1,
        }
    }
    counts
}

/// What else the checker recorded of a window, in sentences; fields that are not known here are
/// shown as they are.
fn notes(record: &Value) -> Vec<String> {
    const KNOWN: [&str; 15] = [
        "fault",
        "name",
        "summary",
        "start",
        "end",
        "seconds",
        "per_node",
        "sides",
        "ok",
        "fail",
        "info",
        "waited",
        "ok_per_s",
        "progressed",
        "neither_side_progressed",
    ];
    let mut notes = Vec::new();
    let sides = record.get("sides").and_then(Value::as_array);
    for (side, letter) in sides.into_iter().flatten().zip('A'..='Z') {
        notes.push(side_note(side, letter));
    }
    if flag(record, "neither_side_progressed") == Some(true) {
        notes.push("no side went on".to_owned());
    } else if flag(record, "progressed") == Some(false) {
        notes.push("nobody went on".to_owned());
    }
    notes.extend(figures(record, &KNOWN).into_iter().map(|(name, f)| format!("{name}: {f}")));
    notes
}

fn flag(record: &Value, name: &str) -> Option<bool> {
    record.get(name).and_then(Value::as_bool)
}

fn side_note(side: &Value, letter: char) -> String {
    let nodes = side.get("nodes").and_then(Value::as_array);
    let nodes: Vec<&str> = nodes.into_iter().flatten().filter_map(Value::as_str).collect();
    let mut said = Vec::new();
    if flag(side, "majority") == Some(true) {
        said.push("a majority".to_owned());
    }
    if let Some(rate) = side.get("ok_per_s").and_then(Value::as_f64) {
        said.push(format!("{rate:.1} answers a second"));
    } else if let Some(ok) = side.get("ok").and_then(Value::as_u64) {
        said.push(format!("{ok} answers"));
    }
    match flag(side, "progressed") {
        Some(true) => said.push("went on".to_owned()),
        Some(false) => said.push("did not go on".to_owned()),
        None => {}
    }
    format!("side {letter} ({}): {}", nodes.join(", "), said.join(", "))
}

/// Names and figures of an object, nested ones joined by a comma; lists and nulls are left out.
fn figures(value: &Value, without: &[&str]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let plain = name.replace('_', " ");
        match value {
            _ if without.contains(&name.as_str()) => {}
            Value::Bool(yes) => out.push((plain, if *yes { "yes" } else { "no" }.to_owned())),
            Value::Number(number) => out.push((plain, round(number))),
            Value::String(text) => out.push((plain, text.clone())),
            Value::Object(_) => {
                out.extend(
                    figures(value, &[]).into_iter().map(|(n, f)| (format!("{plain}, {n}"), f)),
                );
            }
            Value::Null | Value::Array(_) => {}
        }
    }
    out
}

fn round(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let text = format!("{float:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => number.to_string(),
    }
}

fn recovery(run: &RunView, checker: Option<&FindingRecord>) -> Recovery {
    let verdict = &run.verdict;
    let mut sentences = Vec::new();
    if let Some(checker) = checker {
        let mark = Mark::of(&checker.valid);
        sentences.push(format!("{} {}", mark.sign(), checker.summary));
    }
    let mut nodes = Vec::new();
    if let Some(healed) = verdict.healed_at {
        let ready = match verdict.recovered_at {
            Some(at) => {
                format!("every node was ready again {:.2} s later", (at - healed).as_secs_f64())
            }
            None => "the nodes did not become ready again within the limit".to_owned(),
        };
        sentences.push(format!("The final heal was complete at {healed}; {ready}."));
        let recorded = checker.and_then(|c| c.details.get("first_ok_after_s_by_node"));
        let first = |node: &String| {
            let judged = recorded.and_then(|nodes| nodes.get(node)).and_then(Value::as_f64);
            let ms = judged.map(|secs| secs * 1e3).or_else(|| first_answer(run, node, healed));
            (node.clone(), ms.map_or("no answer".to_owned(), millis))
        };
        nodes = run.test.nodes.iter().map(first).collect();
    }
    if let Some(at) = verdict.final_phase_at {
        sentences.push(format!("The final phase began at {at}."));
    }
    let figures =
        checker.map(|c| figures(&c.details, &["healed_at", "recovered_at"])).unwrap_or_default();
    Recovery { sentences, nodes, figures }
}

/// Milliseconds from the heal to the first answer of an operation that was asked after it.
fn first_answer(run: &RunView, node: &str, healed: Nanos) -> Option<f64> {
    let asked = |op: &&OpView| op.node.as_deref() == Some(node) && op.invoked.time >= healed;
    let answered = run.ops.iter().filter(asked).filter(|op| op.fate == Fate::Ok);
    answered.map(OpView::end).min().map(|at| (at - healed).as_secs_f64() * 1e3)
}
