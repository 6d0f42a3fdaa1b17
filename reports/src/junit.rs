//! `junit.xml`: one suite a run, one test case a checker, so that CI shows a violation as it shows
//! any failed test.
//!
//! An invalid finding is a failure. An unknown one is an error: the test did not do what it is for,
//! and a skipped case would be green in most CI systems.

use crate::view::{Mark, RunView};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use schism_core::record::FindingRecord;
use std::fmt::Write as _;
use std::time::Duration;

/// The run as `JUnit` XML.
///
/// # Panics
/// Never: writing XML to memory cannot fail.
pub fn junit(run: &RunView) -> String {
    let test = &run.test;
    let mut suite = TestSuite::new(format!("{} {}", test.system, test.workload));
    suite.set_time(Duration::from_nanos(run.end().0));
    for (name, value) in [
        ("system", format!("{} {}", test.system, test.version)),
        ("faults", test.faults.join(",")),
        ("nodes", test.nodes.join(",")),
        ("seed", test.seed.to_string()),
        ("started", test.started.clone()),
        ("headline", run.verdict.headline.clone()),
        ("replay", test.command()),
    ] {
        suite.add_property(Property::new(name, value));
    }
    for finding in &run.verdict.checkers {
        let mut case = TestCase::new(finding.checker.as_str(), status(finding));
        case.set_classname(format!("schism.{}.{}", test.system, test.workload));
        if Mark::of(&finding.valid) == Mark::Valid {
            case.set_system_out(finding.summary.as_str());
        }
        suite.add_test_case(case);
    }
    if !run.verdict.warnings.is_empty() {
        suite.set_system_err(run.verdict.warnings.join("\n"));
    }
    let mut report = Report::new(format!("schism {}", test.schism));
    report.add_test_suite(suite);
    report.to_string().expect("XML into memory")
}

fn status(finding: &FindingRecord) -> TestCaseStatus {
    match Mark::of(&finding.valid) {
        Mark::Valid => TestCaseStatus::success(),
        Mark::Invalid => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let kind = finding.anomalies.first().map_or("invalid", |a| a.kind.as_str());
            status.set_type(kind).set_message(finding.summary.as_str());
            status.set_description(argument(finding));
            status
        }
        Mark::Unknown => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            let why = finding.unknown.as_deref().unwrap_or(&finding.summary);
            status.set_type("unknown").set_message(why);
            status.set_description(finding.summary.as_str());
            status
        }
    }
}

/// Every anomaly with its steps, as text.
fn argument(finding: &FindingRecord) -> String {
    let mut text = finding.summary.clone();
    for anomaly in &finding.anomalies {
        let _ = write!(text, "\n\n{}: {}", anomaly.kind, anomaly.summary);
        for (step, because) in anomaly.because.iter().enumerate() {
            let _ = write!(text, "\n  {}. {because}", step + 1);
        }
        if !anomaly.ops.is_empty() {
            let ops: Vec<String> = anomaly.ops.iter().map(|op| format!("#{op}")).collect();
            let _ = write!(text, "\n  operations: {}", ops.join(", "));
        }
    }
    text
}
