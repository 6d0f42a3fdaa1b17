//! By what histories are judged, and how much that may cost: what `check` and `explain` share.

use anyhow::{Context as _, anyhow, bail};
use bytesize::ByteSize;
use clap::Args;
use schism_checkers::models::{self, Model, Options};
use schism_core::form::{Form, Tape};
use schism_core::format::Format;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A model with its options, the input's format, and limits.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Judging {
    /// What to judge histories by; left out, FILE is a run directory
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The histories' format
    #[arg(long, default_value = "auto", value_name = "FORMAT",
          value_parser = ["auto", "jsonl", "edn", "json", "jepsen-log", "plume"])]
    pub(crate) format: String,
    /// The most wall-clock time for one file; over it the verdict is unknown
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) time_limit: Option<Duration>,
    /// The most memory for one file; over it the verdict is unknown [default: 3/4 of what is free]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) memory_limit: Option<u64>,
    /// What an object holds before its first write, as JSON or EDN: a number, nil, a map by key
    #[arg(long, value_name = "VALUE", help_heading = "Options of models")]
    pub(crate) init: Option<String>,
    /// The consistency models that transactions have to meet, by Elle's names
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Options of models")]
    pub(crate) consistency_models: Option<Vec<String>>,
    /// Anomalies to look for; alone, these and what is an instance of them are all that counts
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Options of models")]
    pub(crate) anomalies: Option<Vec<String>>,
    /// rw-register: assume that each key by itself is linearizable
    #[arg(long, help_heading = "Options of models")]
    pub(crate) linearizable_keys: bool,
    /// rw-register: assume that each key by itself is sequentially consistent
    #[arg(long, help_heading = "Options of models")]
    pub(crate) sequential_keys: bool,
    /// rw-register: assume that in a transaction a write follows the reads of its key
    #[arg(long, help_heading = "Options of models")]
    pub(crate) wfr_keys: bool,
    /// rw-register: the store's own order of commits, as JSON or EDN: a map from the index of a
    /// transaction's completion to its place
    #[arg(long, value_name = "MAP", help_heading = "Options of models")]
    pub(crate) transaction_order: Option<String>,
    /// long-fork: how many keys a group has
    #[arg(long, value_name = "N", help_heading = "Options of models")]
    pub(crate) group_size: Option<usize>,
    /// bank: accounts may be overdrawn
    #[arg(long, help_heading = "Options of models")]
    pub(crate) negative_balances: bool,
    /// bank: what all accounts hold together [default: what the first read shows]
    #[arg(long, value_name = "AMOUNT", help_heading = "Options of models")]
    pub(crate) total: Option<i64>,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("expected a time such as 60s or 5m: {e}"))
}

fn bytes(text: &str) -> Result<u64, String> {
    let size: ByteSize =
        text.parse().map_err(|e| format!("expected a size such as 512MiB or 4GiB: {e}"))?;
    Ok(size.as_u64())
}

/// A value as JSON or EDN.
fn form(text: &str) -> anyhow::Result<Tape> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Tape::from_json(&value)),
        Err(_) => Ok(Tape::from_edn(text)?),
    }
}

impl Judging {
    /// The model, and the options as it takes them; checks that it does.
    pub(crate) fn make(&self) -> anyhow::Result<(&'static Model, Options)> {
        let name = self.model.as_deref().context("--model is missing")?;
        let model = models::find(name).ok_or_else(|| {
            let known: Vec<&str> = models::MODELS.iter().map(|model| model.name).collect();
            anyhow!("unknown model {name:?}; expected one of {}", known.join(", "))
        })?;
        let options = self.options()?;
        model.make(&options)?;
        Ok((model, options))
    }

    fn options(&self) -> anyhow::Result<Options> {
        let init = self.init.as_ref().map(|text| {
            form(text).with_context(|| {
                format!("--init: expected JSON or EDN such as 0, null or {{\"x\":0}}, found {text}")
            })
        });
        if self.group_size == Some(0) {
            bail!("--group-size: expected a number from 1, found 0");
        }
        Ok(Options {
            init: init.transpose()?,
            transaction_order: self.order()?,
            group_size: self.group_size,
            negative_balances: self.negative_balances,
            total: self.total,
            consistency_models: self.consistency_models.clone(),
            anomalies: self.anomalies.clone(),
            linearizable_keys: self.linearizable_keys,
            sequential_keys: self.sequential_keys,
            wfr_keys: self.wfr_keys,
        })
    }

    /// `--transaction-order`; JSON's keys are numbers in quotes.
    fn order(&self) -> anyhow::Result<BTreeMap<u64, i64>> {
        const EXPECTED: &str = "--transaction-order: expected a map such as {\"1\":0,\"3\":1}";
        let Some(text) = &self.transaction_order else { return Ok(BTreeMap::new()) };
        let tape = form(text).context(EXPECTED)?;
        let entry = |(index, place): (Form<'_>, Form<'_>)| {
            let index = match index.word() {
                Some(word) => word.parse().context(EXPECTED)?,
                None => u64::try_from(index.int().context(EXPECTED)?).context(EXPECTED)?,
            };
            Ok((index, place.int().context(EXPECTED)?))
        };
        tape.root().entries().context(EXPECTED)?.map(entry).collect()
    }

    /// The format that was asked for; `None` to look.
    pub(crate) fn asked_format(&self) -> Option<Format> {
        self.format.parse().ok()
    }
}
