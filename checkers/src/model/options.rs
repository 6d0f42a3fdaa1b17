//! What a user may ask of a model.

use schism_core::form::Tape;
use std::collections::BTreeMap;
use std::fmt;

/// What a user may ask of a model; what was not asked for is `None` or false.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own, named by users")]
pub struct Options {
    /// What an object holds before its first write.
    pub init: Option<Tape>,
    /// Long fork: how many keys a group has.
    pub group_size: Option<usize>,
    /// Bank: accounts may be overdrawn.
    pub negative_balances: bool,
    /// Bank: what all accounts hold together; semaphore: how many permits there are.
    pub total: Option<i64>,
    /// Consistency models that are to hold, by name.
    pub consistency_models: Option<Vec<String>>,
    /// Anomalies that are not to be, by name.
    pub anomalies: Option<Vec<String>>,
    /// Assume that each key by itself is linearizable.
    pub linearizable_keys: bool,
    /// Assume that each key by itself is sequentially consistent.
    pub sequential_keys: bool,
    /// Assume that within a transaction a write follows the reads of its key.
    pub wfr_keys: bool,
    /// Registers: an order of transactions known from elsewhere, by the index of their completions.
    pub transaction_order: BTreeMap<u64, i64>,
}

/// An option that a model can't take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOption(pub String);

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadOption {}

impl Options {
    /// Takes the names of isolation levels as Plume and AWDIT mean them, who define them by axioms:
    /// `read-committed` becomes `axiomatic-read-committed`, and so does `read-atomic`. These are
    /// stronger than what Elle and Adya mean. The answer then names them so.
    ///
    /// ```
    /// use schism_checkers::models::Options;
    /// let names = vec!["read-committed".to_owned(), "causal".to_owned()];
    /// let mut options = Options { consistency_models: Some(names), ..Options::default() };
    /// options.define_by_axioms();
    /// assert_eq!(options.consistency_models.unwrap(), ["axiomatic-read-committed", "causal"]);
    /// ```
    pub fn define_by_axioms(&mut self) {
        for name in self.consistency_models.iter_mut().flatten() {
            let plain = name.strip_prefix(':').unwrap_or(name);
            if matches!(plain, "read-committed" | "read-atomic") {
                *name = format!("axiomatic-{plain}");
            }
        }
    }

    /// The names of the options that were given, as on the command line.
    pub fn given(&self) -> Vec<&'static str> {
        [
            ("--init", self.init.is_some()),
            ("--group-size", self.group_size.is_some()),
            ("--negative-balances", self.negative_balances),
            ("--total", self.total.is_some()),
            ("--consistency-models", self.consistency_models.is_some()),
            ("--anomalies", self.anomalies.is_some()),
            ("--linearizable-keys", self.linearizable_keys),
            ("--sequential-keys", self.sequential_keys),
            ("--wfr-keys", self.wfr_keys),
            ("--transaction-order", !self.transaction_order.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// Refuses any option that is not among these.
    pub fn only(&self, model: &str, taken: &[&str]) -> Result<(), BadOption> {
        match self.given().into_iter().find(|name| !taken.contains(name)) {
            None => Ok(()),
            Some(other) if taken.is_empty() => {
                Err(BadOption(format!("model {model} has no options, found {other}")))
            }
            Some(other) => Err(BadOption(format!(
                "model {model} has no option {other}; expected {}",
                taken.join(", ")
            ))),
        }
    }
}
