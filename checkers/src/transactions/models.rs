//! Consistency models, the anomalies that they forbid, and what follows from what.
//!
//! Three relations, each a list below: a model implies weaker ones; an anomaly is also an instance
//! of more general ones; a model forbids anomalies. From these follows, for the models that a user
//! expects, every anomaly that would be a violation ([`Options::prohibited`]); and for the
//! anomalies that were found, which models the store can't be ([`boundary`]): `not`, the weakest
//! of them, and `also_not`, the rest.
//!
//! The relations are Elle's, with its sources: Adya (1999) for the `PL-` levels; Bailis et al.,
//! "Highly available transactions" (2013); Cerone, Bernardi and Gotsman (2015); Daudjee and Salem
//! (2004, 2006) for strong session levels. A model has one canonical name (`PL-3`) and may have a
//! friendly one (`serializable`); `strong-serializable` is `strict-serializable`. Added are
//! `garbage-read`, an element that nobody wrote, an instance of G1a, for no committed transaction
//! wrote it; and what deciding weak levels exactly finds (`weak`), such as `causal-cycle`.
//!
//! Added too are `axiomatic-read-committed` and `axiomatic-read-atomic`, as Biswas and Enea (2019)
//! define them: transactions keep the order of their sessions, and one that saw another may not go
//! back behind it. Adya's read committed (`PL-2`) allows that, and Cerone's read atomic knows no
//! sessions; so those names mean less. [`boundary`] speaks of Elle's models only.
//!
//! ```
//! use schism_checkers::transactions::models::{Model, boundary};
//! let found = boundary(["G2-item"]);
//! assert_eq!(found.not, ["repeatable-read"]);
//! assert!(found.also_not.contains(&"serializable"));
//! assert!("snapshot-isolation".parse::<Model>()?.forbids("G-single-item"));
//! assert!(!"snapshot-isolation".parse::<Model>()?.forbids("G2-item"));
//! assert!("eventual".parse::<Model>().is_err());
//! # Ok::<(), schism_checkers::transactions::models::UnknownModel>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

type Relation = &'static [(&'static str, &'static [&'static str])];

/// Friendly name and canonical one.
const NAMES: &[(&str, &str)] = &[
    ("consistent-view", "PL-2+"),
    ("conflict-serializable", "PL-3"),
    ("cursor-stability", "PL-CS"),
    ("forward-consistent-view", "PL-FCV"),
    ("monotonic-snapshot-read", "PL-MSR"),
    ("monotonic-view", "PL-2L"),
    ("read-committed", "PL-2"),
    ("read-uncommitted", "PL-1"),
    ("repeatable-read", "PL-2.99"),
    ("serializable", "PL-3"),
    ("snapshot-isolation", "PL-SI"),
    ("strict-serializable", "PL-SS"),
    ("strong-serializable", "PL-SS"),
    ("update-serializable", "PL-3U"),
    ("strong-session-read-uncommitted", "strong-session-PL-1"),
    ("strong-session-read-committed", "strong-session-PL-2"),
    ("strong-read-uncommitted", "strong-PL-1"),
    ("strong-read-committed", "strong-PL-2"),
];

/// A model and the weaker ones that it directly implies, by canonical names.
const IMPLIES: Relation = &[
    (
        "PL-SS",
        &[
            "PL-3",
            "linearizable",
            "PL-SI",
            "strong-snapshot-isolation",
            "strong-session-serializable",
            "session-serializable",
        ],
    ),
    ("session-serializable", &["1SR"]),
    ("strong-session-serializable", &["PL-3", "strong-session-snapshot-isolation"]),
    ("strong-snapshot-isolation", &["strong-session-snapshot-isolation", "strong-PL-2"]),
    (
        "strong-session-snapshot-isolation",
        &["PL-SI", "strong-session-PL-2", "axiomatic-read-atomic"],
    ),
    ("axiomatic-read-atomic", &["axiomatic-read-committed", "read-atomic"]),
    ("axiomatic-read-committed", &["PL-2"]),
    ("strong-PL-2", &["strong-session-PL-2", "strong-PL-1"]),
    ("strong-PL-1", &["strong-session-PL-1"]),
    ("strong-session-PL-2", &["PL-2", "strong-session-PL-1"]),
    ("strong-session-PL-1", &["PL-1"]),
    ("PL-3", &["PL-2.99", "PL-3U", "PL-SI", "view-serializable"]),
    ("PL-3U", &["PL-FCV"]),
    ("PL-2.99", &["PL-CS", "monotonic-atomic-view"]),
    (
        "PL-SI",
        &["PL-FCV", "monotonic-atomic-view", "PL-MSR", "parallel-snapshot-isolation", "prefix"],
    ),
    ("PL-FCV", &["PL-2+"]),
    ("PL-2+", &["PL-CS", "PL-2L"]),
    ("PL-CS", &["PL-2"]),
    ("PL-2L", &["PL-2"]),
    ("PL-MSR", &["PL-2"]),
    ("PL-2", &["PL-1"]),
    ("parallel-snapshot-isolation", &["causal-cerone", "update-atomic"]),
    ("prefix", &["causal-cerone"]),
    ("causal-cerone", &["read-atomic"]),
    ("update-atomic", &["read-atomic"]),
    ("read-atomic", &["monotonic-atomic-view"]),
    ("monotonic-atomic-view", &["PL-2"]),
    ("linearizable", &["sequential"]),
    ("sequential", &["causal"]),
    ("causal", &["writes-follow-reads", "PRAM"]),
    ("PRAM", &["monotonic-reads", "monotonic-writes", "read-your-writes"]),
];

/// An anomaly and the more general ones of which it is directly an instance.
const INSTANCE_OF: Relation = &[
    ("G0", &["G1c", "G0-process"]),
    ("G0-process", &["G1c-process", "G0-realtime"]),
    ("G0-realtime", &["G1c-realtime"]),
    ("G1a", &["G1"]),
    ("G1b", &["G1"]),
    ("G1c", &["G1", "G1c-process"]),
    ("G1c-process", &["G1c-realtime", "G1-process"]),
    ("G1c-realtime", &["G1-realtime"]),
    ("G1", &["G1-process"]),
    ("G1-process", &["G1-realtime"]),
    ("G-single-item", &["G-single", "G-single-item-process", "G-nonadjacent-item"]),
    (
        "G-single-item-process",
        &["G-single-process", "G-single-item-realtime", "G-nonadjacent-item-process"],
    ),
    ("G-single-item-realtime", &["G-single-realtime", "G-nonadjacent-item-realtime"]),
    ("G-single", &["G-nonadjacent", "GSIb", "G-single-process"]),
    ("G-single-process", &["G-nonadjacent-process", "G-single-realtime"]),
    ("G-single-realtime", &["G-nonadjacent-realtime"]),
    ("G-nonadjacent-item", &["G-nonadjacent", "G2-item", "G-nonadjacent-item-process"]),
    (
        "G-nonadjacent-item-process",
        &["G-nonadjacent-process", "G2-item-process", "G-nonadjacent-item-realtime"],
    ),
    ("G-nonadjacent-item-realtime", &["G2-item-realtime", "G-nonadjacent-realtime"]),
    ("G-nonadjacent", &["G2", "G-nonadjacent-process"]),
    ("G-nonadjacent-process", &["G2-process", "G-nonadjacent-realtime"]),
    ("G-nonadjacent-realtime", &["G2-realtime"]),
    ("G2", &["G2-process"]),
    ("G2-item", &["G2", "G2-item-process"]),
    ("G2-item-process", &["G2-process", "G2-item-realtime"]),
    ("G2-item-realtime", &["G2-realtime"]),
    ("G2-process", &["G2-realtime"]),
    ("read-committed-cycle", &["read-committed-cycle-process", "read-atomic-cycle"]),
    ("read-committed-cycle-process", &["read-atomic-cycle-process"]),
    ("read-atomic-cycle", &["read-atomic-cycle-process", "causal-cycle"]),
    ("read-atomic-cycle-process", &["causal-cycle-process"]),
    ("causal-cycle", &["causal-cycle-process"]),
    ("non-serializable", &["non-serializable-process"]),
    ("non-serializable-process", &["non-serializable-realtime"]),
    ("non-snapshot-isolation", &["non-serializable", "non-snapshot-isolation-process"]),
    (
        "non-snapshot-isolation-process",
        &["non-serializable-process", "non-snapshot-isolation-realtime"],
    ),
    ("non-snapshot-isolation-realtime", &["non-serializable-realtime"]),
    ("GSIa", &["GSI"]),
    ("GSIb", &["GSI"]),
    ("incompatible-order", &["G1a"]),
    ("garbage-read", &["G1a"]),
    ("future-read", &["G1c"]),
    ("dirty-update", &["G1a"]),
    ("lost-update", &["write-skew", "G2-item"]),
    ("unread-own-write", &["internal"]),
    ("write-skew", &["G2"]),
];

/// A model and what it forbids beyond what the models that it implies forbid.
const FORBIDS: Relation = &[
    ("causal-cerone", &["internal", "G1a", "causal-cycle"]),
    ("monotonic-atomic-view", &["read-committed-cycle"]),
    ("PL-CS", &["G1", "G-cursor", "lost-update"]),
    ("PL-2L", &["G1", "G-monotonic", "read-committed-cycle"]),
    ("PL-MSR", &["G1", "G-MSR"]),
    ("PL-2+", &["G1", "G-single"]),
    ("PL-FCV", &["G1", "G-SIb"]),
    ("parallel-snapshot-isolation", &["internal", "G1a"]),
    (
        "PL-3",
        &["G1", "G2", "predicate-read-miss", "PL-3-cycle-exists", "internal", "non-serializable"],
    ),
    ("PL-2", &["G1", "PL-2-cycle-exists"]),
    ("axiomatic-read-committed", &["read-committed-cycle-process", "unread-own-write"]),
    ("axiomatic-read-atomic", &["read-atomic-cycle-process"]),
    ("PL-1", &["G0", "duplicate-elements", "cyclic-versions", "PL-1-cycle-exists"]),
    ("prefix", &["internal", "G1a"]),
    (
        "PL-SI",
        &[
            "internal",
            "G1",
            "G-SI",
            "G-nonadjacent",
            "PL-SI-cycle-exists",
            "non-snapshot-isolation",
        ],
    ),
    ("read-atomic", &["internal", "G1a", "future-read", "read-atomic-cycle"]),
    ("PL-2.99", &["G1", "G2-item", "PL-2.99-cycle-exists", "lost-update"]),
    ("update-atomic", &["lost-update"]),
    (
        "PL-SS",
        &["G1", "G1c-realtime", "G2-realtime", "PL-SS-cycle-exists", "non-serializable-realtime"],
    ),
    ("strong-session-PL-1", &["strong-session-PL-1-cycle-exists", "G0-process"]),
    ("strong-session-PL-2", &["strong-session-PL-2-cycle-exists", "G1c-process"]),
    ("strong-PL-1", &["strong-PL-1-cycle-exists", "G0-realtime"]),
    ("strong-PL-2", &["strong-PL-2-cycle-exists", "G1c-realtime"]),
    (
        "strong-session-snapshot-isolation",
        &[
            "internal",
            "G1-process",
            "G-nonadjacent-process",
            "causal-cycle-process",
            "non-snapshot-isolation-process",
            "strong-session-snapshot-isolation-cycle-exists",
        ],
    ),
    (
        "strong-snapshot-isolation",
        &[
            "internal",
            "G1-realtime",
            "G-nonadjacent-realtime",
            "non-snapshot-isolation-realtime",
            "strong-snapshot-isolation-cycle-exists",
        ],
    ),
    (
        "strong-session-serializable",
        &[
            "G1-process",
            "G2-process",
            "non-serializable-process",
            "strong-session-serializable-cycle-exists",
        ],
    ),
    ("PL-3U", &["G1", "G-update"]),
];

/// Anomalies that make a verdict unknown rather than invalid.
pub const UNKNOWN: &[&str] = &["empty-transaction-graph", "cycle-search-timeout"];

/// All that the relation leads to, with the start.
fn forward<'a>(relation: Relation, start: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<&'a str> = start.into_iter().collect();
    while let Some(name) = todo.pop() {
        if found.insert(name) {
            let rows = relation.iter().filter(|(from, _)| *from == name);
            todo.extend(rows.flat_map(|(_, to)| to.iter().copied()));
        }
    }
    found
}

/// All from which the relation leads here, with the start.
fn backward<'a>(relation: Relation, start: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<&'a str> = start.into_iter().collect();
    while let Some(name) = todo.pop() {
        if found.insert(name) {
            let rows = relation.iter().filter(|(_, to)| to.contains(&name));
            todo.extend(rows.map(|(from, _)| *from));
        }
    }
    found
}

/// A consistency model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Model(&'static str);

impl Model {
    /// What Elle's checkers expect if nobody says otherwise.
    pub const STRICT_SERIALIZABLE: Self = Self("PL-SS");
    /// There is one order.
    pub const SERIALIZABLE: Self = Self("PL-3");

    /// Every model, by canonical name.
    pub fn all() -> impl Iterator<Item = Self> {
        let names: BTreeSet<&'static str> =
            IMPLIES.iter().flat_map(|(from, to)| to.iter().copied().chain([*from])).collect();
        names.into_iter().map(Self)
    }

    /// The canonical name, such as `PL-2`.
    pub fn canonical(self) -> &'static str {
        self.0
    }

    /// The name that people use, such as `read-committed`.
    pub fn friendly(self) -> &'static str {
        friendly(self.0)
    }

    /// Is it one of the levels that sets of axioms define, of registers?
    pub fn is_axiomatic(self) -> bool {
        self.0.starts_with("axiomatic-")
    }

    /// Would this anomaly be a violation?
    pub fn forbids(self, anomaly: &str) -> bool {
        prohibited_by([self]).contains(anomaly)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.friendly())
    }
}

fn friendly(canonical: &'static str) -> &'static str {
    match canonical {
        "PL-3" => "serializable",
        _ => NAMES.iter().find(|(_, name)| *name == canonical).map_or(canonical, |(name, _)| name),
    }
}

/// A name that is no model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel(String);

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known: Vec<&str> = Model::all().map(Model::friendly).collect();
        known.extend(NAMES.iter().map(|(name, _)| *name));
        known.sort_unstable();
        known.dedup();
        write!(f, "expected a consistency model: {}; found {:?}", known.join(", "), self.0)
    }
}

impl std::error::Error for UnknownModel {}

impl FromStr for Model {
    type Err = UnknownModel;

    /// Reads a friendly or canonical name, with or without a keyword's colon.
    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        let name = text.strip_prefix(':').unwrap_or(text);
        let canonical = NAMES.iter().find(|(friendly, _)| *friendly == name);
        let name = canonical.map_or(name, |(_, canonical)| canonical);
        Self::all().find(|model| model.0 == name).ok_or_else(|| UnknownModel(text.to_owned()))
    }
}

/// Every model that holds if these do, with themselves, by friendly names.
pub fn implied(models: impl IntoIterator<Item = Model>) -> BTreeSet<&'static str> {
    let implied = forward(IMPLIES, models.into_iter().map(|model| model.0));
    implied.into_iter().map(friendly).collect()
}

/// Every anomaly that can't be if all of these models hold.
pub fn prohibited_by(models: impl IntoIterator<Item = Model>) -> BTreeSet<&'static str> {
    let implied = forward(IMPLIES, models.into_iter().map(|model| model.0));
    let rows = FORBIDS.iter().filter(|(model, _)| implied.contains(model));
    backward(INSTANCE_OF, rows.flat_map(|(_, anomalies)| anomalies.iter().copied()))
}

/// Every anomaly that is known, by name.
pub fn anomalies() -> BTreeSet<&'static str> {
    let instances = INSTANCE_OF.iter().flat_map(|(from, to)| to.iter().copied().chain([*from]));
    let forbidden = FORBIDS.iter().flat_map(|(_, anomalies)| anomalies.iter().copied());
    instances.chain(forbidden).chain(UNKNOWN.iter().copied()).collect()
}

/// Every anomaly of which this is an instance, with itself.
pub fn implied_by(anomaly: &str) -> BTreeSet<&str> {
    forward(INSTANCE_OF, [anomaly])
}

/// Every model, by canonical name, that can't hold if there are these anomalies.
pub fn impossible<'a>(anomalies: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'static str> {
    let implied = forward(INSTANCE_OF, anomalies);
    let rows = FORBIDS
        .iter()
        .filter(|(_, forbidden)| forbidden.iter().any(|anomaly| implied.contains(anomaly)));
    backward(IMPLIES, rows.map(|(model, _)| *model))
}

/// Which models are ruled out, by their friendly names, each list in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundary {
    /// The weakest: those that imply none of the others.
    pub not: Vec<&'static str>,
    /// The rest, each stronger than one of the weakest.
    pub also_not: Vec<&'static str>,
}

/// What these anomalies rule out.
pub fn boundary<'a>(anomalies: impl IntoIterator<Item = &'a str>) -> Boundary {
    let mut impossible = impossible(anomalies);
    impossible.retain(|model| !Model(model).is_axiomatic());
    let weakest = |model: &&'static str| {
        forward(IMPLIES, [*model]).iter().all(|other| other == model || !impossible.contains(other))
    };
    let (not, also): (Vec<_>, Vec<_>) = impossible.iter().copied().partition(weakest);
    let names = |models: Vec<&'static str>| {
        let mut names: Vec<_> = models.into_iter().map(friendly).collect();
        names.sort_unstable();
        names
    };
    Boundary { not: names(not), also_not: names(also) }
}

/// What is expected of a history, as Elle's checkers take it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own, named by users")]
pub struct Options {
    /// The models that are to hold.
    pub consistency_models: Vec<Model>,
    /// Anomalies that are not to be, besides; with what is an instance of them.
    pub anomalies: Vec<String>,
    /// Assume that each key by itself is linearizable (registers).
    pub linearizable_keys: bool,
    /// Assume that each key by itself is sequentially consistent (registers).
    pub sequential_keys: bool,
    /// Assume that within a transaction a write follows the reads of its key (registers).
    pub wfr_keys: bool,
    /// An order of transactions known from elsewhere, by the index of their completions: versions
    /// of a key are ordered as it orders their writers, and those that it leaves out come first
    /// (registers).
    pub transaction_order: BTreeMap<u64, i64>,
    /// Name cycles by process order too where real time counts. Elle does not: there a process's
    /// order is part of real time. Verdicts are the same.
    pub sessions: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            consistency_models: vec![Model::STRICT_SERIALIZABLE],
            anomalies: Vec::new(),
            linearizable_keys: false,
            sequential_keys: false,
            wfr_keys: false,
            transaction_order: BTreeMap::new(),
            sessions: false,
        }
    }
}

impl Options {
    /// These models are to hold.
    pub fn models(models: impl IntoIterator<Item = Model>) -> Self {
        Self { consistency_models: models.into_iter().collect(), ..Self::default() }
    }

    /// Only these anomalies are not to be.
    pub fn only<'a>(anomalies: impl IntoIterator<Item = &'a str>) -> Self {
        let anomalies =
            anomalies.into_iter().map(|name| name.strip_prefix(':').unwrap_or(name).to_owned());
        Self { consistency_models: Vec::new(), anomalies: anomalies.collect(), ..Self::default() }
    }

    /// Every anomaly that would be a violation.
    pub fn prohibited(&self) -> BTreeSet<&str> {
        let mut prohibited: BTreeSet<&str> =
            prohibited_by(self.consistency_models.iter().copied()).into_iter().collect();
        prohibited.extend(backward(INSTANCE_OF, self.anomalies.iter().map(String::as_str)));
        prohibited
    }

    /// Does process order matter, and does real time?
    pub fn orders(&self) -> (bool, bool) {
        let prohibited = self.prohibited();
        let any = |suffix: &str| {
            let bases = ["G0", "G1c", "G-single", "G-nonadjacent", "G2"];
            let of = |base: &str| {
                prohibited.contains(format!("{base}{suffix}").as_str())
                    || prohibited.contains(format!("{base}-item{suffix}").as_str())
            };
            bases.into_iter().any(of)
        };
        let realtime = any("-realtime");
        ((self.sessions || !realtime) && any("-process"), realtime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_a_relation_is_canonical_and_no_relation_is_circular() {
        let models: BTreeSet<&str> = Model::all().map(Model::canonical).collect();
        for (model, _) in FORBIDS {
            assert!(models.contains(model), "{model}");
        }
        for (friendly, canonical) in NAMES {
            assert!(models.contains(canonical), "{canonical}");
            assert!(!models.contains(friendly), "{friendly}");
        }
        for relation in [IMPLIES, INSTANCE_OF] {
            for (from, to) in relation {
                assert!(to.iter().all(|to| !forward(relation, [*to]).contains(from)), "{from}");
            }
        }
    }

    #[test]
    fn boundaries_are_the_weakest_models() {
        let not = |anomalies: &[&'static str]| boundary(anomalies.iter().copied()).not;
        assert_eq!(not(&["G0"]), ["read-uncommitted"]);
        assert_eq!(not(&["G1a"]), ["read-committed"]);
        assert_eq!(not(&["G-single-item"]), ["consistent-view", "repeatable-read"]);
        assert_eq!(not(&["G-nonadjacent-item"]), ["repeatable-read", "snapshot-isolation"]);
        assert_eq!(not(&["G-single-item-realtime"]), ["strong-snapshot-isolation"]);
        assert_eq!(not(&["G-single-item-process"]), ["strong-session-snapshot-isolation"]);
        assert!(not(&["empty-transaction-graph"]).is_empty());
    }

    #[test]
    fn what_is_prohibited_grows_with_the_model() {
        for weaker in Model::all() {
            for stronger in Model::all() {
                if forward(IMPLIES, [stronger.0]).contains(weaker.0) {
                    assert!(prohibited_by([stronger]).is_superset(&prohibited_by([weaker])));
                }
            }
        }
    }

    #[test]
    fn orders_follow_from_what_is_expected() {
        assert_eq!(Options::default().orders(), (false, true));
        assert_eq!(Options::models([Model::SERIALIZABLE]).orders(), (false, false));
        let session = "strong-session-serializable".parse().unwrap();
        assert_eq!(Options::models([session]).orders(), (true, false));
        assert_eq!(Options::only(["G2"]).orders(), (false, false));
        assert_eq!(Options { sessions: true, ..Options::default() }.orders(), (true, true));
    }
}
