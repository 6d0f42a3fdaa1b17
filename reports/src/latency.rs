//! How long operations took: quantiles by nearest rank, which are values that were measured.

use crate::view::{Fate, OpView};

/// Quantiles of a sample, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// How many were measured.
    pub count: usize,
    /// The median.
    pub p50: f64,
    /// 95 % were at most this slow.
    pub p95: f64,
    /// 99 % were at most this slow.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Quantiles {
    /// Of any sample; `None` of an empty one. O(n log n).
    ///
    /// ```
    /// use schism_reports::latency::Quantiles;
    /// let q = Quantiles::of((1..=100).map(f64::from).collect()).unwrap();
    /// assert_eq!((q.p50, q.p95, q.p99, q.max), (50.0, 95.0, 99.0, 100.0));
    /// ```
    pub fn of(mut sample: Vec<f64>) -> Option<Self> {
        sample.sort_by(f64::total_cmp);
        let max = *sample.last()?;
        // The nearest rank of p percent: the smallest value with at least p percent at or below.
        let rank = |percent: usize| sample[(sample.len() * percent).div_ceil(100).max(1) - 1];
        Some(Self { count: sample.len(), p50: rank(50), p95: rank(95), p99: rank(99), max })
    }

    /// Of the operations that happened.
    pub fn of_ok<'a>(ops: impl Iterator<Item = &'a OpView>) -> Option<Self> {
        Self::of(ops.filter(|op| op.fate == Fate::Ok).filter_map(OpView::latency_ms).collect())
    }
}

/// A duration for people, with three digits and a unit.
pub fn millis(ms: f64) -> String {
    if ms < 1.0 {
        format!("{:.0} µs", ms * 1e3)
    } else if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 100.0 {
        format!("{ms:.1} ms")
    } else if ms < 1e4 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1e3)
    }
}

/// A count for people, its thousands set apart.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Quantiles, count, millis};

    #[test]
    fn quantiles_are_measured_values() {
        let q = Quantiles::of(vec![3.0, 1.0]).unwrap();
        assert_eq!((q.count, q.p50, q.p95, q.max), (2, 1.0, 3.0, 3.0));
        assert_eq!(Quantiles::of(Vec::new()), None);
    }

    #[test]
    fn figures_for_people() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(millis(0.25), "250 µs");
        assert_eq!(millis(12.34), "12.3 ms");
        assert_eq!(millis(20_000.0), "20.0 s");
    }
}
