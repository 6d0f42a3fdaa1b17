//! One generator after the other, on a rotating schedule.

use super::{Context, Emit, Gen, Generator, NOT_PEEKED, Next, Thread};
use crate::api::Api;
use crate::event::Event;
use crate::time::Nanos;
use std::cell::Cell;
use std::time::Duration;

/// Each part for so long, in turn, for ever, counted from the first operation. The parts keep their
/// state from turn to turn, and all of them see every event. Done as soon as the part whose turn it
/// is is done.
///
/// ```
/// use schism_core::api::set::{Call, Set};
/// use schism_core::generator::{Gen, always, cycle_times};
/// use std::time::Duration;
/// // Reads for five seconds, then adds for one, and so on.
/// let generator: Gen<Set> = cycle_times(vec![
///     (Duration::from_secs(5), always(Call::Read)),
///     (Duration::from_secs(1), always(Call::Add(1))),
/// ]);
/// # drop(generator);
/// ```
pub fn cycle_times<A: Api>(parts: Vec<(Duration, Gen<A>)>) -> Gen<A> {
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(duration, _)| !duration.is_zero())
        .map(|(duration, part)| (Nanos::from(duration).0, part))
        .collect();
    let period = parts.iter().fold(0_u64, |sum, (length, _)| sum.saturating_add(*length));
    Box::new(CycleTimes {
        done: Cell::new(parts.is_empty()),
        parts,
        period,
        start: None,
        chosen: Cell::new(None),
    })
}

/// How many turns are looked at in search of an operation that falls into one.
const TURNS_AHEAD: usize = 100;

struct CycleTimes<A: Api> {
    /// How many nanoseconds each has.
    parts: Vec<(u64, Gen<A>)>,
    period: u64,
    /// When the first cycle began.
    start: Option<Nanos>,
    /// What the last `peek` chose, and when it asked it.
    chosen: Cell<Option<(usize, Nanos)>>,
    done: Cell<bool>,
}

impl<A: Api> CycleTimes<A> {
    /// Whose turn it is, and when it began.
    fn turn(&self, start: Nanos, now: Nanos) -> (usize, u64) {
        let within = now.0.saturating_sub(start.0) % self.period;
        let mut began = now.0 - within;
        for (at, (length, _)) in self.parts.iter().enumerate() {
            if now.0 - began < *length {
                return (at, began);
            }
            began += length;
        }
        (0, began)
    }
}

impl<A: Api> Generator<A> for CycleTimes<A> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        if self.done.get() {
            return Next::Done;
        }
        let start = self.start.unwrap_or(context.time);
        let (mut at, mut began) = self.turn(start, context.time);
        for _ in 0..TURNS_AHEAD {
            let (length, part) = &self.parts[at];
            let end = began.saturating_add(*length);
            // A later part is asked what it would do when its turn has come.
            let asked = context.time.max(Nanos(began));
            match part.peek(&context.at(asked)) {
                Next::Op(emit) if emit.time.0 < end => {
                    self.chosen.set(Some((at, asked)));
                    return Next::Op(emit);
                }
                Next::Op(_) => (at, began) = ((at + 1) % self.parts.len(), end),
                Next::Pending => return Next::Pending,
                Next::Done => {
                    self.done.set(true);
                    return Next::Done;
                }
            }
        }
        Next::Pending
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let (at, asked) = self.chosen.take().expect(NOT_PEEKED);
        self.start.get_or_insert(context.time);
        self.parts[at].1.take(&context.at(asked))
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        for (_, part) in &mut self.parts {
            part.update(context, thread, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, run, summary};
    use super::super::{GenExt as _, cycle_times};
    use std::time::Duration;

    #[test]
    fn parts_take_turns_and_keep_their_state() {
        let nanos = Duration::from_nanos;
        let first = adds(0).delay(nanos(4));
        let second = adds(100).delay(nanos(10));
        let generator = cycle_times(vec![(nanos(10), first), (nanos(20), second)]);
        // Three threads that are busy for 10 ns each never hold it up.
        let trace = run(generator.clients().limit(9));
        let got: Vec<_> = summary(&trace).into_iter().map(|(time, _, e)| (time, e)).collect();
        let want =
            [(0, 0), (4, 1), (8, 2), (10, 100), (20, 101), (30, 3), (34, 4), (38, 5), (40, 102)];
        assert_eq!(got, want);
    }

    #[test]
    fn it_ends_with_the_part_whose_turn_it_is() {
        let nanos = Duration::from_nanos;
        let parts = vec![(nanos(10), adds(0).limit(2)), (nanos(10), adds(100))];
        assert_eq!(run(cycle_times(parts)).emits.len(), 2);
        assert!(run(cycle_times(vec![])).emits.is_empty());
    }
}
