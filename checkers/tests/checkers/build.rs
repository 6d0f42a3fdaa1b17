//! Small histories for tests, written as operations with their intervals.
#![allow(dead_code, reason = "each of the test crates that include this uses a part of it")]

use proptest::prelude::*;
use proptest::test_runner::Config;
use schism_core::api::Api;
use schism_core::event::{Body, Event};
use schism_core::history::History;
use schism_core::op::Outcome;
use schism_core::time::Nanos;
use std::ops::Range;

/// The end of an operation of which the history never hears again.
pub(crate) const NEVER: u64 = u64::MAX;

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Did<A: Api> {
    node: Option<&'static str>,
    process: Option<u64>,
    span: Range<u64>,
    call: A::Call,
    outcome: Outcome<A::Reply>,
}

impl<A: Api> Did<A> {
    /// Done by this process; else each operation has a process of its own.
    pub(crate) fn by(mut self, process: u64) -> Self {
        self.process = Some(process);
        self
    }

    /// Asked of a node that the history doesn't name.
    pub(crate) fn anywhere(mut self) -> Self {
        self.node = None;
        self
    }
}

/// It succeeded. The span is in milliseconds.
pub(crate) fn ok<A: Api>(
    node: &'static str,
    span: Range<u64>,
    call: A::Call,
    reply: A::Reply,
) -> Did<A> {
    did(node, span, call, Outcome::Ok(reply))
}

/// It certainly failed.
pub(crate) fn fail<A: Api>(node: &'static str, span: Range<u64>, call: A::Call) -> Did<A> {
    did(node, span, call, Outcome::Fail("refused".into()))
}

/// Its fate is unknown.
pub(crate) fn info<A: Api>(node: &'static str, span: Range<u64>, call: A::Call) -> Did<A> {
    did(node, span, call, Outcome::Info("timed out".into()))
}

fn did<A: Api>(
    node: &'static str,
    span: Range<u64>,
    call: A::Call,
    outcome: Outcome<A::Reply>,
) -> Did<A> {
    Did { node: Some(node), process: None, span, call, outcome }
}

/// The history of these operations. At one time, answers come before questions.
pub(crate) fn history<A: Api>(ops: impl IntoIterator<Item = Did<A>>) -> History<A> {
    let mut events: Vec<(u64, bool, usize, Body<A>)> = Vec::new();
    for (position, op) in ops.into_iter().enumerate() {
        let process = op.process.unwrap_or(1000 + position as u64);
        let node = op.node.map(Into::into);
        let Did { call, outcome, span, .. } = op;
        let invoke = Body::Invoke { process, node: node.clone(), call: call.clone() };
        events.push((span.start, true, position, invoke));
        if span.end != NEVER {
            let complete = Body::Complete { process, node, call, outcome };
            events.push((span.end, false, position, complete));
        }
    }
    events.sort_by_key(|(time, is_invoke, position, _)| (*time, *is_invoke, *position));
    let events = (0..).zip(events).map(|(index, (time, _, _, body))| Event {
        index,
        time: Nanos::from_millis(time),
        body,
    });
    History::from_events(events).expect("a history that makes sense")
}

/// How often a property is tried: `SCHISM_ORACLE_CASES` or `PROPTEST_CASES`, or 512 times.
pub(crate) fn cases() -> Config {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let asked = number("SCHISM_ORACLE_CASES").or_else(|| number("PROPTEST_CASES"));
    Config { cases: asked.unwrap_or(512), failure_persistence: None, ..Config::default() }
}

/// Intervals with distinct ends, as ranks: start and end of each of `count` operations.
pub(crate) fn spans(count: Range<usize>) -> impl Strategy<Value = Vec<Range<u64>>> {
    prop::collection::vec((0..100_u64, 1..40_u64), count).prop_map(|raw| {
        let mut ends: Vec<(u64, usize, bool)> = Vec::new();
        for (position, (start, length)) in raw.iter().enumerate() {
            ends.push((*start, position, false));
            ends.push((start + length, position, true));
        }
        ends.sort_unstable();
        let mut spans = vec![0..0; raw.len()];
        for (rank, (_, position, is_end)) in (1..).zip(ends) {
            if is_end {
                spans[position].end = rank;
            } else {
                spans[position].start = rank;
            }
        }
        spans
    })
}
