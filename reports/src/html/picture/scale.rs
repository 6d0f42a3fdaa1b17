//! A time axis on which every interval between two events can be seen.

use crate::view::OpView;
use schism_core::time::Nanos;

/// Maps times to positions: piecewise linear between events, monotone, so that order is kept.
#[derive(Debug)]
pub(super) struct Scale {
    /// Times with their positions, both growing.
    stops: Vec<(Nanos, f64)>,
}

impl Scale {
    /// A scale over the operations' beginnings and ends, from `left` to `right`; `None` without any
    /// operation.
    pub(super) fn of(ops: &[&OpView], left: f64, right: f64) -> Option<Self> {
        let mut times: Vec<Nanos> = ops.iter().flat_map(|op| [op.invoked.time, op.end()]).collect();
        times.sort_unstable();
        times.dedup();
        let (first, last) = (*times.first()?, *times.last()?);
        // Some room before the first and after the last, so that nothing sticks to the frame.
        let room = (last.0 - first.0) / 20 + 1_000_000;
        times.insert(0, Nanos(first.0.saturating_sub(room)));
        times.push(Nanos(last.0.saturating_add(room)));
        times.dedup();
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let mut sorted = gaps.clone();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(1).max(1) as f64;
        let weights: Vec<f64> =
            gaps.iter().map(|gap| 0.6 + (1.0 + *gap as f64 / middle).ln()).collect();
        let whole: f64 = weights.iter().sum();
        let mut at = left;
        let mut stops = vec![(times[0], left)];
        for (time, weight) in times[1..].iter().zip(&weights) {
            at += weight / whole * (right - left);
            stops.push((*time, at));
        }
        Some(Self { stops })
    }

    /// The first time on it.
    pub(super) fn start(&self) -> Nanos {
        self.stops[0].0
    }

    /// The last time on it.
    pub(super) fn end(&self) -> Nanos {
        self.stops[self.stops.len() - 1].0
    }

    /// A time's position; times beyond either end stand at that end.
    pub(super) fn x(&self, time: Nanos) -> f64 {
        let after = self.stops.partition_point(|(stop, _)| *stop <= time);
        if after == 0 {
            return self.stops[0].1;
        }
        let (before, x) = self.stops[after - 1];
        match self.stops.get(after) {
            None => x,
            Some((next, next_x)) => {
                let share = (time.0 - before.0) as f64 / (next.0 - before.0) as f64;
                x + share * (next_x - x)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;
    use crate::view::{Fate, OpView};
    use proptest::prelude::*;
    use schism_core::op::Stamp;
    use schism_core::time::Nanos;

    fn op(from: u64, to: u64) -> OpView {
        OpView {
            process: 0,
            node: None,
            f: "read".into(),
            key: None,
            call: String::new(),
            reply: None,
            invoked: Stamp { index: 0, time: Nanos(from) },
            completed: Some(Stamp { index: 1, time: Nanos(to) }),
            fate: Fate::Ok,
            error: None,
        }
    }

    proptest! {
        #[test]
        fn order_is_kept(times in proptest::collection::vec(any::<u64>(), 1..40)) {
            let ops: Vec<OpView> = times.iter().map(|t| op(*t, t.saturating_add(5))).collect();
            let refs: Vec<&OpView> = ops.iter().collect();
            let scale = Scale::of(&refs, 10.0, 500.0).unwrap();
            let mut sorted = times;
            sorted.sort_unstable();
            for pair in sorted.windows(2) {
                prop_assert!(scale.x(Nanos(pair[0])) <= scale.x(Nanos(pair[1])));
            }
            prop_assert!(scale.x(Nanos(0)) >= 10.0);
            prop_assert!(scale.x(Nanos(u64::MAX)) <= 500.1);
        }
    }

    #[test]
    fn a_minute_between_milliseconds_leaves_the_milliseconds_visible() {
        let (a, b) = (op(0, 1_000_000), op(60_000_000_000, 60_001_000_000));
        let scale = Scale::of(&[&a, &b], 0.0, 1000.0).unwrap();
        assert!(scale.x(Nanos(1_000_000)) - scale.x(Nanos(0)) > 40.0);
    }
}
