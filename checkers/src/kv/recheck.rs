//! Rechecks a violation, sharing nothing with how it was found but the operations that it names.
//!
//! Every write is kept, and of the gets only those named: leaving out gets can't make a history
//! impossible. If the general engine, which knows nothing of pasts and blocks, finds an order of
//! what is left, the violation was none. If it takes too long, nothing is known.

use super::future;
use crate::linearizable::timed::{Answer, Timed};
use crate::objects::Object;
use rustc_hash::FxHashSet;
use schism_core::api::kv::{Kv, KvOp};

/// How many steps it may take.
const BUDGET: u64 = 200_000;

/// Are all writes with the gets at these positions impossible? `None` if it takes too long.
pub(super) fn is_impossible(object: &Object<'_, Kv>, gets: &FxHashSet<usize>) -> Option<bool> {
    let named = |(position, timed): (usize, &Timed<'_, Kv>)| {
        timed.op.call.op != KvOp::Get || gets.contains(&position)
    };
    let kept = object.ops.iter().enumerate().filter(|pair| named(*pair));
    let ops = kept.map(|(_, timed)| *timed).collect();
    let part = Object { keys: Vec::new(), ops, failed: Vec::new() };
    match future::decide(&part, BUDGET) {
        Answer::Impossible => Some(true),
        Answer::Linearizable(_) => Some(false),
        Answer::Exhausted => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_impossible;
    use crate::build::{Did, history, ok};
    use crate::kv::KeyValue;
    use crate::objects::Kind as _;
    use schism_core::api::kv::{Call, Kv, KvOp, Reply};
    use std::ops::Range;

    fn appended(span: Range<u64>, text: &str) -> Did<Kv> {
        ok("n1", span, Call { key: None, op: KvOp::Append(text.into()) }, Reply::Done)
    }

    fn got(span: Range<u64>, text: &str) -> Did<Kv> {
        ok("n1", span, Call { key: None, op: KvOp::Get }, Reply::Got(text.into()))
    }

    #[test]
    fn a_violation_that_names_the_wrong_operations_is_rejected() {
        let ops = [
            appended(0..10, "a"),
            got(20..30, "a"),
            appended(40..50, "b"),
            got(60..70, "ab"),
            got(80..90, "a"),
        ];
        let history = history(ops);
        let objects = KeyValue.objects(&history);
        let says = |gets: &[usize]| is_impossible(&objects[0], &gets.iter().copied().collect());
        assert_eq!(says(&[3, 4]), Some(true));
        assert_eq!(says(&[4]), Some(true));
        // Tampered with: the stale get is not among them.
        assert_eq!(says(&[1, 3]), Some(false));
        assert_eq!(says(&[]), Some(false));
    }
}
