//! What holds of every model, whatever history it is given: it answers, and soon.
//!
//! The first byte chooses the model, the next two its options, the fourth how the others become a
//! history: as they stand, in EDN or JSON, or by [`plausible::history`].

mod plausible;
mod watchdog;

use schism_checkers::models::{MODELS, Model, Options};
use schism_core::form::Tape;
use schism_core::format::{self, Format};
use schism_core::limits::Limits;
use std::borrow::Cow;

/// Names that are asked for; the last one doesn't exist.
const LEVELS: &[&str] = &[
    "read-uncommitted",
    "read-committed",
    "axiomatic-read-committed",
    "read-atomic",
    "axiomatic-read-atomic",
    "causal",
    "monotonic-atomic-view",
    "cursor-stability",
    "repeatable-read",
    "snapshot-isolation",
    "strong-session-snapshot-isolation",
    "update-serializable",
    "serializable",
    "strong-session-serializable",
    "strict-serializable",
    "eventually",
];

/// Judges a history that is made of these bytes.
///
/// # Panics
/// If a model does, or if it says that something is wrong and not what.
pub fn check(bytes: &[u8]) {
    let [model, first, second, how, rest @ ..] = bytes else { return };
    let model = &MODELS[usize::from(*model) % MODELS.len()];
    let options = options(model, *first, *second);
    let (format, text) = match how % 4 {
        0 => (Format::Edn, Cow::Borrowed(rest)),
        1 => (Format::Json, Cow::Borrowed(rest)),
        _ => (Format::Edn, Cow::Owned(plausible::history(model.page, *how, rest).into_bytes())),
    };
    let limits = Limits::default();
    let _watched = watchdog::watch(&limits);
    let mut judge = model.make(&options).expect("options that it has");
    // A reader stops at what is wrong; what came before is a history too.
    let _refused = format::read(format, &*text, judge.as_mut(), &limits);
    let judged = judge.judge(&limits);
    for anomaly in judged.verdict.anomalies() {
        assert!(!anomaly.kind.is_empty() && !anomaly.summary.is_empty(), "{anomaly:?}");
    }
}

/// Of the options that the bytes ask for, those that the model has.
fn options(model: &Model, first: u8, second: u8) -> Options {
    let mut options = Options::default();
    let asked = |bit: u8| first & 1 << bit != 0;
    let level = |byte: u8| LEVELS[usize::from(byte) % LEVELS.len()].to_owned();
    let mut offer = |change: &dyn Fn(&mut Options)| {
        let mut changed = options.clone();
        change(&mut changed);
        if model.make(&changed).is_ok() {
            options = changed;
        }
    };
    if asked(0) {
        let init = Tape::from_json(&i64::from(second % 4).into());
        offer(&|options| options.init = Some(init.clone()));
    }
    if asked(1) {
        offer(&|options| options.group_size = Some(usize::from(second % 4)));
    }
    if asked(2) {
        offer(&|options| options.negative_balances = true);
    }
    if asked(3) {
        offer(&|options| options.total = Some(i64::from(second)));
    }
    if asked(4) {
        offer(&|options| options.consistency_models = Some(vec![level(second), level(first)]));
        offer(&|options| options.consistency_models = Some(vec![level(second)]));
    }
    if asked(5) {
        let name = ["G0", "G1", "G-single", "G2-item", "internal", "lost-update"];
        let name = name[usize::from(second) % name.len()].to_owned();
        offer(&|options| options.anomalies = Some(vec![name.clone()]));
    }
    if asked(6) {
        offer(&|options| options.linearizable_keys = true);
        offer(&|options| options.wfr_keys = second % 2 == 0);
    }
    if asked(7) {
        offer(&|options| options.sequential_keys = true);
    }
    options
}
