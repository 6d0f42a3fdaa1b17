//! The nodes' logs, read line by line for `schism_checkers::log_patterns`.

use crate::store::RunDir;
use anyhow::Context as _;
use schism_checkers::log_patterns::{LINE, LogPatterns, Logged, Scan};
use schism_core::record::TestRecord;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};

/// Looks through every node's log.
///
/// # Errors
/// If a pattern is no regular expression, or a log that is there can't be read.
pub(super) fn look_through(run: &RunDir, record: &TestRecord) -> anyhow::Result<Logged> {
    let patterns = LogPatterns::new(&record.log_patterns)?;
    let mut scan = patterns.scan();
    for node in &record.nodes {
        scan.node(node);
        let path = run.file("nodes").join(node).join("log");
        match File::open(&path) {
            Ok(file) => lines(BufReader::with_capacity(1 << 16, file), &mut scan),
            // A node that was never started.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
        .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(scan.finish())
}

/// Holds no more of a line than is looked at, however long it is.
fn lines(mut log: impl BufRead, scan: &mut Scan<'_>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if log.by_ref().take(LINE as u64).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        scan.line(&line);
        if line.last() != Some(&b'\n') {
            log.skip_until(b'\n')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE, LogPatterns, lines};

    #[test]
    fn a_long_line_is_one_line() {
        let text = format!("{}\nshort\n{} end of it", "x".repeat(3 * LINE), "y".repeat(LINE - 1));
        let patterns = LogPatterns::new(&["short".to_owned(), "end of it".to_owned()]).unwrap();
        let mut scan = patterns.scan();
        lines(text.as_bytes(), &mut scan).unwrap();
        let finding = scan.finish().finding;
        assert_eq!(finding.details["lines"], 3);
        let [anomaly] = finding.verdict.anomalies() else { panic!("{finding:?}") };
        assert!(anomaly.summary.ends_with("line 2"), "{}", anomaly.summary);
    }
}
