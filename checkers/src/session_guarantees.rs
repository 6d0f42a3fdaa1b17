//! Session guarantees, PRAM and causal consistency of registers: how weak a store is that is not
//! linearizable.
//!
//! *What is judged.* A store is taken to keep writes in one order (*arbitration*: by time stamps, a
//! log, a leader), and to answer a read with the newest of those writes to the register that are
//! *visible* to the read: have arrived where it asks. Which guarantees hold is a matter of what has
//! to be visible, and in which order writes are (Terry et al. 1994, in the terms of Viotti and
//! Vukolić 2016). Within a session, that is a process:
//! - *read your writes*: a write is visible to the reads after it;
//! - *monotonic reads*: what is visible to a read is visible to the reads after it;
//! - *monotonic writes*: a write is older than the writes after it, and visible where they are;
//! - *writes follow reads*: what is visible to a read is older than the writes after it, and
//!   visible where they are.
//!
//! The first three together are PRAM (for a store that keeps one order), all four are causal
//! consistency (causal convergence, also called causal+). What each forbids by itself may be
//! little: a store that swaps two writes of one session keeps *read your writes*, as Terry defines
//! it. So the kind of an anomaly is a smallest set of guarantees that cannot all be kept, such as
//! `monotonic-reads`, or `read-your-writes+monotonic-writes` (in a history of more than 5,000 reads
//! and writes, smallest for what the first circle found shows). Besides: `garbage-read`,
//! `aborted-read`, `future-read`, which no store at all may show.
//!
//! *How.* No value is written twice to one register, so each read names its write; else the verdict
//! is unknown. Then the guarantees are Horn clauses, and the least they demand is: a write w is
//! visible to whatever it leads to in the graph of `graph`, whose edges are those from a write to
//! its reads and those pairs of a session that the guarantees make count; and writes are older than
//! writes that they lead to. So (`visible`) whatever is visible to a read of the same register is
//! older than what was read, or there is nothing where nothing was read.
//!
//! *Exact.* All of this is demanded in every explanation. If it goes round in a circle, or a read
//! of nothing sees a write, there is none. If not, sort the writes by it, and let visible be only
//! what has to be: each read then returns the newest that is visible to it, and the guarantees are
//! kept, because the graph is transitive. That order is the certificate; a verifier of its own
//! rechecks it, and every edge of a circle is shown with the path that proves it, and rechecked by
//! the definitions of the guarantees (`recheck`). For all four
//! guarantees these are the bad patterns of causal convergence of Bouajjani, Enea, Guerraoui and
//! Hamza, "On verifying causal consistency" (2017), who prove them complete.
//!
//! Operations of unknown fate: see `sessions`. Time plays no part, except that nobody can read what
//! was written only later.
//!
//! `O(writes × operations / 256)`, and memory `O(operations)`, where reads of a session lead on to
//! later ones; without *monotonic reads* it may be quadratic, and is given up beyond 100 million
//! edges.
//!
//! ```
//! use schism_checkers::session_guarantees::{Guarantees, SessionGuarantees};
//! use schism_core::{api::register::Register, checker::Checker, history::History};
//! let mut lines = String::new();
//! let ops =
//!     [(0, "write", 1), (1, "read", 1), (0, "write", 2), (1, "read", 2), (1, "read", 1)];
//! for (process, f, value) in ops {
//!     for kind in ["invoke", "ok"] {
//!         let index = lines.lines().count();
//!         lines += &format!("{{\"index\":{index},\"time\":{index},\"type\":\"{kind}\",");
//!         lines += &format!("\"process\":{process},\"f\":\"{f}\",\"value\":{value}}}\n");
//!     }
//! }
//! let history = History::<Register>::from_jsonl(lines.as_bytes())?.history;
//! let causal = SessionGuarantees { keeps: Guarantees::CAUSAL };
//! let finding = causal.check(&history, &Default::default(), &Default::default());
//! assert_eq!(finding.verdict.anomalies()[0].kind, "monotonic-reads");
//! # Ok::<(), schism_core::history::HistoryError>(())
//! ```

use crate::model::{BadOption, Judge, Model, Options, typed};
use crate::tally::Tally;
use crate::words::{count, stopped};
use schism_core::api::register::Register;
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Anomaly;
use serde_json::json;

pub(crate) mod explain;
pub(crate) mod graph;
mod recheck;
pub(crate) mod sessions;
mod visible;

use graph::{Graph, NodeId};
use sessions::{PartId, Sessions};
use visible::{Orders, Stopped};

/// The checker's name.
pub const NAME: &str = "session-guarantees";

/// How many reads and writes a history may have for all sets of guarantees to be tried on it.
const ALL_SETS: usize = 5_000;

/// How many steps the verifier of a certificate may take.
const VERIFY: usize = 200_000_000;

/// Which guarantees a store has to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a guarantee of its own, with its name")]
pub struct Guarantees {
    /// A write is visible to the reads after it.
    pub read_your_writes: bool,
    /// What is visible to a read is visible to the reads after it.
    pub monotonic_reads: bool,
    /// A write is older than the writes after it, and visible where they are.
    pub monotonic_writes: bool,
    /// What is visible to a read is older than the writes after it, and visible where they are.
    pub writes_follow_reads: bool,
}

impl Guarantees {
    /// None at all: only that values come from writes.
    pub const NONE: Self = Self {
        read_your_writes: false,
        monotonic_reads: false,
        monotonic_writes: false,
        writes_follow_reads: false,
    };
    /// Read your writes.
    pub const READ_YOUR_WRITES: Self = Self { read_your_writes: true, ..Self::NONE };
    /// Monotonic reads.
    pub const MONOTONIC_READS: Self = Self { monotonic_reads: true, ..Self::NONE };
    /// Monotonic writes.
    pub const MONOTONIC_WRITES: Self = Self { monotonic_writes: true, ..Self::NONE };
    /// Writes follow reads.
    pub const WRITES_FOLLOW_READS: Self = Self { writes_follow_reads: true, ..Self::NONE };
    /// All but writes follow reads: pipelined RAM.
    pub const PRAM: Self = Self { writes_follow_reads: false, ..Self::CAUSAL };
    /// All four: causal convergence.
    pub const CAUSAL: Self = Self {
        read_your_writes: true,
        monotonic_reads: true,
        monotonic_writes: true,
        writes_follow_reads: true,
    };

    /// `read-your-writes+monotonic-writes`
    pub fn name(self) -> String {
        let names = [
            (self.read_your_writes, "read-your-writes"),
            (self.monotonic_reads, "monotonic-reads"),
            (self.monotonic_writes, "monotonic-writes"),
            (self.writes_follow_reads, "writes-follow-reads"),
        ];
        let names: Vec<&str> =
            names.into_iter().filter_map(|(kept, name)| kept.then_some(name)).collect();
        names.join("+")
    }

    /// Are all of `fewer` among these?
    pub(crate) fn include(self, fewer: Self) -> bool {
        self.bits() & fewer.bits() == fewer.bits()
    }

    /// Those of these four bits, in the order of [`Guarantees::name`].
    fn of(bits: u8) -> Self {
        Self {
            read_your_writes: bits & 1 != 0,
            monotonic_reads: bits & 2 != 0,
            monotonic_writes: bits & 4 != 0,
            writes_follow_reads: bits & 8 != 0,
        }
    }

    fn bits(self) -> u8 {
        u8::from(self.read_your_writes)
            | u8::from(self.monotonic_reads) << 1
            | u8::from(self.monotonic_writes) << 2
            | u8::from(self.writes_follow_reads) << 3
    }
}

macro_rules! model {
    ($constant:ident, $name:literal, $guarantees:ident, $about:literal, $page:literal) => {
        /// How `schism check` names it.
        pub const $constant: Model = Model {
            name: $name,
            about: $about,
            page: concat!(
                $page,
                "\n\
Operations: as of `register`; each process is a session. No value may be written twice to one key.
The store is taken to keep writes in one order. Finds: the smallest sets of guarantees that cannot
all have been kept; garbage-read, aborted-read, future-read. Decides exactly."
            ),
            make: |options| make($name, options, Guarantees::$guarantees),
        };
    };
}

model!(
    READ_YOUR_WRITES,
    "read-your-writes",
    READ_YOUR_WRITES,
    "registers: a session sees what it wrote",
    "A write is visible to the later reads of its session."
);
model!(
    MONOTONIC_READS,
    "monotonic-reads",
    MONOTONIC_READS,
    "registers: a session that saw something goes on seeing it",
    "What is visible to a read is visible to the later reads of its session."
);
model!(
    MONOTONIC_WRITES,
    "monotonic-writes",
    MONOTONIC_WRITES,
    "registers: the writes of a session keep their order",
    "A write is older than the later writes of its session, and visible where they are."
);
model!(
    WRITES_FOLLOW_READS,
    "writes-follow-reads",
    WRITES_FOLLOW_READS,
    "registers: a write comes after what its session had read",
    "What is visible to a read is older than the later writes of its session, and visible where they
are."
);
model!(
    PRAM,
    "pram",
    PRAM,
    "registers: all see the writes of a session in its order",
    "Read your writes, monotonic reads and monotonic writes together."
);
model!(
    CAUSAL,
    "causal",
    CAUSAL,
    "registers: all see effects after their causes, and agree in the end",
    "All four session guarantees together: causal convergence (causal+)."
);

fn make(name: &str, options: &Options, keeps: Guarantees) -> Result<Box<dyn Judge>, BadOption> {
    options.only(name, &[])?;
    Ok(typed(SessionGuarantees { keeps }))
}

/// Judges registers by the guarantees that a store makes to each session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionGuarantees {
    /// Which have to be kept, all together.
    pub keeps: Guarantees,
}

impl Default for SessionGuarantees {
    fn default() -> Self {
        Self { keeps: Guarantees::CAUSAL }
    }
}

/// Whether guarantees can all have been kept.
pub(crate) enum Answer {
    /// They can, with an order of all writes as certificate: whether the verifier confirmed it, if
    /// it was not too large to ask.
    Kept(Option<bool>),
    /// They cannot.
    Broken(Broken),
    /// It was given up, for this reason.
    Unknown(String),
}

/// Why guarantees cannot all have been kept.
pub(crate) enum Broken {
    /// A read of what was there before any write, and a write that is visible to it.
    Initial { read: PartId, write: PartId },
    /// Writes each older than the next, and the last older than the first; and the read that says
    /// so, unless it leads there.
    Circle(Vec<NodeId>, Orders),
}

/// Can a store that keeps one order of writes have kept these guarantees? What is broken has been
/// rechecked.
pub(crate) fn decide(sessions: &Sessions<'_>, keeps: Guarantees, limits: &Limits) -> Answer {
    match search(sessions, keeps, limits) {
        Answer::Broken(why) => {
            let proof = explain::proof(sessions, keeps, &why);
            if recheck::holds(sessions, keeps, &proof) {
                Answer::Broken(why)
            } else {
                Answer::Unknown("certificate rejected: please report this".to_owned())
            }
        }
        answer => answer,
    }
}

fn search(sessions: &Sessions<'_>, keeps: Guarantees, limits: &Limits) -> Answer {
    let graph = Graph::new(sessions, keeps);
    let order = graph.order(&[]);
    if order.len() < graph.len() {
        let circle = explain::circle(&graph, &order, &[]);
        return Answer::Broken(Broken::Circle(circle, Orders::default()));
    }
    let orders = match visible::orders(sessions, &graph, &order, limits) {
        Ok(orders) => orders,
        Err(Stopped::Limit(limit)) => return Answer::Unknown(format!("{limit} was exceeded")),
        Err(Stopped::TooMany) => {
            return Answer::Unknown("too many orders between writes to hold".to_owned());
        }
    };
    if let Some((read, write)) = orders.initial {
        return Answer::Broken(Broken::Initial { read, write });
    }
    let order = graph.order(&orders.edges);
    if order.len() < graph.len() {
        let circle = explain::circle(&graph, &order, &orders.edges);
        return Answer::Broken(Broken::Circle(circle, orders));
    }
    let is_write = |id: &NodeId| *id < graph.parts && sessions.part(*id).is_write();
    let arbitration: Vec<PartId> = order.into_iter().filter(is_write).collect();
    Answer::Kept(visible::verify(sessions, &graph, &arbitration, VERIFY))
}

/// The smallest sets of these guarantees that cannot all have been kept, given that all of them
/// cannot. In a large history only those that the first circle found breaks: that circle is a
/// history by itself, and what it breaks is broken.
pub(crate) fn smallest_broken(
    sessions: &Sessions<'_>,
    within: Guarantees,
    limits: &Limits,
) -> Vec<(Guarantees, Anomaly)> {
    if sessions.parts.len() > ALL_SETS {
        let Answer::Broken(why) = decide(sessions, within, limits) else { return Vec::new() };
        let parts = explain::parts(sessions, within, &why);
        let excerpt = sessions.excerpt(&parts);
        let broken = all_smallest(&excerpt, within, limits);
        if !broken.is_empty() {
            return broken;
        }
        let anomaly = explain::anomaly(sessions, within, &why);
        return vec![(within, anomaly)];
    }
    all_smallest(sessions, within, limits)
}

fn all_smallest(
    sessions: &Sessions<'_>,
    within: Guarantees,
    limits: &Limits,
) -> Vec<(Guarantees, Anomaly)> {
    let mut broken: Vec<(Guarantees, Anomaly)> = Vec::new();
    let mut sets: Vec<u8> = (1..16).filter(|bits| bits & !within.bits() == 0).collect();
    sets.sort_by_key(|bits| (bits.count_ones(), *bits));
    for keeps in sets.into_iter().map(Guarantees::of) {
        if broken.iter().any(|(smaller, _)| keeps.include(*smaller)) {
            continue;
        }
        if let Answer::Broken(why) = decide(sessions, keeps, limits) {
            broken.push((keeps, explain::anomaly(sessions, keeps, &why)));
        }
    }
    broken
}

impl Checker<Register> for SessionGuarantees {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Register>, _: &RunFacts, limits: &Limits) -> Finding {
        let mut tally = Tally::default();
        let sessions = Sessions::gather(history, &mut tally);
        let mut unknown = sessions.ambiguous.clone();
        let (mut certified, mut broken) = (false, Vec::new());
        if unknown.is_none() {
            match decide(&sessions, self.keeps, limits) {
                Answer::Kept(verified) => {
                    certified = verified == Some(true);
                    if verified == Some(false) {
                        unknown = Some("certificate rejected: please report this".to_owned());
                    }
                }
                Answer::Unknown(why) => unknown = Some(why),
                Answer::Broken(_) => broken = smallest_broken(&sessions, self.keeps, limits),
            }
        }
        let names: Vec<String> = broken.iter().map(|(keeps, _)| keeps.name()).collect();
        for (_, anomaly) in broken {
            add(&mut tally, anomaly);
        }
        let details = json!({
            "guarantees": self.keeps.name(),
            "operations": sessions.operations,
            "sessions": sessions.processes,
            "keys": sessions.keys.len(),
            "certified": certified,
            "smallest_broken": names,
            "anomalies": tally.to_json(),
        });
        let checked = format!(
            "{} in {}",
            count(sessions.operations, "operation", "operations"),
            count(sessions.processes as usize, "session", "sessions")
        );
        if sessions.completed() == 0 {
            unknown.get_or_insert("vacuous: no operation on a register succeeded".to_owned());
        }
        let unknown = unknown.or_else(|| stopped(limits));
        let (verdict, summary) =
            tally.conclude(&checked, unknown, || format!("{checked} keep {}", self.keeps.name()));
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

/// Counts an anomaly of registers under a name that lives as long as the program.
pub(crate) fn add(tally: &mut Tally, anomaly: Anomaly) {
    const KINDS: [&str; 19] = [
        "garbage-read",
        "aborted-read",
        "future-read",
        "not-sequential",
        "read-your-writes",
        "monotonic-reads",
        "read-your-writes+monotonic-reads",
        "monotonic-writes",
        "read-your-writes+monotonic-writes",
        "monotonic-reads+monotonic-writes",
        "read-your-writes+monotonic-reads+monotonic-writes",
        "writes-follow-reads",
        "read-your-writes+writes-follow-reads",
        "monotonic-reads+writes-follow-reads",
        "read-your-writes+monotonic-reads+writes-follow-reads",
        "monotonic-writes+writes-follow-reads",
        "read-your-writes+monotonic-writes+writes-follow-reads",
        "monotonic-reads+monotonic-writes+writes-follow-reads",
        "read-your-writes+monotonic-reads+monotonic-writes+writes-follow-reads",
    ];
    let kind = KINDS.into_iter().find(|kind| *kind == anomaly.kind).unwrap_or(NAME);
    tally.add(kind, || anomaly);
}
