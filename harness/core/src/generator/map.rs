//! Changes operations on their way.

use super::{Act, Context, Emit, Gen, Generator, NemesisCall, Next, Thread};
use crate::api::Api;
use crate::event::Event;

/// `part` with each act changed by `change`, which has to be a pure function.
pub(super) fn map<A: Api>(part: Gen<A>, change: impl Fn(Act<A>) -> Act<A> + 'static) -> Gen<A> {
    Box::new(Map { part, change })
}

/// `part` with the faults renamed that it asks the nemesis for; for a schedule that was written for
/// one nemesis and runs under another one's names.
pub(super) fn f_map<A: Api>(part: Gen<A>, rename: impl Fn(&str) -> String + 'static) -> Gen<A> {
    map(part, move |act| match act {
        Act::Nemesis(NemesisCall::Inject(fault)) => {
            Act::Nemesis(NemesisCall::Inject(rename(&fault)))
        }
        Act::Nemesis(NemesisCall::Heal(fault)) => Act::Nemesis(NemesisCall::Heal(rename(&fault))),
        other => other,
    })
}

struct Map<A: Api, F> {
    part: Gen<A>,
    change: F,
}

impl<A: Api, F: Fn(Act<A>) -> Act<A>> Generator<A> for Map<A, F> {
    fn peek(&self, context: &Context<'_>) -> Next<A> {
        match self.part.peek(context) {
            Next::Op(emit) => Next::Op(Emit { act: (self.change)(emit.act), ..emit }),
            nothing => nothing,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<A> {
        let emit = self.part.take(context);
        Emit { act: (self.change)(emit.act), ..emit }
    }

    fn update(&mut self, context: &Context<'_>, thread: Thread, event: &Event<A>) {
        self.part.update(context, thread, event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{adds, elements, quick};
    use super::super::{Act, GenExt as _, NemesisCall, concat, nemesis_call};
    use crate::api::set::{Call, Set};

    #[test]
    fn acts_are_changed() {
        let doubled = adds(1).limit(3).map(|act| match act {
            Act::Call(Call::Add(element)) => Act::Call(Call::Add(2 * element)),
            other => other,
        });
        assert_eq!(elements(&quick(doubled)), [2, 4, 6]);
    }

    #[test]
    fn faults_are_renamed() {
        let calls = [
            NemesisCall::Inject("kill".to_owned()),
            NemesisCall::Heal("kill".to_owned()),
            NemesisCall::HealAll,
        ];
        let renamed = concat::<Set, _>(calls.map(nemesis_call)).f_map(|name| format!("{name}:n1"));
        let acts: Vec<_> = quick(renamed).emits.into_iter().map(|emit| emit.act).collect();
        let want = [
            NemesisCall::Inject("kill:n1".to_owned()),
            NemesisCall::Heal("kill:n1".to_owned()),
            NemesisCall::HealAll,
        ];
        assert_eq!(acts, want.map(Act::Nemesis));
    }
}
