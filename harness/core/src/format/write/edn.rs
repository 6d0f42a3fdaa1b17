//! Events as EDN.

use super::{kind_name, natural, shown, whole};
use crate::event::RawEvent;
use crate::form::{Form, Items, Shape, View};
use crate::op::Process;

/// Appends an event as a map.
pub(super) fn event(out: &mut Vec<u8>, raw: &RawEvent<'_>) {
    out.push(b'{');
    if let Some(index) = raw.index {
        out.extend_from_slice(b":index ");
        natural(out, index);
        out.extend_from_slice(b", ");
    }
    if let Some(time) = raw.time {
        out.extend_from_slice(b":time ");
        natural(out, time.0);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(b":type :");
    out.extend_from_slice(kind_name(raw.kind).as_bytes());
    out.extend_from_slice(b", :process ");
    match raw.process {
        Process::Client(process) => natural(out, process),
        Process::Nemesis => out.extend_from_slice(b":nemesis"),
    }
    out.extend_from_slice(b", :f ");
    word(out, raw.asked.f);
    out.extend_from_slice(b", :value ");
    let transaction = raw.asked.f == "txn";
    match raw.asked.key {
        None => form(out, raw.asked.value, transaction),
        Some(key) => {
            out.push(b'[');
            form(out, key, false);
            out.push(b' ');
            form(out, raw.asked.value, transaction);
            out.extend_from_slice(b"], :keyed true");
        }
    }
    if let Some(node) = raw.node {
        out.extend_from_slice(b", :node ");
        text(out, node);
    }
    if let Some(error) = raw.error {
        out.extend_from_slice(b", :error ");
        form(out, error, false);
    }
    out.push(b'}');
}

/// A collection of which some members are written.
struct Level<'t> {
    members: Items<'t>,
    close: &'static [u8],
    first: bool,
}

/// Appends a value. In a transaction, what its micro-operations begin with are keywords.
fn form(out: &mut Vec<u8>, root: Form<'_>, transaction: bool) {
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut next = Some(root);
    loop {
        if let Some(form) = next {
            let name = transaction && levels.len() == 2 && levels[1].first;
            if let Some(level) = levels.last_mut()
                && !std::mem::take(&mut level.first)
            {
                out.push(b' ');
            }
            if let Some(level) = value(out, form, name) {
                levels.push(level);
            }
        } else if let Some(level) = levels.pop() {
            out.extend_from_slice(level.close);
        }
        match levels.last_mut() {
            None => return,
            Some(level) => next = level.members.next(),
        }
    }
}

/// Appends a value, or what a collection begins with.
fn value<'t>(out: &mut Vec<u8>, form: Form<'t>, name: bool) -> Option<Level<'t>> {
    match form.view() {
        View::Nil => out.extend_from_slice(b"nil"),
        View::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        View::Int(int) => whole(out, int),
        View::Float(float) if float.is_nan() => out.extend_from_slice(b"##NaN"),
        View::Float(float) if float.is_infinite() => {
            out.extend_from_slice(if float > 0.0 { b"##Inf" } else { b"##-Inf" });
        }
        View::Float(float) => shown(out, format_args!("{float:?}")),
        View::Text(content) if !name => text(out, content),
        View::Text(content) | View::Word(content) => word(out, content),
        View::Collection(shape, mut members) => {
            let (open, close): (&[u8], &[u8]) = match shape {
                Shape::List => (b"[", b"]"),
                Shape::Set => (b"#{", b"}"),
                Shape::Map => (b"{", b"}"),
                Shape::Tagged => (b"#", b""),
            };
            out.extend_from_slice(open);
            let tag = if shape == Shape::Tagged { members.next() } else { None };
            if let Some(tag) = tag.and_then(Form::word) {
                out.extend_from_slice(tag.as_bytes());
            }
            return Some(Level { members, close, first: shape != Shape::Tagged });
        }
    }
    None
}

/// Appends a name as a keyword, or as a string if Clojure could not read it back as one.
fn word(out: &mut Vec<u8>, word: &str) {
    let plain = |character: char| {
        !(character.is_whitespace()
            || character.is_control()
            || matches!(character, ',' | ';' | '"' | '\\' | '@' | '^' | '`' | '~')
            || matches!(character, '(' | ')' | '[' | ']' | '{' | '}'))
    };
    let odd = word.is_empty()
        || word.starts_with([':', '#', '/'])
        || word.ends_with([':', '/'])
        || word.contains("::");
    if odd || !word.chars().all(plain) {
        return text(out, word);
    }
    out.push(b':');
    out.extend_from_slice(word.as_bytes());
}

/// Appends a string.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
