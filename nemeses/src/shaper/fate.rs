//! What becomes of a packet: pure, from the shape and chance.

use schism_core::fault::LinkShape;
use schism_core::rng::Rng;
use std::io;
use std::time::Duration;

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives.
    Arrives {
        /// How much later.
        after: Duration,
        /// How much later it arrives again, if it does.
        again: Option<Duration>,
    },
}

/// Draws the fate of the next packet. Always draws as often, so that the k-th packet's fate doesn't
/// depend on what happened to those before.
pub(super) fn decide(shape: &LinkShape, rng: &mut Rng) -> Fate {
    let (lost, twice) = (rng.chance(shape.loss), rng.chance(shape.duplicate));
    let mut delay = || {
        let millis = shape.delay_ms + shape.jitter_ms * (2.0 * rng.unit() - 1.0);
        Duration::from_secs_f64(millis.max(0.0) / 1000.0)
    };
    let (after, again) = (delay(), delay());
    if lost { Fate::Lost } else { Fate::Arrives { after, again: twice.then_some(again) } }
}

/// Refuses shapes that make no sense.
pub(super) fn check(shape: &LinkShape) -> io::Result<()> {
    const LONGEST_MS: f64 = 3_600_000.0;
    let LinkShape { delay_ms, jitter_ms, loss, duplicate } = *shape;
    let bad = [
        ("the delay", delay_ms, 0.0..=LONGEST_MS, "0 to 3600000 ms"),
        ("the jitter", jitter_ms, 0.0..=LONGEST_MS, "0 to 3600000 ms"),
        ("the share of lost packets", loss, 0.0..=1.0, "0 to 1"),
        ("the share of duplicates", duplicate, 0.0..=1.0, "0 to 1"),
    ]
    .into_iter()
    .find(|(_, value, range, _)| !range.contains(value));
    match bad {
        None => Ok(()),
        Some((what, value, _, range)) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{what} has to be {range}, but is {value}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, check, decide};
    use schism_core::fault::LinkShape;
    use schism_core::rng::Rng;
    use std::time::Duration;

    fn fates(shape: LinkShape, seed: u64) -> Vec<Fate> {
        let mut rng = Rng::seeded(seed);
        (0..10_000).map(|_| decide(&shape, &mut rng)).collect()
    }

    #[test]
    fn shares_and_bounds_are_kept() {
        let shape = LinkShape { delay_ms: 50.0, jitter_ms: 20.0, loss: 0.3, duplicate: 0.1 };
        let (mut lost, mut twice) = (0, 0);
        for fate in fates(shape, 1) {
            let Fate::Arrives { after, again } = fate else {
                lost += 1;
                continue;
            };
            twice += u32::from(again.is_some());
            for delay in std::iter::once(after).chain(again) {
                assert!((30..=70).contains(&delay.as_millis()), "{delay:?}");
            }
        }
        assert!((2_850..3_150).contains(&lost), "{lost} lost of 10,000");
        assert!((600..800).contains(&twice), "{twice} twice of 7,000");
    }

    #[test]
    fn the_extremes_are_exact() {
        let whole = fates(LinkShape::default(), 1);
        let at_once = Fate::Arrives { after: Duration::ZERO, again: None };
        assert!(whole.iter().all(|fate| *fate == at_once));
        let gone = fates(LinkShape { loss: 1.0, duplicate: 1.0, ..LinkShape::default() }, 1);
        assert!(gone.iter().all(|fate| *fate == Fate::Lost));
        let early = fates(LinkShape { jitter_ms: 5.0, ..LinkShape::default() }, 1);
        assert!(early.contains(&at_once), "no packet arrives before it was sent");
    }

    #[test]
    fn what_is_lost_does_not_depend_on_the_delay() {
        let lost = |delay_ms| {
            let shape = LinkShape { delay_ms, loss: 0.5, ..LinkShape::default() };
            fates(shape, 7).into_iter().map(|fate| fate == Fate::Lost).collect::<Vec<_>>()
        };
        assert_eq!(lost(0.0), lost(80.0));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(check(&LinkShape::default()).is_ok());
        for bad in [
            LinkShape { delay_ms: -1.0, ..LinkShape::default() },
            LinkShape { jitter_ms: f64::INFINITY, ..LinkShape::default() },
            LinkShape { loss: f64::NAN, ..LinkShape::default() },
            LinkShape { duplicate: 1.1, ..LinkShape::default() },
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }
}
