//! Collections that hand out what was put in: queues, stacks, priority queues.
//!
//! All have the same two calls, under names of their own. What a call of unknown fate took out is
//! not known. A removal that found nothing answers nil.
//!
//! ```
//! use schism_core::api::collection::{Call, CollectionOp, Pick, Queue};
//! use schism_core::api::{Api, Payload};
//! let asked = Payload::unkeyed("enqueue", 3.into());
//! let call = asked.decode::<Queue>()?;
//! assert_eq!(call, Call::unkeyed(CollectionOp::Insert(3)));
//! assert_eq!(Queue::encode_call(&call), asked);
//! # Ok::<(), schism_core::api::DecodeError>(())
//! ```

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Debug;
use std::marker::PhantomData;

/// How a kind of collection and its calls are named in a history.
pub trait Names: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// The name in listings.
    const NAME: &'static str;
    /// Every name of putting in; the first is written, all are read.
    const INSERT: &'static [&'static str];
    /// Every name of taking out with what it picks; the first of each pick is written.
    const REMOVE: &'static [(&'static str, Pick)];
}

/// The Api of independent collections of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Collection<N>(PhantomData<N>);

/// Queues, in order or not.
pub type Queue = Collection<QueueNames>;
/// Stacks.
pub type Stack = Collection<StackNames>;
/// Priority queues: an element is its own priority.
pub type PriorityQueue = Collection<PriorityQueueNames>;

/// `enqueue` and `dequeue`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueNames;

impl Names for QueueNames {
    const NAME: &'static str = "queue";
    const INSERT: &'static [&'static str] = &["enqueue", "add", "offer", "put", "send"];
    const REMOVE: &'static [(&'static str, Pick)] = &[
        ("dequeue", Pick::Next),
        ("remove", Pick::Next),
        ("poll", Pick::Next),
        ("take", Pick::Next),
        ("receive", Pick::Next),
    ];
}

/// `push` and `pop`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StackNames;

impl Names for StackNames {
    const NAME: &'static str = "stack";
    const INSERT: &'static [&'static str] = &["push"];
    const REMOVE: &'static [(&'static str, Pick)] = &[("pop", Pick::Next)];
}

/// `insert` with `extract-min` or `extract-max`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PriorityQueueNames;

impl Names for PriorityQueueNames {
    const NAME: &'static str = "priority-queue";
    const INSERT: &'static [&'static str] = &["insert", "enqueue", "add", "offer", "push"];
    const REMOVE: &'static [(&'static str, Pick)] = &[
        ("extract-min", Pick::Least),
        ("extract-max", Pick::Greatest),
        ("delete-min", Pick::Least),
        ("delete-max", Pick::Greatest),
        ("pop-min", Pick::Least),
        ("pop-max", Pick::Greatest),
        ("extract", Pick::Least),
        ("dequeue", Pick::Least),
        ("poll", Pick::Least),
        ("pop", Pick::Least),
    ];
}

/// An operation on one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which collection; `None` where there is only one.
    pub key: Option<Key>,
    /// What is done to it.
    pub op: CollectionOp,
}

impl Call {
    /// An operation on the only collection there is.
    pub fn unkeyed(op: CollectionOp) -> Self {
        Self { key: None, op }
    }

    /// An operation on the collection `key`.
    pub fn keyed(key: impl Into<Key>, op: CollectionOp) -> Self {
        Self { key: Some(key.into()), op }
    }
}

/// What can be done to a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectionOp {
    /// Puts an element in.
    Insert(i64),
    /// Takes an element out.
    Remove(Pick),
}

/// Which element is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The one whose turn it is.
    Next,
    /// The smallest.
    Least,
    /// The greatest.
    Greatest,
}

/// What a collection answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The element is in.
    Inserted,
    /// This element was taken out; `None`: there was none.
    Removed(Option<i64>),
}

impl<N: Names> Api for Collection<N> {
    const NAME: &'static str = N::NAME;
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let (f, value) = match call.op {
            CollectionOp::Insert(element) => (N::INSERT[0], Value::from(element)),
            CollectionOp::Remove(pick) => {
                let name = N::REMOVE.iter().find(|(_, picks)| *picks == pick);
                (name.map_or(N::REMOVE[0].0, |(name, _)| name), Value::Null)
            }
        };
        Payload { f: Cow::Borrowed(f), key: call.key.clone(), value }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Inserted => Self::encode_call(call).value,
            Reply::Removed(element) => Value::from(*element),
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let (key, value) = asked.keyed();
        if N::INSERT.contains(&asked.f) {
            return Ok(Call { key, op: CollectionOp::Insert(value.int()?) });
        }
        if let Some((_, pick)) = N::REMOVE.iter().find(|(name, _)| *name == asked.f) {
            return Ok(Call { key, op: CollectionOp::Remove(*pick) });
        }
        Err(DecodeError::unknown_f(N::NAME, &[N::INSERT[0], N::REMOVE[0].0], asked.f))
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call.op {
            CollectionOp::Insert(_) => Ok(Reply::Inserted),
            CollectionOp::Remove(_) => {
                let answer = super::keyed_answer(call.key.as_ref(), value);
                answer.int_or_nil().map(Reply::Removed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, CollectionOp, Pick, PriorityQueue, Queue, Reply, Stack};
    use crate::api::{Api, Payload};
    use crate::form::Tape;
    use serde_json::json;

    #[test]
    fn each_kind_has_names_of_its_own() {
        let remove = |pick| Call::keyed(7, CollectionOp::Remove(pick));
        assert_eq!(Queue::encode_call(&remove(Pick::Next)).f, "dequeue");
        assert_eq!(Stack::encode_call(&remove(Pick::Next)).f, "pop");
        assert_eq!(PriorityQueue::encode_call(&remove(Pick::Greatest)).f, "extract-max");
        let wrong = Payload::unkeyed("peek", json!(null)).decode::<Stack>().unwrap_err();
        assert_eq!(wrong.expected, "an operation of stack: push, pop");
    }

    #[test]
    fn a_key_may_stand_beside_the_element_or_with_it() {
        let together = Payload::unkeyed("enqueue", json!([7, 3]));
        let call = together.decode::<Queue>().unwrap();
        assert_eq!(call, Call::keyed(7, CollectionOp::Insert(3)));
        let call = Payload::unkeyed("dequeue", json!([7, null])).decode::<Queue>().unwrap();
        let reply = |value| Queue::decode_reply(&call, Tape::from_json(&value).root());
        assert_eq!(reply(json!([7, 3])), Ok(Reply::Removed(Some(3))));
        assert_eq!(reply(json!(3)), Ok(Reply::Removed(Some(3))));
        assert_eq!(reply(json!(null)), Ok(Reply::Removed(None)));
        assert!(reply(json!("three")).is_err());
    }
}
