//! Whatever a system under test says, a report stays a report: nothing becomes markup, nothing
//! panics.

#[allow(dead_code, reason = "this test needs one of its runs")]
#[path = "support/story.rs"]
mod story;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use schism_core::cluster::NodeId;
use schism_core::fault::{Action, Plan};
use schism_core::op::Stamp;
use schism_core::record::{FaultRecord, FaultStage, FaultWindow, FindingRecord};
use schism_core::time::Nanos;
use schism_core::verdict::Anomaly;
use schism_reports::view::{Belief, Fate, Link, NodeLog, OpView, RunView};
use schism_reports::{html, junit, terminal};
use serde_json::{Value, json};
use std::sync::Arc;

/// Breaks out of text, attributes, scripts, comments and templates, where any of them lets it.
const ATTACK: &str = "\"'></script></style></title><script>alert(1)</script><img src=x \
                      onerror=alert(2)>{{ 7*7 }}{% raw %}<!--\u{1b}[31m\u{202e}\u{0}";

/// The page's own tags of a kind that can run something: how many, and no others.
fn assert_harmless(page: &str) {
    let lower = page.to_lowercase();
    assert_eq!(lower.matches("<script").count(), 2, "its data and its script");
    assert_eq!(lower.matches("</script").count(), 2);
    assert_eq!(lower.matches("<style").count(), 1);
    assert_eq!(lower.matches("</title").count(), lower.matches("<title").count());
    for tag in ["<img", "<iframe", "<object", "<embed", "<!--", "<base", "<form"] {
        assert!(!lower.contains(tag), "{tag}");
    }
    for tag in tags(page) {
        // What stands between the quotes of attributes is text.
        let bare: String = tag.split('"').step_by(2).collect();
        assert!(!bare.contains("onerror") && !bare.contains("alert("), "{tag}");
    }
}

/// Every tag outside the two scripts and the style sheet.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (body, rest) = rest.split_once("<script type=\"application/json\"").unwrap();
    let (_, rest) = rest.split_once("</script>").unwrap();
    let (rest, _) = rest.split_once("<script>").unwrap();
    [head, body, rest]
        .into_iter()
        .flat_map(|part| part.split('<').skip(1))
        .map(|from| from.split('>').next().unwrap_or_default())
}

#[test]
fn an_attack_in_every_field_stays_text() {
    let mut run = story::story(60);
    let attack = || ATTACK.to_owned();
    let test = &mut run.test;
    for field in [
        &mut test.schism,
        &mut test.system,
        &mut test.version,
        &mut test.workload,
        &mut test.env,
        &mut test.reads,
        &mut test.started,
    ] {
        *field = attack();
    }
    test.faults = vec![attack()];
    test.nodes.push(attack());
    test.options.insert(attack(), attack());
    run.verdict.headline = attack();
    run.verdict.warnings = vec![attack()];
    for checker in &mut run.verdict.checkers {
        checker.checker = attack();
        checker.summary = attack();
        checker.unknown = Some(attack());
        checker.details = json!({ATTACK: ATTACK});
        for anomaly in &mut checker.anomalies {
            anomaly.kind = attack();
            anomaly.summary = attack();
            anomaly.because = vec![attack()];
            anomaly.nodes.push(ATTACK.into());
        }
    }
    for op in &mut run.ops {
        op.node = Some(ATTACK.into());
        op.f = ATTACK.into();
        op.key = Some(attack());
        op.call = attack();
        op.reply = op.reply.as_ref().map(|_| attack());
        op.error = Some(attack());
    }
    for window in &mut run.faults {
        window.name = attack();
        window.summary = attack();
        window.nodes = vec![ATTACK.into()];
        window.sides = vec![vec![ATTACK.into()]];
    }
    for record in &mut run.journal {
        record.name = attack();
        record.note = attack();
        record.evidence = vec![attack()];
    }
    for log in &mut run.logs {
        log.node = ATTACK.into();
        log.text = attack();
    }
    for belief in &mut run.beliefs {
        belief.node = ATTACK.into();
        belief.says = attack();
    }
    run.links =
        vec![Link { label: attack(), href: attack() }, link("javascript:alert(1)"), link("//evil")];
    let page = html(&run);
    assert_harmless(&page);
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is there as text");
    assert!(!page.contains("href=\"javascript"));
    assert!(!page.contains("href=\"&#x2f;&#x2f;evil") && !page.contains("href=\"//evil"));
    assert!(!junit(&run).contains("<script"));
    let printed = terminal(&run, "report.html", false, 80);
    for control in ['\u{1b}', '\u{202e}', '\0'] {
        assert!(!printed.contains(control));
    }
}

fn link(href: &str) -> Link {
    Link { label: "somewhere".into(), href: href.into() }
}

#[test]
fn an_empty_run_is_a_report_too() {
    let mut run = story::story(1);
    run.ops.clear();
    run.faults.clear();
    run.journal.clear();
    run.beliefs.clear();
    run.logs.clear();
    run.links.clear();
    run.test.nodes.clear();
    run.test.faults.clear();
    run.verdict.checkers.clear();
    run.verdict.valid = json!("unknown");
    let page = html(&run);
    assert_harmless(&page);
    assert!(page.contains("UNKNOWN") && page.contains("nothing to draw"));
    assert!(junit(&run).contains("tests=\"0\""));
    assert!(terminal(&run, "report.html", false, 80).starts_with("UNKNOWN"));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(ATTACK.to_owned()),
        Just("n1".to_owned()),
        Just("read".to_owned()),
        Just("null".to_owned()),
        "\\PC{0,12}",
        ".{0,400}",
    ]
}

fn time() -> impl Strategy<Value = Nanos> {
    prop_oneof![Just(0), Just(u64::MAX), 0..30_000_000_000u64, any::<u64>()].prop_map(Nanos)
}

fn node() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just("n1".to_owned()), Just("n2".to_owned()), text()].prop_map(Arc::from)
}

fn op() -> impl Strategy<Value = OpView> {
    let fate = prop_oneof![Just(Fate::Ok), Just(Fate::Fail), Just(Fate::Info)];
    let stamp = || (0..40u64, time()).prop_map(|(index, time)| Stamp { index, time });
    (
        (0..6u64, option::of(node()), text(), option::of(text()), text()),
        (option::of(text()), stamp(), option::of(stamp()), fate, option::of(text())),
    )
        .prop_map(
            |((process, node, f, key, call), (reply, invoked, completed, fate, error))| {
                let f = f.into();
                OpView { process, node, f, key, call, reply, invoked, completed, fate, error }
            },
        )
}

fn anomaly() -> impl Strategy<Value = Anomaly> {
    (text(), text(), vec(text(), 0..4), vec(0..50u64, 0..16), vec(node(), 0..3)).prop_map(
        |(kind, summary, because, ops, nodes)| Anomaly { kind, summary, because, ops, nodes },
    )
}

fn valid() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(true)), Just(json!(false)), Just(json!("unknown")), Just(json!(7))]
}

fn details() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({"windows": 3, "x": [1]})),
        Just(json!({"windows": [{"fault": 1, "per_node": {"n1": {"ok": "many"}, "n2": 4},
            "sides": [3, {"nodes": [1, "n1"], "ok": -4.5}], "majority": null}, [], null]})),
        text().prop_map(|text| json!({text.clone(): {text.clone(): text}})),
    ]
}

fn finding() -> impl Strategy<Value = FindingRecord> {
    let name = prop_oneof![Just("availability".to_owned()), Just("recovery".to_owned()), text()];
    (name, valid(), text(), option::of(text()), vec(anomaly(), 0..14), details()).prop_map(
        |(checker, valid, summary, unknown, anomalies, details)| FindingRecord {
            checker,
            valid,
            summary,
            unknown,
            anomalies,
            details,
        },
    )
}

fn window() -> impl Strategy<Value = FaultWindow> {
    let name = prop_oneof![Just("kill:leader".to_owned()), text()];
    let nodes = || vec(node(), 0..3);
    (
        (0..4u32, name, text(), nodes(), vec(nodes(), 0..3), time(), option::of(time())),
        (any::<Option<bool>>(), any::<Option<bool>>(), vec(text(), 0..2)),
    )
        .prop_map(
            |((fault, name, summary, nodes, sides, start, end), (verified, healed, evidence))| {
                let heal_verified = healed;
                FaultWindow {
                    fault,
                    name,
                    summary,
                    nodes,
                    sides,
                    start,
                    end,
                    verified,
                    heal_verified,
                    evidence,
                }
            },
        )
}

fn record() -> impl Strategy<Value = FaultRecord> {
    let stage = prop_oneof![
        Just(FaultStage::Planned),
        Just(FaultStage::Skipped),
        Just(FaultStage::Verified),
        Just(FaultStage::Healed),
        Just(FaultStage::HealVerified),
        Just(FaultStage::Failed),
    ];
    let plan = text().prop_map(|summary| Plan {
        summary,
        sides: vec![vec![NodeId(usize::MAX)]],
        inject: vec![Action::Kill { node: NodeId(0) }],
        heal: Vec::new(),
    });
    (0..4u32, time(), text(), stage, option::of(plan), any::<Option<bool>>(), vec(text(), 0..3))
        .prop_map(|(fault, time, name, stage, plan, ok, evidence)| {
            let note = name.clone();
            FaultRecord { fault, time, name, stage, plan, ok, evidence, note }
        })
}

fn log() -> impl Strategy<Value = NodeLog> {
    let line = prop_oneof![text(), any::<u32>().prop_map(|ms| format!("  {ms} ms elected"))];
    (node(), vec(line, 0..8), vec(any::<i64>(), 0..4)).prop_map(|(node, lines, starts)| NodeLog {
        node,
        text: lines.join("\n"),
        starts,
    })
}

fn belief() -> impl Strategy<Value = Belief> {
    (time(), node(), any::<bool>(), text()).prop_map(|(time, node, leader, says)| Belief {
        time,
        node,
        leader,
        says,
    })
}

prop_compose! {
    fn run()(
        ops in vec(op(), 0..30),
        faults in vec(window(), 0..5),
        journal in vec(record(), 0..8),
        checkers in vec(finding(), 0..4),
        logs in vec(log(), 0..3),
        beliefs in vec(belief(), 0..12),
        nodes in vec(text(), 0..4),
        headline in text(),
        valid in valid(),
        times in (option::of(time()), option::of(time()), option::of(time())),
        trip in option::of(any::<f64>()),
    ) -> RunView {
        let mut run = story::story(1);
        run.test.nodes = nodes;
        run.verdict.valid = valid;
        run.verdict.headline = headline;
        run.verdict.checkers = checkers;
        (run.verdict.healed_at, run.verdict.recovered_at, run.verdict.final_phase_at) = times;
        run.verdict.round_trip_ms = trip;
        RunView { ops, faults, journal, logs, beliefs, ..run }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_run_is_a_harmless_report(run in run()) {
        assert_harmless(&html(&run));
        assert!(!junit(&run).contains("<script"));
        for width in [0, 40, 100, 1000] {
            let text = terminal(&run, "report.html", false, width);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
