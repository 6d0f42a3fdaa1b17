//! Leader election: at most one leader a term, and on request at most one at one time.
//!
//! - `two-leaders-one-term`: two nodes each held themselves for the leader of the same term. When
//!   they did so doesn't matter.
//! - `two-leaders-at-once`: two nodes led at the same moment. A sample says that its node led at
//!   some unknown moment between question and answer. Two samples of one *reign* (and one boot) say
//!   more: the node led without a break from the answer to the first until the question of the
//!   second, at least. So two nodes led at once if these certain times of two reigns overlap, or if
//!   a sample of one lies, question and answer, within the certain time of a reign of another. Raft
//!   does not promise this (a deposed leader may not know it yet), so it accuses only if
//!   [`LeaderElection::exclusive_in_time`] is set, and is otherwise only counted.
//!
//! What it refuses: samples that don't say which node was asked, since nothing shows that two of
//! them are of two nodes; leaders with a reign of 0, which is no reign, for the second kind; and
//! histories without any leader, which are unknown. `O(n nodes log n)`.

use crate::model::{Model, typed};
use crate::tally::Tally;
use crate::words::{count, ended};
use schism_core::api::leadership::{Leadership, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::history::History;
use schism_core::limits::Limits;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::verdict::{Anomaly, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

/// The checker's name.
pub const NAME: &str = "leader-election";

/// How `schism check` names it.
pub const MODEL: Model = Model {
    name: "leader-election",
    about: "at most one leader a term",
    page: "\
Operations: {f: observe, value: nil, then {term: 4, leader: true, reign: 1, boot: 1}}, what a node
says of itself; {f: campaign}, likewise. The `node` says who speaks.
Finds: two-leaders-one-term, when two nodes held themselves for the leader of one term.
A history in which nobody led is unknown.
Decided in O(n log n).",
    make: |options| {
        options.only("leader-election", &[])?;
        Ok(typed(LeaderElection { exclusive_in_time: false }))
    },
};

/// Judges how many leaders there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaderElection {
    /// Two leaders at one time are a violation even if they lead different terms.
    pub exclusive_in_time: bool,
}

/// One answer of a node that it leads.
#[derive(Clone, Copy)]
struct Sample<'h> {
    node: &'h str,
    says: Reply,
    asked: u64,
    answered: u64,
    op: &'h Op<Leadership>,
}

/// What is known of one reign.
#[derive(Clone, Copy)]
struct Reign<'h> {
    /// The sample that was answered first: the node led from then on, if not before.
    from: Sample<'h>,
    /// The sample that was asked last: the node led until then, if not longer.
    until: Sample<'h>,
}

impl Reign<'_> {
    /// From when until when it certainly lasted; `None` if no moment is certain.
    fn certain(&self) -> Option<(u64, u64)> {
        (self.from.answered < self.until.asked).then_some((self.from.answered, self.until.asked))
    }
}

impl Checker<Leadership> for LeaderElection {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History<Leadership>, run: &RunFacts, _: &Limits) -> Finding {
        let samples: Vec<Sample<'_>> = history.ops().iter().filter_map(leads).collect();
        let mut tally = Tally::default();
        let terms = one_a_term(&samples, run, &mut tally);
        let mut at_once = Tally::default();
        let reigns = reigns(&samples);
        one_at_a_time(&samples, &reigns, run, &mut at_once);
        let overlaps = at_once.count("two-leaders-at-once");
        let details = json!({
            "samples": history.ops().len(),
            "leader_samples": samples.len(),
            "terms_with_a_leader": terms,
            "reigns": reigns.values().map(Vec::len).sum::<usize>(),
            "two_leaders_one_term": tally.count("two-leaders-one-term"),
            "two_leaders_at_once": overlaps,
            "exclusive_in_time": self.exclusive_in_time,
        });
        let mut verdict = tally.into_verdict();
        if self.exclusive_in_time {
            verdict = verdict.merge(at_once.into_verdict());
        }
        let seen = format!(
            "{} saw a leader, in {}",
            count(samples.len(), "sample", "samples"),
            count(terms, "term", "terms")
        );
        let summary = match &verdict {
            Verdict::Invalid(anomalies) => {
                anomalies.first().map_or(seen, |anomaly| anomaly.summary.clone())
            }
            Verdict::Valid if samples.is_empty() => {
                let why = "vacuous: no node ever held itself for the leader".to_owned();
                verdict = Verdict::Unknown(why.clone());
                why
            }
            _ if overlaps > 0 => format!("{seen}, never two in one; two led at once {overlaps} ×"),
            _ => format!("{seen}, never two in one"),
        };
        Finding::new(NAME, verdict, summary).with_details(details)
    }
}

fn leads(op: &Op<Leadership>) -> Option<Sample<'_>> {
    let says = *op.reply().filter(|reply| reply.leader)?;
    let answered = op.returned()?;
    let node = op.node.as_deref()?;
    Some(Sample { node, says, asked: op.invoked.index, answered, op })
}

/// Accuses terms with two leaders; answers how many terms had one.
fn one_a_term(samples: &[Sample<'_>], run: &RunFacts, tally: &mut Tally) -> usize {
    let mut terms: BTreeMap<u64, Vec<Sample<'_>>> = BTreeMap::new();
    for sample in samples {
        let leaders = terms.entry(sample.says.term).or_default();
        if !leaders.iter().any(|leader| leader.node == sample.node) {
            leaders.push(*sample);
        }
    }
    for (term, leaders) in &terms {
        let [first, second, ..] = leaders.as_slice() else { continue };
        tally.add("two-leaders-one-term", || {
            let (from, to) = (first.op.invoked.time, ended(second.op));
            Anomaly::new(
                "two-leaders-one-term",
                format!(
                    "{} and {} both held themselves for the leader of term {term}{}",
                    first.node,
                    second.node,
                    run.faults_in_words(from, to)
                ),
            )
            .because(format!("{} answered so at {}", first.node, ended(first.op)))
            .because(format!("{} answered so at {}", second.node, ended(second.op)))
            .because("a term may have one leader only")
            .with_op(first.op)
            .with_op(second.op)
        });
    }
    terms.len()
}

/// The reigns of each node, in the order of time.
fn reigns<'h>(samples: &[Sample<'h>]) -> BTreeMap<&'h str, Vec<Reign<'h>>> {
    let mut reigns: BTreeMap<(&str, u64, u64), Reign<'_>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.says.reign > 0) {
        let reign = reigns
            .entry((sample.node, sample.says.boot, sample.says.reign))
            .or_insert(Reign { from: *sample, until: *sample });
        if sample.answered < reign.from.answered {
            reign.from = *sample;
        }
        if sample.asked > reign.until.asked {
            reign.until = *sample;
        }
    }
    let mut by_node: BTreeMap<&str, Vec<Reign<'_>>> = BTreeMap::new();
    for ((node, ..), reign) in reigns {
        by_node.entry(node).or_default().push(reign);
    }
    for reigns in by_node.values_mut() {
        reigns.sort_unstable_by_key(|reign| reign.from.answered);
    }
    by_node
}

/// Finds moments with two leaders: once for each pair of reigns.
fn one_at_a_time(
    samples: &[Sample<'_>],
    reigns: &BTreeMap<&str, Vec<Reign<'_>>>,
    run: &RunFacts,
    tally: &mut Tally,
) {
    let mut seen = std::collections::HashSet::new();
    for (node, theirs) in reigns {
        let certain: Vec<(u64, u64, &Reign<'_>)> = theirs
            .iter()
            .filter_map(|reign| reign.certain().map(|(from, until)| (from, until, reign)))
            .collect();
        for sample in samples.iter().filter(|sample| sample.node != *node) {
            // One node's reigns follow each other, so only the last that began before can cover.
            let next = certain.partition_point(|(from, ..)| *from < sample.asked);
            let Some((_, until, reign)) = next.checked_sub(1).and_then(|at| certain.get(at)) else {
                continue;
            };
            if sample.answered < *until && first_time(&mut seen, reign, sample) {
                tally.add("two-leaders-at-once", || during(reign, sample, run));
            }
        }
        for (other, others) in reigns.iter().filter(|(other, _)| *other > node) {
            debug_assert_ne!(node, other);
            for reign in others {
                let Some((from, until)) = reign.certain() else { continue };
                let next = certain.partition_point(|(start, ..)| *start < until);
                let Some((_, end, first)) = next.checked_sub(1).and_then(|at| certain.get(at))
                else {
                    continue;
                };
                if *end > from && first_time(&mut seen, first, &reign.from) {
                    tally.add("two-leaders-at-once", || together(first, reign, run));
                }
            }
        }
    }
}

type Pair = [(u64, u64, String); 2];

/// Is this the first anomaly about these two reigns?
fn first_time(
    seen: &mut std::collections::HashSet<Pair>,
    reign: &Reign<'_>,
    other: &Sample<'_>,
) -> bool {
    let name = |sample: &Sample<'_>| (sample.says.boot, sample.says.reign, sample.node.to_owned());
    let mut pair = [name(&reign.from), name(other)];
    pair.sort();
    seen.insert(pair)
}

fn during(reign: &Reign<'_>, sample: &Sample<'_>, run: &RunFacts) -> Anomaly {
    let (asked, answered) = (sample.op.invoked.time, ended(sample.op));
    Anomaly::new(
        "two-leaders-at-once",
        format!(
            "{} (term {}) and {} (term {}) both led between {asked} and {answered}{}",
            reign.from.node,
            reign.from.says.term,
            sample.node,
            sample.says.term,
            run.faults_in_words(asked, answered)
        ),
    )
    .because(led_throughout(reign))
    .because(format!(
        "{} said that it led, asked at {asked} and answering at {answered}, within that time",
        sample.node
    ))
    .with_op(reign.from.op)
    .with_op(sample.op)
    .with_op(reign.until.op)
}

fn together(first: &Reign<'_>, second: &Reign<'_>, run: &RunFacts) -> Anomaly {
    let from = ended(first.from.op).max(ended(second.from.op));
    let until = first.until.op.invoked.time.min(second.until.op.invoked.time);
    Anomaly::new(
        "two-leaders-at-once",
        format!(
            "{} (term {}) and {} (term {}) both led between {from} and {until}{}",
            first.from.node,
            first.from.says.term,
            second.from.node,
            second.from.says.term,
            run.faults_in_words(from, until)
        ),
    )
    .because(led_throughout(first))
    .because(led_throughout(second))
    .with_op(first.from.op)
    .with_op(second.from.op)
    .with_op(second.until.op)
    .with_op(first.until.op)
}

fn led_throughout(reign: &Reign<'_>) -> String {
    format!(
        "{} led from {} to {} without a break: both samples are of its reign {}",
        reign.from.node,
        ended(reign.from.op),
        reign.until.op.invoked.time,
        reign.from.says.reign
    )
}
