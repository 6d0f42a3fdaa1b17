//! What is written is read back the same; what is broken is refused, with a place, and never more.

use super::Writer;
use crate::api::Asked;
use crate::event::{Kind, RawEvent};
use crate::form::{Form, NOWHERE, Shape, Tape, View};
use crate::format::{Format, ReadError, Summary, read};
use crate::history::{Refused, Sink};
use crate::limits::Limits;
use crate::op::Process;
use crate::time::Nanos;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::io::Read;

/// A value, to be put on a tape.
#[derive(Clone, Debug)]
enum Tree {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Word(String),
    Many(Shape, Vec<Tree>),
}

impl Tree {
    fn put(&self, tape: &mut Tape) {
        match self {
            Self::Nil => tape.nil(NOWHERE),
            Self::Bool(value) => tape.bool(NOWHERE, *value),
            Self::Int(number) => tape.int(NOWHERE, *number),
            Self::Float(number) => tape.float(NOWHERE, *number),
            Self::Text(text) => tape.text(NOWHERE, text),
            Self::Word(word) => tape.word(NOWHERE, word),
            Self::Many(shape, members) => {
                let opened = tape.open(NOWHERE, *shape);
                for member in members {
                    member.put(tape);
                }
                tape.close(&opened);
            }
        }
    }
}

/// An event that owns all it has.
#[derive(Clone, Debug)]
struct Owned {
    index: Option<u64>,
    time: Option<u64>,
    kind: Kind,
    process: Option<u64>,
    f: String,
    key: Option<Tree>,
    value: Tree,
    node: Option<String>,
    error: Option<Tree>,
}

impl Owned {
    fn with_raw<R>(&self, look: impl FnOnce(&RawEvent<'_>) -> R) -> R {
        let mut tape = Tape::default();
        let mut put = |tree: &Tree| {
            let place = tape.len();
            tree.put(&mut tape);
            place
        };
        let value = put(&self.value);
        let key = self.key.as_ref().map(&mut put);
        let error = self.error.as_ref().map(&mut put);
        let asked =
            Asked { f: &self.f, key: key.map(|place| tape.form(place)), value: tape.form(value) };
        look(&RawEvent {
            index: self.index,
            time: self.time.map(Nanos),
            kind: self.kind,
            process: self.process.map_or(Process::Nemesis, Process::Client),
            asked,
            node: self.node.as_deref(),
            error: error.map(|place| tape.form(place)),
        })
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["x", "append", "a/b", "-", "a.b$c", "nil", "12", "<init>"])
            .prop_map(str::to_owned),
        "[a-z]{1,5}",
        "\\PC{0,4}",
        any::<String>(),
    ]
}

fn tag() -> impl Strategy<Value = Tree> {
    "[a-z]{1,3}(/[a-z]{1,2})?".prop_map(Tree::Word)
}

fn tree() -> impl Strategy<Value = Tree> {
    let atom = prop_oneof![
        Just(Tree::Nil),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Int),
        (-20_i64..20).prop_map(Tree::Int),
        any::<f64>().prop_map(Tree::Float),
        name().prop_map(Tree::Text),
        name().prop_map(Tree::Word),
    ];
    atom.prop_recursive(3, 12, 4, |tree| {
        prop_oneof![
            3 => vec(tree.clone(), 0..6).prop_map(|all| Tree::Many(Shape::List, all)),
            1 => vec(tree.clone(), 0..6).prop_map(|all| Tree::Many(Shape::Set, all)),
            1 => vec((tree.clone(), tree.clone()), 0..4).prop_map(|pairs| {
                Tree::Many(Shape::Map, pairs.into_iter().flat_map(|(a, b)| [a, b]).collect())
            }),
            1 => (tag(), tree).prop_map(|(tag, tree)| Tree::Many(Shape::Tagged, vec![tag, tree])),
        ]
    })
}

fn event() -> impl Strategy<Value = Owned> {
    let number = || option::of(prop_oneof![0..100_u64, 0..=i64::MAX.cast_unsigned()]);
    let kind = prop::sample::select(vec![Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info]);
    let f = prop_oneof![Just("txn".to_owned()), name()];
    let f = f.prop_map(|f| f.trim_start_matches(':').to_owned());
    let none = |tree: &Tree| matches!(tree, Tree::Nil | Tree::Many(Shape::Tagged, _));
    let error = tree().prop_filter("what JSON has as null", move |tree| !none(tree));
    (
        (number(), number(), kind, number()),
        (f, option::of(tree()), tree(), option::of(name()), option::of(error)),
    )
        .prop_map(|((index, time, kind, process), (f, key, value, node, error))| Owned {
            index,
            time,
            kind,
            process,
            f,
            key,
            value,
            node,
            error,
        })
}

/// Compares events with those that were written.
struct Compare<'e> {
    expected: std::slice::Iter<'e, Owned>,
    same: fn(Form<'_>, Form<'_>) -> bool,
}

impl Sink for Compare<'_> {
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        let owned = self.expected.next().expect("no more events than were written");
        owned.with_raw(|expected| {
            let optional = |a: Option<Form<'_>>, b: Option<Form<'_>>| match (a, b) {
                (Some(a), Some(b)) => (self.same)(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            let same = (raw.index, raw.time) == (expected.index, expected.time)
                && (raw.kind, raw.process) == (expected.kind, expected.process)
                && (raw.asked.f, raw.node) == (expected.asked.f, expected.node)
                && optional(raw.asked.key, expected.asked.key)
                && (self.same)(raw.asked.value, expected.asked.value)
                && optional(raw.error, expected.error);
            assert!(same, "{raw:?}\nis not\n{expected:?}");
        });
        Ok(())
    }
}

/// The same, but for whether a name is a word or a string.
fn same(a: Form<'_>, b: Form<'_>) -> bool {
    match (a.view(), b.view()) {
        (View::Nil, View::Nil) => true,
        (View::Bool(a), View::Bool(b)) => a == b,
        (View::Int(a), View::Int(b)) => a == b,
        (View::Float(a), View::Float(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
        (View::Collection(a, left), View::Collection(b, right)) => {
            a == b
                && left.clone().count() == right.clone().count()
                && left.zip(right).all(|(left, right)| same(left, right))
        }
        _ => a.word().is_some() && a.word() == b.word(),
    }
}

fn write(events: &[Owned], format: Format) -> Vec<u8> {
    let mut writer = Writer::new(format, Vec::new()).unwrap();
    for event in events {
        event.with_raw(|raw| writer.event(raw)).unwrap();
    }
    writer.finish().unwrap()
}

/// A reader that gives a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(self.0.len()).min(out.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn convert(format: Format, reader: impl Read) -> (String, Result<Summary, ReadError>) {
    let mut writer = Writer::new(Format::Edn, Vec::new()).unwrap();
    let result = read(format, reader, &mut writer, &Limits::default());
    (String::from_utf8(writer.finish().unwrap()).unwrap(), result)
}

/// Reads broken text whole and in pieces: both go the same way, and an error has a place in it.
fn read_anyhow(format: Format, text: &[u8], step: usize) -> Result<(), TestCaseError> {
    let (whole, result) = convert(format, text);
    let (pieces, again) = convert(format, Trickle(text, step));
    prop_assert_eq!(whole, pieces);
    match (result, again) {
        (Ok(summary), Ok(again)) => prop_assert_eq!(summary, again),
        (Err(ReadError::Malformed(error)), Err(ReadError::Malformed(again))) => {
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            let line = usize::try_from(error.line).unwrap();
            prop_assert!(1 <= line && line <= lines.len(), "{error} of {} lines", lines.len());
            let column = usize::try_from(error.column).unwrap();
            prop_assert!(1 <= column && column <= lines[line - 1].len() + 1, "{error}");
            // What was found is shown as far as it was in memory.
            prop_assert_eq!((error.line, error.column), (again.line, again.column));
        }
        (one, other) => prop_assert!(false, "{one:?} but {other:?}"),
    }
    Ok(())
}

/// Bytes at which syntax turns.
const TURNS: &[u8] = b"{}[]()\":;#_\\,-+ \n\t=01e.N/nilwr\xC3\xA9\xFF\0";

proptest! {
    #[test]
    fn edn_and_json_lines_are_read_back_the_same(events in vec(event(), 0..4)) {
        let text = write(&events, Format::Edn);
        let mut compare = Compare { expected: events.iter(), same };
        let summary = read(Format::Edn, &text[..], &mut compare, &Limits::default());
        prop_assert_eq!(summary.unwrap().events, events.len() as u64);

        let as_json = |a: Form<'_>, b: Form<'_>| a.to_json() == b.to_json() || has_infinity(b);
        for format in [Format::Jsonl, Format::Json] {
            let text = write(&events, format);
            serde_json::Deserializer::from_slice(&text)
                .into_iter::<serde_json::Value>()
                .for_each(|value| drop(value.unwrap()));
            let mut compare = Compare { expected: events.iter(), same: as_json };
            let summary = read(format, &text[..], &mut compare, &Limits::default());
            prop_assert_eq!(summary.unwrap().events, events.len() as u64);
        }
    }

    #[test]
    fn broken_text_is_refused_with_a_place_in_it(
        events in vec(event(), 1..3),
        changes in vec((any::<prop::sample::Index>(), 0..4, any::<prop::sample::Index>()), 0..3),
        step in 1..50_usize,
    ) {
        for format in [Format::Edn, Format::Json, Format::Jsonl] {
            let mut text = write(&events, format);
            for (place, how, byte) in &changes {
                let place = place.index(text.len());
                change(&mut text, place, *how, *byte.get(TURNS));
            }
            read_anyhow(format, &text, step)?;
        }
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place_in_it(
        text in vec(prop_oneof![4 => prop::sample::select(TURNS), 1 => any::<u8>()], 0..60),
        step in 1..9_usize,
    ) {
        let mut line = b"INFO jepsen.util - 0 :ok :read ".to_vec();
        line.extend_from_slice(&text);
        for format in Format::ALL {
            read_anyhow(format, &text, step)?;
            read_anyhow(format, &line, step)?;
        }
        let _any = Format::detect(&text);
    }
}

/// Is there a number that JSON does not have?
fn has_infinity(form: Form<'_>) -> bool {
    match form.view() {
        View::Float(number) => !number.is_finite(),
        View::Collection(_, mut members) => members.any(has_infinity),
        _ => false,
    }
}

fn change(text: &mut Vec<u8>, place: usize, how: i32, byte: u8) {
    match how {
        0 => text.truncate(place.max(1)),
        1 => text[place] = byte,
        2 => text.insert(place, byte),
        _ if text.len() > 1 => drop(text.remove(place)),
        _ => {}
    }
}
