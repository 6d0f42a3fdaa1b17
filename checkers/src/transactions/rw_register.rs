//! Judges transactions over registers.

use super::complete;
use super::history::{Shape, TxnHistory};
use super::models::Options;
use super::registers::Registers;
use super::report::{self, Anomalies, Case};
use super::weak;
use crate::models;
use schism_core::checker::Finding;
use schism_core::limits::Limits;
use schism_core::verdict::Verdict;
use serde_json::json;

/// The checker's name.
pub(super) const NAME: &str = "rw-register";

/// How `schism check` names it.
pub const MODEL: models::Model = models::Model {
    name: NAME,
    about: "transactions over registers: strict-serializable, or any other level",
    page: "\
Operations: {f: txn, value: [[:w key value] [:r key nil, then the value] ...]}.
A value is written to a key at most once; a key begins as nil.

Finds what Elle finds: aborted, intermediate and circular reads (G1a, G1b, G1c), dirty writes
(G0), read skew (G-single), lost updates, long forks (G-nonadjacent), write skew (G2), each also
by process order and real time; reads that contradict their own transaction (internal,
future-read); orders of versions that contradict each other (cyclic-versions). Besides, values
that nobody wrote, unless a key may have held them when the history began (garbage-read).

Options: --consistency-models a,b (default strict-serializable; read-uncommitted, read-committed,
read-atomic, axiomatic-read-committed, axiomatic-read-atomic, causal, repeatable-read,
snapshot-isolation, serializable, their strong and strong-session variants, ...), --anomalies a,b
(alone: only these). Which version came after which may be assumed from --wfr-keys (in a
transaction, writes follow reads), --sequential-keys (each process meets a key's versions in order),
--linearizable-keys (so do transactions one after the
other), --transaction-order (as the store itself says, by the index of completions).

read-committed is Adya's (PL-2: no G0, G1a, G1b, G1c), as with Elle; read-atomic is Cerone's, where
no session counts. The levels that Biswas and Enea (2019) define by axioms, with the order of each
process, are stronger: axiomatic-read-committed, axiomatic-read-atomic, causal. Of text in Plume's
format, read-committed and read-atomic mean these, as for Plume and AWDIT. All but PL-2 are decided
exactly. Asked for serializable or snapshot-isolation, with or
without sessions or real time, it looks for an order that explains the history: `proved` names the
models of which one was found and executed; if there can be none, the history is invalid
(non-serializable, non-snapshot-isolation); `complete` says which, or that it was not decided. Of
more than 300,000 transactions, only an order that keeps real time is looked for.",
    make: |asked| {
        let taken = [
            "--consistency-models",
            "--anomalies",
            "--linearizable-keys",
            "--sequential-keys",
            "--wfr-keys",
            "--transaction-order",
        ];
        asked.only(NAME, &taken)?;
        let options = super::options(asked)?;
        Ok(super::transactions(Shape::Registers, options, check_rw_register))
    },
};

/// Judges a history of transactions over registers by what is expected of it.
pub fn check_rw_register(history: &TxnHistory, options: &Options, limits: &Limits) -> Finding {
    let mut options = options.clone();
    weak::expect(&mut options);
    let mut registers = match Registers::new(history, &options) {
        Ok(registers) => registers,
        Err(why) => {
            let finding = Finding::new(NAME, Verdict::Unknown(why.clone()), why);
            return finding.with_details(json!({ "anomaly-types": ["duplicate-writes"] }));
        }
    };
    let mut anomalies = Anomalies::default();
    let found = registers.anomalies(&mut anomalies.first);
    registers.order_versions(&mut anomalies.first);
    for lost in found.lost_updates {
        anomalies.last.add("lost-update", || lost);
    }
    let models = &options.consistency_models;
    let plausible = anomalies.first.is_empty() && registers.begins_as_one();
    let weak = weak::decide(&registers, models, limits, &mut anomalies);
    let edges = registers.edges();
    let case = Case { name: NAME, history, options: &options, limits, run: None };
    let mut finding = report::judge(case, anomalies, &registers, edges);
    if found.given > 0 {
        finding.details["values-held-at-the-beginning"] = json!(found.given);
    }
    let proved = !weak.proved.is_empty();
    report::add_proved(&mut finding, weak.proved);
    if finding.verdict == Verdict::Valid {
        if plausible {
            complete::complete(&registers, models, limits, &mut finding);
        } else if !weak::decides(models) || !proved {
            let why = "not decided completely: some reads name no write that they can have read";
            finding.details["complete"] = json!(why);
            finding.summary = format!("{}, as far as was found; {why}", finding.summary);
        }
    }
    if let Some(why) = weak.undecided.filter(|_| finding.verdict == Verdict::Valid) {
        finding.summary = format!("undecided: {why}");
        finding.verdict = Verdict::Unknown(why);
    }
    finding
}
