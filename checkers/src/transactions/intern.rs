//! Keys, values and processes as small numbers.
//!
//! Almost every history names things by small whole numbers, so those cost no hashing: a value
//! below 2³¹ is its own id, and a key or process below a million is looked up by position. All
//! else (negative and large numbers, names, whatever other atom) goes through a hash table once.
//! Two things have one id exactly if they are equal; whole numbers and texts are never equal.

use schism_core::api::Key;
use schism_core::form::Form;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// A value: what was appended, written or read. Its text is known to the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(u32);

/// The first id that is not a number's own.
const NAMED: u32 = 1 << 31;

impl ValueId {
    /// It as a plain number, to be packed.
    pub(crate) fn raw(self) -> u32 {
        self.0
    }

    /// What [`ValueId::raw`] gave.
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
}

/// A value that is not its own id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Atom {
    Int(i64),
    Text(Arc<str>),
}

/// The values of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    named: Vec<Atom>,
    ids: HashMap<Atom, u32>,
}

impl Values {
    /// The id of a whole number. `None` if there are more than 2³¹ unusual values.
    pub(crate) fn int(&mut self, number: i64) -> Option<ValueId> {
        match u32::try_from(number) {
            Ok(small) if small < NAMED => Some(ValueId(small)),
            _ => self.name(Atom::Int(number)),
        }
    }

    /// The id of whatever stands there.
    pub(crate) fn form(&mut self, form: Form<'_>) -> Option<ValueId> {
        match form.int() {
            Ok(number) => self.int(number),
            Err(_) => self.name(Atom::Text(Arc::from(form.to_string()))),
        }
    }

    fn name(&mut self, atom: Atom) -> Option<ValueId> {
        if let Some(id) = self.ids.get(&atom) {
            return Some(ValueId(*id));
        }
        // The last id stands for nil in packed operations.
        let place = u32::try_from(self.named.len()).ok().filter(|place| *place < NAMED - 1)?;
        let id = NAMED | place;
        self.named.push(atom.clone());
        self.ids.insert(atom, id);
        Some(ValueId(id))
    }

    pub(crate) fn show(&self, id: ValueId) -> Shown<'_> {
        match id.0.checked_sub(NAMED) {
            None => Shown::Int(i64::from(id.0)),
            Some(place) => match &self.named[place as usize] {
                Atom::Int(number) => Shown::Int(*number),
                Atom::Text(text) => Shown::Text(text),
            },
        }
    }
}

/// A value as it stood in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'h> {
    /// A whole number.
    Int(i64),
    /// Anything else, as EDN.
    Text(&'h str),
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Below this, a number is looked up by position.
const DIRECT: u64 = 1 << 20;

/// Names by the order in which they first came: 0, 1, 2, …
#[derive(Clone, Debug)]
pub(crate) struct Dense<T> {
    names: Vec<T>,
    /// The id of a small number, plus 1.
    direct: Vec<u32>,
    hashed: HashMap<T, u32>,
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Self { names: Vec::new(), direct: Vec::new(), hashed: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Dense<T> {
    /// The id of `name`, which `small` is too, if it is a number. `None` if there are too many.
    pub(crate) fn id(&mut self, small: Option<u64>, name: impl FnOnce() -> T) -> Option<u32> {
        let next = u32::try_from(self.names.len()).ok().filter(|next| *next < MOST)?;
        let Some(place) = small.filter(|small| *small < DIRECT) else {
            let name = name();
            if let Some(id) = self.hashed.get(&name) {
                return Some(*id);
            }
            self.names.push(name.clone());
            self.hashed.insert(name, next);
            return Some(next);
        };
        let place = usize::try_from(place).ok()?;
        if self.direct.len() <= place {
            self.direct.resize(place + 1, 0);
        }
        if self.direct[place] == 0 {
            self.direct[place] = next + 1;
            self.names.push(name());
        }
        Some(self.direct[place] - 1)
    }

    pub(crate) fn names(&self) -> &[T] {
        &self.names
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// How many keys or processes there can be: their ids share a word with three other bits.
const MOST: u32 = 1 << 29;

impl Dense<Key> {
    /// The id of a key.
    pub(crate) fn key(&mut self, key: &Key) -> Option<u32> {
        match key {
            Key::Int(number) => self.id(u64::try_from(*number).ok(), || key.clone()),
            Key::Text(_) => self.id(None, || key.clone()),
        }
    }

    /// The id of the key that stands there.
    pub(crate) fn form(&mut self, form: Form<'_>) -> Option<u32> {
        let small = form.int().ok().and_then(|number| u64::try_from(number).ok());
        self.id(small, || form.key())
    }
}
