//! Histories of registers for benchmarks: a store that is right by construction, and one planted
//! wrong.
//!
//! Clients read, write and compare-and-set; the store executes each operation in one step, at a
//! moment between its invocation and its completion, so whatever comes out is linearizable. A
//! [`Plant`] adds a few operations in the middle, with values that nobody else writes, that no
//! linearizable register could have answered, whatever the others do meanwhile.
//!
//! Events are made one at a time: ten million operations need no more memory than ten. The EDN is
//! Jepsen's; with more than one key, key and argument stand together as `[key argument]`.
//!
//! ```
//! use schism_checkers::generate::registers::{Domain, Registers};
//! let asked = Registers { operations: 3, ..Registers::new(Domain::Unique, 7) };
//! let mut edn = Vec::new();
//! asked.write_edn(&mut edn)?;
//! assert_eq!(edn.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count(), 6);
//! # Ok::<(), std::io::Error>(())
//! ```

use schism_core::api::Asked;
use schism_core::event::{Kind, RawEvent};
use schism_core::form::{NOWHERE, Shape, Tape};
use schism_core::history::{Refused, Sink};
use schism_core::op::Process;
use schism_core::rng::Rng;
use schism_core::time::Nanos;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Which values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Each only once.
    Unique,
    /// So many, again and again, from 0.
    Small(u32),
}

/// What is planted in the middle of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Plant {
    /// Nothing: the history is linearizable.
    #[default]
    None,
    /// A read misses an acknowledged write.
    StaleRead,
    /// A read finds what nobody wrote.
    PhantomRead,
    /// A compare-and-set finds what an acknowledged write had replaced.
    LostWrite,
    /// Two compare-and-sets replace the same value.
    DoubleCas,
    /// From the middle on, one read in a hundred answers what was there before the last write: a
    /// read from a replica that lags. With few values or many crashes that need not be wrong.
    LaggingReads,
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Registers {
    /// How many operations (a plant's come on top).
    pub operations: usize,
    /// How many clients ask at a time.
    pub concurrency: usize,
    /// How many registers there are.
    pub keys: usize,
    /// Which values are written.
    pub domain: Domain,
    /// The share of operations that never return; every other of them takes effect.
    pub crashed: f64,
    /// The share of operations that are refused.
    pub failed: f64,
    /// What is wrong with it.
    pub plant: Plant,
    /// One seed is one history.
    pub seed: u64,
}

impl Registers {
    /// Ten clients on one register.
    pub fn new(domain: Domain, seed: u64) -> Self {
        Self {
            operations: 1_000,
            concurrency: 10,
            keys: 1,
            domain,
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
            event.edn(self.keys > 1, &mut line);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    /// Hands the history over as a reader would.
    ///
    /// # Errors
    /// What the sink refuses.
    pub fn fill(&self, sink: &mut (impl Sink + ?Sized)) -> Result<(), Refused> {
        let mut store = Store::new(self);
        let mut tape = Tape::default();
        while let Some(event) = store.next_event() {
            event.hand_over(self.keys > 1, &mut tape, sink)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Read(Option<i64>),
    Write(i64),
    Cas(i64, i64),
}

struct Event {
    index: u64,
    kind: Kind,
    process: u64,
    key: usize,
    op: Op,
}

impl Event {
    fn f(&self) -> &'static str {
        match self.op {
            Op::Read(_) => "read",
            Op::Write(_) => "write",
            Op::Cas(..) => "cas",
        }
    }

    fn time(&self) -> u64 {
        self.index * 100_000
    }

    fn edn(&self, keyed: bool, line: &mut String) {
        let kind = match self.kind {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        };
        // Writing to a string can't fail.
        let _ = write!(line, "{{:type :{kind}, :f :{}, :value ", self.f());
        if keyed {
            let _ = write!(line, "[{} ", self.key);
        }
        let _ = match self.op {
            Op::Read(None) => write!(line, "nil"),
            Op::Read(Some(value)) | Op::Write(value) => write!(line, "{value}"),
            Op::Cas(old, new) => write!(line, "[{old} {new}]"),
        };
        let (process, time, index) = (self.process, self.time(), self.index);
        let close = if keyed { "]" } else { "" };
        let _ = writeln!(line, "{close}, :process {process}, :time {time}, :index {index}}}");
    }

    fn hand_over(
        &self,
        keyed: bool,
        tape: &mut Tape,
        sink: &mut (impl Sink + ?Sized),
    ) -> Result<(), Refused> {
        tape.clear();
        match self.op {
            Op::Read(None) => tape.nil(NOWHERE),
            Op::Read(Some(value)) | Op::Write(value) => tape.int(NOWHERE, value),
            Op::Cas(old, new) => {
                let pair = tape.open(NOWHERE, Shape::List);
                tape.int(NOWHERE, old);
                tape.int(NOWHERE, new);
                tape.close(&pair);
            }
        }
        let key = keyed.then(|| {
            let place = tape.len();
            tape.int(NOWHERE, signed(self.key));
            place
        });
        let value = tape.root();
        let key = key.map(|place| tape.form(place));
        sink.event(&RawEvent {
            index: Some(self.index),
            time: Some(Nanos(self.time())),
            kind: self.kind,
            process: Process::Client(self.process),
            asked: Asked { f: self.f(), key, value },
            node: None,
            error: None,
        })
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A client between invocation and completion.
#[derive(Clone, Copy)]
struct Pending {
    key: usize,
    op: Op,
    /// `None` until the store has executed it; then whether it succeeded.
    succeeded: Option<bool>,
}

struct Client {
    process: u64,
    pending: Option<Pending>,
}

struct Store<'a> {
    asked: &'a Registers,
    rng: Rng,
    clients: Vec<Client>,
    /// What each register holds.
    held: Vec<Option<i64>>,
    /// What each held before that.
    before: Vec<Option<i64>>,
    next_value: i64,
    next_process: u64,
    begun: usize,
    events: u64,
    /// Events decided and not yet given out.
    ready: VecDeque<Event>,
    planted: bool,
}

impl<'a> Store<'a> {
    fn new(asked: &'a Registers) -> Self {
        let clients = asked.concurrency.max(1) as u64;
        Self {
            asked,
            rng: Rng::seeded(asked.seed),
            clients: (0..clients).map(|process| Client { process, pending: None }).collect(),
            held: vec![None; asked.keys.max(1)],
            before: vec![None; asked.keys.max(1)],
            next_value: match asked.domain {
                Domain::Unique => 0,
                Domain::Small(size) => i64::from(size),
            },
            next_process: clients,
            begun: 0,
            events: 0,
            ready: VecDeque::new(),
            planted: asked.plant == Plant::None,
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            let begin = self.begun < self.asked.operations;
            if !self.planted && self.begun * 2 >= self.asked.operations {
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
        match self.clients[at].pending {
            None if may_begin => {
                self.begun += 1;
                let key = self.rng.below(self.held.len());
                let op = self.operation(key);
                self.emit(Kind::Invoke, process, key, op);
                self.clients[at].pending = Some(Pending { key, op, succeeded: None });
            }
            None => {}
            Some(pending) => match pending.succeeded {
                None => self.decide(at, pending),
                Some(succeeded) => {
                    let kind = if succeeded { Kind::Ok } else { Kind::Fail };
                    self.emit(kind, process, pending.key, pending.op);
                    self.clients[at].pending = None;
                }
            },
        }
    }

    /// Refuses, loses or executes what a client asked.
    fn decide(&mut self, at: usize, pending: Pending) {
        if self.rng.chance(self.asked.failed) {
            self.clients[at].pending = Some(Pending { succeeded: Some(false), ..pending });
        } else if self.rng.chance(self.asked.crashed) {
            if self.rng.chance(0.5) {
                self.execute(pending.key, pending.op);
            }
            self.emit(Kind::Info, self.clients[at].process, pending.key, pending.op);
            self.clients[at] = Client { process: self.new_process(), pending: None };
        } else {
            let (op, succeeded) = self.execute(pending.key, pending.op);
            let succeeded = Some(succeeded);
            self.clients[at].pending = Some(Pending { op, succeeded, ..pending });
        }
    }

    /// Six in ten read, three write, one compares and sets.
    fn operation(&mut self, key: usize) -> Op {
        match (self.rng.below(10), self.held[key]) {
            (0..6, _) => Op::Read(None),
            (9, Some(held)) => {
                let old = match self.asked.domain {
                    Domain::Small(_) if self.rng.chance(0.5) => self.value(),
                    Domain::Small(_) | Domain::Unique => held,
                };
                Op::Cas(old, self.value())
            }
            _ => Op::Write(self.value()),
        }
    }

    fn value(&mut self) -> i64 {
        match self.asked.domain {
            Domain::Unique => self.new_value(),
            Domain::Small(size) => signed(self.rng.below(size.max(1) as usize)),
        }
    }

    /// A value that nobody else writes.
    fn new_value(&mut self) -> i64 {
        self.next_value += 1;
        self.next_value
    }

    /// Carries an operation out: what it then says, and whether it succeeded.
    fn execute(&mut self, key: usize, op: Op) -> (Op, bool) {
        let held = &mut self.held[key];
        match op {
            Op::Read(_) => {
                let lags = self.asked.plant == Plant::LaggingReads && self.planted;
                let lags = lags && self.rng.chance(0.01);
                (Op::Read(if lags { self.before[key] } else { *held }), true)
            }
            Op::Write(new) => {
                self.before[key] = held.replace(new);
                (op, true)
            }
            Op::Cas(old, new) => {
                let found = *held == Some(old);
                if found {
                    self.before[key] = held.replace(new);
                }
                (op, found)
            }
        }
    }

    fn new_process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process - 1
    }

    /// Adds the operations that no linearizable register could have answered so.
    fn plant(&mut self) {
        let (one, other, third) = (self.new_value(), self.new_value(), self.new_value());
        match self.asked.plant {
            Plant::None | Plant::LaggingReads => {}
            Plant::StaleRead => {
                self.run(Op::Write(one));
                self.run(Op::Write(other));
                self.claim(Op::Read(Some(one)));
            }
            Plant::PhantomRead => self.claim(Op::Read(Some(one))),
            Plant::LostWrite => {
                self.run(Op::Write(one));
                self.claim(Op::Write(other));
                self.run(Op::Cas(one, third));
            }
            Plant::DoubleCas => {
                self.run(Op::Write(one));
                self.run(Op::Cas(one, other));
                self.claim(Op::Cas(one, third));
            }
        }
    }

    /// One client's operation from invocation to completion, on the first register.
    fn run(&mut self, op: Op) {
        let (op, _) = self.execute(0, op);
        self.claim(op);
    }

    /// The same, but the store has no part in it.
    fn claim(&mut self, op: Op) {
        let process = self.new_process();
        let asked = if let Op::Read(_) = op { Op::Read(None) } else { op };
        self.emit(Kind::Invoke, process, 0, asked);
        self.emit(Kind::Ok, process, 0, op);
    }

    fn emit(&mut self, kind: Kind, process: u64, key: usize, op: Op) {
        let index = self.events;
        self.events += 1;
        self.ready.push_back(Event { index, kind, process, key, op });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{self, Options};

    fn text(asked: &Registers) -> String {
        let mut out = Vec::new();
        asked.write_edn(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn word(asked: &Registers) -> &'static str {
        let model = models::find("cas-register").unwrap();
        let mut judge = model.make(&Options::default()).unwrap();
        asked.fill(judge.as_mut()).unwrap();
        judge.judge(&schism_core::limits::Limits::default()).verdict.word()
    }

    #[test]
    fn one_seed_is_one_history() {
        let asked =
            Registers { crashed: 0.05, failed: 0.05, ..Registers::new(Domain::Small(5), 3) };
        assert_eq!(text(&asked), text(&asked));
        assert_ne!(text(&asked), text(&Registers { seed: 4, ..asked.clone() }));
    }

    #[test]
    fn every_operation_is_invoked_and_completed_once() {
        let asked = Registers { crashed: 0.1, keys: 3, ..Registers::new(Domain::Unique, 5) };
        let text = text(&asked);
        assert_eq!(text.lines().filter(|line| line.contains(":invoke")).count(), 1_000);
        assert_eq!(text.lines().count(), 2_000);
        let crashed = text.lines().filter(|line| line.contains(":info")).count();
        assert!((50..200).contains(&crashed), "{crashed}");
    }

    #[test]
    fn what_is_planted_is_found_and_nothing_else() {
        let plants =
            [Plant::None, Plant::StaleRead, Plant::PhantomRead, Plant::LostWrite, Plant::DoubleCas];
        for plant in plants {
            for domain in [Domain::Unique, Domain::Small(5)] {
                for crashed in [0.0, 0.05] {
                    let new = Registers::new(domain, 11);
                    let asked = Registers { operations: 400, crashed, plant, keys: 2, ..new };
                    let wanted = if plant == Plant::None { "valid" } else { "invalid" };
                    assert_eq!(word(&asked), wanted, "{plant:?} {domain:?} {crashed}");
                }
            }
        }
    }
}
