//! What the nodes logged around the violation, or at the end if there was none.
//!
//! Lines that begin with `123 ms` are counted from the start of their process. A number that goes
//! back means that the next process began; its start in the run's time comes with the log.

use crate::view::{NodeLog, RunView};
use schism_core::time::Nanos;
use serde::Serialize;

/// Lines shown of one node.
const LINES: usize = 300;
/// Two seconds, in nanoseconds.
const AROUND: i64 = 2_000_000_000;

/// What the template needs of one node.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    node: String,
    /// Which part of the log this is.
    part: String,
    text: String,
    lines: usize,
}

/// The interesting part of every log. O(length).
pub(super) fn logs(run: &RunView) -> Vec<Shown> {
    let moments = moments(run);
    run.logs.iter().map(|log| show(log, &moments)).collect()
}

/// When the operations of the first anomalies began and ended.
fn moments(run: &RunView) -> Vec<(i64, i64)> {
    let marked: std::collections::HashSet<u64> = run
        .verdict
        .checkers
        .iter()
        .flat_map(|checker| &checker.anomalies)
        .take(3)
        .flat_map(|anomaly| anomaly.ops.iter().copied())
        .collect();
    let signed = |time: Nanos| i64::try_from(time.0).unwrap_or(i64::MAX);
    run.ops
        .iter()
        .filter(|op| marked.contains(&op.invoked.index))
        .map(|op| (signed(op.invoked.time), signed(op.end())))
        .collect()
}

fn show(log: &NodeLog, moments: &[(i64, i64)]) -> Shown {
    let lines: Vec<&str> = log.text.lines().collect();
    let times = times(&lines, &log.starts);
    let near = |time: i64| {
        moments.iter().any(|(from, to)| {
            time >= from.saturating_sub(AROUND) && time <= to.saturating_add(AROUND)
        })
    };
    let around: Vec<&str> = lines
        .iter()
        .zip(&times)
        .filter(|(_, time)| time.is_some_and(near))
        .map(|(line, _)| *line)
        .collect();
    let (mut part, mut chosen) = if around.is_empty() {
        ("the end of its log".to_owned(), lines)
    } else {
        ("within 2 s of the operations of the first anomalies".to_owned(), around)
    };
    if chosen.len() > LINES {
        part = format!("{part}, the last {LINES} of {} lines", chosen.len());
        chosen.drain(..chosen.len() - LINES);
    }
    let lines = chosen.len();
    let clipped: Vec<String> = chosen.iter().map(|line| super::svg::clip(line, 400)).collect();
    Shown { node: log.node.to_string(), part, text: clipped.join("\n"), lines }
}

/// When each line was written, in nanoseconds of the run's time, where that can be told. A line
/// without a time of its own belongs to the one before it.
fn times(lines: &[&str], starts: &[i64]) -> Vec<Option<i64>> {
    let stamps: Vec<Option<i64>> = lines.iter().map(|line| stamp(line)).collect();
    let mut process = 0usize;
    let mut last = i64::MIN;
    let placed: Vec<(usize, Option<i64>)> = stamps
        .iter()
        .map(|stamp| {
            if let Some(ms) = stamp {
                process += usize::from(*ms < last);
                last = *ms;
            }
            (process, *stamp)
        })
        .collect();
    // The log may be a tail, so its last process is the last that was started.
    let Some(missing) = starts.len().checked_sub(process + 1) else {
        return vec![None; lines.len()];
    };
    let mut current = None;
    placed
        .into_iter()
        .map(|(process, stamp)| {
            if let Some(ms) = stamp {
                let start = starts[missing + process];
                current = Some(start.saturating_add(ms.saturating_mul(1_000_000)));
            }
            current
        })
        .collect()
}

/// The milliseconds of `   123 ms …` or `123.4 ms …`.
fn stamp(line: &str) -> Option<i64> {
    let line = line.trim_start();
    let digits = line.find(|c: char| !c.is_ascii_digit())?;
    let rest = line[digits..].strip_prefix('.').map_or(&line[digits..], |fraction| {
        fraction.trim_start_matches(|c: char| c.is_ascii_digit())
    });
    if rest.trim_start().starts_with("ms") { line[..digits].parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{stamp, times};

    #[test]
    fn lines_are_placed_in_the_runs_time_across_restarts() {
        assert_eq!(stamp("   123 ms elected"), Some(123));
        assert_eq!(stamp("12.5ms x"), Some(12));
        assert_eq!(stamp("2024-01-01 x"), None);
        assert_eq!(stamp(""), None);
        let lines = ["  100 ms a", "more", " 200 ms b", "  5 ms again"];
        let ms = |n: i64| Some(n * 1_000_000);
        assert_eq!(
            times(&lines, &[-50_000_000, 1_000_000_000]),
            [ms(50), ms(50), ms(150), ms(1005)]
        );
        // Only the tail is there: the starts are counted from the last.
        assert_eq!(times(&lines[3..], &[0, 0, 7_000_000]), [ms(12)]);
        // More processes than starts: nothing can be told.
        assert_eq!(times(&lines, &[0]), [None; 4]);
    }
}
