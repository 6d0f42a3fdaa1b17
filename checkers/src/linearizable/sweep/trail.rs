//! What configurations did, as trails that share their beginnings; what no configuration needs any
//! more is dropped, so that memory grows with the history only, not with what was tried.

/// A trail: the place of its last step. 0 is the empty one.
pub(super) type TrailId = u32;

/// An operation of unknown fate is named by its kind, with this bit.
pub(super) const CRASHED: u32 = 1 << 31;

/// An operation that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Its position in the history, or its kind and [`CRASHED`].
    pub(super) by: u32,
    /// The event at which it took effect: just before that return.
    pub(super) at: u32,
}

/// How many steps there may be, at least, before what is not needed is looked for.
const SMALL: usize = if cfg!(test) { 8 } else { 1 << 16 };

#[derive(Debug)]
pub(super) struct Trails {
    steps: Vec<(TrailId, Step)>,
    /// How many steps there may be before what is not needed is looked for.
    sweep_at: usize,
}

impl Default for Trails {
    fn default() -> Self {
        Self { steps: vec![(0, Step { by: 0, at: 0 })], sweep_at: SMALL }
    }
}

impl Trails {
    pub(super) fn bytes(&self) -> usize {
        self.steps.len() * size_of::<(TrailId, Step)>()
    }

    pub(super) fn push(&mut self, before: TrailId, step: Step) -> TrailId {
        self.steps.push((before, step));
        TrailId::try_from(self.steps.len() - 1).unwrap_or(TrailId::MAX)
    }

    /// True once so much was tried that dropping what nobody needs pays.
    pub(super) fn is_full(&self) -> bool {
        self.steps.len() >= self.sweep_at
    }

    /// Drops all but what these need, and gives them their new places. `O(steps)`.
    pub(super) fn keep<'a>(&mut self, ends: impl Iterator<Item = &'a mut TrailId>) {
        let ends: Vec<&mut TrailId> = ends.collect();
        let mut place = vec![0; self.steps.len()];
        for end in &ends {
            let mut at = **end as usize;
            while at != 0 && std::mem::replace(&mut place[at], 1) == 0 {
                at = self.steps[at].0 as usize;
            }
        }
        let mut kept = vec![self.steps[0]];
        for at in 1..self.steps.len() {
            if place[at] == 0 {
                continue;
            }
            let (before, step) = self.steps[at];
            place[at] = TrailId::try_from(kept.len()).unwrap_or(TrailId::MAX);
            kept.push((place[before as usize], step));
        }
        for end in ends {
            *end = place[*end as usize];
        }
        self.sweep_at = kept.len() * 2 + SMALL;
        self.steps = kept;
    }

    /// The steps of a trail, first to last.
    pub(super) fn steps(&self, mut end: TrailId) -> Vec<Step> {
        let mut steps = Vec::new();
        while end != 0 {
            let (before, step) = self.steps[end as usize];
            steps.push(step);
            end = before;
        }
        steps.reverse();
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, Trails};

    #[test]
    fn what_is_kept_is_as_it_was() {
        let mut trails = Trails::default();
        let step = |by| Step { by, at: by };
        let one = trails.push(0, step(1));
        let lost = trails.push(one, step(2));
        trails.push(lost, step(3));
        let mut other = trails.push(one, step(4));
        let before = trails.steps(other);
        trails.keep([&mut other].into_iter());
        assert_eq!(trails.steps(other), before);
        assert_eq!(trails.bytes(), 3 * size_of::<(u32, Step)>());
    }
}
