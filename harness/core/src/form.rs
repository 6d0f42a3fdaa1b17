//! Values as they stand in a history file, whatever its syntax, without one allocation a value.
//!
//! A [`Tape`] holds the values of one event, flat and in order; it is cleared and filled again for
//! the next, so that reading a million events allocates as much as reading one. A [`Form`] is a
//! place on a tape: a value with all that is in it. Each knows the byte offset at which it stood,
//! so that an error can name its line and column.
//!
//! EDN and JSON both become forms: nil is null, a keyword and a symbol are words, a vector and a
//! list are lists.
//!
//! ```
//! use schism_core::form::Tape;
//! let tape = Tape::from_json(&serde_json::json!([["append", "x", 1], ["r", "x", null]]));
//! let mops: Vec<_> = tape.root().items()?.collect();
//! let [f, key, element] = mops[0].array()?;
//! assert_eq!((f.text()?, key.text()?, element.int()?), ("append", "x", 1));
//! assert!(mops[1].items()?.nth(2).unwrap().is_nil());
//! let error = mops[1].int().unwrap_err();
//! assert_eq!(error.to_string(), r#"expected a whole number, found ["r" "x" nil]"#);
//! # Ok::<(), schism_core::api::DecodeError>(())
//! ```

use crate::api::{DecodeError, Key};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// The offset of a form that did not come from a text.
pub const NOWHERE: u32 = u32::MAX;

/// The values of one event.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    text: String,
}

/// One value, or the head of a collection whose members follow it.
///
/// Sixteen bytes: a history may hold reads of many thousand elements, and then it is memory that
/// decides how fast they are read.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Byte offset from the start of the event's text, or [`NOWHERE`].
    at: u32,
    tag: Tag,
    /// The number's bits, the text's start and end, or the place after a collection.
    bits: u64,
}

#[derive(Clone, Copy, Debug)]
enum Tag {
    Nil,
    Bool,
    Int,
    Float,
    Text,
    Word,
    Open(Shape),
}

impl Node {
    fn new(at: u32, kind: Kind) -> Self {
        let span = |start: u32, end: u32| u64::from(start) << 32 | u64::from(end);
        let (tag, bits) = match kind {
            Kind::Nil => (Tag::Nil, 0),
            Kind::Bool(value) => (Tag::Bool, u64::from(value)),
            Kind::Int(number) => (Tag::Int, number.cast_unsigned()),
            Kind::Float(number) => (Tag::Float, number.to_bits()),
            Kind::Text(start, end) => (Tag::Text, span(start, end)),
            Kind::Word(start, end) => (Tag::Word, span(start, end)),
            Kind::Open(shape, after) => (Tag::Open(shape), u64::from(after)),
        };
        Self { at, tag, bits }
    }

    fn kind(self) -> Kind {
        #[allow(clippy::cast_possible_truncation, reason = "the halves are what was put in")]
        let (high, low) = ((self.bits >> 32) as u32, self.bits as u32);
        match self.tag {
            Tag::Nil => Kind::Nil,
            Tag::Bool => Kind::Bool(self.bits != 0),
            Tag::Int => Kind::Int(self.bits.cast_signed()),
            Tag::Float => Kind::Float(f64::from_bits(self.bits)),
            Tag::Text => Kind::Text(high, low),
            Tag::Word => Kind::Word(high, low),
            Tag::Open(shape) => Kind::Open(shape, low),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A string: where its text begins and ends.
    Text(u32, u32),
    /// A keyword or symbol, without its colon.
    Word(u32, u32),
    /// A collection, and the node after its last member.
    Open(Shape, u32),
}

/// What kind of collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A vector, list or JSON array.
    List,
    /// A set.
    Set,
    /// A map or JSON object: keys and values in turn.
    Map,
    /// A tagged literal: the tag, then the value.
    Tagged,
}

/// A collection that is being put on a tape.
#[derive(Debug)]
#[must_use = "a collection has to be closed"]
pub struct Opened(usize);

/// How far a tape was filled.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    nodes: usize,
    text: usize,
}

impl Tape {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.text.clear();
    }

    /// How far it is filled, for [`Tape::rewind`].
    pub fn mark(&self) -> Mark {
        Mark { nodes: self.nodes.len(), text: self.text.len() }
    }

    /// Takes off what was put on since the mark.
    pub fn rewind(&mut self, mark: Mark) {
        self.nodes.truncate(mark.nodes);
        self.text.truncate(mark.text);
    }

    /// True if nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How much is on it: the place of the next form.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A value that stands alone.
    pub fn from_json(value: &Value) -> Self {
        let mut tape = Self::default();
        tape.push_json(value);
        tape
    }

    /// The first form.
    ///
    /// # Panics
    /// If the tape is empty.
    pub fn root(&self) -> Form<'_> {
        self.form(0)
    }

    /// The form at a place that [`Tape::len`] named before it was put there.
    ///
    /// # Panics
    /// If there is none.
    pub fn form(&self, place: usize) -> Form<'_> {
        assert!(place < self.nodes.len(), "no form at {place}");
        Form { tape: self, place }
    }

    /// Appends nil.
    pub fn nil(&mut self, at: u32) {
        self.nodes.push(Node::new(at, Kind::Nil));
    }

    /// Appends a truth value.
    pub fn bool(&mut self, at: u32, value: bool) {
        self.nodes.push(Node::new(at, Kind::Bool(value)));
    }

    /// Appends a whole number.
    pub fn int(&mut self, at: u32, value: i64) {
        self.nodes.push(Node::new(at, Kind::Int(value)));
    }

    /// Appends another number.
    pub fn float(&mut self, at: u32, value: f64) {
        self.nodes.push(Node::new(at, Kind::Float(value)));
    }

    /// Appends a string.
    pub fn text(&mut self, at: u32, text: &str) {
        let (start, end) = self.keep(text);
        self.nodes.push(Node::new(at, Kind::Text(start, end)));
    }

    /// Appends a keyword or symbol, without its colon.
    pub fn word(&mut self, at: u32, word: &str) {
        let (start, end) = self.keep(word);
        self.nodes.push(Node::new(at, Kind::Word(start, end)));
    }

    /// Begins a collection: what is appended until it is closed is in it.
    pub fn open(&mut self, at: u32, shape: Shape) -> Opened {
        self.nodes.push(Node::new(at, Kind::Open(shape, 0)));
        Opened(self.nodes.len() - 1)
    }

    /// Ends a collection.
    pub fn close(&mut self, opened: &Opened) {
        let end = self.nodes.len() as u64;
        if let Some(Node { tag: Tag::Open(_), bits, .. }) = self.nodes.get_mut(opened.0) {
            *bits = end;
        }
    }

    /// Appends the key of an object.
    pub fn key(&mut self, key: &Key) {
        match key {
            Key::Int(number) => self.int(NOWHERE, *number),
            Key::Text(name) => self.text(NOWHERE, name),
        }
    }

    /// Appends a JSON value.
    pub fn push_json(&mut self, value: &Value) {
        match value {
            Value::Null => self.nil(NOWHERE),
            Value::Bool(value) => self.bool(NOWHERE, *value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => self.int(NOWHERE, number),
                None => self.float(NOWHERE, number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => self.text(NOWHERE, text),
            Value::Array(members) => {
                let list = self.open(NOWHERE, Shape::List);
                for member in members {
                    self.push_json(member);
                }
                self.close(&list);
            }
            Value::Object(members) => {
                let map = self.open(NOWHERE, Shape::Map);
                for (name, member) in members {
                    self.text(NOWHERE, name);
                    self.push_json(member);
                }
                self.close(&map);
            }
        }
    }

    /// Appends a copy of a form of another tape.
    pub fn push_form(&mut self, form: Form<'_>) {
        let places = form.place..form.after();
        let base = self.nodes.len();
        for place in places.clone() {
            let node = form.tape.nodes[place];
            let kind = match node.kind() {
                Kind::Text(start, end) => {
                    let (start, end) = self.keep(form.slice(start, end));
                    Kind::Text(start, end)
                }
                Kind::Word(start, end) => {
                    let (start, end) = self.keep(form.slice(start, end));
                    Kind::Word(start, end)
                }
                Kind::Open(shape, after) => {
                    Kind::Open(shape, narrow(after as usize - places.start + base))
                }
                other => other,
            };
            self.nodes.push(Node::new(node.at, kind));
        }
    }

    fn keep(&mut self, text: &str) -> (u32, u32) {
        let start = narrow(self.text.len());
        self.text.push_str(text);
        (start, narrow(self.text.len()))
    }
}

/// Offsets within one event: readers refuse an event of more than 4 GiB.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A value on a tape.
#[derive(Clone, Copy)]
pub struct Form<'t> {
    tape: &'t Tape,
    place: usize,
}

impl<'t> Form<'t> {
    fn kind(self) -> Kind {
        self.tape.nodes[self.place].kind()
    }

    fn slice(self, start: u32, end: u32) -> &'t str {
        &self.tape.text[start as usize..end as usize]
    }

    /// The place after it.
    fn after(self) -> usize {
        match self.kind() {
            Kind::Open(_, after) => after as usize,
            _ => self.place + 1,
        }
    }

    /// Its byte offset from the start of the event's text, if it came from one.
    pub fn at(self) -> Option<u32> {
        Some(self.tape.nodes[self.place].at).filter(|at| *at != NOWHERE)
    }

    /// Is it nil?
    pub fn is_nil(self) -> bool {
        self.kind() == Kind::Nil
    }

    /// Is it a vector, list or array?
    pub fn is_list(self) -> bool {
        matches!(self.kind(), Kind::Open(Shape::List, _))
    }

    /// What kind of collection it is, if it is one.
    pub fn shape(self) -> Option<Shape> {
        match self.kind() {
            Kind::Open(shape, _) => Some(shape),
            _ => None,
        }
    }

    /// What it is, to take it apart.
    pub fn view(self) -> View<'t> {
        match self.kind() {
            Kind::Nil => View::Nil,
            Kind::Bool(value) => View::Bool(value),
            Kind::Int(number) => View::Int(number),
            Kind::Float(number) => View::Float(number),
            Kind::Text(start, end) => View::Text(self.slice(start, end)),
            Kind::Word(start, end) => View::Word(self.slice(start, end)),
            Kind::Open(shape, _) => View::Collection(shape, self.members()),
        }
    }

    /// The truth value that it is.
    pub fn bool(self) -> Result<bool, DecodeError> {
        match self.kind() {
            Kind::Bool(value) => Ok(value),
            _ => Err(self.error("true or false")),
        }
    }

    /// The whole number that it is.
    pub fn int(self) -> Result<i64, DecodeError> {
        match self.kind() {
            Kind::Int(number) => Ok(number),
            _ => Err(self.error("a whole number")),
        }
    }

    /// The whole number that it is; `None` for nil.
    pub fn int_or_nil(self) -> Result<Option<i64>, DecodeError> {
        match self.kind() {
            Kind::Nil => Ok(None),
            Kind::Int(number) => Ok(Some(number)),
            _ => Err(self.error("a whole number or null")),
        }
    }

    /// The number that it is, whole or not.
    pub fn number(self) -> Result<f64, DecodeError> {
        match self.kind() {
            Kind::Int(number) => Ok(number as f64),
            Kind::Float(number) => Ok(number),
            _ => Err(self.error("a number")),
        }
    }

    /// The string, keyword or symbol that it is.
    pub fn text(self) -> Result<&'t str, DecodeError> {
        self.word().ok_or_else(|| self.error("a name"))
    }

    /// The string, keyword or symbol that it is, if it is one.
    pub fn word(self) -> Option<&'t str> {
        match self.kind() {
            Kind::Text(start, end) | Kind::Word(start, end) => Some(self.slice(start, end)),
            _ => None,
        }
    }

    /// The members of a list or set.
    pub fn items(self) -> Result<Items<'t>, DecodeError> {
        match self.kind() {
            Kind::Open(Shape::List | Shape::Set, _) => Ok(self.members()),
            // #{...} of records and sorted sets are tagged in some histories.
            Kind::Open(Shape::Tagged, _) => {
                self.members().nth(1).ok_or_else(|| self.error("a list"))?.items()
            }
            _ => Err(self.error("a list")),
        }
    }

    /// The members of a list of exactly `N`.
    pub fn array<const N: usize>(self) -> Result<[Form<'t>; N], DecodeError> {
        let mut items = self.items()?;
        let mut array = [self; N];
        for slot in &mut array {
            *slot = items.next().ok_or_else(|| self.error(format!("a list of {N}")))?;
        }
        match items.next() {
            None => Ok(array),
            Some(_) => Err(self.error(format!("a list of {N}"))),
        }
    }

    /// The whole numbers of a list.
    pub fn ints(self) -> Result<Vec<i64>, DecodeError> {
        self.items().map_err(|_| self.error("a list of whole numbers"))?.map(Form::int).collect()
    }

    /// The keys of a map with their values.
    pub fn entries(self) -> Result<impl Iterator<Item = (Form<'t>, Form<'t>)>, DecodeError> {
        if self.shape() != Some(Shape::Map) {
            return Err(self.error("a map"));
        }
        let mut members = self.members();
        Ok(std::iter::from_fn(move || Some((members.next()?, members.next()?))))
    }

    /// The value of a map's key of that name; `None` if it has none or is no map.
    pub fn get(self, name: &str) -> Option<Form<'t>> {
        self.entries().ok()?.find(|(key, _)| key.word() == Some(name)).map(|(_, value)| value)
    }

    /// It as the key of an object: a whole number, or its text.
    pub fn key(self) -> Key {
        match self.kind() {
            Kind::Int(number) => Key::Int(number),
            Kind::Text(start, end) | Kind::Word(start, end) => {
                Key::Text(Arc::from(self.slice(start, end)))
            }
            _ => Key::Text(Arc::from(self.to_string())),
        }
    }

    /// It as a key of a map: JSON has only strings there, so `"7"` is the number 7.
    pub fn map_key(self) -> Key {
        match self.key() {
            Key::Text(name) => match name.parse::<i64>() {
                Ok(number) if number.to_string() == *name => Key::Int(number),
                _ => Key::Text(name),
            },
            number @ Key::Int(_) => number,
        }
    }

    /// It as JSON; words become strings, sets become arrays.
    pub fn to_json(self) -> Value {
        match self.kind() {
            Kind::Nil => Value::Null,
            Kind::Bool(value) => Value::from(value),
            Kind::Int(number) => Value::from(number),
            Kind::Float(number) => Value::from(number),
            Kind::Text(start, end) | Kind::Word(start, end) => Value::from(self.slice(start, end)),
            Kind::Open(Shape::List | Shape::Set, _) => self.members().map(Form::to_json).collect(),
            Kind::Open(Shape::Tagged, _) => {
                self.members().nth(1).map_or(Value::Null, Form::to_json)
            }
            Kind::Open(Shape::Map, _) => {
                let mut members = self.members();
                std::iter::from_fn(|| Some((members.next()?, members.next()?)))
                    .map(|(key, value)| {
                        let name = key.word().map_or_else(|| key.to_string(), str::to_owned);
                        (name, value.to_json())
                    })
                    .collect()
            }
        }
    }

    /// That something else was expected here.
    pub fn error(self, expected: impl Into<String>) -> DecodeError {
        let mut found = self.to_string();
        if found.chars().count() > 80 {
            found = found.chars().take(77).collect::<String>() + "...";
        }
        DecodeError { expected: expected.into(), found, at: self.at() }
    }

    /// All that is directly in a collection, also keys and tags; nothing if it is none.
    pub fn members(self) -> Items<'t> {
        let end = self.after();
        Items { tape: self.tape, next: self.place + 1, end }
    }
}

/// What a form is.
#[derive(Clone, Debug)]
pub enum View<'t> {
    /// Nil or null.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A string.
    Text(&'t str),
    /// A keyword or symbol, without its colon.
    Word(&'t str),
    /// A collection with what is directly in it: of a map keys and values in turn, of a tagged
    /// literal the tag and the value.
    Collection(Shape, Items<'t>),
}

impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// As EDN.
impl fmt::Display for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = |f: &mut fmt::Formatter<'_>, open: &str, close: &str| {
            f.write_str(open)?;
            for (position, member) in self.members().enumerate() {
                if position > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{member}")?;
            }
            f.write_str(close)
        };
        match self.kind() {
            Kind::Nil => f.write_str("nil"),
            Kind::Bool(value) => write!(f, "{value}"),
            Kind::Int(number) => write!(f, "{number}"),
            Kind::Float(number) => write!(f, "{number:?}"),
            Kind::Text(start, end) => write!(f, "{:?}", self.slice(start, end)),
            Kind::Word(start, end) => write!(f, ":{}", self.slice(start, end)),
            Kind::Open(Shape::List, _) => members(f, "[", "]"),
            Kind::Open(Shape::Set, _) => members(f, "#{", "}"),
            Kind::Open(Shape::Map, _) => members(f, "{", "}"),
            Kind::Open(Shape::Tagged, _) => members(f, "#", ""),
        }
    }
}

/// The members of a collection, in order.
#[derive(Clone, Debug)]
pub struct Items<'t> {
    tape: &'t Tape,
    next: usize,
    end: usize,
}

impl<'t> Iterator for Items<'t> {
    type Item = Form<'t>;

    fn next(&mut self) -> Option<Form<'t>> {
        if self.next >= self.end {
            return None;
        }
        let form = Form { tape: self.tape, place: self.next };
        self.next = form.after();
        Some(form)
    }
}
