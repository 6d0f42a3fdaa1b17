//! Transactions over lists: each appends elements to lists and reads whole lists, atomically.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Value, json};

/// The Api of list-append transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAppend;

/// One micro-operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mop {
    /// Appends an element to the list `0`.
    Append(Key, i64),
    /// Reads a list; the value is `None` in a call, and what was read in a reply.
    Read(Key, Option<Vec<i64>>),
}

/// A transaction: its micro-operations in order. A reply is the same with its reads filled in.
pub type Txn = Vec<Mop>;

impl Api for ListAppend {
    const NAME: &'static str = "list-append";
    type Call = Txn;
    type Reply = Txn;

    fn encode_call(call: &Txn) -> Payload {
        Payload::unkeyed("txn", encode_txn(call))
    }

    fn encode_reply(_: &Txn, reply: &Txn) -> Value {
        encode_txn(reply)
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Txn, DecodeError> {
        match asked.f {
            "txn" => decode_txn(asked.value),
            other => Err(DecodeError::unknown_f("list-append", &["txn"], other)),
        }
    }

    fn decode_reply(_: &Txn, value: Form<'_>) -> Result<Txn, DecodeError> {
        decode_txn(value)
    }
}

fn encode_txn(txn: &Txn) -> Value {
    txn.iter()
        .map(|mop| match mop {
            Mop::Append(key, element) => json!(["append", key, element]),
            Mop::Read(key, list) => json!(["r", key, list]),
        })
        .collect()
}

fn decode_txn(value: Form<'_>) -> Result<Txn, DecodeError> {
    let mops = value.items().map_err(|_| value.error("a list of [f, key, value]"))?;
    mops.map(decode_mop).collect()
}

fn decode_mop(mop: Form<'_>) -> Result<Mop, DecodeError> {
    let wrong = || mop.error("[\"append\", key, element] or [\"r\", key, list or null]");
    let [f, key, value] = mop.array().map_err(|_| wrong())?;
    match f.word() {
        Some("append") => Ok(Mop::Append(key.key(), value.int()?)),
        Some("r") if value.is_nil() => Ok(Mop::Read(key.key(), None)),
        Some("r") => Ok(Mop::Read(key.key(), Some(value.ints()?))),
        _ => Err(wrong()),
    }
}
