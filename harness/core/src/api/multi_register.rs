//! Transactions over registers: each reads and writes several of them, atomically.
//!
//! ```
//! use schism_core::api::multi_register::{Mop, MultiRegister};
//! use schism_core::api::{Key, Payload};
//! let mops = serde_json::json!([["read", "x", null], ["write", "y", 2]]);
//! let asked = Payload::unkeyed("txn", mops);
//! let txn = asked.decode::<MultiRegister>()?;
//! assert_eq!(txn[1], Mop::Write(Key::Text("y".into()), 2));
//! # Ok::<(), schism_core::api::DecodeError>(())
//! ```

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Value, json};

/// The Api of transactions over registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiRegister;

/// One micro-operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mop {
    /// Reads a register; in a reply, with what it held: `None` if it was never written.
    Read(Key, Option<i64>),
    /// Writes a register.
    Write(Key, i64),
}

impl Mop {
    /// The register that it concerns.
    pub fn key(&self) -> &Key {
        match self {
            Self::Read(key, _) | Self::Write(key, _) => key,
        }
    }
}

/// A transaction: its micro-operations in order. A reply is the same with its reads filled in.
pub type Txn = Vec<Mop>;

impl Api for MultiRegister {
    const NAME: &'static str = "multi-register";
    type Call = Txn;
    type Reply = Txn;

    fn encode_call(call: &Txn) -> Payload {
        Payload::unkeyed("txn", encode(call))
    }

    fn encode_reply(_: &Txn, reply: &Txn) -> Value {
        encode(reply)
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Txn, DecodeError> {
        match asked.f {
            "txn" => decode(asked.value),
            other => Err(DecodeError::unknown_f("multi-register", &["txn"], other)),
        }
    }

    fn decode_reply(call: &Txn, value: Form<'_>) -> Result<Txn, DecodeError> {
        let reply = decode(value)?;
        let same = |(asked, answered): (&Mop, &Mop)| match (asked, answered) {
            (Mop::Read(asked, _), Mop::Read(answered, _)) => asked == answered,
            _ => asked == answered,
        };
        if reply.len() == call.len() && call.iter().zip(&reply).all(same) {
            Ok(reply)
        } else {
            Err(value.error(format!("the answer to {}", encode(call))))
        }
    }
}

fn encode(txn: &Txn) -> Value {
    txn.iter()
        .map(|mop| match mop {
            Mop::Read(key, value) => json!(["r", key, value]),
            Mop::Write(key, value) => json!(["w", key, value]),
        })
        .collect()
}

fn decode(value: Form<'_>) -> Result<Txn, DecodeError> {
    let mops = value.items().map_err(|_| value.error("a list of [f, key, value]"))?;
    mops.map(decode_mop).collect()
}

fn decode_mop(mop: Form<'_>) -> Result<Mop, DecodeError> {
    let wrong = || mop.error("[\"r\", key, value or null] or [\"w\", key, value]");
    let [f, key, value] = mop.array().map_err(|_| wrong())?;
    match f.word() {
        Some("r" | "read") => Ok(Mop::Read(key.key(), value.int_or_nil()?)),
        Some("w" | "write") => Ok(Mop::Write(key.key(), value.int()?)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::MultiRegister;
    use crate::api::{Api, Payload};
    use serde_json::json;

    #[test]
    fn a_reply_answers_its_call() {
        let call = Payload::unkeyed("txn", json!([["r", 1, null], ["w", 2, 3]]));
        let call = call.decode::<MultiRegister>().unwrap();
        let reply = |value| MultiRegister::reply_from_json(&call, &value);
        assert!(reply(json!([["r", 1, 5], ["w", 2, 3]])).is_ok());
        assert!(reply(json!([["r", 1, 5]])).is_err());
        assert!(reply(json!([["r", 1, 5], ["w", 2, 4]])).is_err());
    }
}
