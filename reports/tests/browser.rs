//! The report in a real browser: no console message, the reason on the first screen, and a timeline
//! that answers keys and links. Without Chromium it is skipped, and says so; where CI is set, that
//! is a failure.

#[allow(dead_code, reason = "this test needs one of its runs")]
#[path = "support/story.rs"]
mod story;

use schism_reports::html;
use schism_reports::view::RunView;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Written into the page as its last element: what a person would see and do.
const PROBE: &str = r##"<script>
  const bottom = (name) => Math.round(document.querySelector(name).getBoundingClientRect().bottom);
  const seen = { badge: bottom(".badge"), headline: bottom("h1"), reasons: bottom(".reasons"),
    command: bottom("#command"), wide: document.documentElement.scrollWidth };
  const canvas = document.getElementById("canvas");
  const status = () => document.getElementById("status").textContent;
  seen.timeline = !document.getElementById("timeline-live").hidden && canvas.width > 500;
  const link = document.querySelector("td a[data-op]");
  if (link) {
    link.click();
    seen.linked = status();
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "]", cancelable: true }));
    seen.stepped = status();
  }
  document.getElementById("theme").click();
  seen.theme = document.documentElement.dataset.theme;
  const out = document.createElement("pre");
  out.id = "seen";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
</script>"##;

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|dir| names.map(|name| dir.join(name)))
        .find(|file| file.is_file())
}

/// What the probe saw, after making sure that the console stayed empty.
fn open(run: &RunView) -> Option<serde_json::Value> {
    let Some(browser) = browser() else {
        assert!(std::env::var_os("CI").is_none(), "CI needs Chromium for this test");
        eprintln!("SKIPPED: no Chromium on PATH; the report was not opened in a browser");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.html");
    std::fs::write(&file, html(run).replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--window-size=1280,800", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:#?}");
    let page = String::from_utf8_lossy(&output.stdout);
    let (_, seen) = page.rsplit_once("<pre id=\"seen\">").expect("the probe ran");
    let (seen, _) = seen.split_once("</pre>").unwrap();
    let seen = seen.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&");
    Some(serde_json::from_str(&seen).unwrap())
}

#[test]
fn the_first_screen_shows_the_verdict_its_reason_and_the_command() {
    let run = story::story(60);
    let Some(seen) = open(&run) else { return };
    for part in ["badge", "headline", "reasons", "command"] {
        assert!(seen[part].as_i64().unwrap() <= 800, "{part}: {seen}");
    }
    assert!(seen["wide"].as_i64().unwrap() <= 1280, "nothing sticks out: {seen}");
    assert_eq!(seen["timeline"], true);
    let culprit = run.verdict.checkers[0].anomalies[0].ops[0];
    assert!(seen["linked"].as_str().unwrap().starts_with(&format!("#{culprit} ")), "{seen}");
    assert!(seen["stepped"].as_str().unwrap().starts_with('#'), "{seen}");
    assert_ne!(seen["linked"], seen["stepped"]);
    assert_eq!(seen["theme"], "dark");
}

#[test]
fn a_run_without_operations_opens_without_complaint() {
    let mut run = story::story(1);
    run.ops.clear();
    run.faults.clear();
    let Some(seen) = open(&run) else { return };
    assert_eq!(seen["timeline"], false);
    assert!(seen["badge"].as_i64().unwrap() <= 800);
}
