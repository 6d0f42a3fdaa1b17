//! Transactions over lists: each appends elements to lists and reads whole lists, atomically.

use super::{Api, DecodeError, Key, Payload, int, ints};
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

    fn decode_call(payload: &Payload) -> Result<Txn, DecodeError> {
        match payload.f.as_ref() {
            "txn" => decode_txn(&payload.value),
            other => Err(DecodeError::unknown_f("list-append", &["txn"], other)),
        }
    }

    fn decode_reply(_: &Txn, value: &Value) -> Result<Txn, DecodeError> {
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

fn decode_txn(value: &Value) -> Result<Txn, DecodeError> {
    let mops =
        value.as_array().ok_or_else(|| DecodeError::new("a list of [f, key, value]", value))?;
    mops.iter().map(decode_mop).collect()
}

fn decode_mop(mop: &Value) -> Result<Mop, DecodeError> {
    let wrong =
        || DecodeError::new("[\"append\", key, element] or [\"r\", key, list or null]", mop);
    let [f, key, value] = mop.as_array().map(Vec::as_slice).ok_or_else(wrong)? else {
        return Err(wrong());
    };
    let key: Key = serde_json::from_value(key.clone()).map_err(|_| wrong())?;
    match f.as_str() {
        Some("append") => int(value).map(|element| Mop::Append(key, element)),
        Some("r") if value.is_null() => Ok(Mop::Read(key, None)),
        Some("r") => ints(value).map(|list| Mop::Read(key, Some(list))),
        _ => Err(wrong()),
    }
}
