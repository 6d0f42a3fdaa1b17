//! Events as JSON.

use super::{kind_name, natural, shown, whole};
use crate::event::RawEvent;
use crate::form::{Form, Items, Shape, View};
use crate::op::Process;

/// Where the key of an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// In a field of its own.
    Beside,
    /// Before the value, as Jepsen has it.
    Before,
}

/// Appends an event as an object.
pub(super) fn event(out: &mut Vec<u8>, raw: &RawEvent<'_>, keys: Keys) {
    out.push(b'{');
    if let Some(index) = raw.index {
        out.extend_from_slice(b"\"index\":");
        natural(out, index);
        out.push(b',');
    }
    if let Some(time) = raw.time {
        out.extend_from_slice(b"\"time\":");
        natural(out, time.0);
        out.push(b',');
    }
    out.extend_from_slice(b"\"type\":\"");
    out.extend_from_slice(kind_name(raw.kind).as_bytes());
    out.extend_from_slice(b"\",\"process\":");
    match raw.process {
        Process::Client(process) => natural(out, process),
        Process::Nemesis => out.extend_from_slice(b"\"nemesis\""),
    }
    out.extend_from_slice(b",\"f\":");
    text(out, raw.asked.f);
    match (raw.asked.key, keys) {
        (None, _) => {
            out.extend_from_slice(b",\"value\":");
            form(out, raw.asked.value);
        }
        (Some(key), Keys::Beside) => {
            out.extend_from_slice(b",\"key\":");
            form(out, key);
            out.extend_from_slice(b",\"value\":");
            form(out, raw.asked.value);
        }
        (Some(key), Keys::Before) => {
            out.extend_from_slice(b",\"value\":[");
            form(out, key);
            out.push(b',');
            form(out, raw.asked.value);
            out.extend_from_slice(b"],\"keyed\":true");
        }
    }
    if let Some(node) = raw.node {
        out.extend_from_slice(b",\"node\":");
        text(out, node);
    }
    // Without its tag, an error may be null, and null says that there is none.
    if let Some(error) = raw.error.filter(|error| !is_null(*error)) {
        out.extend_from_slice(b",\"error\":");
        form(out, error);
    }
    out.push(b'}');
}

fn is_null(mut form: Form<'_>) -> bool {
    loop {
        match form.view() {
            View::Collection(Shape::Tagged, mut members) => match members.nth(1) {
                Some(member) => form = member,
                None => return true,
            },
            view => return matches!(view, View::Nil),
        }
    }
}

/// A collection of which some members are written.
struct Level<'t> {
    members: Items<'t>,
    close: &'static [u8],
    map: bool,
    written: usize,
}

/// Appends a value.
fn form(out: &mut Vec<u8>, root: Form<'_>) {
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut next = Some(root);
    loop {
        if let Some(form) = next {
            let mut name = false;
            if let Some(level) = levels.last_mut() {
                name = level.map && level.written % 2 == 0;
                if level.map && !name {
                    out.push(b':');
                } else if level.written > 0 {
                    out.push(b',');
                }
                level.written += 1;
            }
            if name {
                match form.word() {
                    Some(word) => text(out, word),
                    None => text(out, &form.to_string()),
                }
            } else if let Some(level) = value(out, form) {
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
fn value<'t>(out: &mut Vec<u8>, form: Form<'t>) -> Option<Level<'t>> {
    match form.view() {
        View::Nil => out.extend_from_slice(b"null"),
        View::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        View::Int(int) => whole(out, int),
        View::Float(float) if float.is_finite() => shown(out, format_args!("{float:?}")),
        // JSON has no such number; null would be another value.
        View::Float(_) => text(out, &form.to_string()),
        View::Text(content) | View::Word(content) => text(out, content),
        View::Collection(shape, mut members) => {
            let (open, close): (&[u8], &[u8]) = match shape {
                Shape::List | Shape::Set => (b"[", b"]"),
                Shape::Map => (b"{", b"}"),
                Shape::Tagged => (b"", b""),
            };
            out.extend_from_slice(open);
            if shape == Shape::Tagged {
                members.next();
            }
            return Some(Level { members, close, map: shape == Shape::Map, written: 0 });
        }
    }
    None
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
            0..=0x1f => shown(out, format_args!("\\u{byte:04x}")),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
