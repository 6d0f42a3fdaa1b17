//! What a reader gets of one made-up run, and what no run may do to a report.

#[path = "support/story.rs"]
mod story;

use insta::assert_snapshot;
use schism_core::op::Stamp;
use schism_core::time::Nanos;
use schism_reports::view::{Fate, OpView, RunView};
use schism_reports::{html, junit, terminal};
use serde_json::json;

/// The replay command is the core's business: here it only has to be there.
fn without_command(run: &RunView, text: &str) -> String {
    let command = run.test.command();
    assert!(text.contains(&command), "{text}");
    text.replace(&command, "[the replay command]")
}

#[test]
fn the_terminal_says_what_was_found_and_where_to_read_on() {
    let run = story::story(60);
    let text = terminal(&run, "runs/latest/report.html", false, 100);
    assert_snapshot!(without_command(&run, &text));
}

#[test]
fn the_terminal_is_brief_about_a_valid_run() {
    let run = story::valid(60);
    let text = terminal(&run, "runs/latest/report.html", false, 80);
    assert_snapshot!(without_command(&run, &text));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let run = story::story(60);
    let plain = terminal(&run, "report.html", false, 100);
    let mut colored = terminal(&run, "report.html", true, 100);
    for code in ["\x1b[1;32m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[2m", "\x1b[0m"] {
        colored = colored.replace(code, "");
    }
    assert_eq!(colored, plain);
}

#[test]
fn ci_gets_one_case_a_checker() {
    let mut run = story::story(60);
    run.verdict.checkers[3].valid = json!("unknown");
    run.verdict.checkers[3].unknown = Some("vacuous: only 0 of at least 10 writes".into());
    assert_snapshot!(without_command(&run, &junit(&run)));
}

#[test]
fn the_first_screen_has_the_verdict_and_the_reason() {
    let run = story::story(60);
    let page = html(&run);
    let (_, rest) = page.split_once("<header>").unwrap();
    let (header, _) = rest.split_once("</header>").unwrap();
    let header = without_command(&run, &header.replace("<span>", "").replace("</span>", ""));
    let lines: Vec<&str> = header.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_report_has_every_section_and_needs_nothing_from_elsewhere() {
    let page = html(&story::story(60));
    for id in ["anomalies", "timeline", "plots", "sides", "cost", "faults", "checkers", "logs"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    for text in [
        "n2 → n1: 0 of 20 datagrams arrived",
        "seen to take effect, seen to be gone",
        "acknowledged a write that no replica has",
        "primary of epoch 2",
        "side B (n2, n3): a majority, 24.7 answers a second, went on",
        "of the answers came from a node that held itself for the leader",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("within 2 s of the operations of the first anomalies"));
    assert!(!page.contains("12 ms primary of epoch 1"), "that was long before");
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    for place in ["http:", "https:", "src=", "url(", "@import"] {
        assert!(!elsewhere.contains(place), "{place}");
    }
}

#[test]
fn a_valid_run_has_no_section_for_anomalies() {
    let page = html(&story::valid(60));
    assert!(page.contains("VALID") && !page.contains("INVALID"));
    assert!(!page.contains("<section id=\"anomalies\">"));
}

#[test]
fn the_counterexample_letters_the_culprits() {
    let page = html(&story::story(60));
    let picture = page.split("<svg class=\"picture\"").nth(1).unwrap();
    let picture = picture.split_once("</svg>").unwrap().0;
    for letter in ["A", "B", "C", "D"] {
        assert!(picture.contains(&format!(">{letter}</text>")), "{letter}");
    }
    assert_eq!(picture.matches("class=\"culprit ok\"").count(), 4);
    assert!(picture.contains("fault 1: n1 is cut off from n2 and n3"));
    assert!(picture.contains("belief leads"));
}

#[test]
fn availability_is_counted_where_the_checker_recorded_nothing() {
    let mut run = story::story(60);
    run.verdict.checkers[1].details = json!({});
    let page = html(&run);
    assert!(!page.contains("171 ok"));
    let (start, end) = (run.faults[0].start, run.faults[0].end.unwrap());
    let asked = |op: &&OpView| op.invoked.time >= start && op.end() <= end;
    let ok = |op: &&OpView| op.node.as_deref() == Some("n1") && op.fate == Fate::Ok;
    let answered = run.ops.iter().filter(asked).filter(ok).count();
    assert!(answered > 0 && page.contains(&format!("{answered} ok")));
}

fn many(count: u64) -> RunView {
    let mut run = story::story(60);
    let op = |number: u64| OpView {
        process: number % 10,
        node: Some(["n1", "n2", "n3"][(number % 3) as usize].into()),
        f: if number.is_multiple_of(2) { "read".into() } else { "write".into() },
        key: Some((number % 7).to_string()),
        call: if number.is_multiple_of(2) { String::new() } else { number.to_string() },
        reply: Some(number.to_string()),
        invoked: Stamp { index: number * 2, time: Nanos(number * 500_000) },
        completed: Some(Stamp { index: number * 2 + 1, time: Nanos(number * 500_000 + 300_000) }),
        fate: Fate::Ok,
        error: None,
    };
    run.ops = (0..count).map(op).collect();
    run
}

#[test]
fn a_hundred_thousand_operations_are_a_few_megabytes() {
    let page = html(&many(100_000));
    assert!(page.len() < 8_000_000, "{}", page.len());
    assert!(page.contains("100,000 operations, a line a process"));
}

#[test]
fn a_longer_run_is_sampled_and_the_report_says_so() {
    let mut run = many(300_000);
    // A culprit where an even sample would miss it.
    run.verdict.checkers[0].anomalies[0].ops = vec![123_458];
    let page = html(&run);
    assert!(page.len() < 12_000_000, "{}", page.len());
    assert!(page.contains("The run has 300,000 operations. The timeline shows"));
    assert!(page.contains(",123458,"));
}

#[test]
fn only_what_is_made_here_is_put_in_unescaped() {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
    let mut safe = Vec::new();
    for entry in std::fs::read_dir(templates).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "html") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for place in text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")) {
            if place.0.contains("safe") {
                safe.push(place.0.trim().to_owned());
            }
        }
        assert!(!text.contains("autoescape"));
    }
    safe.sort();
    assert_eq!(
        safe,
        [
            "found.cycle_svg|safe",
            "found.picture_svg|safe",
            "plot.svg|safe",
            "script|safe",
            "style|safe",
            "timeline.data_json|safe",
            "timeline.overview_svg|safe"
        ]
    );
}
