//! How a [`RegisterHistory`] is made, event by event.
//!
//! Where a key stands as in Jepsen's independent tests, `[key argument]`, it is told from a value
//! by its shape: a compare-and-set's `[old new]` is its own argument unless its second member is a
//! pair itself.

use super::history::{Action, Fate, NIL, NOWHEN, RegisterHistory};
use crate::transactions::ValueId;
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::api::{Asked, DecodeError, Key};
use schism_core::event::{Kind, RawEvent};
use schism_core::form::Form;
use schism_core::history::{History, Refused, Sink};
use schism_core::op::{Outcome, Process, Stamp};
use schism_core::time::Nanos;
use std::collections::HashMap;
use std::sync::Arc;

/// Pairs events while they come, as a reader finds them.
#[derive(Debug, Default)]
pub struct RegisterBuilder {
    history: RegisterHistory,
    /// By process, what it has open.
    open: Vec<Option<Open>>,
    nodes: HashMap<Arc<str>, u16>,
    last_index: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    op: u32,
    /// Key and argument stood together, so the answer may have the key with it too.
    tuple: bool,
}

/// How many operations there can be.
const MOST: u32 = 1 << 31;

/// What an invocation asks: the key, whether it stood with the argument, and the action.
struct Parsed<'t> {
    key: Option<Form<'t>>,
    tuple: bool,
    action: Action,
}

impl RegisterBuilder {
    /// How many operations it has.
    pub fn len(&self) -> usize {
        self.history.len()
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.history.is_empty()
    }

    /// The history so far; what is still open is indeterminate.
    pub fn finish(self) -> RegisterHistory {
        self.history
    }

    /// The id of what a register holds first.
    pub(crate) fn value(&mut self, form: Form<'_>) -> Result<ValueId, Refused> {
        if form.is_nil() {
            return Ok(NIL);
        }
        self.history.values.form(form).ok_or_else(too_many)
    }

    /// The history of typed operations. Refused: more than 2³² of them.
    pub(crate) fn of(typed: &History<Register>) -> Result<RegisterHistory, Refused> {
        let mut builder = Self::default();
        for op in typed.ops() {
            let key = match &op.call.key {
                None => 0,
                Some(key) => builder.history.keys.key(key).ok_or_else(too_many)? + 1,
            };
            let mut id = |value: i64| builder.history.values.int(value).ok_or_else(too_many);
            let action = match (op.call.op, op.reply()) {
                (RegisterOp::Read, Some(Reply::Read(Some(found)))) => Action::Read(id(*found)?),
                (RegisterOp::Read, _) => Action::Read(NIL),
                (RegisterOp::Write(new), _) => Action::Write(id(new)?),
                (RegisterOp::Cas(old, new), _) => Action::Cas(id(old)?, id(new)?),
            };
            let process = builder.process(op.process)?;
            let at = builder.begin(key, process, op.node.as_deref(), op.invoked, action)?;
            builder.history.completed[at as usize] = op.completed.unwrap_or(NOWHEN);
            builder.history.fates[at as usize] = match op.outcome {
                Outcome::Ok(_) => Fate::Ok,
                Outcome::Fail(_) => Fate::Fail,
                Outcome::Info(_) => Fate::Info,
            };
        }
        Ok(builder.finish())
    }

    fn process(&mut self, process: u64) -> Result<u32, Refused> {
        self.history.processes.id(Some(process), || process).ok_or_else(too_many)
    }

    fn begin(
        &mut self,
        key: u32,
        process: u32,
        node: Option<&str>,
        invoked: Stamp,
        action: Action,
    ) -> Result<u32, Refused> {
        let history = &mut self.history;
        let op = u32::try_from(history.len()).ok().filter(|op| *op < MOST).ok_or_else(too_many)?;
        if let Some(name) = node {
            let number = if let Some(number) = self.nodes.get(name) {
                *number
            } else {
                let name: Arc<str> = Arc::from(name);
                history.node_names.push(name.clone());
                let number = u16::try_from(history.node_names.len()).map_err(|_| too_many())?;
                *self.nodes.entry(name).or_insert(number)
            };
            history.node_of.resize(history.fates.len(), 0);
            history.node_of.push(number);
        }
        history.key_of.push(key);
        history.process_of.push(process);
        history.invoked.push(invoked);
        history.completed.push(NOWHEN);
        history.fates.push(Fate::Info);
        history.actions.push(action);
        Ok(op)
    }

    fn invoke(&mut self, process: u64, raw: &RawEvent<'_>, at: Stamp) -> Result<(), Refused> {
        let parsed = self.parse(&raw.asked)?;
        let key = match parsed.key {
            None => 0,
            Some(form) => self.history.keys.form(form).ok_or_else(too_many)? + 1,
        };
        let session = self.process(process)?;
        if self.open.len() <= session as usize {
            self.open.resize(session as usize + 1, None);
        }
        if self.open[session as usize].is_some() {
            return Err(format!(
                "process {process} invokes a second operation while its first is open; \
                 expected its \"ok\", \"fail\" or \"info\" before"
            )
            .into());
        }
        let op = self.begin(key, session, raw.node, at, parsed.action)?;
        self.open[session as usize] = Some(Open { op, tuple: parsed.tuple });
        Ok(())
    }

    fn complete(&mut self, process: u64, raw: &RawEvent<'_>, at: Stamp) -> Result<(), Refused> {
        let session = self.process(process)?;
        let open = self.open.get_mut(session as usize).and_then(Option::take).ok_or_else(|| {
            format!(
                "process {process} completes an operation, but has none open; \
                 expected an \"invoke\" of it before"
            )
        })?;
        let place = open.op as usize;
        self.history.completed[place] = at;
        self.history.fates[place] = match raw.kind {
            Kind::Ok => Fate::Ok,
            Kind::Fail => Fate::Fail,
            Kind::Info | Kind::Invoke => Fate::Info,
        };
        if raw.kind == Kind::Ok
            && let Action::Read(_) = self.history.actions[place]
        {
            let keyed = self.history.key_of[place] > 0;
            let answer = match raw.asked.value.array::<2>() {
                Ok([_, answer]) if open.tuple || keyed => answer,
                _ => raw.asked.value,
            };
            self.history.actions[place] = Action::Read(self.value(answer)?);
        }
        Ok(())
    }

    /// Reads an invocation.
    fn parse<'t>(&mut self, asked: &Asked<'t>) -> Result<Parsed<'t>, Refused> {
        let (key, argument, tuple) = match (asked.key, asked.value.array::<2>()) {
            (Some(key), _) => (Some(key), asked.value, false),
            (None, Ok([key, argument])) if asked.f != "cas" || argument.is_list() => {
                (Some(key), argument, true)
            }
            (None, _) => (None, asked.value, false),
        };
        let action = match asked.f {
            "read" => Action::Read(NIL),
            "write" => Action::Write(self.value(argument)?),
            "cas" => {
                let [old, new] = argument
                    .array()
                    .map_err(|error| DecodeError { expected: "[old new]".to_owned(), ..error })?;
                Action::Cas(self.value(old)?, self.value(new)?)
            }
            other => {
                let known = ["read", "write", "cas"];
                return Err(DecodeError::unknown_f("register", &known, other).into());
            }
        };
        Ok(Parsed { key, tuple, action })
    }
}

impl Sink for RegisterBuilder {
    /// One without an index gets the next one; one without a time gets its index as nanoseconds.
    /// What the nemesis did is passed over.
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        let index = raw.index.unwrap_or_else(|| self.last_index.map_or(0, |last| last + 1));
        if let Some(last) = self.last_index.filter(|last| index <= *last) {
            let why = format!("index {index} after index {last}; expected indices that grow");
            return Err(why.into());
        }
        self.last_index = Some(index);
        let at = Stamp { index, time: raw.time.unwrap_or(Nanos(index)) };
        match (raw.process, raw.kind) {
            (Process::Nemesis, _) => Ok(()),
            (Process::Client(process), Kind::Invoke) => self.invoke(process, raw, at),
            (Process::Client(process), _) => self.complete(process, raw, at),
        }
    }
}

fn too_many() -> Refused {
    "more operations, keys, nodes or unusual values than there can be".to_owned().into()
}

/// The key of an object in words, as a prefix of what is said of it.
pub(crate) fn of_key(key: Option<&Key>) -> String {
    key.map_or_else(String::new, |key| format!("key {key}: "))
}

#[cfg(test)]
mod tests {
    use crate::models::{self, Options};
    use schism_core::event::Line;
    use schism_core::form::Tape;
    use schism_core::limits::Limits;

    /// The verdict on events `type process f value`, or why one was refused.
    fn word(events: &[&str], init: Option<i64>) -> Result<&'static str, String> {
        let init = init.map(|init| Tape::from_json(&init.into()));
        let options = Options { init, ..Options::default() };
        let model = models::find("cas-register").ok_or("no such model")?;
        let mut judge = model.make(&options).map_err(|bad| bad.0)?;
        let mut tape = Tape::default();
        for (index, event) in events.iter().enumerate() {
            let parts: Vec<&str> = event.splitn(4, ' ').collect();
            let [kind, process, f, value] = parts.as_slice() else { return Err("parts".into()) };
            let stamp = format!(r#""index":{index},"time":1,"process":{process}"#);
            let line = format!(r#"{{{stamp},"type":"{kind}","f":"{f}","value":{value}}}"#);
            let line: Line<'_> = serde_json::from_str(&line).map_err(|error| error.to_string())?;
            judge.event(&line.raw(&mut tape)).map_err(|refused| refused.message)?;
        }
        Ok(judge.judge(&Limits::default()).verdict.word())
    }

    #[test]
    fn a_pair_is_an_argument_of_cas_and_else_a_key_with_its_argument() {
        let bare = ["invoke 0 write 1", "ok 0 write 1", "invoke 0 cas [1,2]", "ok 0 cas [1,2]"];
        assert_eq!(word(&bare, None), Ok("valid"));
        let keyed = [
            "invoke 0 write [7,1]",
            "ok 0 write [7,1]",
            "invoke 0 cas [7,[1,2]]",
            "ok 0 cas [7,[1,2]]",
            "invoke 0 read [7,null]",
            "ok 0 read [7,2]",
            "invoke 0 read [8,null]",
            "ok 0 read [8,null]",
        ];
        assert_eq!(word(&keyed, None), Ok("valid"));
        assert_eq!(word(&[&keyed[..5], &["ok 0 read [7,1]"]].concat(), None), Ok("invalid"));
    }

    #[test]
    fn values_may_be_anything_and_nil_may_be_written() {
        let text = ["invoke 0 write \"a\"", "ok 0 write \"a\"", "invoke 0 read null"];
        assert_eq!(word(&[&text[..], &["ok 0 read \"a\""]].concat(), None), Ok("valid"));
        assert_eq!(word(&[&text[..], &["ok 0 read null"]].concat(), None), Ok("invalid"));
        let nil = ["invoke 0 write null", "ok 0 write null", "invoke 0 read null"];
        assert_eq!(word(&[&text[..2], &nil, &["ok 0 read null"]].concat(), None), Ok("valid"));
    }

    #[test]
    fn what_it_holds_first_can_be_said() {
        let zero = ["invoke 0 read null", "ok 0 read 0"];
        assert_eq!(word(&zero, Some(0)), Ok("valid"));
        assert_eq!(word(&zero, None), Ok("invalid"));
        let options = Options { total: Some(1), ..Options::default() };
        assert!(models::find("register").is_some_and(|model| model.make(&options).is_err()));
    }

    #[test]
    fn events_that_make_no_sense_are_refused() {
        let refused = |events: &[&str], why: &str| {
            assert!(word(events, None).is_err_and(|error| error.contains(why)), "{events:?}");
        };
        refused(&["ok 0 read 1"], "none open");
        refused(&["invoke 0 read null", "invoke 0 read null"], "second");
        refused(&["invoke 0 add 1"], "an operation of register");
        refused(&["invoke 0 cas 1"], "[old new]");
    }
}
