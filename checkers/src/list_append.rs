//! Transactions over lists: is there one order, and does it agree with real time?
//!
//! Source: Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental
//! observations" (2020), for lists, whose reads show the order of all appends before them; the
//! anomalies are named as there, after Adya (1999).
//!
//! 1. Each transaction by itself: `internal` (a read disagrees with what the transaction read or
//!    appended before), `duplicate-elements`, `garbage-read` (an element that nobody appended),
//!    `G1a` (of a transaction that failed), `G1b` (a state from the middle of a transaction).
//! 2. Each list by itself: every read must be a prefix of the longest, which then is the order of
//!    appends; else `incompatible-order`.
//! 3. Dependencies between transactions: ww (appended after), wr (read what was appended), rw (did
//!    not see what was appended), and for strict serializability process order and real time. A
//!    cycle is a violation, named by its edges: `G0` (ww only), `G1c` (wr too), `G-single-item`
//!    (one rw), `G-nonadjacent-item` (several, no two in a row), `G2-item`; with `-process` or
//!    `-realtime` if it takes such an edge.
//!
//! Why it is sound: in any serial order that explains the reads, an edge's source comes before its
//! target. Transactions of unknown fate take part only if something of theirs was read. An append
//! that certainly happened but is in no read comes after everything that was read of its list.
//!
//! Why valid is right: without 1 and 2 and without a cycle, any topological order of the graph is a
//! serial order in which each read sees exactly the appends before it; what was never read can
//! stand in any order at the end of its list.
//!
//! A cycle is checked edge by edge against the transactions themselves (`verify`) before it is
//! reported. What it refuses: an element appended by two transactions makes reads ambiguous, and is
//! unknown. One cycle is shown for each strongly connected component.
//!
//! `O(n p + edges)` for p processes, plus the search for a short cycle in what is cyclic.

use crate::tally::Tally;
use crate::words::count;
use schism_core::api::Key;
use schism_core::api::list_append::{ListAppend as Api, Mop};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use serde_json::json;
use std::collections::BTreeMap;

mod cycles;
mod graph;
mod lists;
mod reads;
mod verify;

/// The checker's name.
pub const NAME: &str = "list-append";

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

/// One transaction that may have happened.
#[derive(Debug)]
struct Txn<'h> {
    op: &'h Op<Api>,
    /// What it did: with its reads, if they are known.
    mops: &'h [Mop],
    /// It certainly happened: it succeeded, or something of it was read.
    committed: bool,
}

impl Txn<'_> {
    /// How it is called in sentences.
    fn label(&self) -> String {
        format!("T{}", self.op.invoked.index)
    }

    fn answered(&self) -> bool {
        self.op.reply().is_some()
    }
}

/// By list, its order and who appended what.
type Lists<'h> = BTreeMap<&'h Key, lists::List<'h>>;

impl Checker<Api> for ListAppend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Api>, run: &RunFacts, _: &Limits) -> Finding {
        let mut txns = transactions(history);
        let mut tally = Tally::default();
        let mut lists = match lists::appends(history, &txns) {
            Ok(lists) => lists,
            Err(why) => return Finding::new(NAME, Verdict::Unknown(why.clone()), why),
        };
        let reads = reads::external(&txns, &mut tally);
        lists::observe(&mut lists, &mut txns, &reads, &mut tally);
        let graph = graph::build(&txns, &lists, &reads, self.consistency);
        let mut rejected = 0;
        for cycle in cycles::find(&graph) {
            if cycle.iter().all(|edge| verify::holds(edge, &txns)) {
                tally.add(cycles::name(&cycle), || cycles::describe(&cycle, &txns, run));
            } else {
                rejected += 1;
            }
        }
        let succeeded = txns.iter().filter(|txn| txn.answered()).count();
        let details = json!({
            "transactions": history.ops().len(),
            "succeeded": succeeded,
            "committed": txns.iter().filter(|txn| txn.committed).count(),
            "lists": lists.len(),
            "reads": reads.len(),
            "dependencies": graph.edge_count(),
            "consistency": match self.consistency {
                Consistency::Serializable => "serializable",
                Consistency::StrictSerializable => "strict-serializable",
            },
            "anomalies": tally.to_json(),
        });
        let work = format!(
            "{} on {}",
            count(succeeded, "transaction", "transactions"),
            count(lists.len(), "list", "lists")
        );
        let unknown = if rejected > 0 {
            Some("certificate of a cycle rejected: please report this".to_owned())
        } else if reads.is_empty() {
            Some("vacuous: no transaction that succeeded read anything".to_owned())
        } else {
            None
        };
        let (verdict, summary) = match unknown {
            _ if !tally.is_empty() => {
                let summary = format!("{work}: {}", tally.in_words());
                (tally.into_verdict(), summary)
            }
            Some(why) => (Verdict::Unknown(why.clone()), why),
            None => (Verdict::Valid, format!("{work} have one order")),
        };
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn transactions(history: &History<Api>) -> Vec<Txn<'_>> {
    history.ops().iter().filter_map(transaction).collect()
}

fn transaction(op: &Op<Api>) -> Option<Txn<'_>> {
    match &op.outcome {
        Outcome::Ok(reply) => Some(Txn { op, mops: reply, committed: true }),
        Outcome::Info(_) => Some(Txn { op, mops: &op.call, committed: false }),
        Outcome::Fail(_) => None,
    }
}
