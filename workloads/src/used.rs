//! What a run has used so far, for whoever reads it back.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Numbers of keys or instances, shared between a workload's generator, which notes them when an
/// operation is committed, and its final generator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used(Rc<RefCell<BTreeSet<i64>>>);

impl Used {
    /// Notes a number.
    pub(crate) fn note(&self, number: i64) {
        self.0.borrow_mut().insert(number);
    }

    /// All of them, ascending.
    pub(crate) fn all(&self) -> Vec<i64> {
        self.0.borrow().iter().copied().collect()
    }
}
