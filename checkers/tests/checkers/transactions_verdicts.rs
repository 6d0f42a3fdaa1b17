//! Public histories of transactions whose verdicts are known, where they are at hand.

use schism_checkers::models::{self, Judged, Options};
use schism_core::form::{Form, Tape};
use schism_core::format::{self, Format};
use schism_core::limits::Limits;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where more is found than Elle finds: values that nobody wrote; and a cycle with its name where
/// Elle's search gives up.
const SAYS_MORE: &[(&str, &str)] = &[
    ("elle-rw-register/checker-test-01.edn", "garbage-read"),
    ("elle-cli-elle/rw-register.edn", "garbage-read"),
    ("elle-list-append/unfindable-g-single-01.edn", "G-single-item"),
];

fn folder() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let folder = workspace.join("../shared/histories");
    if folder.join("verdicts.tsv").exists() {
        return Some(folder);
    }
    eprintln!("no histories with known verdicts at {}: nothing is compared", folder.display());
    None
}

fn names(form: Form<'_>) -> Option<Vec<String>> {
    let items = form.items().ok()?;
    Some(items.map(|name| name.text().expect("a name").to_owned()).collect())
}

fn options(text: &str) -> Options {
    let mut options = Options::default();
    if let Some(models) = text.strip_prefix("consistency-models=") {
        options.consistency_models = Some(models.split(',').map(str::to_owned).collect());
    }
    if !text.starts_with('{') {
        return options;
    }
    let tape = Tape::from_edn(text).expect("options");
    let map = tape.root();
    let flag = |name: &str| map.get(name).is_some_and(|value| value.bool() == Ok(true));
    options.consistency_models = map.get("consistency-models").and_then(names);
    options.anomalies = map.get("anomalies").and_then(names);
    options.linearizable_keys = flag("linearizable-keys?");
    options.sequential_keys = flag("sequential-keys?");
    options.wfr_keys = flag("wfr-keys?");
    for (index, place) in
        map.get("transaction-order").into_iter().flat_map(|m| m.entries().expect("a map"))
    {
        let index = u64::try_from(index.int().expect("an index")).expect("an index");
        options.transaction_order.insert(index, place.int().expect("a place"));
    }
    options
}

fn judged(file: &Path, model: &str, options: &Options) -> Judged {
    let bytes = std::fs::read(file).expect("a readable file");
    let format = Format::detect(&bytes[..bytes.len().min(4096)]).expect("a known format");
    let mut judge = models::find(model).expect("a model").make(options).expect("options");
    let read = format::read(format, bytes.as_slice(), &mut *judge, &Limits::default());
    read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    judge.judge(&Limits::default())
}

fn listed(judged: &Judged, what: &str) -> BTreeSet<String> {
    let names = judged.findings[0].details[what].as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn set(list: &str) -> BTreeSet<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn rows(folder: &Path, table: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join(table)).expect("a table");
    let rows = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    rows.filter(|row| matches!(row.get(1).map(String::as_str), Some("list-append" | "rw-register")))
        .collect()
}

#[test]
fn verdicts_anomalies_and_boundaries_are_elles() {
    let Some(folder) = folder() else { return };
    let mut wrong: Vec<String> = Vec::new();
    for row in rows(&folder, "verdicts.tsv") {
        let column = |place: usize| row.get(place).map_or("", String::as_str);
        let (file, model, verdict) = (column(0), column(1), column(3));
        let path = folder.join(file);
        if verdict.contains('=') {
            for (level, verdict) in verdict.split(' ').filter_map(|part| part.split_once('=')) {
                let mut asked = Options {
                    consistency_models: Some(vec![level.to_owned()]),
                    ..Options::default()
                };
                if column(2).contains("plume") {
                    asked.define_by_axioms();
                }
                let found = judged(&path, model, &asked);
                if found.verdict.word() != verdict {
                    wrong.push(format!("{file} {level}: {}", found.findings[0].summary));
                }
            }
            continue;
        }
        let found = judged(&path, model, &options(column(2)));
        let types = listed(&found, "anomaly-types");
        if let Some((_, more)) = SAYS_MORE.iter().find(|(name, _)| file.ends_with(name)) {
            assert!(types.contains(*more) && found.verdict.word() == "invalid", "{file} {types:?}");
            continue;
        }
        // elle-cli's own table has no names.
        let named = !file.contains("elle-cli")
            && (types != set(column(4)) || listed(&found, "not") != set(column(5)));
        if found.verdict.word() != verdict || named {
            wrong.push(format!("{file}: {} {types:?}", found.verdict.word()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_history_is_decided() {
    let Some(folder) = folder() else { return };
    for row in rows(&folder, "unlabelled.tsv") {
        let found = judged(&folder.join(&row[0]), &row[1], &options(row.get(2).map_or("", |o| o)));
        let vacuous = listed(&found, "anomaly-types").contains("empty-transaction-graph");
        assert!(found.verdict.word() != "unknown" || vacuous, "{}: {found:#?}", row[0]);
    }
}
