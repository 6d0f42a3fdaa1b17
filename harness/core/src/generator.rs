//! Generators: what is asked next, by whom and when.
//!
//! A generator is a pure description that is asked in three steps. [`Generator::peek`] says what
//! would come next and changes nothing; [`Generator::take`] commits exactly that; and
//! [`Generator::update`] sees every invocation and completion. The split lets a combinator compare
//! what its parts would do (`any` takes the soonest) and commit only the one it chooses; Jepsen gets
//! the same by returning a new generator and sometimes discarding it. Chance is drawn on a clone in
//! `peek` and for good in `take`, so both answer alike.
//!
//! The combinators are in the modules below, one idea a file; [`Gen`] has them as methods.

use crate::api::Api;
use crate::event::Event;
use crate::time::Nanos;
use serde::{Deserialize, Serialize};

/// Which worker thread: clients from 0, the nemesis last.
pub type Thread = usize;

/// A boxed generator.
pub type Gen<A> = Box<dyn Generator<A>>;

/// Decides what is asked next.
pub trait Generator<A: Api> {
    /// What would come next. Pure: asked twice, it answers alike.
    fn peek(&self, context: &Context<'_>) -> Next<A>;

    /// Commits what [`Generator::peek`] answers to this context, and returns it. Called only where
    /// that is [`Next::Op`].
    fn take(&mut self, context: &Context<'_>) -> Emit<A>;

    /// Sees an invocation or completion, of whatever generator. The context is the one after it:
    /// the thread is busy after an invocation, free after a completion.
    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>);
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next<A: Api> {
    /// This, at its time.
    Op(Emit<A>),
    /// Nothing now; ask again after an event or a moment.
    Pending,
    /// Nothing ever again.
    Done,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Emit<A: Api> {
    /// Not before this time.
    pub time: Nanos,
    /// The free thread that does it.
    pub thread: Thread,
    /// What it does.
    pub act: Act<A>,
}

/// What a thread does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act<A: Api> {
    /// A client asks its node.
    Call(A::Call),
    /// The nemesis acts.
    Nemesis(NemesisCall),
    /// The thread is busy for so long; not in the history.
    Sleep(std::time::Duration),
    /// A line for the run's log; not in the history.
    Log(String),
}

/// What the nemesis is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "fault", rename_all = "kebab-case")]
pub enum NemesisCall {
    /// Plan and inject the fault of this name.
    Inject(String),
    /// Heal every fault of this name that is in force.
    Heal(String),
    /// Heal everything.
    HealAll,
}

/// A set of threads, as bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadSet(Vec<u64>);

impl ThreadSet {
    /// The threads of `range`.
    pub fn from_range(range: std::ops::Range<Thread>) -> Self {
        let mut set = Self::default();
        range.for_each(|thread| set.insert(thread));
        set
    }

    /// Adds a thread.
    pub fn insert(&mut self, thread: Thread) {
        if self.0.len() <= thread / 64 {
            self.0.resize(thread / 64 + 1, 0);
        }
        self.0[thread / 64] |= 1 << (thread % 64);
    }

    /// Removes a thread.
    pub fn remove(&mut self, thread: Thread) {
        if let Some(word) = self.0.get_mut(thread / 64) {
            *word &= !(1 << (thread % 64));
        }
    }

    /// Is it in?
    pub fn contains(&self, thread: Thread) -> bool {
        self.0.get(thread / 64).is_some_and(|word| word >> (thread % 64) & 1 == 1)
    }

    /// How many are in.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Is none in?
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The threads in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Thread> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }

    fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }
}

/// What a generator may know: the time, and which threads there are and which of them are free.
///
/// Combinators that give their part only some threads hand down a context restricted to these.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The time now.
    pub time: Nanos,
    free: &'a ThreadSet,
    all: &'a ThreadSet,
    processes: &'a [u64],
    nemesis: Thread,
}

impl<'a> Context<'a> {
    /// A context. `processes[t]` is the process that client thread `t` runs as; the nemesis is the
    /// thread after the last of them.
    pub fn new(time: Nanos, free: &'a ThreadSet, all: &'a ThreadSet, processes: &'a [u64]) -> Self {
        Self { time, free, all, processes, nemesis: processes.len() }
    }

    /// The same, for these threads only. `threads` replaces the restriction so far, so it has to be
    /// a part of it.
    #[must_use]
    pub fn restricted<'b>(&self, threads: &'b ThreadSet) -> Context<'b>
    where
        'a: 'b,
    {
        Context { all: threads, ..*self }
    }

    /// The same at another time.
    #[must_use]
    pub fn at(self, time: Nanos) -> Self {
        Self { time, ..self }
    }

    /// The threads of this context, busy ones too.
    pub fn threads(&self) -> &'a ThreadSet {
        self.all
    }

    /// The nemesis' thread.
    pub fn nemesis(&self) -> Thread {
        self.nemesis
    }

    /// How many client threads the whole run has.
    pub fn clients(&self) -> usize {
        self.processes.len()
    }

    /// The process that a client thread runs as.
    pub fn process(&self, thread: Thread) -> u64 {
        self.processes.get(thread).copied().unwrap_or(u64::MAX)
    }

    /// Is this thread of the context free?
    pub fn is_free(&self, thread: Thread) -> bool {
        self.all.contains(thread) && self.free.contains(thread)
    }

    /// The free threads in ascending order.
    pub fn free_threads(&self) -> impl Iterator<Item = Thread> + '_ {
        self.all.iter().filter(|thread| self.free.contains(*thread))
    }

    /// Is every thread of the context free?
    pub fn all_free(&self) -> bool {
        self.all.0.iter().enumerate().all(|(at, word)| word & !self.free.word(at) == 0)
    }

    /// Some free thread, chosen by `chance` (any 64 random bits); `None` if none is free.
    /// `O(threads / 64)`.
    pub fn some_free(&self, chance: u64) -> Option<Thread> {
        let words = self.all.0.len();
        if words == 0 {
            return None;
        }
        let start = usize::try_from(chance % (words as u64 * 64)).unwrap_or(0);
        let (first, bit) = (start / 64, start % 64);
        let free_word = |at: usize| self.all.word(at) & self.free.word(at);
        let high = free_word(first) & (u64::MAX << bit);
        if high != 0 {
            return Some(first * 64 + high.trailing_zeros() as usize);
        }
        (1..=words).map(|step| (first + step) % words).find_map(|at| {
            let word = free_word(at);
            (word != 0).then(|| at * 64 + word.trailing_zeros() as usize)
        })
    }
}
