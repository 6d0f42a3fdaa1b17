//! Causal reverse: a read sees an element, and not another that was there before it.
//!
//! Kind `causal-reverse`: an insert e was acknowledged before the insert of d began, and a read has
//! d but not e. Strict serializability forbids that, whatever the read's own time: d took effect
//! after e, so whoever sees d sees e. Serializability by itself allows it, and so do systems whose
//! clocks differ between shards. Besides `unexpected`: a read has an element that nobody had
//! inserted by then, or whose insert certainly failed.
//!
//! That is one of the conditions of a linearizable set, asked by itself: that a read lacks what was
//! acknowledged before the read began is no fault here. Source: Jepsen's `causal-reverse`.
//!
//! *Exact* for this promise: for each read, of the inserts of what it has, take the one that began
//! last; the elements that were acknowledged before it are all that is due. Put the elements in the
//! order of their acknowledgement: the read has all that are due if it has as many of these as
//! there are. `O(total length of the reads)`, and sorting.
//!
//! ```
//! use schism_checkers::causal_reverse::CausalReverse;
//! use schism_core::{api::elements::Elements, checker::Checker, history::History};
//! let mut lines = String::new();
//! for (f, asked, got) in [("insert", "1", "1"), ("insert", "2", "2"), ("read", "null", "[2]")] {
//!     for (kind, value) in [("invoke", asked), ("ok", got)] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":0,\"f\":\"{f}\",\"value\":{value}}}\n");
//!     }
//! }
//! let history = History::<Elements>::from_jsonl(lines.as_bytes())?.history;
//! let finding = CausalReverse.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "causal-reverse");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{Model, typed};
use crate::set_full::{GrowSet, OneSet, of_key, unexpected_elements};
use crate::tally::Tally;
use crate::words::{asked, count, ended, stopped};
use schism_core::api::Api;
use schism_core::api::elements::Elements;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

/// The checker's name.
pub const NAME: &str = "causal-reverse";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "inserts: who sees an element sees what was acknowledged before its insert began",
    page: "\
Operations: as of `set`: {f: insert (or write, add), value: 3}, {f: read, value: nil, then all
elements}.
Finds: causal-reverse: a read has an element, and lacks one whose insert was acknowledged before the
other's began; unexpected: nobody had inserted it. That a read is stale is not judged.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed::<Elements>(CausalReverse))
    },
};

/// Judges whether effects are seen without what came before them.
#[derive(Clone, Copy, Debug, Default)]
pub struct CausalReverse;

impl<A: GrowSet> Checker<A> for CausalReverse {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<A>, _: &RunFacts, limits: &Limits) -> Finding {
        let sets = A::columns(history);
        let mut tally = Tally::default();
        let (mut reads, mut inserts) = (0, 0);
        for set in &sets {
            if limits.are_exceeded() {
                break;
            }
            unexpected_elements(set, &mut tally);
            reversed(set, &mut tally);
            reads += set.reads.len();
            inserts += set.elements.iter().filter(|element| element.added.is_some()).count();
        }
        let details = json!({
            "sets": sets.len(),
            "inserts": inserts,
            "reads": reads,
            "anomalies": tally.to_json(),
        });
        let checked = count(reads, "read", "reads");
        let vacuous = (reads == 0 || inserts == 0)
            .then(|| "vacuous: nothing was inserted or read".to_owned());
        let (verdict, summary) = tally.conclude(&checked, stopped(limits).or(vacuous), || {
            let inserts = count(inserts, "insert", "inserts");
            format!("{checked} see {inserts} in an order that agrees with real time")
        });
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

/// Each missing element is reported once.
fn reversed<A: Api>(set: &OneSet<'_, A>, tally: &mut Tally) {
    let by_ack = set.by_acknowledgement();
    let mut place = vec![usize::MAX; set.elements.len()];
    for (position, (_, number)) in by_ack.iter().enumerate() {
        place[*number] = position;
    }
    let mut reported = vec![false; set.elements.len()];
    for read in &set.reads {
        let added = read.has.iter().filter_map(|number| set.elements[*number as usize].added);
        let Some(newest) = added.max_by_key(|add| add.invoked.index) else { continue };
        let due = by_ack.partition_point(|(returned, _)| *returned < newest.invoked.index);
        let there = read.has.iter().filter(|number| place[**number as usize] < due).count();
        if there == due {
            continue;
        }
        for (_, number) in &by_ack[..due] {
            if !read.has(*number) && !std::mem::replace(&mut reported[*number], true) {
                tally.add(NAME, || describe(set, *number, newest, read.op));
            }
        }
    }
}

fn describe<A: Api>(set: &OneSet<'_, A>, number: usize, newest: &Op<A>, read: &Op<A>) -> Anomaly {
    let element = &set.elements[number];
    let value_of = |op: &Op<A>| {
        let found = set.elements.iter().find(|e| e.added.is_some_and(|add| std::ptr::eq(add, op)));
        found.map_or_else(String::new, |element| element.value.to_string())
    };
    let (of, later) = (of_key(set.key.as_ref()), value_of(newest));
    let value = &element.value;
    let summary = format!(
        "{of}a read at {} has {later} but not {value}, which was there before {later} was inserted",
        asked(read)
    );
    let anomaly = Anomaly::new(NAME, summary);
    let anomaly = match element.acknowledged {
        Some(ack) => anomaly
            .because(format!("the insert of {value} was acknowledged at {}", ended(ack)))
            .with_op(ack),
        None => anomaly,
    };
    anomaly
        .because(format!("the insert of {later} began at {}", newest.invoked.time))
        .because(format!("the read ended at {} and has only the later one", ended(read)))
        .with_op(newest)
        .with_op(read)
}
