//! Bounds on when transactions can have taken effect, in real time.
//!
//! A transaction goes after its invocation, and after whom it read from; before its return, and
//! before who read from it. One pass each way over the transactions: where a writer was invoked
//! after its reader, a bound may be wider than it had to be, which is no harm.

use crate::transactions::registers::{Access, Registers, Version};

/// When transactions can have gone, by returns and invocations.
#[derive(Debug)]
pub(super) struct Times {
    /// By transaction: after this.
    after: Vec<u64>,
    /// Before this.
    before: Vec<u64>,
}

impl Times {
    pub(super) fn new(registers: &Registers<'_>) -> Self {
        let history = registers.history();
        let began = |txn| if history.began(txn) { history.invoked(txn).index } else { 0 };
        let mut after: Vec<u64> = history.txns().map(began).collect();
        for txn in history.txns() {
            for (access, _, version) in registers.accesses(txn) {
                if access == Access::Read
                    && let Some(writer) = registers.writer(version)
                {
                    after[txn as usize] = after[txn as usize].max(after[writer as usize]);
                }
            }
        }
        let returned = |txn| history.returned(txn).unwrap_or(u64::MAX);
        let mut before: Vec<u64> = history.txns().map(returned).collect();
        for txn in history.txns().rev() {
            for (access, _, version) in registers.accesses(txn) {
                if access == Access::Read
                    && let Some(writer) = registers.writer(version)
                {
                    before[writer as usize] = before[writer as usize].min(before[txn as usize]);
                }
            }
        }
        Self { after, before }
    }

    /// Before when a version must have been written.
    pub(super) fn end(&self, registers: &Registers<'_>, version: Version) -> u64 {
        registers.writer(version).map_or(u64::MAX, |txn| self.before[txn as usize])
    }

    /// After when the last of those that wrote or read a version can have gone.
    pub(super) fn start(&self, registers: &Registers<'_>, version: Version) -> u64 {
        let met = registers.readers(version).iter().copied().chain(registers.writer(version));
        met.map(|txn| self.after[txn as usize]).max().unwrap_or(0)
    }
}
