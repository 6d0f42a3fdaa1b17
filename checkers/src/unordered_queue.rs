//! Unordered queues: what was put in is handed out once, in any order.
//!
//! `collections` says what all collections have in common. Nothing is left but this: an element's
//! removal does not end before its insertion begins, and a removal that found nothing has a moment
//! at which nothing was certainly in. Removals of unknown fate matter to the latter only: at such a
//! moment not more open elements may be in than removals of unknown fate had begun. Moments can be
//! chosen each for itself, as what is enough at one moment is enough later for what was in then.
//!
//! The total queue of other test suites is weaker: it asks only that what was put in comes out, in
//! the end, and says nothing of time. `O(n log n)`.
//!
//! ```
//! use schism_checkers::unordered_queue::UnorderedQueue;
//! use schism_core::{api::collection::Queue, checker::Checker, history::History};
//! let lines = concat!(
//!     r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"enqueue","value":1}"#, "\n",
//!     r#"{"index":1,"time":2,"type":"ok","process":0,"f":"enqueue","value":1}"#, "\n",
//!     r#"{"index":2,"time":5,"type":"invoke","process":1,"f":"dequeue"}"#, "\n",
//!     r#"{"index":3,"time":6,"type":"ok","process":1,"f":"dequeue","value":null}"#, "\n",
//! );
//! let history = History::<Queue>::from_jsonl(lines.as_bytes())?.history;
//! let finding = UnorderedQueue.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "false-empty");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::collections::gaps::{Cover, chain};
use crate::collections::parts::{Fate, Parts};
use crate::collections::{self, Conflict, Discipline, Order, machine, states};
use crate::model::{Model, typed};
use crate::objects::{self, Decided, Kind, Object};
use schism_core::api::Key;
use schism_core::api::collection::{Call, Queue};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;

/// The checker's name.
pub const NAME: &str = "unordered-queue";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: NAME,
    about: "queues without an order (enqueue, dequeue), linearizable, each key on its own",
    page: "\
Operations: {f: enqueue, value: 3}, {f: dequeue, value: nil, then what was taken out}; with a
`key`, or with [key argument] as value, each key is a queue of its own. A dequeue that is answered
with nil found the queue empty; one that is a `fail` did not happen and says nothing.
Decided in O(n log n) where no element is enqueued twice, also with operations of unknown fate;
else by search within a budget.
Finds: unexpected, duplicated, false-empty.",
    make: |options| {
        options.only(NAME, &[])?;
        Ok(typed(UnorderedQueue))
    },
};

/// Judges unordered queues, each key on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnorderedQueue;

impl Checker<Queue> for UnorderedQueue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Queue>, run: &RunFacts, limits: &Limits) -> Finding {
        objects::check(self, history, run, limits)
    }
}

impl Kind for UnorderedQueue {
    type Api = Queue;
    const NAME: &'static str = NAME;
    const WORDS: [&'static str; 2] = ["queue", "queues"];

    fn key(call: &Call) -> Option<&Key> {
        call.key.as_ref()
    }

    fn decide<'h>(&self, object: &Object<'h, Queue>, limits: &Limits) -> Decided<'h, Queue> {
        collections::decide::<Unordered>(object, limits)
    }
}

struct Unordered;

impl Discipline for Unordered {
    type Api = Queue;
    type State = states::BagState;
    type Machine = machine::Bag;
    const BROKEN: &'static str = "not-linearizable";
    const EXACT: bool = true;

    fn deadlines(parts: &Parts) -> Vec<u32> {
        vec![u32::MAX; parts.items.len()]
    }

    /// What is certainly in goes in as late and out as early as can be; all else goes in and
    /// straight out again.
    fn arrange(parts: &Parts) -> Result<Order, Conflict> {
        let cover = Cover::of(&parts.items, parts.events);
        let moments = cover.place_empties(parts).map_err(|empty| {
            let span = parts.empties[empty];
            Conflict { items: chain(&parts.items, span.start, span.end), empties: vec![empty] }
        })?;
        let mut sequence = collections::Sequence::default();
        for item in &parts.items {
            let inside = item.inside();
            if inside.is_empty() {
                sequence.in_and_out(item);
            } else {
                sequence.put_in(item, inside.start - 1);
                if let Fate::Removed(_) | Fate::Unknown(_) = item.fate {
                    sequence.take_out(item, inside.end);
                }
            }
        }
        Ok(sequence.with_empties(parts, &moments))
    }

    fn broken(_: &Parts, _: &Conflict) -> String {
        "no order of the operations explains them".to_owned()
    }
}
