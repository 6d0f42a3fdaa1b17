//! How `schism check` judges transactional histories: events go straight into columns.
//!
//! Options are Elle's: which consistency models are to hold, which anomalies are not to be, what
//! may be assumed of registers. Anomalies alone are judged alone, as with Elle's
//! `:consistency-models nil`; with neither, what is expected is strict serializability.
//!
//! ```
//! use schism_checkers::models::{self, Options};
//! let model = models::find("list-append").unwrap();
//! let names = Some(vec!["eventual".to_owned()]);
//! let asked = Options { consistency_models: names, ..Default::default() };
//! let error = model.make(&asked).err().unwrap().to_string();
//! assert!(error.contains("read-committed") && error.contains("\"eventual\""), "{error}");
//! ```

use super::history::{Shape, TxnBuilder, TxnHistory};
use super::models::{self, Model, Options};
use crate::model::{BadOption, Judge, Judged, Options as Asked};
use schism_core::checker::Finding;
use schism_core::event::RawEvent;
use schism_core::history::{Refused, Sink};
use schism_core::limits::Limits;

/// How a whole history is judged.
pub(crate) type Check = fn(&TxnHistory, &Options, &Limits) -> Finding;

struct Transactions {
    builder: TxnBuilder,
    options: Options,
    check: Check,
}

/// Judges by this check what comes of an option's wishes.
pub(crate) fn transactions(shape: Shape, options: Options, check: Check) -> Box<dyn Judge> {
    Box::new(Transactions { builder: TxnBuilder::new(shape), options, check })
}

impl Sink for Transactions {
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        self.builder.push_raw(raw)
    }
}

impl Judge for Transactions {
    fn operations(&self) -> usize {
        self.builder.len()
    }

    fn judge(self: Box<Self>, limits: &Limits) -> Judged {
        (self.check)(&self.builder.finish(), &self.options, limits).into()
    }
}

/// What a user asked for, by names.
pub(crate) fn options(asked: &Asked) -> Result<Options, BadOption> {
    let mut consistency_models = match (&asked.consistency_models, &asked.anomalies) {
        (Some(names), _) => names.iter().map(|name| model(name)).collect::<Result<Vec<_>, _>>()?,
        (None, Some(_)) => Vec::new(),
        (None, None) => vec![Model::STRICT_SERIALIZABLE],
    };
    // Of transactions, causality means Cerone's model too.
    if consistency_models.iter().any(|model| model.canonical() == "causal") {
        consistency_models.push(model("causal-cerone")?);
    }
    let names = asked.anomalies.iter().flatten();
    let anomalies = names.map(|name| anomaly(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(Options {
        consistency_models,
        anomalies,
        linearizable_keys: asked.linearizable_keys,
        sequential_keys: asked.sequential_keys,
        wfr_keys: asked.wfr_keys,
        transaction_order: asked.transaction_order.clone(),
        ..Options::default()
    })
}

fn model(name: &str) -> Result<Model, BadOption> {
    name.parse().map_err(|unknown: models::UnknownModel| BadOption(unknown.to_string()))
}

fn anomaly(name: &str) -> Result<String, BadOption> {
    let plain = name.strip_prefix(':').unwrap_or(name);
    let known = models::anomalies();
    if known.contains(plain) {
        return Ok(plain.to_owned());
    }
    let known: Vec<&str> = known.into_iter().collect();
    Err(BadOption(format!("expected an anomaly: {}; found {name:?}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_alone_are_judged_alone() {
        let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let asked = Asked { anomalies: some(&[":G1"]), ..Asked::default() };
        let only = options(&asked).unwrap();
        assert!(only.consistency_models.is_empty());
        assert_eq!(only.anomalies, ["G1"]);
        assert_eq!(options(&Asked::default()).unwrap(), Options::default());
        let both = Asked { consistency_models: some(&["serializable"]), ..asked };
        assert_eq!(options(&both).unwrap().consistency_models, [Model::SERIALIZABLE]);
        let wrong = Asked { anomalies: some(&["G7"]), ..Asked::default() };
        let error = options(&wrong).unwrap_err().to_string();
        assert!(error.contains("G-single-item") && error.contains("G7"), "{error}");
    }
}
