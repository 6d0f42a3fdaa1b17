//! Which of several generators comes first: the sooner one, and by chance among equals, so that
//! none of them, and no thread, is starved.

use super::{Emit, Next};
use crate::api::Api;
use crate::rng::Rng;

/// Collects what several generators answer.
pub(super) struct Soonest<A: Api> {
    best: Option<(usize, Emit<A>)>,
    /// Of all that are as soon as the best.
    weight: usize,
    pending: bool,
}

impl<A: Api> Soonest<A> {
    pub(super) fn new() -> Self {
        Self { best: None, weight: 0, pending: false }
    }

    /// Hears what generator `at` answers. Among equals each wins in proportion to its weight.
    pub(super) fn offer(&mut self, at: usize, weight: usize, next: Next<A>, rng: &mut Rng) {
        let emit = match next {
            Next::Op(emit) => emit,
            Next::Pending => {
                self.pending = true;
                return;
            }
            Next::Done => return,
        };
        match &self.best {
            Some((_, best)) if best.time < emit.time => {}
            Some((_, best)) if best.time == emit.time => {
                self.weight += weight;
                if rng.below(self.weight) < weight {
                    self.best = Some((at, emit));
                }
            }
            _ => {
                self.weight = weight;
                self.best = Some((at, emit));
            }
        }
    }

    /// The first of them with what it does; otherwise whether one may still have something.
    pub(super) fn choice(self) -> Result<(usize, Emit<A>), Next<A>> {
        self.best.ok_or(if self.pending { Next::Pending } else { Next::Done })
    }
}

/// Bits that look random and spread evenly while `count` grows (the finalizer of splitmix64): fair
/// turns where nothing else has to be random.
pub(super) fn spread(count: u64) -> u64 {
    let mixed = count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
