//! Bank: money moves between accounts, and is neither made nor lost.
//!
//! Every transfer takes from one account what it gives to another, so under snapshot isolation or
//! anything stronger each read of all accounts shows the same total. Kinds, each found in a single
//! read:
//! - `wrong-total`: the balances do not add up to the total;
//! - `negative-value`: an account is overdrawn, unless that is allowed;
//! - `unexpected-key`: an account that neither the first read has nor any transfer names;
//! - `nil-balance`: an account without a balance.
//!
//! What the total is may be said ([`Bank::total`]); else it is what the read shows that returned
//! first. That accuses nobody falsely: the total never changes, so of two reads that differ one is
//! wrong, whichever it is. Accounts are those of the first read and all that a transfer names,
//! since a system may keep no row for an account that is empty. A read that lacks an account is
//! judged by its total alone.
//!
//! Source: Jepsen's `bank` workload, as Knossos' and Elle's users know it. It judges reads by
//! themselves and infers no order; that a read is stale is for other checkers to find. `O(n)`.
//!
//! ```
//! use schism_checkers::bank::Bank;
//! use schism_core::{api::bank::Bank as Api, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"read"}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"read","value":{"0":5,"1":5}}"#, "\n",
//!     r#"{"index":2,"time":3,"type":"invoke","process":0,"f":"read"}"#, "\n",
//!     r#"{"index":3,"time":4,"type":"ok","process":0,"f":"read","value":{"0":3,"1":5}}"#, "\n",
//! );
//! let history = History::<Api>::from_jsonl(lines.as_bytes())?.history;
//! let finding = Bank::default().check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "wrong-total");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{asked, count, ended, some, stopped};
use rustc_hash::FxHashSet;
use schism_core::api::Key;
use schism_core::api::bank::{Bank as Api, Call, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

/// The checker's name.
pub const NAME: &str = "bank";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "transfers between accounts: every read shows the same total",
    page: "\
Operations: {f: transfer, value: {from: 1, to: 2, amount: 5}}, {f: read, value: nil, then a map from
account to balance}.
Finds: wrong-total, negative-value, unexpected-key, nil-balance, each in a single read.
Options: --total N (default: what the first read shows), --negative-balances (they are allowed).",
    make: |options| {
        options.only(NAME, &["--total", "--negative-balances"])?;
        Ok(typed(Bank { total: options.total, negative_balances: options.negative_balances }))
    },
};

/// Judges reads of all accounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bank {
    /// What all accounts hold together; `None`: what the first read shows.
    pub total: Option<i64>,
    /// Accounts may be overdrawn.
    pub negative_balances: bool,
}

type Balances = [(Key, Option<i64>)];

/// What every read is compared with.
struct Expected<'h> {
    total: i128,
    /// The read that it was taken from, unless it was said.
    from: Option<&'h Op<Api>>,
    accounts: FxHashSet<&'h Key>,
}

impl Checker<Api> for Bank {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, _: &RunFacts, limits: &Limits) -> Finding {
        let reads: Vec<(&Op<Api>, &Balances)> = history.ops().iter().filter_map(balances).collect();
        let transfers = history.ops().iter().filter(|op| matches!(op.call, Call::Transfer { .. }));
        let transferred = transfers.filter(|op| op.reply().is_some()).count();
        let mut tally = Tally::default();
        let expected = self.expected(history, &reads);
        let (mut lowest, mut highest) = (None, None);
        for (at, (op, balances)) in reads.iter().enumerate() {
            if at % 4096 == 0 && limits.are_exceeded() {
                break;
            }
            let total = self.judge(op, balances, &expected, &mut tally);
            lowest = lowest.into_iter().chain(total).min();
            highest = highest.into_iter().chain(total).max();
        }
        let details = json!({
            "reads": reads.len(),
            "transfers": transferred,
            "accounts": expected.accounts.len(),
            "total": expected.total.to_string(),
            "lowest_total": lowest.map(|total: i128| total.to_string()),
            "highest_total": highest.map(|total: i128| total.to_string()),
            "anomalies": tally.to_json(),
        });
        let checked = count(reads.len(), "read", "reads");
        let unknown = stopped(limits)
            .or_else(|| reads.is_empty().then(|| "vacuous: no read succeeded".to_owned()));
        let (verdict, summary) = tally.conclude(&checked, unknown, || {
            let total = expected.total;
            let transfers = count(transferred, "transfer", "transfers");
            format!("{checked} around {transfers} all show a total of {total}")
        });
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn balances(op: &Op<Api>) -> Option<(&Op<Api>, &Balances)> {
    match op.reply() {
        Some(Reply::Read(balances)) => Some((op, balances)),
        Some(Reply::Transferred) | None => None,
    }
}

fn sum(balances: &Balances) -> Option<i128> {
    balances.iter().map(|(_, balance)| balance.map(i128::from)).sum()
}

/// The accounts whose balance is wrong, with it.
fn which(balances: &Balances, wrong: impl Fn(Option<i64>) -> bool) -> Vec<String> {
    let wrong = balances.iter().filter(|(_, balance)| wrong(*balance));
    wrong
        .map(|(key, balance)| {
            balance.map_or_else(|| key.to_string(), |balance| format!("{key} ({balance})"))
        })
        .collect()
}

impl Bank {
    fn expected<'h>(
        &self,
        history: &'h History<Api>,
        reads: &[(&'h Op<Api>, &'h Balances)],
    ) -> Expected<'h> {
        // A read with a balance of nil shows no total.
        let whole = reads.iter().filter(|(_, balances)| sum(balances).is_some());
        let first = whole.min_by_key(|(op, _)| op.returned());
        let total = self.total.map(i128::from);
        let from = first.filter(|_| total.is_none()).map(|(op, _)| *op);
        let total = total.or_else(|| sum(first?.1)).unwrap_or_default();
        let read_first = reads.iter().min_by_key(|(op, _)| op.returned());
        let mut accounts: FxHashSet<&Key> =
            read_first.into_iter().flat_map(|(_, all)| all.iter().map(|(key, _)| key)).collect();
        for op in history.ops() {
            if let Call::Transfer { from, to, .. } = &op.call {
                accounts.extend([from, to]);
            }
        }
        Expected { total, from, accounts }
    }

    /// Judges one read; answers with its total, if it shows one.
    fn judge(
        &self,
        op: &Op<Api>,
        balances: &Balances,
        expected: &Expected<'_>,
        tally: &mut Tally,
    ) -> Option<i128> {
        let read = |kind, what: String| {
            let summary = format!("a read at {} {what}", asked(op));
            Anomaly::new(kind, summary)
                .because(format!("the read ended at {}", ended(op)))
                .with_op(op)
        };
        let strange = balances.iter().map(|(key, _)| key);
        let strange: Vec<&Key> = strange.filter(|key| !expected.accounts.contains(key)).collect();
        if !strange.is_empty() {
            tally.add("unexpected-key", || {
                read(
                    "unexpected-key",
                    format!("has accounts that nobody knows: {}", some(&strange)),
                )
            });
        }
        let overdrawn = |balance: Option<i64>| balance.is_some_and(|balance| balance < 0);
        if !self.negative_balances && balances.iter().any(|(_, balance)| overdrawn(*balance)) {
            tally.add("negative-value", || {
                let names = which(balances, overdrawn);
                read("negative-value", format!("has accounts overdrawn: {}", some(&names)))
            });
        }
        let Some(total) = sum(balances) else {
            tally.add("nil-balance", || {
                let names = which(balances, |balance| balance.is_none());
                read("nil-balance", format!("has accounts without a balance: {}", some(&names)))
            });
            return None;
        };
        if total != expected.total {
            tally.add("wrong-total", || {
                let right = expected.total;
                let anomaly = read("wrong-total", format!("shows a total of {total}, not {right}"));
                expected.from.iter().fold(anomaly, |anomaly, first| {
                    let (who, when) = (asked(first), ended(first));
                    anomaly
                        .because(format!("the first read, at {who}, showed {right} at {when}"))
                        .with_op(first)
                })
            });
        }
        Some(total)
    }
}
