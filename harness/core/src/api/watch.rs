//! Watching changes, as etcd has it: writes make revisions, and a watcher is told of each.
//!
//! In a history: `{f: write, value: {key: value, …}}` (a value of nil deletes), answered with
//! `{revision: 7}`; and `{f: watch, value: {key: k, from: 3}}`, answered with what the watcher was
//! told until it ended, in order: a list of responses, each a list of events `{revision: 7, key: k,
//! value: v}`, or a bookmark `{bookmark: 9}`, or `{compacted: 5}`: what it was to be told from
//! before that revision is gone, and the watch has ended. `{f: compact, value: 5}` asks for that. A
//! list of events without responses is read as one event a response.

use super::{Api, Asked, DecodeError, Key, Payload};
use crate::form::Form;
use serde_json::{Map, Value, json};

/// The Api of watched keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Writes keys, all in one revision; `None` deletes.
    Write(Vec<(Key, Option<Key>)>),
    /// Watches.
    Watch {
        /// Only this key; `None`: all.
        key: Option<Key>,
        /// From this revision on; `None`: from wherever the system is.
        from: Option<i64>,
    },
    /// Forgets what was before this revision.
    Compact(i64),
}

/// What the system answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The revision that was made, if it is known.
    Written(Option<i64>),
    /// What the watcher was told.
    Watched(Vec<Response>),
    /// What was before is forgotten.
    Compacted,
}

/// One message to a watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// What changed. `whole`: it came together, so that a revision may not go on in the next one.
    Events {
        /// The changes, in order.
        events: Vec<Event>,
        /// Does the history say what came together?
        whole: bool,
    },
    /// Everything up to this revision has been told.
    Bookmark(i64),
    /// What was before this revision can't be told any more; the watch has ended.
    Compacted(i64),
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// In which revision.
    pub revision: i64,
    /// Of which key.
    pub key: Key,
    /// To what; `None`: it was deleted.
    pub value: Option<Key>,
}

impl Api for Watch {
    const NAME: &'static str = "watch";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        match call {
            Call::Write(writes) => {
                let writes = writes.iter().map(|(key, value)| (key.to_string(), json!(value)));
                Payload::unkeyed("write", Value::Object(writes.collect::<Map<_, _>>()))
            }
            Call::Watch { key, from } => {
                Payload::unkeyed("watch", json!({ "key": key, "from": from }))
            }
            Call::Compact(revision) => Payload::unkeyed("compact", json!(revision)),
        }
    }

    fn encode_reply(call: &Call, reply: &Reply) -> Value {
        let event = |event: &Event| {
            let Event { revision, key, value } = event;
            json!({ "revision": revision, "key": key, "value": value })
        };
        match reply {
            Reply::Written(revision) => json!({ "revision": revision }),
            Reply::Compacted => Self::encode_call(call).value,
            Reply::Watched(responses) => {
                let mut all = Vec::new();
                for response in responses {
                    match response {
                        Response::Bookmark(revision) => all.push(json!({ "bookmark": revision })),
                        Response::Compacted(revision) => all.push(json!({ "compacted": revision })),
                        Response::Events { events, whole: true } => {
                            all.push(events.iter().map(event).collect());
                        }
                        Response::Events { events, whole: false } => {
                            all.extend(events.iter().map(event));
                        }
                    }
                }
                Value::Array(all)
            }
        }
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        match asked.f {
            "write" => {
                let all = asked.value.entries().map_err(|_| asked.value.error("{key: value}"))?;
                Ok(Call::Write(all.map(|(key, value)| (key.map_key(), or_nil(value))).collect()))
            }
            "watch" => {
                let part = |name| asked.value.get(name).filter(|form| !form.is_nil());
                let from = part("from").map(Form::int).transpose()?;
                Ok(Call::Watch { key: part("key").map(Form::map_key), from })
            }
            "compact" => asked.value.int().map(Call::Compact),
            other => Err(DecodeError::unknown_f("watch", &["write", "watch", "compact"], other)),
        }
    }

    fn decode_reply(call: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        match call {
            Call::Write(_) => {
                let revision = value.get("revision").map(Form::int_or_nil).transpose()?;
                Ok(Reply::Written(revision.flatten()))
            }
            Call::Compact(_) => Ok(Reply::Compacted),
            Call::Watch { .. } => {
                let all = value.items().map_err(|_| value.error("a list of responses"))?;
                all.map(decode_response).collect::<Result<_, _>>().map(Reply::Watched)
            }
        }
    }
}

fn or_nil(form: Form<'_>) -> Option<Key> {
    (!form.is_nil()).then(|| form.key())
}

fn decode_response(response: Form<'_>) -> Result<Response, DecodeError> {
    if let Some(revision) = response.get("bookmark") {
        return revision.int().map(Response::Bookmark);
    }
    if let Some(revision) = response.get("compacted") {
        return revision.int().map(Response::Compacted);
    }
    if response.is_list() {
        let events = response.items()?.map(decode_event).collect::<Result<_, _>>()?;
        return Ok(Response::Events { events, whole: true });
    }
    Ok(Response::Events { events: vec![decode_event(response)?], whole: false })
}

fn decode_event(event: Form<'_>) -> Result<Event, DecodeError> {
    let wrong = || event.error("{revision, key, value}");
    let part = |name| event.get(name).ok_or_else(wrong);
    let value = event.get("value").and_then(or_nil);
    Ok(Event { revision: part("revision")?.int()?, key: part("key")?.map_key(), value })
}

#[cfg(test)]
mod tests {
    use super::{Api, Call, Event, Key, Reply, Response, Watch};

    #[test]
    fn what_is_written_is_read_back() {
        let name = |name: &str| Key::Text(name.into());
        let write = Call::Write(vec![(name("x"), Some(Key::Int(1))), (name("y"), None)]);
        assert_eq!(Watch::encode_call(&write).decode::<Watch>().unwrap(), write);
        let watch = Call::Watch { key: Some(name("x")), from: None };
        assert_eq!(Watch::encode_call(&watch).decode::<Watch>().unwrap(), watch);
        let compact = Call::Compact(9);
        assert_eq!(Watch::encode_call(&compact).decode::<Watch>().unwrap(), compact);
        let event = |revision| Event { revision, key: name("x"), value: Some(Key::Int(revision)) };
        let reply = Reply::Watched(vec![
            Response::Events { events: vec![event(2), event(3)], whole: true },
            Response::Bookmark(4),
            Response::Compacted(9),
            Response::Events { events: vec![event(5)], whole: false },
        ]);
        let json = Watch::encode_reply(&watch, &reply);
        assert_eq!(Watch::reply_from_json(&watch, &json).unwrap(), reply);
    }
}
