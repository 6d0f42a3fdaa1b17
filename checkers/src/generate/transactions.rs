//! Transactional histories for benchmarks: a store that is right by construction, and one planted
//! wrong.
//!
//! Clients ask for transactions over a few live keys; the store executes each in one step, at a
//! moment between its invocation and its completion, so whatever comes out is
//! strict-serializable. A key retires after a number of writes, as in Elle's own generator, so
//! lists stay short and a history's size grows in proportion to its transactions. A [`Plant`] adds
//! a few transactions in the middle, over keys that nobody else touches, that no store of some
//! level could have produced.
//!
//! Events are made one at a time: ten million transactions need no more memory than ten.
//! The EDN is Jepsen's.
//!
//! ```
//! use schism_checkers::generate::transactions::{Shape, Transactions};
//!
//! let mut edn = Vec::new();
//! let asked = Transactions { transactions: 3, ..Transactions::new(Shape::Lists, 7) };
//! asked.write_edn(&mut edn)?;
//! assert_eq!(edn.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count(), 6);
//! # Ok::<(), std::io::Error>(())
//! ```

use schism_core::rng::Rng;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A list; writes append to it (`list-append`).
    Lists,
    /// One value; writes replace it (`rw-register`).
    Registers,
}

/// What is planted in the middle of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Plant {
    /// Nothing: the history is strict-serializable.
    #[default]
    None,
    /// A transaction sees half of another's writes (G-single).
    ReadSkew,
    /// Two transactions each miss the other's write (G2-item).
    WriteSkew,
    /// A transaction reads what a failed one wrote (G1a).
    AbortedRead,
    /// A transaction misses a write that was acknowledged before it began: only real time is
    /// violated.
    StaleRead,
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// What keys hold.
    pub shape: Shape,
    /// How many transactions (a plant's come on top).
    pub transactions: usize,
    /// How many clients ask at a time.
    pub concurrency: usize,
    /// How many keys are in use at a time.
    pub live_keys: usize,
    /// How many writes retire a key.
    pub writes_per_key: usize,
    /// The most operations of a transaction; there is at least one.
    pub longest: usize,
    /// The share of transactions that never return.
    pub crashed: f64,
    /// The share of transactions that are refused.
    pub failed: f64,
    /// What is wrong with it.
    pub plant: Plant,
    /// One seed is one history.
    pub seed: u64,
}

impl Transactions {
    /// Elle's defaults: ten live keys, up to four operations, 32 writes a key; ten clients.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            transactions: 1_000,
            concurrency: 10,
            live_keys: 10,
            writes_per_key: 32,
            longest: 4,
            crashed: 0.0,
            failed: 0.0,
            plant: Plant::None,
            seed,
        }
    }

    /// Writes the history as a stream of Jepsen's EDN maps, one a line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_edn(&self, out: &mut impl Write) -> io::Result<()> {
        let mut store = Store::new(self);
        let mut line = String::new();
        while let Some(event) = store.next_event() {
            line.clear();
            event.edn(self.shape, &mut line);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

#[derive(Clone, Debug)]
enum Asked {
    Read(u64),
    Write(u64, u64),
}

/// What a read saw: a list, or the last member of one.
type Seen = Vec<u64>;

struct Event {
    index: u64,
    kind: Kind,
    process: u64,
    asked: Vec<Asked>,
    /// One a read of a completion that is ok, in their order.
    seen: Vec<Seen>,
}

impl Event {
    fn edn(&self, shape: Shape, line: &mut String) {
        let kind = match self.kind {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        };
        let write = if shape == Shape::Lists { "append" } else { "w" };
        let mut seen = self.seen.iter();
        // Writing to a string can't fail.
        let _ = write!(line, "{{:type :{kind}, :f :txn, :value [");
        for (at, asked) in self.asked.iter().enumerate() {
            line.push_str(if at == 0 { "[" } else { " [" });
            let _ = match asked {
                Asked::Write(key, value) => write!(line, ":{write} {key} {value}"),
                Asked::Read(key) => write!(line, ":r {key} "),
            };
            if let Asked::Read(_) = asked {
                read_edn(shape, seen.next(), line);
            }
            line.push(']');
        }
        let (process, index) = (self.process, self.index);
        let time = index * 100_000;
        let _ = writeln!(line, "], :process {process}, :time {time}, :index {index}}}");
    }
}

fn read_edn(shape: Shape, seen: Option<&Seen>, line: &mut String) {
    match (seen, shape) {
        (None, _) => line.push_str("nil"),
        (Some(list), Shape::Registers) => match list.last() {
            None => line.push_str("nil"),
            Some(value) => {
                let _ = write!(line, "{value}");
            }
        },
        (Some(list), Shape::Lists) => {
            line.push('[');
            for (at, value) in list.iter().enumerate() {
                let _ = write!(line, "{}{value}", if at == 0 { "" } else { " " });
            }
            line.push(']');
        }
    }
}

/// A client between invocation and completion.
struct Pending {
    asked: Vec<Asked>,
    /// `None` until the store has executed it.
    seen: Option<Vec<Seen>>,
}

struct Client {
    process: u64,
    pending: Option<Pending>,
}

struct Store<'a> {
    asked: &'a Transactions,
    rng: Rng,
    clients: Vec<Client>,
    /// The live keys, and how often a write of each was asked for.
    live: Vec<(u64, u64)>,
    /// What the keys from `oldest` on hold.
    values: VecDeque<Seen>,
    oldest: u64,
    next_process: u64,
    begun: usize,
    events: u64,
    /// Events decided and not yet given out.
    ready: VecDeque<Event>,
    planted: bool,
}

impl<'a> Store<'a> {
    fn new(asked: &'a Transactions) -> Self {
        let clients = asked.concurrency.max(1) as u64;
        let keys = asked.live_keys.max(1) as u64;
        Self {
            asked,
            rng: Rng::seeded(asked.seed),
            clients: (0..clients).map(|process| Client { process, pending: None }).collect(),
            live: (0..keys).map(|key| (key, 0)).collect(),
            values: (0..keys).map(|_| Seen::new()).collect(),
            oldest: 0,
            next_process: clients,
            begun: 0,
            events: 0,
            ready: VecDeque::new(),
            planted: asked.plant == Plant::None,
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            let begin = self.begun < self.asked.transactions;
            if !self.planted && self.begun * 2 >= self.asked.transactions {
                self.planted = true;
                self.plant();
            } else if begin || self.clients.iter().any(|client| client.pending.is_some()) {
                self.step(begin);
            } else {
                return None;
            }
        }
        self.ready.pop_front()
    }

    /// Lets one client take its next step: ask, be executed, or be answered.
    fn step(&mut self, may_begin: bool) {
        let at = self.rng.below(self.clients.len());
        let process = self.clients[at].process;
        match self.clients[at].pending.take() {
            None if may_begin => {
                self.begun += 1;
                let asked = self.transaction();
                self.emit(Kind::Invoke, process, asked.clone(), Vec::new());
                self.clients[at].pending = Some(Pending { asked, seen: None });
            }
            None => {}
            Some(Pending { asked, seen: None }) => self.decide(at, asked),
            Some(Pending { asked, seen: Some(seen) }) => self.emit(Kind::Ok, process, asked, seen),
        }
    }

    /// Refuses, loses or executes what a client asked.
    fn decide(&mut self, at: usize, asked: Vec<Asked>) {
        let process = self.clients[at].process;
        if self.rng.chance(self.asked.failed) {
            self.emit(Kind::Fail, process, asked, Vec::new());
        } else if self.rng.chance(self.asked.crashed) {
            if self.rng.chance(0.5) {
                self.execute(&asked);
            }
            self.emit(Kind::Info, process, asked, Vec::new());
            self.clients[at].process = self.new_process();
        } else {
            let seen = Some(self.execute(&asked));
            self.clients[at].pending = Some(Pending { asked, seen });
        }
    }

    fn transaction(&mut self) -> Vec<Asked> {
        let length = 1 + self.rng.below(self.asked.longest.max(1));
        let asked: Vec<Asked> = (0..length)
            .map(|_| {
                let at = self.rng.below(self.live.len());
                if self.rng.chance(0.5) {
                    return Asked::Read(self.live[at].0);
                }
                let (key, writes) = &mut self.live[at];
                *writes += 1;
                Asked::Write(*key, *writes)
            })
            .collect();
        for at in 0..self.live.len() {
            if self.live[at].1 >= self.asked.writes_per_key.max(1) as u64 {
                self.live[at] = (self.new_key(&asked), 0);
            }
        }
        asked
    }

    /// Carries a transaction out; what its reads saw.
    fn execute(&mut self, asked: &[Asked]) -> Vec<Seen> {
        let mut seen = Vec::new();
        for asked in asked {
            match asked {
                Asked::Read(key) => seen.push(self.values[self.slot(*key)].clone()),
                Asked::Write(key, value) => {
                    let slot = self.slot(*key);
                    if self.asked.shape == Shape::Registers {
                        self.values[slot].clear();
                    }
                    self.values[slot].push(*value);
                }
            }
        }
        seen
    }

    fn slot(&self, key: u64) -> usize {
        usize::try_from(key - self.oldest).expect("a key in use is in memory")
    }

    /// A key never used before. Forgets those that nobody can touch any more: not the clients,
    /// nor the transaction that is `being_asked`.
    fn new_key(&mut self, being_asked: &[Asked]) -> u64 {
        let pending = self.clients.iter().filter_map(|client| client.pending.as_ref());
        let asked = pending.flat_map(|pending| &pending.asked).chain(being_asked);
        let touched = asked.map(|asked| match asked {
            Asked::Read(key) | Asked::Write(key, _) => *key,
        });
        let live = self.live.iter().map(|(key, _)| *key);
        let oldest = live.chain(touched).min().unwrap_or(self.oldest);
        while self.oldest < oldest {
            self.values.pop_front();
            self.oldest += 1;
        }
        self.values.push_back(Seen::new());
        self.oldest + self.values.len() as u64 - 1
    }

    fn new_process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process - 1
    }

    /// Adds the transactions that no correct store could have answered so.
    fn plant(&mut self) {
        let (x, y) = (self.new_key(&[]), self.new_key(&[]));
        let (first, second) = (self.new_process(), self.new_process());
        let both = vec![Asked::Read(x), Asked::Read(y)];
        let skewed = vec![Asked::Read(x), Asked::Write(y, 1)];
        let missing = || vec![Seen::new()];
        match self.asked.plant {
            Plant::None => {}
            Plant::ReadSkew => {
                let write = vec![Asked::Write(x, 1), Asked::Write(y, 1)];
                self.emit(Kind::Invoke, first, both.clone(), Vec::new());
                self.emit(Kind::Invoke, second, write.clone(), Vec::new());
                self.emit(Kind::Ok, second, write, Vec::new());
                self.emit(Kind::Ok, first, both, vec![Seen::new(), vec![1]]);
            }
            Plant::WriteSkew => {
                let other = vec![Asked::Read(y), Asked::Write(x, 1)];
                self.emit(Kind::Invoke, first, skewed.clone(), Vec::new());
                self.emit(Kind::Invoke, second, other.clone(), Vec::new());
                self.emit(Kind::Ok, second, other, missing());
                self.emit(Kind::Ok, first, skewed, missing());
                self.run(vec![vec![1], vec![1]], both);
            }
            Plant::AbortedRead => {
                let write = vec![Asked::Write(x, 1)];
                self.emit(Kind::Invoke, first, write.clone(), Vec::new());
                self.emit(Kind::Fail, first, write, Vec::new());
                self.run(vec![vec![1], Seen::new()], both);
            }
            Plant::StaleRead => {
                self.run(Vec::new(), vec![Asked::Write(x, 1)]);
                self.run(missing(), vec![Asked::Read(x)]);
                self.run(vec![vec![1]], vec![Asked::Read(x)]);
            }
        }
    }

    /// One client's transaction from invocation to completion.
    fn run(&mut self, seen: Vec<Seen>, asked: Vec<Asked>) {
        let process = self.new_process();
        self.emit(Kind::Invoke, process, asked.clone(), Vec::new());
        self.emit(Kind::Ok, process, asked, seen);
    }

    fn emit(&mut self, kind: Kind, process: u64, asked: Vec<Asked>, seen: Vec<Seen>) {
        let index = self.events;
        self.events += 1;
        self.ready.push_back(Event { index, kind, process, asked, seen });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(asked: &Transactions) -> String {
        let mut out = Vec::new();
        asked.write_edn(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_seed_is_one_history() {
        let asked =
            Transactions { crashed: 0.05, failed: 0.05, ..Transactions::new(Shape::Lists, 3) };
        assert_eq!(text(&asked), text(&asked));
        assert_ne!(text(&asked), text(&Transactions { seed: 4, ..asked.clone() }));
    }

    #[test]
    fn every_transaction_is_invoked_and_completed_once() {
        for shape in [Shape::Lists, Shape::Registers] {
            let text =
                text(&Transactions { crashed: 0.1, failed: 0.1, ..Transactions::new(shape, 5) });
            assert_eq!(text.lines().filter(|line| line.contains(":invoke")).count(), 1_000);
            assert_eq!(text.lines().count(), 2_000);
            for kind in [":fail", ":info"] {
                let share = text.lines().filter(|line| line.contains(kind)).count();
                assert!((50..200).contains(&share), "{share} of {kind}");
            }
        }
    }

    #[test]
    fn lists_stay_short_and_keys_retire() {
        let text =
            text(&Transactions { transactions: 20_000, ..Transactions::new(Shape::Lists, 1) });
        assert!(text.lines().all(|line| line.len() < 700));
        assert!(text.contains(":append 600 "), "keys go on");
    }
}
