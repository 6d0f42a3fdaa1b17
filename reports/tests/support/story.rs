//! A made-up run for tests and for looking at the report: a primary cut off from its monitor, a
//! replica promoted beside it, and two primaries that acknowledge writes to one key.

use schism_core::api::register::Register;
use schism_core::cluster::NodeId;
use schism_core::fault::{Action, Plan};
use schism_core::history::History;
use schism_core::record::{
    FaultRecord, FaultStage, FindingRecord, TestRecord, VerdictRecord, windows,
};
use schism_core::rng::Rng;
use schism_core::time::Nanos;
use schism_core::verdict::Anomaly;
use schism_reports::view::{Belief, Fate, Link, NodeLog, OpView, RunView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const MS: u64 = 1_000_000;
const CUT: u64 = 8_000 * MS;
const HEAL: u64 = 14_000 * MS;

/// The run: `per_second` operations a second for twenty seconds.
pub(crate) fn story(per_second: u64) -> RunView {
    let ops = ops(per_second);
    let journal = journal();
    let names: Vec<Arc<str>> = NODES.iter().map(|name| (*name).into()).collect();
    let culprits = culprits(&ops);
    RunView {
        test: test(),
        verdict: verdict(culprits, &stats(&ops)),
        faults: windows(&journal, &names),
        journal,
        beliefs: beliefs(),
        logs: logs(),
        links: vec![
            Link { label: "history.jsonl".into(), href: "history.jsonl".into() },
            Link { label: "verdict.json".into(), href: "verdict.json".into() },
        ],
        ops,
    }
}

/// The same run as it would be judged if nothing had been wrong.
pub(crate) fn valid(per_second: u64) -> RunView {
    let mut run = story(per_second);
    run.verdict.valid = json!(true);
    run.verdict.headline = "primary-replica kept its promises in every operation".into();
    for checker in &mut run.verdict.checkers {
        checker.valid = json!(true);
        checker.anomalies.clear();
    }
    run.verdict.checkers[0].summary = "every key has an order that explains all answers".into();
    run
}

fn test() -> TestRecord {
    TestRecord {
        schism: "0.1.0".into(),
        system: "primary-replica".into(),
        version: "0.1.0 (embedded)".into(),
        workload: "register".into(),
        faults: vec!["partition-monitor".into(), "pause:replica".into()],
        env: "netns".into(),
        nodes: NODES.iter().map(|name| (*name).to_owned()).collect(),
        time_limit_secs: 20.0,
        rate: 60.0,
        concurrency: 6,
        keys: 3,
        op_timeout_secs: 2.0,
        nemesis_interval_secs: 6.0,
        recovery_limit_secs: 15.0,
        reads: String::new(),
        log_patterns: Vec::new(),
        seed: 1_138,
        started: "2026-03-14T09:26:53Z".into(),
        options: BTreeMap::new(),
        place: BTreeMap::new(),
    }
}

/// A history as a primary and a replica would give it; n2 serves beside n1 from a second after the
/// cut.
fn ops(per_second: u64) -> Vec<OpView> {
    let mut rng = Rng::seeded(5).fork("ops");
    let mut lines: Vec<(u64, u64, String)> = Vec::new();
    let mut value = 0;
    let mut workers: Vec<(u64, u64)> = (0..6).map(|worker| (worker, 0)).collect();
    for number in 0..per_second * 20 {
        let at = number * 1_000 * MS / per_second;
        let (process, free) = workers[(number % 6) as usize];
        if free > at {
            continue;
        }
        let node = if process % 2 == 0 { "n1" } else { "n2" };
        let serves = node == "n1" || (at > CUT + 1_000 * MS);
        let paused = node == "n2" && (16_000 * MS..18_500 * MS).contains(&at);
        let late = paused || rng.chance(0.004);
        let took = if late {
            2_000 * MS
        } else if serves {
            400_000 + 60_000_000 / (1 + rng.below(400) as u64)
        } else {
            200_000
        };
        let write = rng.chance(0.5);
        value += u64::from(write);
        let key = rng.below(3);
        let (f, asked) = if write { ("write", json!(value)) } else { ("read", Value::Null) };
        let (kind, answered, error) = if late {
            ("info", asked.clone(), Some("no answer within 2 s"))
        } else if serves {
            let read = json!(value.saturating_sub(rng.below(3) as u64));
            ("ok", if write { asked.clone() } else { read }, None)
        } else {
            ("fail", asked.clone(), Some("not the primary"))
        };
        let line = |kind: &str, value: &Value, error: Option<&str>| {
            let mut line = json!({"index": 0, "time": 0, "type": kind, "process": process, "f": f,
                "key": key, "value": value, "node": node});
            if let Some(error) = error {
                line["error"] = json!(error);
            }
            line.to_string()
        };
        lines.push((at, process, line("invoke", &asked, None)));
        lines.push((at + took, process, line(kind, &answered, error)));
        let next = if late { process + 6 } else { process };
        workers[(number % 6) as usize] = (next, at + took + 1);
    }
    lines.sort_by_key(|(at, process, _)| (*at, *process));
    let mut text = String::new();
    for (index, (at, _, line)) in lines.iter().enumerate() {
        let stamped = line.replacen("\"index\":0", &format!("\"index\":{index}"), 1).replacen(
            "\"time\":0",
            &format!("\"time\":{at}"),
            1,
        );
        writeln!(text, "{stamped}").unwrap();
    }
    let history = History::<Register>::from_jsonl(text.as_bytes()).unwrap().history;
    history.ops().iter().map(OpView::from_op).collect()
}

/// Two acknowledged writes to one key on two nodes during the cut, and a read on each.
fn culprits(ops: &[OpView]) -> Vec<u64> {
    let pick = |node: &str, f: &str, after: u64| {
        ops.iter()
            .find(|op| {
                op.invoked.time.0 > CUT + after * MS
                    && op.node.as_deref() == Some(node)
                    && op.f == f
                    && op.key.as_deref() == Some("1")
                    && op.reply.is_some()
            })
            .map(|op| op.invoked.index)
    };
    [
        pick("n1", "write", 2_000),
        pick("n2", "write", 2_000),
        pick("n1", "read", 2_400),
        pick("n2", "read", 2_400),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How many there are, in words.
fn stats(ops: &[OpView]) -> String {
    let of = |fate| ops.iter().filter(|op| op.fate == fate).count();
    format!(
        "{} operations: {} ok, {} failed, {} unknown",
        ops.len(),
        of(Fate::Ok),
        of(Fate::Fail),
        of(Fate::Info)
    )
}

fn verdict(ops: Vec<u64>, stats: &str) -> VerdictRecord {
    let anomaly = Anomaly {
        kind: "split-brain".into(),
        summary: "n1 acknowledged a write to key 1 and n2 acknowledged another, and neither order \
                  of the two explains what was read afterwards"
            .into(),
        because: vec![
            "n1 acknowledged the write A as the primary, at 10.1 s.".into(),
            "n2, promoted by the monitor at 9.0 s, acknowledged the write B at 10.3 s.".into(),
            "The read C, asked of n1 after both had returned, saw a value that B had replaced."
                .into(),
            "The read D, asked of n2 after both had returned, saw a value that A had replaced."
                .into(),
            "No single order of the four operations gives both answers.".into(),
        ],
        ops,
        nodes: vec!["n1".into(), "n2".into()],
    };
    let finding = |checker: &str, valid: Value, summary: &str| FindingRecord {
        checker: checker.into(),
        valid,
        summary: summary.into(),
        unknown: None,
        anomalies: Vec::new(),
        details: json!({}),
    };
    let linearizable = FindingRecord {
        anomalies: vec![anomaly],
        details: json!({"decided_by": "unique values", "keys": 3, "invalid_keys": [1]}),
        ..finding(
            "linearizable",
            json!(false),
            "1 of 3 keys has no order that explains its answers",
        )
    };
    let availability = FindingRecord {
        details: json!({"windows": [{
            "fault": 1, "name": "partition-monitor", "start": CUT, "end": HEAL,
            "per_node": {"n1": {"ok": 171, "fail": 0, "info": 1}, "n2": {"ok": 148, "fail": 29}},
            "sides": [{"nodes": ["n1"], "majority": false, "ok_per_s": 28.5, "progressed": true},
                      {"nodes": ["n2", "n3"], "majority": true, "ok_per_s": 24.7,
                       "progressed": true}],
            "majority_side_available": true, "neither_side_progressed": false,
        }]}),
        ..finding(
            "availability",
            json!(true),
            "while n1 was cut off from n2 and n3, both sides acknowledged writes",
        )
    };
    VerdictRecord {
        valid: json!(false),
        headline: "Split brain: n1 and n2 both acknowledged writes to key 1 while n1 was cut off \
                   from n2 and n3"
            .into(),
        checkers: vec![
            linearizable,
            availability,
            finding("recovery", json!(true), "every node answered again 0.4 s after the last heal"),
            finding("stats", json!(true), stats),
        ],
        healed_at: Some(Nanos(18_500 * MS)),
        recovered_at: Some(Nanos(18_900 * MS)),
        final_phase_at: Some(Nanos(19_000 * MS)),
        round_trip_ms: Some(0.08),
        warnings: Vec::new(),
    }
}

fn journal() -> Vec<FaultRecord> {
    let record = |fault, at, name: &str, stage, ok, evidence: &[&str]| FaultRecord {
        fault,
        time: Nanos(at),
        name: name.into(),
        stage,
        plan: None,
        ok,
        evidence: evidence.iter().map(|line| (*line).to_owned()).collect(),
        note: String::new(),
    };
    let cut = Plan {
        summary: "n1 is cut off from n2 and n3".into(),
        sides: vec![vec![NodeId(0)], vec![NodeId(1), NodeId(2)]],
        inject: vec![Action::Cut { node: NodeId(0), from: vec![NodeId(1), NodeId(2)] }],
        heal: vec![Action::Uncut { node: NodeId(0) }],
    };
    let pause = Plan {
        summary: "n2 is paused".into(),
        sides: Vec::new(),
        inject: vec![Action::Pause { node: NodeId(1) }],
        heal: vec![Action::Resume { node: NodeId(1) }],
    };
    let (partition, paused) = ("partition-monitor", "pause:replica");
    let lost = ["n2 → n1: 0 of 20 datagrams arrived", "n3 → n1: 0 of 20 datagrams arrived"];
    let back = ["n2 → n1: 20 of 20 datagrams arrived", "n3 → n1: 20 of 20 datagrams arrived"];
    vec![
        FaultRecord {
            plan: Some(cut),
            ..record(1, CUT, partition, FaultStage::Planned, None, &[])
        },
        record(1, CUT + 12 * MS, partition, FaultStage::Injected, None, &[]),
        record(1, CUT + 70 * MS, partition, FaultStage::Verified, Some(true), &lost),
        record(1, HEAL, partition, FaultStage::Healed, None, &[]),
        record(1, HEAL + 60 * MS, partition, FaultStage::HealVerified, Some(true), &back),
        FaultRecord {
            plan: Some(pause),
            ..record(2, 16_000 * MS, paused, FaultStage::Planned, None, &[])
        },
        record(2, 16_002 * MS, paused, FaultStage::Injected, None, &[]),
        record(
            2,
            16_003 * MS,
            paused,
            FaultStage::Verified,
            Some(true),
            &["n2: state T (stopped)"],
        ),
        record(2, 18_500 * MS, paused, FaultStage::Healed, None, &[]),
        record(2, 18_501 * MS, paused, FaultStage::HealVerified, Some(true), &["n2: state S"]),
    ]
}

fn beliefs() -> Vec<Belief> {
    let mut beliefs = Vec::new();
    for half in 0..40u64 {
        let at = half * 500 * MS + 3 * MS;
        let promoted = at > CUT + 1_000 * MS;
        for (node, leader, says) in [
            ("n1", at < HEAL, if at < HEAL { "primary of epoch 1" } else { "replica of n2" }),
            ("n2", promoted, if promoted { "primary of epoch 2" } else { "replica of n1" }),
            (
                "n3",
                false,
                if promoted { "monitor: n2 is primary" } else { "monitor: n1 is primary" },
            ),
        ] {
            let (node, says) = (node.into(), says.to_owned());
            beliefs.push(Belief { time: Nanos(at), node, leader, says });
        }
    }
    beliefs
}

fn logs() -> Vec<NodeLog> {
    let starts = vec![-500 * 1_000_000];
    let log = |node: &str, text: &str| NodeLog {
        node: node.into(),
        text: text.to_owned(),
        starts: starts.clone(),
    };
    vec![
        log(
            "n1",
            "    12 ms primary of epoch 1\n  9544 ms replica n2 does not answer, going on alone\n\
             \x20 10610 ms acknowledged a write that no replica has\n  14820 ms demoted by n3",
        ),
        log("n2", "    11 ms replica of n1\n  9480 ms promoted by n3: primary of epoch 2\n"),
        log(
            "n3",
            "    10 ms monitor of n1 and n2\n  9470 ms n1 is silent for 1000 ms: promoting n2\n",
        ),
    ]
}
