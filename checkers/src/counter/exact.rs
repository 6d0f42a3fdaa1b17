//! Adds that are all of one size: the walk over the events that delays every add; see the module
//! above for why it decides.

use super::{Api, Moment, Timed, What, shrunk, too_high, too_low};
use crate::tally::Tally;
use schism_core::op::Op;
use schism_core::verdict::Anomaly;
use std::collections::BTreeSet;

/// Adds that may be done, and how many are.
struct Walk<'h> {
    /// Which are begun and not done, by their end: those that have to be done first come first.
    pending: BTreeSet<(u64, usize)>,
    done: i128,
    /// Which of them had returned.
    certain: i128,
    /// The read with the highest value of those that have returned.
    highest: Option<(i128, &'h Op<Api>)>,
}

/// `size` is that of all adds; one that is negative turns everything round.
pub(super) fn check(
    ops: &[Timed<'_>],
    events: &[(u64, Moment, usize)],
    size: i128,
    tally: &mut Tally,
) {
    let mut walk = Walk { pending: BTreeSet::new(), done: 0, certain: 0, highest: None };
    for (_, moment, at) in events {
        let op = &ops[*at];
        match (moment, op.what) {
            (Moment::Begin, What::Add(_)) => {
                walk.pending.insert((op.end, *at));
            }
            (Moment::End, What::Add(_)) => {
                walk.certain += 1;
                if walk.pending.remove(&(op.end, *at)) {
                    walk.done += 1;
                }
            }
            (Moment::Begin, What::Read(value)) => {
                // Each read is reported once: one that is not a multiple, when it ends.
                if value % size == 0 && value / size < walk.done {
                    let (kind, anomaly) = walk.less(op.op, value, size);
                    tally.add(kind, || anomaly);
                }
            }
            (Moment::End, What::Read(value)) => walk.read(op.op, value, size, tally),
        }
    }
}

impl<'h> Walk<'h> {
    /// A read that began when more adds were done than it shows.
    fn less(&self, read: &Op<Api>, value: i128, size: i128) -> (&'static str, Anomaly) {
        match self.highest {
            Some((shown, earlier)) if self.certain <= value / size => {
                let anomaly = shrunk(read, value, shown, earlier, self.done * size);
                ("non-monotonic-read", anomaly)
            }
            _ if size > 0 => ("too-low", too_low(read, value, self.certain * size)),
            _ => ("too-high", too_high(read, value, self.certain * size)),
        }
    }

    fn read(&mut self, read: &'h Op<Api>, value: i128, size: i128, tally: &mut Tally) {
        let shown = value / size;
        let possible = self.done + i128::try_from(self.pending.len()).unwrap_or(i128::MAX);
        if value % size != 0 {
            tally.add("not-a-multiple", || {
                let summary = format!("a read shows {value}, and every add is of {size}");
                Anomaly::new("not-a-multiple", summary).with_op(read)
            });
        } else if shown > possible && size > 0 {
            tally.add("too-high", || too_high(read, value, possible * size));
        } else if shown > possible {
            tally.add("too-low", || too_low(read, value, possible * size));
        } else {
            while self.done < shown && self.pending.pop_first().is_some() {
                self.done += 1;
            }
            if self.highest.is_none_or(|(most, _)| value.abs() > most.abs()) {
                self.highest = Some((value, read));
            }
        }
    }
}
