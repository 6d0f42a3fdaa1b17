//! Transactions over lists, as our workloads do them: judged by [`crate::transactions`].
//!
//! A history is put into columns and judged there. Two things are stricter or finer than in
//! [`check_list_append`]: a run in which no transaction that succeeded read anything is unknown,
//! for it shows nothing; and cycles that only the order of one process contradicts say so
//! (`-process`), where Elle would call on real time.
//!
//! ```
//! use schism_checkers::list_append::ListAppend;
//! use schism_core::{api::list_append::ListAppend as Api, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"txn","value":[["append",1,1]]}"#,
//!     "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"txn","value":[["append",1,1]]}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":1,"f":"txn","value":[["r",1,null]]}"#,
//!     "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":1,"f":"txn","value":[["r",1,[]]]}"#, "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = ListAppend::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "G-single-item-realtime");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```
//!
//! [`check_list_append`]: crate::transactions::check_list_append

use crate::model;
use crate::transactions::history::{Mop, Shape, TxnBuilder, TxnHistory};
use crate::transactions::models::{Model, Options};
use crate::transactions::{self, LIST_APPEND, check_lists};
use schism_core::api::list_append::ListAppend as Api;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;

/// The checker's name.
pub const NAME: &str = LIST_APPEND;

/// How `schism check` names it.
pub const MODEL: model::Model = model::Model {
    name: "list-append",
    about: "transactions over lists: strict-serializable, or any other level",
    page: "\
Operations: {f: txn, value: [[:append key element] [:r key nil, then the list] ...]}.
An element is appended to a list at most once; a list begins empty.

Finds what Elle finds: dirty writes (G0), aborted, intermediate and circular reads (G1a, G1b,
G1c), read skew (G-single), lost updates, long forks (G-nonadjacent), write skew (G2), each also
by process order and real time; reads that contradict their own transaction (internal,
future-read) or each other (incompatible-order); elements that stand there twice or that nobody
appended (garbage-read). Every cycle is shown edge by edge. Inside large components nothing is
given up.

Options: --consistency-models a,b (default strict-serializable; read-uncommitted, read-committed,
read-atomic, causal, repeatable-read, snapshot-isolation, serializable, their strong and
strong-session variants, ...), --anomalies a,b (alone: only these).",
    make: |asked| {
        asked.only("list-append", &["--consistency-models", "--anomalies"])?;
        let options = transactions::options(asked)?;
        if let Some(level) = options.consistency_models.iter().find(|level| level.is_axiomatic()) {
            let message = format!("{level} is decided for registers only: --model rw-register");
            return Err(model::BadOption(message));
        }
        Ok(transactions::transactions(Shape::Lists, options, transactions::check_list_append))
    },
};

/// What the transactions have to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// There is one order.
    Serializable,
    /// And it agrees with real time.
    #[default]
    StrictSerializable,
}

/// Judges transactions over lists.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListAppend {
    /// How strictly.
    pub consistency: Consistency,
}

impl Checker<Api> for ListAppend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, run: &RunFacts, limits: &Limits) -> Finding {
        let history = match TxnBuilder::from_lists(history) {
            Ok(history) => history,
            Err(refused) => {
                let why = refused.message;
                return Finding::new(NAME, Verdict::Unknown(why.clone()), why);
            }
        };
        let model = match self.consistency {
            Consistency::Serializable => Model::SERIALIZABLE,
            Consistency::StrictSerializable => Model::STRICT_SERIALIZABLE,
        };
        let options = Options { sessions: true, ..Options::models([model]) };
        let mut finding = check_lists(&history, &options, limits, Some(run));
        if finding.verdict == Verdict::Valid && !anything_read(&history) {
            let why = "vacuous: no transaction that succeeded read anything".to_owned();
            finding.summary.clone_from(&why);
            finding.verdict = Verdict::Unknown(why);
        }
        finding
    }
}

fn anything_read(history: &TxnHistory) -> bool {
    let mut mops = history.returns().iter().flat_map(|txn| history.mops(*txn));
    mops.any(|mop| matches!(mop, Mop::ReadList { .. }))
}
