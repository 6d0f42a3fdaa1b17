//! A log in partitions, as Kafka has: send messages to a partition, poll what is new in those that
//! one is assigned.
//!
//! In a history: `{f: send | poll | txn, value: [[send k v] [poll] …]}`, answered with `[[send k
//! [offset v]] [poll {k [[offset v] …]}] …]`; and `{f: assign | subscribe, value: [k …]}`.
//! Partitions are keys; messages may be anything.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Map, Value, json};

/// The Api of a log in partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionedLog;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Sends and polls, in order and as one.
    Txn(Vec<Mop>),
    /// Reads these partitions from now on; the client says which, and nobody else decides.
    Assign(Vec<Key>),
    /// Reads these topics from now on; the system decides who gets which partition, and when.
    Subscribe(Vec<Key>),
}

/// One part of a [`Call::Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mop {
    /// Appends a message to a partition.
    Send(Key, Key),
    /// Reads what is new.
    Poll,
}

/// What the log answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What each part did.
    Txn(Vec<Done>),
    /// The assignment was changed.
    Assigned,
}

/// What one part did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The message is in the partition, at that offset if it is known.
    Sent(Key, Option<i64>, Key),
    /// By partition, the messages read, with their offsets, in order.
    Polled(Vec<(Key, Vec<(i64, Key)>)>),
}

impl Api for PartitionedLog {
    const NAME: &'static str = "partitioned-log";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        match call {
            Call::Assign(keys) => Payload::unkeyed("assign", json!(keys)),
            Call::Subscribe(keys) => Payload::unkeyed("subscribe", json!(keys)),
            Call::Txn(mops) => {
                let mops = mops.iter().map(|mop| match mop {
                    Mop::Send(key, message) => json!(["send", key, message]),
                    Mop::Poll => json!(["poll"]),
                });
                Payload::unkeyed("txn", mops.collect())
            }
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        let Reply::Txn(done) = reply else { return Self::encode_call(call).value };
        done.iter()
            .map(|done| match done {
                Done::Sent(key, offset, message) => {
                    json!(["send", key, [json!(offset), json!(message)]])
                }
                Done::Polled(all) => {
                    let all = all.iter().map(|(key, messages)| (key.to_string(), json!(messages)));
                    json!(["poll", all.collect::<Map<_, _>>()])
                }
            })
            .collect()
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        let keys = || Ok(asked.value.items()?.map(Form::key).collect());
        match asked.f {
            "send" | "poll" | "txn" => {
                asked.value.items()?.map(decode_mop).collect::<Result<_, _>>().map(Call::Txn)
            }
            "assign" => keys().map(Call::Assign),
            "subscribe" => keys().map(Call::Subscribe),
            other => {
                let known = ["send", "poll", "txn", "assign", "subscribe"];
                Err(DecodeError::unknown_f("partitioned-log", &known, other))
            }
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call {
            Call::Assign(_) | Call::Subscribe(_) => Ok(Reply::Assigned),
            Call::Txn(_) => {
                value.items()?.map(decode_done).collect::<Result<_, _>>().map(Reply::Txn)
            }
        }
    }
}

fn decode_mop(mop: Form<'_>) -> Result<Mop, DecodeError> {
    let wrong = || mop.error("[send key message] or [poll]");
    let mut parts = mop.items().map_err(|_| wrong())?;
    match (parts.next().and_then(Form::word), parts.next(), parts.next()) {
        (Some("send"), Some(key), Some(message)) => Ok(Mop::Send(key.key(), message.key())),
        (Some("poll"), _, None) => Ok(Mop::Poll),
        _ => Err(wrong()),
    }
}

fn decode_done(mop: Form<'_>) -> Result<Done, DecodeError> {
    let wrong = || mop.error("[send key [offset message]] or [poll {key [[offset message] ...]}]");
    let mut parts = mop.items().map_err(|_| wrong())?;
    match (parts.next().and_then(Form::word), parts.next(), parts.next()) {
        // Some systems don't say at which offset a message is.
        (Some("send"), Some(key), Some(sent)) => match sent.array() {
            Ok([offset, message]) => Ok(Done::Sent(key.key(), offset.int_or_nil()?, message.key())),
            Err(_) => Ok(Done::Sent(key.key(), None, sent.key())),
        },
        (Some("poll"), None, None) => Ok(Done::Polled(Vec::new())),
        (Some("poll"), Some(all), None) if all.is_nil() => Ok(Done::Polled(Vec::new())),
        (Some("poll"), Some(all), None) => {
            let messages = |list: Form<'_>| {
                list.items()?
                    .map(|pair| {
                        let [offset, message] = pair.array()?;
                        Ok((offset.int()?, message.key()))
                    })
                    .collect::<Result<Vec<_>, DecodeError>>()
            };
            let all = all.entries().map_err(|_| wrong())?;
            let all = all.map(|(key, list)| Ok((key.map_key(), messages(list)?)));
            all.collect::<Result<_, DecodeError>>().map(Done::Polled)
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Api, Call, Done, Key, Mop, PartitionedLog, Reply};

    #[test]
    fn what_is_written_is_read_back() {
        let call = Call::Txn(vec![Mop::Send(Key::Int(1), Key::Int(7)), Mop::Poll]);
        assert_eq!(PartitionedLog::encode_call(&call).decode::<PartitionedLog>().unwrap(), call);
        let reply = Reply::Txn(vec![
            Done::Sent(Key::Int(1), Some(3), Key::Int(7)),
            Done::Sent(Key::Int(1), None, Key::Int(8)),
            Done::Polled(vec![(Key::Int(1), vec![(3, Key::Int(7))])]),
        ]);
        let json = PartitionedLog::encode_reply(&call, &reply);
        assert_eq!(PartitionedLog::reply_from_json(&call, &json).unwrap(), reply);
    }
}
