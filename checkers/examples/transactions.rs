//! Transactions over lists, recorded and checked: serializable or not, and why not.
//!
//! Run it with `cargo run -p schism-checkers --example transactions`. Two doctors are on call; each
//! looks whether the other is, and then goes home. Under serializability one of them stays; under
//! snapshot isolation both may go: write skew.

use schism_checkers::list_append::{Consistency, ListAppend};
use schism_checkers::record::{Recorder, Session};
use schism_core::api::Key;
use schism_core::api::list_append::{ListAppend as Lists, Mop};
use schism_core::checker::{Checker, Finding};
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;

fn append(key: i64, element: i64) -> Mop {
    Mop::Append(Key::Int(key), element)
}

fn read(key: i64, found: Option<&[i64]>) -> Mop {
    Mop::Read(Key::Int(key), found.map(<[i64]>::to_vec))
}

/// Begins a transaction that looks at one list and appends to the other.
fn begin(session: &mut Session<'_, Lists>, looks_at: i64, appends: (i64, i64)) {
    session.invoke(vec![read(looks_at, None), append(appends.0, appends.1)]);
}

/// Ends it: this is what it saw.
fn commit(session: &mut Session<'_, Lists>, looks_at: i64, saw: &[i64], appends: (i64, i64)) {
    session.ok(vec![read(looks_at, Some(saw)), append(appends.0, appends.1)]);
}

/// List 1 says that the first doctor went home, list 2 that the second did.
fn judge(second_saw: &[i64]) -> Finding {
    let recorder = Recorder::default();
    let [mut first, mut second, mut later] = [(); 3].map(|()| recorder.session());
    begin(&mut first, 2, (1, 10));
    begin(&mut second, 1, (2, 20));
    commit(&mut first, 2, &[], (1, 10));
    commit(&mut second, 1, second_saw, (2, 20));
    later.invoke(vec![read(1, None), read(2, None)]);
    later.ok(vec![read(1, Some(&[10])), read(2, Some(&[20]))]);
    let checker = ListAppend { consistency: Consistency::Serializable };
    checker.check(&recorder.into_history(), &RunFacts::default(), &Limits::default())
}

pub(crate) fn main() {
    let finding = judge(&[10]);
    println!("the second doctor saw that the first had gone: {}", finding.summary);
    assert_eq!(finding.verdict, Verdict::Valid);

    let finding = judge(&[]);
    println!("neither saw the other go: {}", finding.summary);
    for anomaly in finding.verdict.anomalies() {
        println!("  {}: {}", anomaly.kind, anomaly.summary);
        for step in &anomaly.because {
            println!("  - {step}");
        }
    }
    assert_eq!(finding.verdict.anomalies()[0].kind, "G2-item");
}
