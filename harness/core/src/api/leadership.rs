//! Leadership as each node sees it: is this node the leader now, of which term, and since when?
//!
//! A sample alone cannot show two leaders at one time, because two samples are taken at two
//! moments. A *reign* can: it is a number that a node raises each time it becomes leader, so two
//! samples of one reign show that the node led all the time between them.

use super::{Api, Asked, DecodeError, Payload};
use crate::form::Form;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The Api of leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership;

/// What a node can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// How does this node see itself?
    Observe,
    /// Asks the node to run for leader; answers with how it sees itself afterwards.
    Campaign,
}

/// How a node sees itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its logical time: the term, round or epoch.
    pub term: u64,
    /// Does it hold itself for the leader of that term?
    pub leader: bool,
    /// How often it has become leader since it started; the same number in two samples means that
    /// it led without interruption between them.
    pub reign: u64,
    /// Its incarnation: differs after each restart of the process.
    pub boot: u64,
}

impl Api for Leadership {
    const NAME: &'static str = "leadership";
    type Call = Call;
    type Reply = Reply;

    fn encode_call(call: &Call) -> Payload {
        Payload::unkeyed(
            match call {
                Call::Observe => "observe",
                Call::Campaign => "campaign",
            },
            Value::Null,
        )
    }

    fn encode_reply(_: &Call, reply: &Reply) -> Value {
        serde_json::json!({
            "term": reply.term, "leader": reply.leader, "reign": reply.reign, "boot": reply.boot,
        })
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Call, DecodeError> {
        match asked.f {
            "observe" => Ok(Call::Observe),
            "campaign" => Ok(Call::Campaign),
            other => Err(DecodeError::unknown_f("leadership", &["observe", "campaign"], other)),
        }
    }

    fn decode_reply(_: &Call, value: Form<'_>) -> Result<Reply, DecodeError> {
        Reply::deserialize(value.to_json())
            .map_err(|_| value.error("{\"term\", \"leader\", \"reign\", \"boot\"}"))
    }
}
