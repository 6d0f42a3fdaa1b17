//! The report in a real browser: no console errors, and the verdict, with its reason, on the first
//! screen.

use std::path::{Path, PathBuf};
use std::process::Command;

fn chromium() -> Option<PathBuf> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
}

/// Opens a page without network or display; its final DOM, and what it wrote to the console.
fn open(chromium: &Path, page: &Path, profile: &Path, more: &[&str]) -> (String, String) {
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--allow-file-access-from-files", "--enable-logging=stderr", "--v=0"])
        .args(["--window-size=1280,800", "--virtual-time-budget=4000", "--dump-dom"])
        .args(more)
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn the_report_shows_its_verdict_and_the_reason_on_the_first_screen() {
    let Some(chromium) = chromium() else {
        assert!(std::env::var_os("CI").is_none(), "no chromium: apt-get install chromium");
        eprintln!("SKIPPED: no chromium; apt-get install chromium");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_schism"))
        .args(["test", "primary-replica", "--time-limit", "8s", "--seed", "3", "--store"])
        .arg(dir.path().join("runs"))
        .output()
        .unwrap();
    let latest = dir.path().join("runs/latest");
    let report = latest.join("report.html").canonicalize().unwrap_or_else(|error| {
        panic!("no report ({error}): {}", String::from_utf8_lossy(&status.stderr))
    });
    let verdict = std::fs::read_to_string(latest.join("verdict.json")).unwrap();
    let verdict: serde_json::Value = serde_json::from_str(&verdict).unwrap();
    let headline = verdict["headline"].as_str().unwrap().to_owned();

    let profile = dir.path().join("profile");
    let (dom, console) = open(&chromium, &report, &profile, &[]);
    assert!(dom.contains("INVALID"), "no verdict in the page");
    let errors: Vec<&str> = console.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(errors.is_empty(), "the console says {errors:?}");
    assert!(!dom.contains("http://") || !dom.contains("<script src"), "it loads something");

    // A page around it that measures: where do verdict and reason end, in pixels from the top?
    let probe = dir.path().join("probe.html");
    std::fs::write(
        &probe,
        format!(
            r#"<iframe id=f width=1280 height=800 src="file://{}"></iframe><pre id=out></pre>
            <script>
            f.onload = () => {{
              const page = f.contentDocument;
              const bottom = text => {{
                const walk = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
                for (let node; node = walk.nextNode();) {{
                  const range = page.createRange();
                  range.selectNodeContents(node);
                  const box = range.getBoundingClientRect();
                  if (node.data.includes(text) && box.height > 0) return Math.ceil(box.bottom);
                }}
                return -1;
              }};
              out.textContent = 'verdict ' + bottom('INVALID') + ' reason ' + bottom({headline});
            }};
            </script>"#,
            report.display(),
            headline =
                serde_json::to_string(&headline.chars().take(40).collect::<String>()).unwrap(),
        ),
    )
    .unwrap();
    let (dom, _) = open(&chromium, &probe, &profile, &[]);
    let measured = dom.split("<pre id=\"out\">").nth(1).and_then(|rest| rest.split('<').next());
    let words: Vec<&str> = measured.unwrap_or_default().split_whitespace().collect();
    let [_, verdict_bottom, _, reason_bottom] = words.as_slice() else { panic!("{dom}") };
    for (what, bottom) in [("verdict", verdict_bottom), ("reason", reason_bottom)] {
        let bottom: i64 = bottom.parse().unwrap();
        assert!((1..=800).contains(&bottom), "the {what} ends at {bottom} of 800 pixels");
    }
}
