//! Chance, all of it from the run's seed.
//!
//! One seed makes a tree of independent generators: [`Rng::fork`] takes a label, so that adding a
//! consumer somewhere doesn't change what another one draws. The algorithm (PCG64-MCG, O'Neill
//! 2014) is fixed, so that a seed means the same run on every machine and in every later version.
//!
//! ```
//! use schism_core::rng::Rng;
//! let root = Rng::seeded(7);
//! assert_eq!(root.fork("faults").clone().below(1000), root.fork("faults").below(1000));
//! ```

use rand::{Rng as _, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::time::Duration;

/// A seeded generator of chance; cheap to clone, which is how a generator peeks without committing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    origin: u64,
    state: Pcg64Mcg,
}

impl Rng {
    /// The root generator of a run.
    pub fn seeded(seed: u64) -> Self {
        Self { origin: seed, state: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// An independent generator for the consumer named `label`; unaffected by what has been drawn.
    #[must_use]
    pub fn fork(&self, label: &str) -> Self {
        // FNV-1a: stable everywhere, which the standard hasher does not promise to be.
        let mut hash = self.origin ^ 0xcbf2_9ce4_8422_2325;
        for byte in label.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self::seeded(hash ^ (hash >> 29))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state.next_u64()
    }

    /// Uniform in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.bits()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in `[0, 2 × mean)`, Jepsen's staggering.
    pub fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(2.0 * self.unit())
    }

    /// One element, or none of an empty slice.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Puts a slice into a random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn a_fork_does_not_depend_on_what_was_drawn() {
        let mut root = Rng::seeded(1);
        let before = root.fork("a");
        root.bits();
        assert_eq!(before, root.fork("a"));
        assert_ne!(before, root.fork("b"));
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut rng = Rng::seeded(3);
        let mut seen = [false; 5];
        (0..200).for_each(|_| seen[rng.below(5)] = true);
        assert_eq!(seen, [true; 5]);
        assert_eq!(rng.below(0), 0);
    }
}
