//! A model that is a checker of typed operations.

use super::{Judge, Judged};
use crate::judge;
use schism_core::api::Api;
use schism_core::checker::Checker;
use schism_core::event::RawEvent;
use schism_core::history::{HistoryBuilder, Refused, Sink};
use schism_core::limits::Limits;
use schism_core::record::RunFacts;

struct Typed<A: Api> {
    builder: HistoryBuilder<A>,
    checker: Box<dyn Checker<A>>,
}

/// Judges by this checker.
pub(crate) fn typed<A: Api>(checker: impl Checker<A> + 'static) -> Box<dyn Judge> {
    Box::new(Typed { builder: HistoryBuilder::default(), checker: Box::new(checker) })
}

impl<A: Api> Sink for Typed<A> {
    fn event(&mut self, raw: &RawEvent<'_>) -> Result<(), Refused> {
        self.builder.push_raw(raw)
    }
}

impl<A: Api> Judge for Typed<A> {
    fn operations(&self) -> usize {
        self.builder.len()
    }

    fn judge(self: Box<Self>, limits: &Limits) -> Judged {
        let history = self.builder.finish();
        let (verdict, findings) = judge(&[self.checker], &history, &RunFacts::default(), limits);
        Judged { verdict, findings }
    }
}
