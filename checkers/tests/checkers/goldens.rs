//! The golden histories: `histories/<verdict>/<model>-<name>.jsonl`. The folder says the verdict,
//! and for invalid ones the name begins with the kind of the first anomaly.

use schism_checkers::consensus::Consensus;
use schism_checkers::convergence::Convergence;
use schism_checkers::coordinated_attack::CoordinatedAttack;
use schism_checkers::leader_election::LeaderElection;
use schism_checkers::linearizable::Linearizable;
use schism_checkers::list_append::ListAppend;
use schism_checkers::models::{MODELS as REGISTERED, Options};
use schism_checkers::total_order::TotalOrder;
use schism_core::api::Api;
use schism_core::checker::{Checker, Finding};
use schism_core::event::Line;
use schism_core::form::Tape;
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use std::path::{Path, PathBuf};

type Judge = fn(&str) -> Finding;

/// Longer names first where one begins with another.
const MODELS: &[(&str, Judge)] = &[
    ("consensus", |text| by(&Consensus { termination: false }, text)),
    ("convergence", |text| by(&Convergence, text)),
    ("coordinated-attack", |text| by(&CoordinatedAttack, text)),
    ("leader-election", |text| by(&LeaderElection { exclusive_in_time: true }, text)),
    ("list-append", |text| by(&ListAppend::default(), text)),
    ("register", |text| by(&Linearizable::default(), text)),
    ("total-order", |text| by(&TotalOrder { real_time: true }, text)),
];

fn by<A: Api>(checker: &impl Checker<A>, text: &str) -> Finding {
    let read = History::from_jsonl(text.as_bytes()).expect("a golden history can be read");
    assert!(!read.truncated);
    checker.check(&read.history, &RunFacts::default(), &Limits::default())
}

/// The judgement of the registered model whose name the file's begins with: the longest such name.
fn registered(file: &str, text: &str) -> Option<(&'static str, Finding)> {
    let named = REGISTERED.iter().filter(|model| file.starts_with(&format!("{}-", model.name)));
    let model = named.max_by_key(|model| model.name.len())?;
    let mut judge = model.make(&Options::default()).expect("a model without options");
    let mut tape = Tape::default();
    for line in text.lines() {
        let line: Line<'_> = serde_json::from_str(line).expect("an event");
        judge.event(&line.raw(&mut tape)).expect("an event of this model");
    }
    let mut judged = judge.judge(&Limits::default());
    Some((model.name, judged.findings.remove(0)))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of golden histories");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn golden_histories_have_the_verdict_of_their_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    for verdict in ["valid", "invalid", "unknown"] {
        let mut missing: Vec<&str> = MODELS.iter().map(|(model, _)| *model).collect();
        for file in files(&root.join(verdict)) {
            let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a readable name");
            let text = std::fs::read_to_string(&file).expect("a readable file");
            let listed = MODELS.iter().find(|(model, _)| name.starts_with(&format!("{model}-")));
            let (model, finding) = match (registered(name, &text), listed) {
                (Some(found), Some((model, _))) if found.0.len() > model.len() => found,
                (_, Some((model, judge))) => (*model, judge(&text)),
                (Some(found), None) => found,
                (None, None) => panic!("{name} begins with no model's name"),
            };
            assert_eq!(finding.verdict.word(), verdict, "{name}: {finding:#?}");
            let kind = finding.verdict.anomalies().first().map(|anomaly| anomaly.kind.as_str());
            let about = &name[model.len() + 1..];
            assert!(kind.is_none_or(|kind| about.starts_with(kind)), "{name}: {finding:#?}");
            missing.retain(|other| *other != model);
        }
        assert!(missing.is_empty(), "{verdict}: no history of {missing:?}");
    }
}

#[test]
fn every_registered_model_has_a_valid_and_an_invalid_history() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    // Shown by `register`; and one that judges nothing.
    let shown_by_others = ["cas-register", "strongest-model"];
    for verdict in ["valid", "invalid"] {
        let names: Vec<String> = files(&root.join(verdict))
            .iter()
            .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
            .collect();
        for model in REGISTERED.iter().filter(|model| !shown_by_others.contains(&model.name)) {
            let begins = |name: &String| name.starts_with(&format!("{}-", model.name));
            assert!(names.iter().any(begins), "{verdict}: no history of {}", model.name);
        }
    }
}
