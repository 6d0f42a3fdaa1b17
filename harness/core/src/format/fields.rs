//! What makes an event of a map, in whichever syntax it was written.
//!
//! Jepsen's and our own histories have the same fields, so the rules for them are here once:
//!
//! - `type` is needed, and is invoke, ok, fail or info.
//! - `process` is a number from 0; any other name is a nemesis. A history in which no event has one
//!   is that of a single process, as small ones written by hand are; one in which some have it and
//!   some don't is refused, for nobody can say who did the others.
//! - `f` is needed, except that Elle's histories leave it out: what looks like a transaction is
//!   one.
//! - `index` and `time` may be missing. A time of -1 is how Jepsen says that it has none.
//! - `keyed true` says that the value is a key and a value, which is how an object's key is written
//!   for Jepsen, whose tools know such pairs.
//!
//! Other fields are skipped.

use crate::api::Asked;
use crate::event::{Kind, RawEvent};
use crate::form::{Form, Shape, Tape, View};
use crate::history::Refused;
use crate::op::Process;
use crate::time::Nanos;

/// What a history told about its processes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Processes {
    #[default]
    Unseen,
    Named,
    Nameless,
}

/// Shown in messages: how an event looks in each syntax.
pub(super) const EDN_EVENT: &str = "{:type :invoke, :process 0, :f :read, :value nil}";
pub(super) const JSON_EVENT: &str = r#"{"type":"invoke","process":0,"f":"read","value":null}"#;

/// The fields of an event, where they were found.
#[derive(Clone, Copy, Default)]
struct Fields<'t> {
    index: Option<Form<'t>>,
    time: Option<Form<'t>>,
    kind: Option<Form<'t>>,
    process: Option<Form<'t>>,
    f: Option<Form<'t>>,
    key: Option<Form<'t>>,
    value: Option<Form<'t>>,
    node: Option<Form<'t>>,
    error: Option<Form<'t>>,
    keyed: Option<Form<'t>>,
}

impl<'t> Fields<'t> {
    fn of(map: Form<'t>) -> Result<Self, Refused> {
        let mut fields = Self::default();
        for (name, value) in map.entries()? {
            let Some(word) = name.word() else { continue };
            let slot = match word {
                "index" => &mut fields.index,
                "time" => &mut fields.time,
                "type" => &mut fields.kind,
                "process" => &mut fields.process,
                "f" => &mut fields.f,
                "key" => &mut fields.key,
                "value" => &mut fields.value,
                "node" => &mut fields.node,
                "error" => &mut fields.error,
                "keyed" => &mut fields.keyed,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Refused {
                    message: format!("an event has one {word}, but here is a second"),
                    at: name.at(),
                });
            }
        }
        Ok(fields)
    }
}

/// Reads the event that is the first form of a tape. The last form has to be nil: it stands for a
/// value that is missing.
pub(super) fn event<'t>(
    tape: &'t Tape,
    processes: &mut Processes,
    like: &str,
) -> Result<RawEvent<'t>, Refused> {
    let root = tape.root();
    let map = match root.view() {
        View::Collection(Shape::Map, _) => root,
        // A record, such as #jepsen.history.Op{...}.
        View::Collection(Shape::Tagged, mut members) => match members.nth(1) {
            Some(map) if map.shape() == Some(Shape::Map) => map,
            _ => return Err(root.error(format!("an event like {like}")).into()),
        },
        _ => return Err(root.error(format!("an event like {like}")).into()),
    };
    let fields = Fields::of(map)?;
    let kind = kind(fields.kind.ok_or_else(|| missing("type", like))?)?;
    let process = process(fields.process, processes, like)?;
    let nil = tape.form(tape.len() - 1);
    let (key, value) = value(&fields, nil)?;
    let f = match fields.f.map(operation).transpose()? {
        Some(f) => f,
        None if process == Process::Nemesis => "nemesis",
        None if kind != Kind::Invoke || is_transaction(value) => "txn",
        None => return Err(missing("f", like)),
    };
    Ok(RawEvent {
        index: fields.index.filter(|index| !index.is_nil()).map(index).transpose()?,
        time: fields.time.map(time).transpose()?.flatten(),
        kind,
        process,
        asked: Asked { f, key, value },
        node: fields.node.and_then(Form::word),
        error: fields.error.filter(|error| !error.is_nil()),
    })
}

fn missing(name: &str, like: &str) -> Refused {
    Refused::from(format!("an event without {name}; expected one like {like}"))
}

fn kind(form: Form<'_>) -> Result<Kind, Refused> {
    kind_of(form.word().unwrap_or_default())
        .ok_or_else(|| form.error("the type invoke, ok, fail or info").into())
}

/// The type of that name, with or without a colon.
pub(super) fn kind_of(word: &str) -> Option<Kind> {
    match word.strip_prefix(':').unwrap_or(word) {
        "invoke" => Some(Kind::Invoke),
        "ok" => Some(Kind::Ok),
        "fail" => Some(Kind::Fail),
        "info" => Some(Kind::Info),
        _ => None,
    }
}

fn process(
    form: Option<Form<'_>>,
    processes: &mut Processes,
    like: &str,
) -> Result<Process, Refused> {
    let Some(form) = form else {
        if *processes == Processes::Named {
            return Err(missing("process", like));
        }
        *processes = Processes::Nameless;
        return Ok(Process::Client(0));
    };
    let process = match form.view() {
        View::Int(number) => u64::try_from(number).ok().map(Process::Client),
        // A number in quotes would be passed over as a nemesis.
        View::Text(name) | View::Word(name) if name.parse::<f64>().is_err() => {
            Some(Process::Nemesis)
        }
        _ => None,
    };
    let process = process
        .ok_or_else(|| form.error("a process: a whole number from 0, or the word nemesis"))?;
    match (process, *processes) {
        (Process::Client(_), Processes::Nameless) => Err(Refused {
            message: "a process, but events before this one have none; \
                      expected that all have one, or none"
                .to_owned(),
            at: form.at(),
        }),
        (Process::Client(_), _) => {
            *processes = Processes::Named;
            Ok(process)
        }
        (Process::Nemesis, _) => Ok(process),
    }
}

fn operation(form: Form<'_>) -> Result<&str, Refused> {
    match form.word() {
        Some(word) => Ok(word.trim_start_matches(':')),
        None => Err(form.error("the operation's name").into()),
    }
}

fn value<'t>(fields: &Fields<'t>, nil: Form<'t>) -> Result<(Option<Form<'t>>, Form<'t>), Refused> {
    let value = fields.value.unwrap_or(nil);
    let keyed = match fields.keyed {
        Some(keyed) => keyed.bool()?,
        None => false,
    };
    if !keyed {
        return Ok((fields.key, value));
    }
    match value.array() {
        Ok([key, value]) => Ok((Some(key), value)),
        Err(_) => Err(value.error("[key value], for the event is keyed").into()),
    }
}

/// Is it a list of lists that begin with a name?
fn is_transaction(value: Form<'_>) -> bool {
    value.is_list()
        && value
            .members()
            .all(|mop| mop.is_list() && mop.members().next().is_some_and(|f| f.word().is_some()))
}

fn index(form: Form<'_>) -> Result<u64, Refused> {
    form.int()
        .ok()
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| form.error("an index: a whole number from 0").into())
}

fn time(form: Form<'_>) -> Result<Option<Nanos>, Refused> {
    match form.view() {
        View::Nil | View::Int(-1) => Ok(None),
        View::Int(number) if number >= 0 => Ok(Some(Nanos(number.cast_unsigned()))),
        _ => Err(form.error("a time: whole nanoseconds from 0").into()),
    }
}
