//! Runs whole workloads against stores in memory, in virtual time: the main phase, with operations
//! that fail and stay indeterminate, then the final one, then the verdict.

use schism_checkers::judge;
use schism_core::api::Api;
use schism_core::checker::Finding;
use schism_core::event::{Body, Event};
use schism_core::generator::GenExt as _;
use schism_core::generator::simulate::{Request, Simulation, Trace};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::{Op, Outcome};
use schism_core::record::RunFacts;
use schism_core::rng::Rng;
use schism_core::time::Nanos;
use schism_core::verdict::Verdict;
use schism_core::workload::{Params, Workload};
use std::collections::BTreeSet;
use std::time::Duration;

/// Ten clients on five nodes, for ten seconds.
pub(crate) fn params() -> Params {
    Params {
        serving_nodes: 5,
        concurrency: 10,
        keys: 5,
        rate: 200.0,
        time_limit: Duration::from_secs(10),
        recovery_limit: Duration::from_secs(5),
    }
}

/// A store: what the node of this number answers, or nothing if it refuses.
pub(crate) trait Store<A: Api> {
    fn ask(&mut self, node: usize, time: Nanos, call: &A::Call) -> Option<A::Reply>;
}

impl<A: Api, F: FnMut(usize, Nanos, &A::Call) -> Option<A::Reply>> Store<A> for F {
    fn ask(&mut self, node: usize, time: Nanos, call: &A::Call) -> Option<A::Reply> {
        self(node, time, call)
    }
}

/// How well the network between clients and store works during the main phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Network {
    /// Everything arrives.
    Perfect,
    /// A tenth of the questions and a tenth of the answers are lost.
    Lossy,
}

/// What a run came to.
pub(crate) struct Ran<A: Api> {
    pub(crate) history: History<A>,
    pub(crate) facts: RunFacts,
    pub(crate) verdict: Verdict,
    pub(crate) findings: Vec<Finding>,
}

impl<A: Api> Ran<A> {
    /// The operations of the final phase.
    pub(crate) fn final_ops(&self) -> impl Iterator<Item = &Op<A>> {
        let from = self.facts.final_phase_at.unwrap();
        self.history.ops().iter().filter(move |op| op.invoked.time >= from)
    }

    /// Panics with what was found unless it is valid.
    pub(crate) fn assert_valid(&self) {
        let said: Vec<_> = self.findings.iter().map(|f| (&f.checker, &f.summary)).collect();
        assert_eq!(self.verdict, Verdict::Valid, "{said:?}");
    }

    /// The kinds of anomalies found.
    pub(crate) fn anomalies(&self) -> BTreeSet<&str> {
        self.verdict.anomalies().iter().map(|anomaly| anomaly.kind.as_str()).collect()
    }
}

/// Runs a workload and judges it. What the store answers takes effect when it is asked.
pub(crate) fn run<W: Workload>(
    workload: &W,
    params: &Params,
    seed: u64,
    network: Network,
    mut store: impl Store<W::Api>,
) -> Ran<W::Api> {
    let rng = Rng::seeded(seed);
    let simulation = Simulation::new(params.concurrency).nodes(params.serving_nodes);
    let main = workload.generator(params, &rng.fork("main")).clients();
    let main = main.time_limit(params.time_limit);
    let mut chance = rng.fork("network");
    let trace = simulation
        .run(main, |request| answer(&mut store, params, request, Nanos::ZERO, network, &mut chance))
        .unwrap();
    let (mut events, healed) = (trace.events, trace.end + Duration::from_millis(10));
    let facts = RunFacts {
        nodes: (1..=params.serving_nodes).map(|node| format!("n{node}").into()).collect(),
        healed_at: Some(healed),
        recovered_at: Some(healed),
        final_phase_at: Some(healed),
        recovery_limit: params.recovery_limit,
        coverage: workload.coverage(params),
        ..RunFacts::default()
    };
    if let Some(generator) = workload.final_generator(params, &rng.fork("final")) {
        let trace = simulation
            .run(generator.clients(), |request| {
                answer(&mut store, params, request, healed, Network::Perfect, &mut chance)
            })
            .unwrap();
        append(&mut events, trace, healed);
    }
    let history = History::from_events(events).unwrap();
    let (verdict, findings) =
        judge(&workload.checkers(params), &history, &facts, &Limits::default());
    Ran { history, facts, verdict, findings }
}

fn answer<A: Api>(
    store: &mut impl Store<A>,
    params: &Params,
    request: &Request<'_, A>,
    since: Nanos,
    network: Network,
    chance: &mut Rng,
) -> (Duration, Outcome<A::Reply>) {
    let latency = chance.around(Duration::from_millis(3));
    let (node, time) =
        (request.thread % params.serving_nodes, since + request.time.since(Nanos::ZERO));
    let fate = if network == Network::Perfect { 9 } else { chance.below(10) };
    let outcome = match fate {
        0 if chance.chance(0.5) => Outcome::Fail("no connection".into()),
        0 => Outcome::Info("the question was lost".into()),
        1 => {
            store.ask(node, time, request.call);
            Outcome::Info("the answer was lost".into())
        }
        _ => match store.ask(node, time, request.call) {
            Some(reply) => Outcome::Ok(reply),
            None => Outcome::Fail("refused".into()),
        },
    };
    (latency, outcome)
}

/// Appends the final phase: later, and by processes that come after all earlier ones.
fn append<A: Api>(events: &mut Vec<Event<A>>, trace: Trace<A>, since: Nanos) {
    let first = events.len() as u64;
    events.extend(trace.events.into_iter().map(|mut event| {
        event.index += first;
        event.time = since + event.time.since(Nanos::ZERO);
        if let Body::Invoke { process, .. } | Body::Complete { process, .. } = &mut event.body {
            *process += 1_000_000;
        }
        event
    }));
}

/// Every node answers every one of `calls` in the final phase.
pub(crate) fn assert_all_nodes_read<A: Api>(ran: &Ran<A>, calls: &[A::Call]) {
    for node in &ran.facts.nodes {
        for call in calls {
            let read = ran.final_ops().any(|op| {
                op.node.as_ref() == Some(node) && op.call == *call && op.reply().is_some()
            });
            assert!(read, "{node} does not answer {call:?} in the end");
        }
    }
}

/// Calls that a generator makes when every thread is always free, in order.
pub(crate) fn calls<W: Workload>(
    workload: &W,
    params: &Params,
    seed: u64,
) -> Vec<<W::Api as Api>::Call> {
    let store = |_: usize, _: Nanos, _: &<W::Api as Api>::Call| None;
    let ran = run(workload, params, seed, Network::Perfect, store);
    let from = ran.facts.final_phase_at.unwrap();
    let main = ran.history.ops().iter().filter(|op| op.invoked.time < from);
    main.map(|op| op.call.clone()).collect()
}
