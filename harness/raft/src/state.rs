//! The replicated state: what all the commands so far have made of it.
//!
//! Pure and deterministic, because every node applies the same log on its own: no clock, no chance,
//! and ordered maps. Commands are applied one at a time, which is what makes a transaction atomic.

use schism_core::api::consensus::{self, Consensus, ConsensusOp};
use schism_core::api::list_append::{ListAppend, Mop, Txn};
use schism_core::api::log::{self, Log};
use schism_core::api::register::{self, Register, RegisterOp};
use schism_core::api::set::{self, Set};
use schism_core::api::{Api, Key, Payload};
use schism_core::op::Outcome;
use schism_core::wire::Response;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a call has to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through the log.
    Write,
    /// From the leader's state, after it made sure that it leads.
    Read,
    /// From this node's state: the question is what this node has.
    Local,
}

impl Route {
    /// The route of a call, or why it is not a call that this system serves.
    pub(crate) fn of(api: &str, payload: &Payload) -> Result<Self, String> {
        let read_if = |read| if read { Self::Read } else { Self::Write };
        let local_if = |local| if local { Self::Local } else { Self::Write };
        match api {
            Register::NAME => payload
                .decode::<Register>()
                .map(|call| read_if(call.op == RegisterOp::Read))
                .map_err(|error| error.to_string()),
            Set::NAME => payload
                .decode::<Set>()
                .map(|call| read_if(call == set::Call::Read))
                .map_err(|error| error.to_string()),
            ListAppend::NAME => payload
                .decode::<ListAppend>()
                .map(|txn| read_if(!txn.iter().any(|mop| matches!(mop, Mop::Append(..)))))
                .map_err(|error| error.to_string()),
            Log::NAME => payload
                .decode::<Log>()
                .map(|call| local_if(call == log::Call::Delivered))
                .map_err(|error| error.to_string()),
            Consensus::NAME => payload
                .decode::<Consensus>()
                .map(|call| local_if(call.op == ConsensusOp::Learn))
                .map_err(|error| error.to_string()),
            other => Err(format!("raft does not serve {other}")),
        }
    }
}

/// Everything that clients have made, for all Apis side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    #[serde(with = "pairs")]
    registers: BTreeMap<Option<Key>, i64>,
    set: BTreeSet<i64>,
    #[serde(with = "pairs")]
    lists: BTreeMap<Key, Vec<i64>>,
    messages: Vec<i64>,
    #[serde(with = "pairs")]
    decisions: BTreeMap<i64, i64>,
}

impl State {
    /// Applies a command of the log, and says what its client is told.
    pub(crate) fn apply(&mut self, api: &str, payload: &Payload) -> Response {
        match api {
            Register::NAME => perform::<Register>(payload, |call| self.register(call)),
            Set::NAME => perform::<Set>(payload, |call| self.set(*call)),
            ListAppend::NAME => perform::<ListAppend>(payload, |txn| Outcome::Ok(self.txn(txn))),
            Log::NAME => perform::<Log>(payload, |call| self.log(*call)),
            Consensus::NAME => perform::<Consensus>(payload, |call| self.consensus(*call)),
            other => fail(format!("raft does not serve {other}")),
        }
    }

    /// Answers a call that changes nothing; one that would change something is refused.
    pub(crate) fn read(&self, api: &str, payload: &Payload) -> Response {
        match api {
            Register::NAME => perform::<Register>(payload, |call| match call.op {
                RegisterOp::Read => Outcome::Ok(self.register_read(call.key.as_ref())),
                RegisterOp::Write(_) | RegisterOp::Cas(..) => refuse(),
            }),
            Set::NAME => perform::<Set>(payload, |call| match call {
                set::Call::Read => Outcome::Ok(self.set_read()),
                set::Call::Add(_) => refuse(),
            }),
            ListAppend::NAME => perform::<ListAppend>(payload, |txn| {
                let read = |mop: &Mop| match mop {
                    Mop::Read(key, _) => Some(self.list_read(key)),
                    Mop::Append(..) => None,
                };
                txn.iter().map(read).collect::<Option<Txn>>().map_or_else(refuse, Outcome::Ok)
            }),
            Log::NAME => perform::<Log>(payload, |call| match call {
                log::Call::Delivered => Outcome::Ok(self.log_read()),
                log::Call::Broadcast(_) => refuse(),
            }),
            Consensus::NAME => perform::<Consensus>(payload, |call| match call.op {
                ConsensusOp::Learn => Outcome::Ok(self.consensus_read(call.instance)),
                ConsensusOp::Propose(_) => refuse(),
            }),
            other => fail(format!("raft does not serve {other}")),
        }
    }

    fn register(&mut self, call: &register::Call) -> Outcome<register::Reply> {
        match call.op {
            RegisterOp::Read => return Outcome::Ok(self.register_read(call.key.as_ref())),
            RegisterOp::Write(value) => {
                self.registers.insert(call.key.clone(), value);
            }
            RegisterOp::Cas(old, new) => match self.registers.get_mut(&call.key) {
                Some(value) if *value == old => *value = new,
                Some(value) => return Outcome::Fail(format!("it was {value}, not {old}").into()),
                None => return Outcome::Fail(format!("it was never written, not {old}").into()),
            },
        }
        Outcome::Ok(register::Reply::Written)
    }

    fn register_read(&self, key: Option<&Key>) -> register::Reply {
        register::Reply::Read(self.registers.get(&key.cloned()).copied())
    }

    fn set(&mut self, call: set::Call) -> Outcome<set::Reply> {
        Outcome::Ok(match call {
            set::Call::Add(element) => {
                self.set.insert(element);
                set::Reply::Added
            }
            set::Call::Read => self.set_read(),
        })
    }

    fn set_read(&self) -> set::Reply {
        set::Reply::Read(self.set.iter().copied().collect())
    }

    fn txn(&mut self, txn: &Txn) -> Txn {
        txn.iter()
            .map(|mop| match mop {
                Mop::Append(key, element) => {
                    self.lists.entry(key.clone()).or_default().push(*element);
                    mop.clone()
                }
                Mop::Read(key, _) => self.list_read(key),
            })
            .collect()
    }

    fn list_read(&self, key: &Key) -> Mop {
        Mop::Read(key.clone(), Some(self.lists.get(key).cloned().unwrap_or_default()))
    }

    fn log(&mut self, call: log::Call) -> Outcome<log::Reply> {
        Outcome::Ok(match call {
            log::Call::Broadcast(message) => {
                self.messages.push(message);
                log::Reply::Sent
            }
            log::Call::Delivered => self.log_read(),
        })
    }

    fn log_read(&self) -> log::Reply {
        log::Reply::Delivered(self.messages.clone())
    }

    fn consensus(&mut self, call: consensus::Call) -> Outcome<consensus::Reply> {
        // The first proposal in the log decides; all later ones are told what it was.
        if let ConsensusOp::Propose(value) = call.op {
            self.decisions.entry(call.instance).or_insert(value);
        }
        Outcome::Ok(self.consensus_read(call.instance))
    }

    fn consensus_read(&self, instance: i64) -> consensus::Reply {
        consensus::Reply::Decided(self.decisions.get(&instance).copied())
    }
}

/// Decodes, performs and encodes: the synchronous brother of `schism_agreement::host::answer`.
fn perform<A: Api>(payload: &Payload, act: impl FnOnce(&A::Call) -> Outcome<A::Reply>) -> Response {
    let call = match payload.decode::<A>() {
        Ok(call) => call,
        Err(error) => return fail(error.to_string()),
    };
    match act(&call) {
        Outcome::Ok(reply) => Response::Ok { value: A::encode_reply(&call, &reply) },
        Outcome::Fail(reason) => fail(reason.into_owned()),
        Outcome::Info(reason) => Response::Info { error: reason.into_owned() },
    }
}

fn refuse<R>() -> Outcome<R> {
    Outcome::Fail("this has to go through the log".into())
}

fn fail(error: String) -> Response {
    Response::Fail { error }
}

/// Maps as lists of pairs, because JSON's keys are strings only.
mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Route, State};
    use schism_core::wire::{Request, Response};
    use serde_json::{Value, json};

    fn apply(state: &mut State, request: Value) -> Value {
        let request: Request = serde_json::from_value(request).unwrap();
        match state.apply(&request.api, &request.payload.unwrap()) {
            Response::Ok { value } => value,
            Response::Fail { error } | Response::Info { error } => json!({ "error": error }),
        }
    }

    #[test]
    fn registers_are_independent_and_cas_compares() {
        let mut state = State::default();
        let cas = |old, new| json!({"api": "register", "f": "cas", "key": 1, "value": [old, new]});
        assert_eq!(apply(&mut state, cas(0, 1)), json!({"error": "it was never written, not 0"}));
        apply(&mut state, json!({"api": "register", "f": "write", "key": 1, "value": 3}));
        assert_eq!(apply(&mut state, cas(3, 4)), json!([3, 4]));
        assert_eq!(apply(&mut state, cas(3, 5)), json!({"error": "it was 4, not 3"}));
        for (key, value) in
            [(json!(1), json!(4)), (json!("1"), Value::Null), (json!(2), Value::Null)]
        {
            let read = json!({"api": "register", "f": "read", "key": key});
            assert_eq!(apply(&mut state, read), value);
        }
    }

    #[test]
    fn a_transaction_reads_its_own_appends_in_order() {
        let mut state = State::default();
        let txn = json!([["r", 1, null], ["append", 1, 7], ["r", 1, null], ["append", 1, 8]]);
        let reply = apply(&mut state, json!({"api": "list-append", "f": "txn", "value": txn}));
        assert_eq!(reply, json!([["r", 1, []], ["append", 1, 7], ["r", 1, [7]], ["append", 1, 8]]));
    }

    #[test]
    fn the_first_proposal_decides_and_messages_keep_their_order() {
        let mut state = State::default();
        let propose = |v| json!({"api": "consensus", "f": "propose", "key": 3, "value": v});
        assert_eq!(apply(&mut state, propose(10)), json!(10));
        assert_eq!(apply(&mut state, propose(11)), json!(10));
        for message in [5, 4, 6] {
            apply(&mut state, json!({"api": "log", "f": "broadcast", "value": message}));
        }
        let delivered = apply(&mut state, json!({"api": "log", "f": "delivered"}));
        assert_eq!(delivered, json!([5, 4, 6]));
    }

    #[test]
    fn a_state_survives_its_json_form() {
        let mut state = State::default();
        for request in [
            json!({"api": "register", "f": "write", "key": 1, "value": 3}),
            json!({"api": "register", "f": "write", "key": "1", "value": 4}),
            json!({"api": "register", "f": "write", "value": 5}),
            json!({"api": "set", "f": "add", "value": -2}),
            json!({"api": "list-append", "f": "txn", "value": [["append", "x", 7]]}),
            json!({"api": "log", "f": "broadcast", "value": 9}),
            json!({"api": "consensus", "f": "propose", "key": -1, "value": 2}),
        ] {
            apply(&mut state, request);
        }
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }

    #[test]
    fn only_what_changes_nothing_bypasses_the_log() {
        for (request, route) in [
            (json!({"api": "register", "f": "read"}), Ok(Route::Read)),
            (json!({"api": "register", "f": "cas", "value": [1, 2]}), Ok(Route::Write)),
            (json!({"api": "set", "f": "add", "value": 1}), Ok(Route::Write)),
            (json!({"api": "list-append", "f": "txn", "value": [["r", 1, null]]}), Ok(Route::Read)),
            (
                json!({
                    "api": "list-append", "f": "txn", "value": [["r", 1, null], ["append", 1, 1]],
                }),
                Ok(Route::Write),
            ),
            (json!({"api": "log", "f": "delivered"}), Ok(Route::Local)),
            (json!({"api": "log", "f": "broadcast", "value": 1}), Ok(Route::Write)),
            (json!({"api": "consensus", "f": "learn", "key": 1}), Ok(Route::Local)),
            (json!({"api": "consensus", "f": "propose", "key": 1, "value": 1}), Ok(Route::Write)),
            (json!({"api": "queue", "f": "take"}), Err("raft does not serve queue".to_owned())),
        ] {
            let request: Request = serde_json::from_value(request).unwrap();
            let payload = request.payload.unwrap();
            assert_eq!(Route::of(&request.api, &payload), route);
            if route == Ok(Route::Write) {
                let read = State::default().read(&request.api, &payload);
                assert!(matches!(read, Response::Fail { .. }), "{read:?}");
            }
        }
    }
}
