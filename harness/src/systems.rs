//! The systems under test that Schism knows.
//!
//! Adding one is one file below this module and one line in [`crate::registry`].

pub mod embedded;
pub mod etcd;

use schism_core::record::TestRecord;
use schism_core::system::System;
use std::collections::BTreeMap;

/// What the user decides about a system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemOptions {
    /// How reads are asked for; empty for the system's default.
    pub reads: String,
    /// Everything given by `--option name=value`.
    pub options: BTreeMap<String, String>,
    /// The run's seed, for systems that draw chance themselves.
    pub seed: u64,
    /// What tells this run from every other: a store that outlives runs must not show one the keys
    /// of another.
    pub run: String,
}

impl SystemOptions {
    /// Those of a stored run.
    pub fn of(record: &TestRecord) -> Self {
        Self {
            reads: record.reads.clone(),
            options: record.options.clone(),
            seed: record.seed,
            run: format!("{}-{}", record.started, record.seed),
        }
    }
}

/// A system that can be made from the command line's options.
pub trait Configure: System {
    /// Makes it.
    ///
    /// # Errors
    /// If it doesn't have an option that was given.
    fn configure(options: &SystemOptions) -> anyhow::Result<Self>;
}
