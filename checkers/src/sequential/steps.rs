//! The operations of a history as steps of one order.

use crate::session_guarantees::graph::Graph;
use crate::session_guarantees::sessions::{Sessions, What, narrow};
use crate::words::value;
use schism_core::api::register::{Register, RegisterOp, Reply};
use schism_core::op::Op;

/// A step: its position in [`Steps::all`].
pub(super) type StepId = u32;

/// What a step reads or writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'h> {
    pub(super) op: &'h Op<Register>,
    pub(super) key: u32,
    pub(super) reads: Reads,
    pub(super) writes: bool,
    /// Which chain it belongs to, and at which place: the steps of a session; or an operation of
    /// unknown fate by itself, which nothing follows.
    pub(super) chain: u32,
    pub(super) place: u32,
    /// The step of its session that it follows.
    pub(super) follows: Option<StepId>,
}

/// What a step found in its register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// It didn't look.
    Nothing,
    /// What was there before any write.
    Initial,
    /// What this step wrote.
    From(StepId),
}

/// Every step.
#[derive(Debug)]
pub(super) struct Steps<'h> {
    pub(super) all: Vec<Step<'h>>,
    pub(super) keys: usize,
    pub(super) chains: usize,
    names: Vec<String>,
}

impl<'h> Steps<'h> {
    /// `O(n)`.
    pub(super) fn new(sessions: &Sessions<'h>) -> Self {
        let mut all: Vec<Step<'h>> = Vec::new();
        let mut step_of = vec![0; sessions.parts.len()];
        let (mut chains, mut current) = (0_u32, None);
        let mut last: Option<StepId> = None;
        for (at, part) in sessions.parts.iter().enumerate() {
            let id = narrow(all.len());
            let same = all.last().is_some_and(|step| std::ptr::eq(step.op, part.op));
            step_of[at] = if same { id - 1 } else { id };
            if same && let Some(step) = all.last_mut() {
                step.writes |= part.is_write();
                continue;
            }
            if current.replace(part.session) != Some(part.session) {
                last = None;
            }
            let (chain, place) = match last.map(|last| &all[last as usize]) {
                Some(previous) if !part.is_open() => (previous.chain, previous.place + 1),
                _ => {
                    chains += 1;
                    (chains - 1, 0)
                }
            };
            let writes = part.is_write();
            let (op, key) = (part.op, part.key);
            let reads = Reads::Nothing;
            all.push(Step { op, key, reads, writes, chain, place, follows: last });
            if !part.is_open() {
                last = Some(id);
            }
        }
        for (at, part) in sessions.parts.iter().enumerate() {
            if let What::Read(source) = part.what {
                let source = source.map(|source| step_of[source as usize]);
                all[step_of[at] as usize].reads = source.map_or(Reads::Initial, Reads::From);
            }
        }
        let name = |key: &Option<_>| key.map_or_else(String::new, ToString::to_string);
        let names = sessions.keys.iter().map(name).collect();
        Self { all, keys: sessions.keys.len(), chains: chains as usize, names }
    }

    pub(super) fn step(&self, id: StepId) -> &Step<'h> {
        &self.all[id as usize]
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = StepId> + use<> {
        0..narrow(self.all.len())
    }

    /// What follows from sessions, and from reads alone.
    pub(super) fn graph(&self) -> Graph {
        let mut edges = Vec::new();
        for id in self.ids() {
            let step = self.step(id);
            edges.extend(step.follows.map(|before| (before, id)));
            if let Reads::From(source) = step.reads {
                edges.push((source, id));
            }
        }
        let nodes = narrow(self.all.len());
        Graph::from_edges(nodes, nodes, &edges)
    }

    /// `process 3 wrote 7 to key x`
    pub(super) fn said(&self, id: StepId) -> String {
        let step = self.step(id);
        let name = self.names.get(step.key as usize).map_or("", String::as_str);
        let key = |word: &str| match name {
            "" => String::new(),
            name => format!(" {word} key {name}"),
        };
        let who = format!("process {}", step.op.process);
        match (step.op.call.op, step.op.reply()) {
            (RegisterOp::Write(new), _) => format!("{who} wrote {new}{}", key("to")),
            (RegisterOp::Cas(old, new), _) => format!("{who} put {new} for {old}{}", key("in")),
            (RegisterOp::Read, Some(Reply::Read(found))) => {
                format!("{who} read {}{}", value(*found), key("from"))
            }
            (RegisterOp::Read, _) => format!("{who} read{}", key("from")),
        }
    }
}

/// Checks an order of steps: the certificate.
///
/// Every step occurs once, none before the one of its session that it follows, and each finds in
/// its register what the last write put there. Nothing is shared with the search. `O(n)`.
pub(super) fn verify(steps: &Steps<'_>, order: &[StepId]) -> bool {
    let mut done = vec![false; steps.all.len()];
    let mut registers: Vec<Option<StepId>> = vec![None; steps.keys];
    for id in order {
        let Some(step) = steps.all.get(*id as usize) else { return false };
        let early = step.follows.is_some_and(|before| !done[before as usize]);
        if early || std::mem::replace(&mut done[*id as usize], true) {
            return false;
        }
        let holds = &mut registers[step.key as usize];
        let fits = match step.reads {
            Reads::Nothing => true,
            Reads::Initial => holds.is_none(),
            Reads::From(source) => *holds == Some(source),
        };
        if !fits {
            return false;
        }
        if step.writes {
            *holds = Some(*id);
        }
    }
    done.into_iter().all(|done| done)
}
