//! Histories that might be those of a store: every process does one thing after another, what is
//! asked is what the model knows, and answers are right more often than not.
//!
//! There is a small store behind it: it does what is asked either when it is asked or when it is
//! answered, as a byte decides, and sometimes lies.

use std::fmt::Write as _;

/// Operations of the models whose pages don't name them.
const OTHERS: &[&str] = &[
    "read",
    "write",
    "observe",
    "campaign",
    "propose",
    "learn",
    "broadcast",
    "delivered",
    "attack",
    "contains",
    "remove",
    "put",
    "get",
    "append",
];

const THREADS: usize = 6;
const KEYS: usize = 3;

/// A history in EDN, as these bytes decide.
pub(crate) fn history(page: &str, how: u8, bytes: &[u8]) -> String {
    let mut operations: Vec<&str> =
        page.split("{f: ").skip(1).filter_map(|rest| rest.split([',', ' ', '}']).next()).collect();
    if operations.len() < 2 && operations != ["txn"] {
        operations.extend(OTHERS);
    }
    let bytes = Bytes(bytes);
    let mut run = Run { bytes, how, text: String::new(), next: 0, store: Store::default() };
    // Ends when the bytes do.
    let _end = run.go(&operations);
    run.text
}

/// The bytes that decide.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn below(&mut self, limit: usize) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*first) % limit)
    }
}

/// What the store holds, for each key.
#[derive(Default)]
struct Store {
    registers: [Option<usize>; KEYS],
    lists: [Vec<usize>; KEYS],
}

/// What a process has asked and has not been answered.
#[derive(Clone)]
struct Open {
    f: String,
    key: usize,
    argument: Argument,
    done: Option<String>,
}

#[derive(Clone)]
enum Argument {
    Nil,
    One(usize),
    Two(usize, usize),
    Transfer(usize, usize, usize),
    /// Writes or appends if it has a value; reads if not.
    Mops(Vec<(usize, Option<usize>)>),
}

struct Run<'a> {
    bytes: Bytes<'a>,
    how: u8,
    text: String,
    next: usize,
    store: Store,
}

impl Run<'_> {
    fn go(&mut self, operations: &[&str]) -> Option<()> {
        let mut open: [Option<Open>; THREADS] = Default::default();
        let mut processes: [usize; THREADS] = std::array::from_fn(|thread| thread);
        loop {
            let thread = self.bytes.below(THREADS)?;
            let process = processes[thread];
            match open[thread].take() {
                None => {
                    let f = operations[self.bytes.below(operations.len())?].to_owned();
                    let key = if self.is_keyed() { self.bytes.below(KEYS)? } else { 0 };
                    let argument = self.argument(&f)?;
                    let mut asked = Open { f, key, argument, done: None };
                    if self.bytes.below(2)? == 0 {
                        asked.done = Some(self.perform(&asked)?);
                    }
                    let value = self.shown(&asked.argument);
                    self.event("invoke", process, &asked, &value);
                    open[thread] = Some(asked);
                }
                Some(asked) => {
                    let value = self.shown(&asked.argument);
                    match self.bytes.below(8)? {
                        0 => self.event("fail", process, &asked, &value),
                        1 => {
                            self.event("info", process, &asked, &value);
                            processes[thread] += THREADS;
                        }
                        _ => {
                            let answer = match asked.done.clone() {
                                Some(answer) => answer,
                                None => self.perform(&asked)?,
                            };
                            self.event("ok", process, &asked, &answer);
                        }
                    }
                }
            }
        }
    }

    fn is_keyed(&self) -> bool {
        self.how & 8 != 0
    }

    /// Are lists appended to, or registers written?
    fn has_lists(&self) -> bool {
        self.how & 16 != 0
    }

    /// A value: one that never was, or one of few.
    fn value(&mut self) -> Option<usize> {
        if self.how & 32 != 0 {
            return self.bytes.below(5);
        }
        self.next += 1;
        Some(self.next)
    }

    fn argument(&mut self, f: &str) -> Option<Argument> {
        Some(match f {
            "txn" => {
                let count = self.bytes.below(4)?;
                let mut mops = Vec::new();
                for _ in 0..count {
                    let key = self.bytes.below(KEYS)?;
                    let value = if self.bytes.below(2)? == 0 { Some(self.value()?) } else { None };
                    mops.push((key, value));
                }
                Argument::Mops(mops)
            }
            "cas" => Argument::Two(self.bytes.below(5)?, self.value()?),
            "transfer" => Argument::Transfer(
                self.bytes.below(KEYS)?,
                self.bytes.below(KEYS)?,
                self.bytes.below(4)?,
            ),
            "write" | "add" | "enqueue" | "insert" | "push" | "propose" | "broadcast"
            | "remove" | "contains" | "put" | "append" => Argument::One(self.value()?),
            _ => Argument::Nil,
        })
    }

    fn shown(&self, argument: &Argument) -> String {
        match argument {
            Argument::Nil => "nil".to_owned(),
            Argument::One(value) => value.to_string(),
            Argument::Two(old, new) => format!("[{old} {new}]"),
            Argument::Transfer(from, to, amount) => {
                format!("{{:from {from} :to {to} :amount {amount}}}")
            }
            Argument::Mops(mops) => self.mops(mops, &[]),
        }
    }

    /// Micro-operations, with what they read, as far as that is known.
    fn mops(&self, mops: &[(usize, Option<usize>)], reads: &[String]) -> String {
        let write = if self.has_lists() { "append" } else { "w" };
        let mut reads = reads.iter();
        let shown: Vec<String> = mops
            .iter()
            .map(|(key, value)| match value {
                Some(value) => format!("[:{write} {key} {value}]"),
                None => {
                    let read = reads.next().map_or("nil", String::as_str);
                    format!("[:r {key} {read}]")
                }
            })
            .collect();
        format!("[{}]", shown.join(" "))
    }

    /// Does what is asked, and says the answer, which may be a lie.
    fn perform(&mut self, asked: &Open) -> Option<String> {
        let key = asked.key;
        let lie = self.bytes.below(16)?;
        Some(match &asked.argument {
            Argument::Mops(mops) => {
                let mut reads = Vec::new();
                for (key, value) in mops {
                    match value {
                        Some(value) => self.store(*key, *value),
                        None => reads.push(self.read(*key, lie)),
                    }
                }
                self.mops(mops, &reads)
            }
            Argument::Nil => match asked.f.as_str() {
                "dequeue" | "extract" | "extract-min" | "extract-max" | "pop" => {
                    let list = &mut self.store.lists[key];
                    let place = match (asked.f.as_str(), lie) {
                        (_, 0) => 0,
                        ("pop", _) => list.len().saturating_sub(1),
                        ("dequeue", _) => 0,
                        _ => (0..list.len()).min_by_key(|place| list[*place]).unwrap_or(0),
                    };
                    if place < list.len() { list.remove(place).to_string() } else { "nil".into() }
                }
                "generate" | "acquire" if lie > 1 => {
                    self.next += 1;
                    self.next.to_string()
                }
                _ => self.read(key, lie),
            },
            argument => {
                match argument {
                    Argument::One(value) | Argument::Two(_, value) => self.store(key, *value),
                    _ => {}
                }
                self.shown(argument)
            }
        })
    }

    fn store(&mut self, key: usize, value: usize) {
        self.store.registers[key] = Some(value);
        self.store.lists[key].push(value);
    }

    /// What is read of a key: most often what it holds, in the shape that the model may want.
    fn read(&self, key: usize, lie: usize) -> String {
        let list = &self.store.lists[key];
        match (lie, self.how >> 6) {
            (0, _) => "nil".to_owned(),
            (1, _) => "3".to_owned(),
            (2, _) => format!("{:?}", &list[..list.len() / 2]).replace(',', ""),
            (3, _) => "{:term 1 :leader 2}".to_owned(),
            (_, 0) if !self.has_lists() => {
                self.store.registers[key].map_or("nil".to_owned(), |value| value.to_string())
            }
            (_, 1) if !self.has_lists() => "{0 5 1 5 2 0}".to_owned(),
            (_, 2) if !self.has_lists() => list.len().to_string(),
            _ => format!("{list:?}").replace(',', ""),
        }
    }

    fn event(&mut self, kind: &str, process: usize, asked: &Open, value: &str) {
        let (f, key) = (&asked.f, asked.key);
        // Writing to a string can't fail.
        let _never = if self.is_keyed() {
            writeln!(
                self.text,
                "{{:process {process} :type :{kind} :f :{f} :key {key} :value {value}}}"
            )
        } else {
            writeln!(self.text, "{{:process {process} :type :{kind} :f :{f} :value {value}}}")
        };
    }
}
