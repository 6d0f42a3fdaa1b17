//! The general engine for strings whose past isn't certain.
//!
//! An engine that keeps strings would try every order of appends that nobody saw. So it is given
//! numbers instead: one for each string that somebody got, or from which an append can lead to such
//! a string, and one for all others together, which only a put leads out of. What can follow a
//! string depends on no more than that.

use super::{Text, did};
use crate::linearizable::timed::{Answer, Timed};
use crate::linearizable::{search, verify};
use crate::objects::{self, Decided, Object};
use rustc_hash::FxHashMap;
use schism_core::api::kv::{Kv, KvOp, Reply};
use schism_core::api::{Api, Asked, DecodeError, Payload};
use schism_core::form::Form;
use schism_core::limits::Limits;
use schism_core::model::Model;
use schism_core::op::{Op, Outcome};
use serde_json::Value;
use std::sync::Arc;

/// Strings that can't become one that was got.
const LOST: u32 = u32::MAX;

/// Calls on numbered strings; they are in no file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbered;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Move {
    /// It has to be this.
    Get(u32),
    Put(u32),
    /// From these to those, sorted; all others are lost.
    Append(Arc<[(u32, u32)]>),
}

impl Api for Numbered {
    const NAME: &'static str = "numbered-strings";
    type Call = Move;
    type Reply = ();

    fn encode_call(call: &Move) -> Payload {
        let value = match call {
            Move::Get(string) | Move::Put(string) => Value::from(*string),
            Move::Append(moves) => moves.iter().map(|(from, to)| vec![*from, *to]).collect(),
        };
        Payload::unkeyed("move", value)
    }

    fn encode_reply(_: &Move, (): &()) -> Value {
        Value::Null
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Move, DecodeError> {
        asked.value.int()?.try_into().map(Move::Put).map_err(|_| asked.value.error("a number"))
    }

    fn decode_reply(_: &Move, _: Form<'_>) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// The number of what a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held(u32);

impl Model for Held {
    type Api = Numbered;

    /// The empty string has the first number.
    fn init() -> Self {
        Self(0)
    }

    fn step(&self, call: &Move, _: Option<&()>) -> Option<Self> {
        match call {
            Move::Get(string) => (*string == self.0).then_some(*self),
            Move::Put(string) => Some(Self(*string)),
            Move::Append(moves) => {
                let at = moves.binary_search_by_key(&self.0, |(from, _)| *from);
                Some(Self(at.map_or(LOST, |at| moves[at].1)))
            }
        }
    }
}

/// Decides by the general engine.
pub(super) fn by_search<'h>(object: &Object<'h, Kv>, limits: &Limits) -> Decided<'h, Kv> {
    let ops = numbered(object);
    let timed: Vec<Timed<'_, Numbered>> = ops.iter().filter_map(Timed::of).collect();
    let original = |op: &Op<Numbered>| {
        let at = object.ops.binary_search_by_key(&op.invoked.index, |timed| timed.start);
        at.map_or_else(|_| String::new(), |at| did(object.ops[at].op))
    };
    let verify = |order: &[usize]| verify::is_linearization::<Text>(&object.ops, order);
    objects::by_search_verified::<Held>(&timed, limits, original, verify).of_originals(&object.ops)
}

/// Decides by the general engine within so many steps, and no more than that.
pub(super) fn decide(object: &Object<'_, Kv>, budget: u64) -> Answer {
    let ops = numbered(object);
    let timed: Vec<Timed<'_, Numbered>> = ops.iter().filter_map(Timed::of).collect();
    search::decide::<Held>(&timed, budget)
}

/// The operations on numbered strings.
fn numbered(object: &Object<'_, Kv>) -> Vec<Op<Numbered>> {
    let moves = Moves::of(object);
    let number = |text: &str| moves.numbers.get(text).copied().unwrap_or(LOST);
    let convert = |timed: &Timed<'_, Kv>| {
        let op = timed.op;
        let call = match (&op.call.op, timed.reply()) {
            (KvOp::Get, Some(Reply::Got(text))) => Move::Get(number(text)),
            (KvOp::Get, _) => Move::Get(LOST),
            (KvOp::Put(text), _) => Move::Put(number(text)),
            (KvOp::Append(text), _) => {
                Move::Append(moves.appends.get(&**text).cloned().unwrap_or_default())
            }
        };
        let outcome = match &op.outcome {
            Outcome::Ok(_) => Outcome::Ok(()),
            Outcome::Fail(why) => Outcome::Fail(why.clone()),
            Outcome::Info(why) => Outcome::Info(why.clone()),
        };
        Op {
            process: op.process,
            node: op.node.clone(),
            call,
            invoked: op.invoked,
            completed: op.completed,
            outcome,
        }
    };
    object.ops.iter().map(convert).collect()
}

/// The strings that count, and what appends do to them.
struct Moves<'o> {
    numbers: FxHashMap<&'o str, u32>,
    appends: FxHashMap<&'o str, Arc<[(u32, u32)]>>,
}

impl<'o> Moves<'o> {
    /// Goes back from every string that was got, by every append that it may end with.
    fn of<'h: 'o>(object: &'o Object<'h, Kv>) -> Self {
        let mut found: FxHashMap<&'o str, Vec<(u32, u32)>> = FxHashMap::default();
        for timed in &object.ops {
            if let KvOp::Append(text) = &timed.op.call.op {
                found.entry(text).or_default();
            }
        }
        let mut lengths: Vec<usize> = found.keys().map(|text| text.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let mut numbers: FxHashMap<&'o str, u32> = FxHashMap::default();
        let mut open: Vec<&'o str> = vec![""];
        numbers.insert("", 0);
        let got = object.ops.iter().filter_map(|timed| match timed.reply() {
            Some(Reply::Got(text)) => Some(&**text),
            Some(Reply::Done) | None => None,
        });
        for text in got {
            number(&mut numbers, &mut open, text);
        }
        while let Some(text) = open.pop() {
            let to = numbers[text];
            for length in lengths.iter().take_while(|length| **length <= text.len()) {
                let Some((before, end)) = text.split_at_checked(text.len() - length) else {
                    continue;
                };
                if let Some(moves) = found.get_mut(end) {
                    moves.push((number(&mut numbers, &mut open, before), to));
                }
            }
        }
        let sorted = |(text, mut moves): (&'o str, Vec<(u32, u32)>)| {
            moves.sort_unstable();
            (text, Arc::from(moves))
        };
        Self { numbers, appends: found.into_iter().map(sorted).collect() }
    }
}

/// The number of a string, which is to be gone back from if it is new.
fn number<'o>(
    numbers: &mut FxHashMap<&'o str, u32>,
    open: &mut Vec<&'o str>,
    text: &'o str,
) -> u32 {
    // A history with so many strings would not fit into memory.
    let next = u32::try_from(numbers.len()).unwrap_or(LOST);
    *numbers.entry(text).or_insert_with(|| {
        open.push(text);
        next
    })
}
