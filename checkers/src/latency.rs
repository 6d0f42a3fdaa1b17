//! Quantiles of latencies, in milliseconds.

use serde_json::{Value, json};
use std::time::Duration;

/// Latencies of one kind of operation.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one.
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// Puts them in order, for [`Sorted::quantile`]. `O(n log n)`.
    pub(crate) fn sorted(mut self) -> Sorted {
        self.0.sort_unstable();
        Sorted(self.0)
    }
}

/// Latencies in ascending order.
#[derive(Debug)]
pub(crate) struct Sorted(Vec<Duration>);

impl Sorted {
    /// The smallest latency that a share `q` of them does not exceed (nearest rank), in
    /// milliseconds; `None` if there is none at all.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank between 0 and the length"
        )]
        let rank = (q * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1).min(last)).map(|latency| latency.as_secs_f64() * 1e3)
    }

    /// `{"p50": …, "p95": …, "p99": …, "max": …}` in milliseconds; null if there is none.
    pub(crate) fn to_json(&self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        json!({
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "p99": self.quantile(0.99),
            "max": self.quantile(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Latencies;
    use std::time::Duration;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let mut latencies = Latencies::default();
        (1..=100).rev().for_each(|ms| latencies.add(Duration::from_millis(ms)));
        let sorted = latencies.sorted();
        assert_eq!(sorted.quantile(0.5), Some(50.0));
        assert_eq!(sorted.quantile(0.99), Some(99.0));
        assert_eq!(sorted.quantile(1.0), Some(100.0));
        assert_eq!(sorted.quantile(0.0), Some(1.0));
        assert_eq!(Latencies::default().sorted().quantile(0.5), None);
    }
}
