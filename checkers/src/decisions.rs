//! What each node decided in each instance, gathered once for the checkers of agreement.

use crate::words::asked;
use schism_core::api::consensus::{Consensus, ConsensusOp, Reply};
use schism_core::history::History;
use schism_core::op::Op;
use std::collections::BTreeMap;

/// One instance of agreement.
#[derive(Debug, Default)]
pub(crate) struct Instance<'h> {
    /// Every proposal that may have reached a node, in the order of invocation.
    pub(crate) proposals: Vec<(i64, &'h Op<Consensus>)>,
    /// By node: its answers that name a decision, in the order of invocation.
    pub(crate) decisions: BTreeMap<String, Vec<(i64, &'h Op<Consensus>)>>,
    /// By node: its answers that it has not decided, in the order of invocation.
    pub(crate) undecided: BTreeMap<String, Vec<&'h Op<Consensus>>>,
}

/// A decision that nobody had proposed.
pub(crate) struct Unproposed<'i, 'h> {
    pub(crate) value: i64,
    pub(crate) node: &'i str,
    pub(crate) op: &'h Op<Consensus>,
    /// It was proposed afterwards.
    pub(crate) later: Option<&'h Op<Consensus>>,
}

impl<'h> Instance<'h> {
    /// The instances by number. `O(n log n)`.
    pub(crate) fn gather(history: &'h History<Consensus>) -> BTreeMap<i64, Self> {
        let mut instances: BTreeMap<i64, Self> = BTreeMap::new();
        for op in history.ops() {
            let instance = instances.entry(op.call.instance).or_default();
            if let ConsensusOp::Propose(value) = op.call.op
                && op.outcome.may_have_happened()
            {
                instance.proposals.push((value, op));
            }
            match op.reply() {
                Some(Reply::Decided(Some(value))) => {
                    instance.decisions.entry(asked(op)).or_default().push((*value, op));
                }
                Some(Reply::Decided(None)) => {
                    instance.undecided.entry(asked(op)).or_default().push(op);
                }
                None => {}
            }
        }
        instances
    }

    /// For each value decided, the nodes that decided it, each with its first answer that says so.
    pub(crate) fn by_value(&self) -> BTreeMap<i64, Vec<(&str, &'h Op<Consensus>)>> {
        let mut values: BTreeMap<i64, Vec<(&str, &Op<Consensus>)>> = BTreeMap::new();
        for (node, answers) in &self.decisions {
            for (value, op) in answers {
                let nodes = values.entry(*value).or_default();
                if nodes.last().is_none_or(|(last, _)| last != node) {
                    nodes.push((node, op));
                }
            }
        }
        values
    }

    /// The decisions that nobody can have proposed by then: the value, the node, the answer that
    /// came first, and the first proposal of that value, if there is one at all.
    pub(crate) fn unproposed(&self) -> Vec<Unproposed<'_, 'h>> {
        let mut earliest: BTreeMap<i64, (&str, &Op<Consensus>)> = BTreeMap::new();
        for (node, answers) in &self.decisions {
            for (value, op) in answers {
                let first = earliest.entry(*value).or_insert((node, op));
                if op.returned() < first.1.returned() {
                    *first = (node, op);
                }
            }
        }
        let proposed =
            |value| self.proposals.iter().find(|(by, _)| *by == value).map(|(_, op)| *op);
        earliest
            .into_iter()
            .map(|(value, (node, op))| Unproposed { value, node, op, later: proposed(value) })
            .filter(|found| found.later.is_none_or(|by| found.op.precedes(by)))
            .collect()
    }

    /// The first two answers of one node that name different values, if it gave any.
    pub(crate) fn changes_of_mind(
        &self,
    ) -> impl Iterator<Item = (&str, [(i64, &'h Op<Consensus>); 2])> {
        self.decisions.iter().filter_map(|(node, answers)| {
            let first = *answers.first()?;
            let second = *answers.iter().find(|(value, _)| *value != first.0)?;
            Some((node.as_str(), [first, second]))
        })
    }
}

/// Do two nodes differ? A node that gave both values itself counts only together with another.
pub(crate) fn nodes_differ(values: &BTreeMap<i64, Vec<(&str, &Op<Consensus>)>>) -> bool {
    let mut all = values.values().flatten().map(|(node, _)| *node);
    values.len() > 1 && all.next().is_some_and(|first| all.any(|node| node != first))
}
