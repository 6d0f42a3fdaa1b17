//! Collections in sentences.

use super::parts::Parts;
use crate::objects::{Object, Violation};
use crate::words::{asked, ended};
use schism_core::api::Api;
use schism_core::api::collection::{Call, CollectionOp, Reply};

/// What an operation did, such as `put in 3`.
pub(crate) fn did(call: &Call, reply: Option<&Reply>) -> String {
    match (call.op, reply) {
        (CollectionOp::Insert(element), Some(_)) => format!("put in {element}"),
        (CollectionOp::Insert(element), None) => format!("was asked to put in {element}"),
        (CollectionOp::Remove(_), Some(Reply::Removed(Some(element)))) => {
            format!("took out {element}")
        }
        (CollectionOp::Remove(_), Some(_)) => "found nothing".to_owned(),
        (CollectionOp::Remove(_), None) => "was asked to take out something".to_owned(),
    }
}

/// A violation by the operations at these positions.
pub(super) fn violation<'h, A>(
    object: &Object<'h, A>,
    kind: &'static str,
    summary: String,
    core: &[usize],
) -> Violation<'h, A>
where
    A: Api<Call = Call, Reply = Reply>,
{
    /// How many operations an anomaly shows.
    const SHOWN: usize = 24;
    let ops = core.iter().take(SHOWN).map(|position| object.ops[*position].op);
    let core_in_words = ops.map(|op| (op, did(&op.call, op.reply()))).collect();
    let more = core.len().saturating_sub(SHOWN);
    let because = (more > 0).then(|| format!("and {more} more operations have a part in it"));
    Violation { kind, summary, core: core_in_words, because }
}

/// That a removal found nothing, though there was something.
pub(super) fn false_empty<A>(object: &Object<'_, A>, parts: &Parts, empty: usize) -> String
where
    A: Api<Call = Call, Reply = Reply>,
{
    let op = object.ops[parts.empties[empty].op].op;
    format!(
        "{} found nothing at {}, though at every moment of its asking something was in",
        asked(op),
        ended(op)
    )
}
