//! Sets of slots, as wide as the concurrency asks for.

/// A set of numbers below `64 * N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bits<const N: usize>([u64; N]);

impl<const N: usize> Bits<N> {
    pub(crate) const EMPTY: Self = Self([0; N]);

    pub(crate) fn has(&self, at: u32) -> bool {
        self.0[at as usize / 64] >> (at % 64) & 1 == 1
    }

    pub(crate) fn set(&mut self, at: u32) {
        self.0[at as usize / 64] |= 1 << (at % 64);
    }

    pub(crate) fn clear(&mut self, at: u32) {
        self.0[at as usize / 64] &= !(1 << (at % 64));
    }

    pub(crate) fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    pub(crate) fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    pub(crate) fn includes(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(word, other)| other & !word == 0)
    }

    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(word, other)| other & word != 0)
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The smallest number that is not in it, if there is one below `64 * N`.
    pub(crate) fn first_free(&self) -> Option<u32> {
        let at = self.0.iter().position(|word| *word != u64::MAX)?;
        Some(u32::try_from(at).ok()? * 64 + self.0[at].trailing_ones())
    }

    /// The smallest number in it that is not below `from`.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        let mut at = from as usize / 64;
        let mut word = *self.0.get(at)? & (u64::MAX << (from % 64));
        while word == 0 {
            at += 1;
            word = *self.0.get(at)?;
        }
        Some(u32::try_from(at).ok()? * 64 + word.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn members_lie_across_words() {
        let mut bits = Bits::<2>::EMPTY;
        for at in [0, 1, 63, 64, 127] {
            bits.set(at);
        }
        let mut found = Vec::new();
        while let Some(next) = bits.next(found.last().map_or(0, |last| last + 1)) {
            found.push(next);
        }
        assert_eq!(found, [0, 1, 63, 64, 127]);
        assert_eq!((bits.count(), bits.first_free()), (5, Some(2)));
        bits.clear(63);
        assert!(!bits.has(63) && bits.has(64));
    }
}
