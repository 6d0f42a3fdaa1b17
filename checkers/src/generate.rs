//! Seeded histories for benchmarks.

pub mod registers;
pub mod transactions;
