//! What a run has used so far, for whoever reads it back.

use schism_core::api::Api;
use schism_core::event::Event;
use schism_core::generator::{Act, Context, Emit, Gen, Generator, Next, Thread};
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

/// `part`, and `note` is told each call that is committed.
pub(crate) fn noting<A: Api>(part: Gen<A>, note: impl Fn(&A::Call) + 'static) -> Gen<A> {
    Box::new(Noting { part, note })
}

struct Noting<A: Api, F> {
    part: Gen<A>,
    note: F,
}

impl<A: Api, F: Fn(&A::Call)> Generator<A> for Noting<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        self.part.peek(context)
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.part.take(context);
        if let Act::Call(call) = &emit.act {
            (self.note)(call);
        }
        emit
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}
