//! Keys that are written once each, and reads of several keys at once.
//!
//! In a history these are transactions: `[["w", key, value]]`, or a list of `["r", key, value]`;
//! their `f` may be `txn`, `read` or `write`.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Value, json};

/// The Api of keys that are written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongFork;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Writes a key.
    Write(Key, i64),
    /// Reads these keys at one moment.
    Read(Vec<Key>),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The key was written.
    Written,
    /// What each key held; `None` before it was written.
    Read(Vec<(Key, Option<i64>)>),
}

impl Api for LongFork {
    const NAME: &'static str = "long-fork";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        let value = match call {
            Call::Write(key, value) => json!([["w", key, value]]),
            Call::Read(keys) => keys.iter().map(|key| json!(["r", key, null])).collect(),
        };
        Payload::unkeyed("txn", value)
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        match reply {
            Reply::Written => Self::encode_call(call).value,
            Reply::Read(found) => {
                found.iter().map(|(key, value)| json!(["r", key, value])).collect()
            }
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        if !["txn", "read", "write"].contains(&asked.f) {
            return Err(DecodeError::unknown_f("long-fork", &["txn", "read", "write"], asked.f));
        }
        let mut reads = Vec::new();
        for mop in mops(asked.value)? {
            match mop? {
                ("w", key, value) if reads.is_empty() && mops(asked.value)?.count() == 1 => {
                    return Ok(Call::Write(key, value.int()?));
                }
                ("r", key, _) => reads.push(key),
                _ => return Err(asked.value.error("one [w key value], or only [r key value]")),
            }
        }
        Ok(Call::Read(reads))
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        if matches!(call, Call::Write(..)) {
            return Ok(Reply::Written);
        }
        let found = mops(value)?.map(|mop| {
            let (_, key, value) = mop?;
            Ok((key, value.int_or_nil()?))
        });
        found.collect::<Result<_, DecodeError>>().map(Reply::Read)
    }
}

type Mop<'t> = (&'t str, Key, Form<'t>);

fn mops(
    value: Form<'_>,
) -> Result<impl Iterator<Item = Result<Mop<'_>, DecodeError>>, DecodeError> {
    let items = value.items().map_err(|_| value.error("a list of [f key value]"))?;
    Ok(items.map(|mop| {
        let [f, key, value] = mop.array().map_err(|_| mop.error("[f key value]"))?;
        Ok((f.text()?, key.key(), value))
    }))
}

#[cfg(test)]
mod tests {
    use super::{Api, Call, Key, LongFork, Payload, Reply};
    use serde_json::json;

    #[test]
    fn transactions_are_written_and_read_back() {
        for call in [Call::Write(Key::Int(3), 1), Call::Read(vec![Key::Int(1)])] {
            assert_eq!(LongFork::encode_call(&call).decode::<LongFork>().unwrap(), call);
        }
        let both = Payload::unkeyed("txn", json!([["w", 1, 1], ["r", 1, null]]));
        assert!(both.decode::<LongFork>().is_err());
        let call = Call::Read(vec![Key::Int(1)]);
        let reply = LongFork::reply_from_json(&call, &json!([["r", 1, 7]])).unwrap();
        assert_eq!(reply, Reply::Read(vec![(Key::Int(1), Some(7))]));
    }
}
