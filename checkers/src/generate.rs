//! Seeded histories for benchmarks.

pub mod transactions;
