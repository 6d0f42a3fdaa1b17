//! The summary on the terminal, to be read in five seconds: the verdict, why, what was tested, and
//! where to read more. Legible without colour.

use crate::latency::{Quantiles, count, millis};
use crate::view::{Fate, Mark, RunView};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Where the second column begins.
const INDENT: usize = 11;
/// So many steps of the argument, and no more anomalies than this.
const STEPS: usize = 6;
const ANOMALIES: usize = 3;

/// The summary, ending in a newline.
///
/// `report` is the report's path as it is to be printed; `width` the terminal's, in columns: below
/// 40 it counts as 40. Control characters in what nodes said are made visible, so that a node
/// cannot write to the terminal.
pub fn terminal(run: &RunView, report: &str, color: bool, width: usize) -> String {
    let mut page = Page { out: String::new(), color, width: width.clamp(40, 160) };
    let mark = run.outcome();
    page.row(mark.word(), Some(mark), &run.verdict.headline);
    why(&mut page, run, mark);
    page.out.push('\n');
    let test = &run.test;
    page.row(
        "tested",
        None,
        &format!(
            "{} {}, workload {}, {} nodes in {}, {} s, seed {}",
            test.system,
            test.version,
            test.workload,
            test.nodes.len(),
            test.env,
            test.time_limit_secs,
            test.seed
        ),
    );
    page.row("faults", None, &faults(run));
    page.row("ops", None, &ops(run));
    if let Some(latency) = latency(run) {
        page.row("latency", None, &latency);
    }
    for (position, finding) in run.verdict.checkers.iter().enumerate() {
        let label = if position == 0 { "checkers" } else { "" };
        let mark = Mark::of(&finding.valid);
        let reason = finding.unknown.as_deref().unwrap_or(&finding.summary);
        let line = format!("{} {}: {reason}", mark.sign(), finding.checker);
        page.entry(label, Some(mark), &line);
    }
    for warning in &run.verdict.warnings {
        page.row("warning", None, warning);
    }
    page.verbatim("report", report);
    page.verbatim("replay", &test.command());
    page.out
}

fn why(page: &mut Page, run: &RunView, mark: Mark) {
    match mark {
        Mark::Valid => {}
        Mark::Unknown => {
            let reasons = run.verdict.checkers.iter().filter_map(|c| c.unknown.as_deref());
            for reason in reasons.filter(|reason| *reason != run.verdict.headline) {
                page.row("why", None, reason);
            }
        }
        Mark::Invalid => {
            let all: Vec<_> = run.verdict.checkers.iter().flat_map(|c| &c.anomalies).collect();
            for (position, anomaly) in all.iter().take(ANOMALIES).enumerate() {
                if !run.verdict.headline.contains(&anomaly.summary) {
                    page.row("", None, &format!("{}: {}", anomaly.kind, anomaly.summary));
                }
                if position == 0 {
                    for (step, because) in anomaly.because.iter().take(STEPS).enumerate() {
                        page.row(if step == 0 { "because" } else { "" }, None, because);
                    }
                }
            }
            if all.len() > ANOMALIES {
                let more = all.len() - ANOMALIES;
                page.row("", None, &format!("and {} more in the report", count(more)));
            }
        }
    }
}

fn faults(run: &RunView) -> String {
    if run.faults.is_empty() {
        return if run.test.faults.is_empty() { "none" } else { "none was injected" }.to_owned();
    }
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for window in &run.faults {
        *names.entry(&window.name).or_default() += 1;
    }
    let names: Vec<String> =
        names.iter().map(|(name, times)| format!("{name} × {times}")).collect();
    let total = run.faults.len();
    let seen = run.faults.iter().filter(|w| w.verified == Some(true)).count();
    let healed = run.faults.iter().filter(|w| w.end.is_some()).count();
    let share = |part: usize| if part == total { "all".to_owned() } else { format!("{part}") };
    format!(
        "{total} injected, {} seen to take effect, {} healed: {}",
        share(seen),
        share(healed),
        names.join(", ")
    )
}

fn ops(run: &RunView) -> String {
    let of = |fate| run.ops.iter().filter(|op| op.fate == fate).count();
    let mut text = format!(
        "{}: {} ok, {} failed, {} unknown",
        count(run.ops.len()),
        count(of(Fate::Ok)),
        count(of(Fate::Fail)),
        count(of(Fate::Info))
    );
    let secs = run.end().as_secs_f64();
    if secs > 0.0 {
        let _ = write!(text, " ({:.0} a second)", run.ops.len() as f64 / secs);
    }
    text
}

fn latency(run: &RunView) -> Option<String> {
    let all = Quantiles::of_ok(run.ops.iter())?;
    let mut text = format!(
        "p50 {}, p95 {}, p99 {}, max {}",
        millis(all.p50),
        millis(all.p95),
        millis(all.p99),
        millis(all.max)
    );
    if let Some(trip) = run.verdict.round_trip_ms.filter(|ms| *ms > 0.0) {
        let _ = write!(
            text,
            "; a round trip between nodes takes {}, so p50 is {:.1} of them",
            millis(trip),
            all.p50 / trip
        );
    }
    Some(text)
}

struct Page {
    out: String,
    color: bool,
    width: usize,
}

impl Page {
    /// A label and a text that wraps below itself; a mark colours the label.
    fn row(&mut self, label: &str, mark: Option<Mark>, text: &str) {
        let label = format!("{label:INDENT$}");
        let label = self.paint(&label, mark, mark.is_none());
        self.out.push_str(&label);
        self.wrap(text, INDENT);
    }

    /// A row whose text, not label, is coloured and is cut to one line.
    fn entry(&mut self, label: &str, mark: Option<Mark>, text: &str) {
        let label = self.paint(&format!("{label:INDENT$}"), None, true);
        self.out.push_str(&label);
        let room = self.width - INDENT;
        let mut text = visible(text);
        if text.chars().count() > room {
            text = text.chars().take(room - 1).collect::<String>() + "…";
        }
        let (sign, rest) = text.split_at(text.find(' ').unwrap_or(0));
        let sign = self.paint(sign, mark, false);
        let _ = writeln!(self.out, "{sign}{rest}");
    }

    /// A row that is to be copied, so it is never wrapped.
    fn verbatim(&mut self, label: &str, text: &str) {
        let label = self.paint(&format!("{label:INDENT$}"), None, true);
        let _ = writeln!(self.out, "{label}{}", visible(text));
    }

    fn paint(&self, text: &str, mark: Option<Mark>, dim: bool) -> String {
        let code = match mark {
            Some(Mark::Valid) => "1;32",
            Some(Mark::Invalid) => "1;31",
            Some(Mark::Unknown) => "1;33",
            None if dim => "2",
            None => return text.to_owned(),
        };
        if self.color && !text.trim().is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn wrap(&mut self, text: &str, indent: usize) {
        let mut column = indent;
        for word in visible(text).split_whitespace() {
            let length = word.chars().count();
            if column > indent && column + 1 + length > self.width {
                let _ = write!(self.out, "\n{:indent$}", "");
                column = indent;
            }
            if column > indent {
                self.out.push(' ');
                column += 1;
            }
            self.out.push_str(word);
            column += length;
        }
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        self.out.push('\n');
    }
}

/// Control characters become what they look like in source code.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' | '\r' => out.push(' '),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}
