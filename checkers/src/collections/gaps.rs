//! In which gaps nothing is certainly in.

use super::parts::{Fate, Item, Parts};

/// For each gap, the first one from it on that is free.
pub(crate) struct Cover {
    next_free: Vec<u32>,
}

impl Cover {
    /// No gap is free in which one of these elements is certainly in. `O(n)`.
    pub(crate) fn of(items: &[Item], events: u32) -> Self {
        Self::with(items.iter(), events, |_| 0)
    }

    /// The same, but open elements cover only where there are more of them than removals of unknown
    /// fate have begun.
    pub(crate) fn of_closed(parts: &Parts) -> Self {
        let mut excess = vec![0_i64; parts.events as usize + 1];
        for item in parts.open() {
            excess[parts.items[item].ee as usize] += 1;
        }
        for (start, _) in &parts.crashed {
            excess[*start as usize] -= 1;
        }
        let mut sum = 0;
        for change in &mut excess {
            sum += *change;
            *change = sum;
        }
        let closed = parts.items.iter().filter(|item| item.fate != Fate::Open);
        Self::with(closed, parts.events, |gap| i64::from(excess[gap] > 0))
    }

    fn with<'i>(
        items: impl Iterator<Item = &'i Item>,
        events: u32,
        covered: impl Fn(usize) -> i64,
    ) -> Self {
        let events = events as usize;
        let mut change = vec![0_i64; events + 1];
        for item in items {
            let inside = item.inside();
            if !inside.is_empty() {
                change[inside.start as usize] += 1;
                change[(inside.end as usize).min(events)] -= 1;
            }
        }
        let mut free = Vec::with_capacity(events);
        let mut sum = 0;
        for (gap, change) in change.iter().take(events).enumerate() {
            sum += change;
            free.push(sum + covered(gap) == 0);
        }
        let mut next_free = vec![u32::MAX; events + 1];
        for gap in (0..events).rev() {
            next_free[gap] = if free[gap] { narrow(gap) } else { next_free[gap + 1] };
        }
        Self { next_free }
    }

    /// The first free gap from this one on.
    pub(crate) fn free_from(&self, gap: u32) -> Option<u32> {
        self.next_free.get(gap as usize).copied().filter(|gap| *gap != u32::MAX)
    }

    /// The first free gap of an empty.
    pub(crate) fn moment(&self, parts: &Parts, empty: usize) -> Option<u32> {
        let empty = &parts.empties[empty];
        self.free_from(empty.start).filter(|gap| *gap < empty.end)
    }

    /// The first free gap of each empty, in order; `None` if one has none.
    pub(crate) fn moments(&self, parts: &Parts) -> Option<Vec<u32>> {
        let moments = (0..parts.empties.len()).map(|empty| self.moment(parts, empty));
        let mut moments: Vec<u32> = moments.collect::<Option<_>>()?;
        moments.sort_unstable();
        moments.dedup();
        Some(moments)
    }

    /// A gap of each empty, or the first that has none.
    pub(crate) fn place_empties(&self, parts: &Parts) -> Result<Vec<u32>, usize> {
        (0..parts.empties.len()).map(|empty| self.moment(parts, empty).ok_or(empty)).collect()
    }
}

/// Elements that together cover every gap of an empty, as few as can be: of those that cover the
/// next gap always the one that reaches furthest. `O(n log n)`.
pub(crate) fn chain(items: &[Item], from: u32, to: u32) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..items.len()).filter(|at| !items[*at].inside().is_empty()).collect();
    order.sort_unstable_by_key(|at| items[*at].inside().start);
    let (mut chain, mut gap, mut next) = (Vec::new(), from, 0);
    let mut best: Option<usize> = None;
    while gap < to {
        while let Some(at) = order.get(next).filter(|at| items[**at].inside().start <= gap) {
            if best.is_none_or(|best| items[best].inside().end < items[*at].inside().end) {
                best = Some(*at);
            }
            next += 1;
        }
        match best.take_if(|best| items[*best].inside().end > gap) {
            Some(item) => {
                chain.push(item);
                gap = items[item].inside().end;
            }
            None => break,
        }
    }
    chain
}

fn narrow(gap: usize) -> u32 {
    u32::try_from(gap).unwrap_or(u32::MAX)
}
