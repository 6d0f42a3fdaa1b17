//! Generators: what is asked next, by whom and when.
//!
//! A generator is a pure description that is asked in three steps. [`Generator::peek`] says what
//! would come next and changes nothing; [`Generator::take`] commits exactly that; and
//! [`Generator::update`] sees every invocation and completion. The split lets a combinator compare
//! what its parts would do (`any` takes the soonest) and commit only the one it chooses; Jepsen
//! gets the same by returning a new generator and sometimes discarding it. Chance is drawn on a
//! clone in `peek` and for good in `take`, so both answer alike.
//!
//! The combinators are in the modules below, one idea a file; [`GenExt`] gives them to [`Gen`] as
//! methods. Their meaning is that of the combinators of Jepsen's `jepsen.generator`. Two rules hold
//! for all of them: a generator sees the same threads all its life, and one that has answered
//! [`Next::Done`] never has anything again.
//!
//! ```
//! use schism_core::api::set::{Call, Reply, Set};
//! use schism_core::generator::simulate::{Simulation, perfect};
//! use schism_core::generator::{Gen, GenExt as _, always, from_fn, mix};
//! use schism_core::rng::Rng;
//! use std::time::Duration;
//!
//! let rng = Rng::seeded(7);
//! let adds: Gen<Set> = from_fn(rng.fork("adds"), 0, |next, _, _, _| {
//!     *next += 1;
//!     Some(Call::Add(*next))
//! });
//! let reads = always(Call::Read);
//! let whole = mix(vec![adds, reads], rng.fork("mix"))
//!     .stagger(Duration::from_millis(5), rng.fork("stagger"))
//!     .clients()
//!     .time_limit(Duration::from_secs(1));
//! let reply = |call: &Call| match call {
//!     Call::Add(_) => Reply::Added,
//!     Call::Read => Reply::Read(vec![]),
//! };
//! let trace = Simulation::new(5).run(whole, perfect(Duration::from_millis(2), reply))?;
//! assert!((100..400).contains(&trace.emits.len()));
//! # Ok::<(), schism_core::generator::simulate::Fault>(())
//! ```

pub mod any;
pub mod concat;
pub mod concurrency_limit;
pub mod cycle;
pub mod cycle_times;
pub mod delay;
pub mod each_process;
pub mod each_thread;
mod ext;
pub mod filter;
pub mod flip_flop;
pub mod from_fn;
pub mod limit;
pub mod map;
pub mod mix;
pub mod on_threads;
pub mod on_update;
pub mod one;
pub mod per_key;
pub mod process_limit;
pub mod repeat;
pub mod reserve;
pub mod simulate;
mod soonest;
pub mod stagger;
pub mod synchronize;
pub mod time_limit;
pub mod until_ok;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;

pub use any::{any, any_weighted};
pub use concat::{concat, phases};
pub use cycle::{cycle, cycle_n};
pub use cycle_times::cycle_times;
pub use each_process::each_process;
pub use each_thread::each_thread;
pub use ext::GenExt;
pub use flip_flop::flip_flop;
pub use from_fn::{always, from_fn};
pub use mix::{mix, mix_weighted};
pub use one::{call, log, nemesis_call, one, sleep};
pub use per_key::per_key;
pub use repeat::{repeat, repeat_n};
pub use reserve::reserve;

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

    /// Commits what [`Generator::peek`] answers to this context, and returns it. Called only after
    /// that was [`Next::Op`], with nothing in between: a combinator may rely on what its last
    /// `peek` chose.
    fn take(&mut self, context: &Context<'_>) -> Emit<A>;

    /// Sees an invocation or completion, of whatever generator. The context is the one after it:
    /// the thread is busy after an invocation, free after a completion.
    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>);
}

/// What a breach of the contract of [`Generator::take`] panics with.
const NOT_PEEKED: &str = "take follows a peek of the same context that answered an operation";

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
        self.0.iter().enumerate().flat_map(|(at, word)| bits(at, *word))
    }

    /// The threads that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(left, right)| left & right).collect())
    }

    fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }
}

impl FromIterator<Thread> for ThreadSet {
    fn from_iter<I: IntoIterator<Item = Thread>>(threads: I) -> Self {
        let mut set = Self::default();
        threads.into_iter().for_each(|thread| set.insert(thread));
        set
    }
}

/// The threads that a set's word at `at` stands for.
fn bits(at: usize, word: u64) -> impl Iterator<Item = Thread> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
        rest &= rest - 1;
        Some(at * 64 + bit)
    })
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

    /// The free threads, in ascending order from one chosen by `chance` (any 64 random bits), then
    /// on from the first. Each is as likely as the others to be the one at the start.
    pub fn free_from(&self, chance: u64) -> impl Iterator<Item = Thread> + use<'a> {
        let context = *self;
        let words = context.all.0.len().max(1);
        let start = context.some_free(chance).unwrap_or(0);
        let (first, high) = (start / 64, u64::MAX << (start % 64));
        (0..=words).flat_map(move |step| {
            let at = (first + step) % words;
            let half = match step {
                0 => high,
                _ if step == words => !high,
                _ => u64::MAX,
            };
            bits(at, context.free_word(at) & half)
        })
    }

    /// Is every thread of the context free?
    pub fn all_free(&self) -> bool {
        self.all.0.iter().enumerate().all(|(at, word)| word & !self.free.word(at) == 0)
    }

    /// How many threads of the context are busy. `O(threads / 64)`.
    pub fn busy(&self) -> usize {
        let words = self.all.0.iter().enumerate();
        words.map(|(at, word)| (word & !self.free.word(at)).count_ones() as usize).sum()
    }

    /// Some free thread, chosen evenly by `chance` (any 64 random bits); `None` if none is free.
    /// `O(threads / 64)`.
    pub fn some_free(&self, chance: u64) -> Option<Thread> {
        let words = 0..self.all.0.len();
        let count: u32 = words.clone().map(|at| self.free_word(at).count_ones()).sum();
        let mut rank = u32::try_from((u128::from(chance) * u128::from(count)) >> 64).unwrap_or(0);
        for at in words {
            let word = self.free_word(at);
            match rank.checked_sub(word.count_ones()) {
                Some(rest) => rank = rest,
                None => return Some(at * 64 + nth_bit(word, rank)),
            }
        }
        None
    }

    fn free_word(&self, at: usize) -> u64 {
        self.all.word(at) & self.free.word(at)
    }
}

/// The position of the bit of `word` that has `rank` set bits below it; `word` has more than that.
fn nth_bit(word: u64, rank: u32) -> usize {
    let (mut at, mut rank) = (0, rank);
    for width in [32, 16, 8, 4, 2, 1] {
        let low = (word >> at & ((1 << width) - 1)).count_ones();
        if rank >= low {
            rank -= low;
            at += width;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{Context, ThreadSet};
    use crate::rng::Rng;
    use crate::time::Nanos;

    fn sets(free: &[usize], all: std::ops::Range<usize>) -> (ThreadSet, ThreadSet) {
        (free.iter().copied().collect(), ThreadSet::from_range(all))
    }

    #[test]
    fn every_free_thread_is_chosen_equally_often() {
        let (free, all) = sets(&[1, 5, 70, 71, 130, 200, 999], 0..200);
        let context = Context::new(Nanos::ZERO, &free, &all, &[]);
        let mut rng = Rng::seeded(1);
        let mut counts = [0; 200];
        (0..5000).for_each(|_| counts[context.some_free(rng.bits()).unwrap()] += 1);
        for (thread, count) in counts.iter().enumerate() {
            let want = if [1, 5, 70, 71, 130].contains(&thread) { 850..1150 } else { 0..1 };
            assert!(want.contains(count), "{thread}: {count}");
        }
    }

    #[test]
    fn all_free_threads_come_once_from_wherever_it_starts() {
        let mut rng = Rng::seeded(2);
        for free in [&[][..], &[0], &[63, 64], &[3, 64, 65, 127, 128, 150], &[7, 300]] {
            let (free, all) = sets(free, 0..200);
            let context = Context::new(Nanos::ZERO, &free, &all, &[]);
            for _ in 0..50 {
                let mut order: Vec<usize> = context.free_from(rng.bits()).collect();
                let turns = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
                assert!(turns <= 1, "{order:?}");
                order.sort_unstable();
                assert_eq!(order, context.free_threads().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn busy_and_free_are_counted_within_the_context() {
        let (free, all) = sets(&[0, 2, 9], 0..4);
        let context = Context::new(Nanos::ZERO, &free, &all, &[]);
        assert_eq!((context.busy(), context.all_free()), (2, false));
        let even = ThreadSet::from_iter([0, 2]).intersection(&all);
        assert_eq!(
            (context.restricted(&even).busy(), context.restricted(&even).all_free()),
            (0, true)
        );
    }
}
