//! The packets that wait, by the time at which they go on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What is done when the time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The packet of this number goes on.
    Accept(u32),
    /// The packet of this number is gone.
    Drop(u32),
    /// This packet arrives again.
    Copy(Box<[u8]>),
}

/// A waiting line; packets with equal times keep their order.
#[derive(Default)]
pub(super) struct Line {
    heap: BinaryHeap<Reverse<Waiting>>,
    pushed: u64,
}

struct Waiting {
    at: Duration,
    turn: u64,
    step: Step,
}

impl Line {
    /// Adds what is to be done at a time.
    pub(super) fn push(&mut self, at: Duration, step: Step) {
        self.pushed += 1;
        self.heap.push(Reverse(Waiting { at, turn: self.pushed, step }));
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(waiting)| waiting.at)
    }

    /// Takes the first that is due.
    pub(super) fn due(&mut self, now: Duration) -> Option<Step> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(waiting)| waiting.step)
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.turn).cmp(&(other.at, other.turn))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use super::{Line, Step};
    use std::time::Duration;

    #[test]
    fn first_due_first_out_and_equals_in_order() {
        let at = Duration::from_millis;
        let mut line = Line::default();
        for (millis, id) in [(30, 1), (10, 2), (30, 3), (20, 4)] {
            line.push(at(millis), Step::Accept(id));
        }
        assert_eq!(line.next(), Some(at(10)));
        assert_eq!(line.due(at(9)), None);
        let out: Vec<_> = std::iter::from_fn(|| line.due(at(30))).collect();
        assert_eq!(out, [2, 4, 1, 3].map(Step::Accept));
        assert_eq!(line.next(), None);
    }
}
