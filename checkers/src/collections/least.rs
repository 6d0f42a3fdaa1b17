//! Least values over ranges.

/// Values at positions, and the least from a position on: a Fenwick tree. `O(log n)` a step.
pub(crate) struct SuffixLeast(Vec<u32>);

impl SuffixLeast {
    /// Positions below `len`, without values.
    pub(crate) fn new(len: u32) -> Self {
        Self(vec![u32::MAX; len as usize + 1])
    }

    /// Adds a value; positions beyond the last count as the last.
    pub(crate) fn add(&mut self, position: u32, value: u32) {
        let mut at = self.place(position);
        while let Some(least) = self.0.get_mut(at) {
            *least = value.min(*least);
            at += at & at.wrapping_neg();
        }
    }

    /// The least value at or after a position; `u32::MAX` if there is none.
    pub(crate) fn from(&self, position: u32) -> u32 {
        let (mut at, mut least) = (self.place(position), u32::MAX);
        while at > 0 {
            least = least.min(self.0[at]);
            at -= at & at.wrapping_neg();
        }
        least
    }

    /// The last position is the first place, so that a suffix is a prefix.
    fn place(&self, position: u32) -> usize {
        (self.0.len() - 1).saturating_sub(position as usize).max(1)
    }
}
