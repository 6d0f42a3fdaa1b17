//! Did two nodes both hold themselves for the primary? Only for the wording of a violation.
//!
//! Two writes on one key, acknowledged by different nodes during one fault, are called split brain
//! if the network kept the two nodes apart (they are on different sides, and no node is on both),
//! or if the fault cut off the monitor that says who is primary; and if the two nodes took turns
//! acknowledging writes (one did before and after the other, each having returned before the next
//! began). A failover alone doesn't take turns: it passes from the one node to the other, once.

use super::history::{Action, Did, RegisterHistory};
use schism_core::record::{FaultWindow, RunFacts};
use std::collections::HashMap;

/// Two writes that split brain explains, with the fault that made it.
pub(crate) struct SplitBrain<'a> {
    pub(crate) writes: [Did<'a>; 2],
    pub(crate) fault: &'a FaultWindow,
}

/// Looks for a partner of `first` among the acknowledged writes of its key, latest first.
pub(crate) fn find<'a>(
    first: Did<'a>,
    others: &[Did<'a>],
    history: &RegisterHistory,
    run: &'a RunFacts,
) -> Option<SplitBrain<'a>> {
    let node: &str = first.node()?;
    let acknowledged = first.completed().filter(|_| first.is_ok())?.time;
    let mut turns: HashMap<(u32, &str), bool> = HashMap::new();
    let mut fault_of = |op: Did<'a>| {
        let at = op.completed().filter(|_| op.is_ok())?.time;
        let partner: &str = op.node()?;
        run.faults_during(at, at).find(|fault| {
            fault.overlaps(acknowledged, acknowledged)
                && kept_apart(fault, node, partner)
                && *turns
                    .entry((fault.fault, partner))
                    .or_insert_with(|| took_turns(history, fault, node, partner))
        })
    };
    let elsewhere = |op: &Did<'a>| op.node().is_none_or(|other| other.as_ref() != node);
    let mut others: Vec<Did<'a>> = others.iter().copied().filter(elsewhere).collect();
    others.sort_unstable_by_key(|op| std::cmp::Reverse(op.returned()));
    others
        .into_iter()
        .find_map(|other| Some(SplitBrain { writes: [first, other], fault: fault_of(other)? }))
}

fn kept_apart(fault: &FaultWindow, one: &str, other: &str) -> bool {
    if fault.name.starts_with("partition-monitor") {
        return true;
    }
    let sides_of = |node: &str| -> Vec<usize> {
        let sides = fault.sides.iter().enumerate();
        sides
            .filter(|(_, side)| side.iter().any(|name| name.as_ref() == node))
            .map(|(at, _)| at)
            .collect()
    };
    let overlap = fault.sides.iter().flatten().any(|name| sides_of(name).len() > 1);
    matches!((sides_of(one).as_slice(), sides_of(other).as_slice()), ([a], [b]) if a != b)
        && !overlap
}

fn took_turns(history: &RegisterHistory, fault: &FaultWindow, one: &str, other: &str) -> bool {
    // A fresh slate for the patterns one-other-one and other-one-other: how far each has come, and
    // when its last write returned. Greedy: the earliest return leaves most room for the next.
    let mut acknowledged: Vec<(u64, u64, &str)> = history
        .ops()
        .filter(|op| op.is_ok() && !matches!(op.action(), Action::Read(_)))
        .filter_map(|op| {
            let at = op.completed()?;
            let node = op.node().map(AsRef::as_ref).filter(|node| [one, other].contains(node))?;
            fault.overlaps(at.time, at.time).then_some((at.index, op.invoked().index, node))
        })
        .collect();
    acknowledged.sort_unstable();
    [[one, other, one], [other, one, other]].iter().any(|pattern| {
        let mut after = 0;
        pattern.iter().all(|wanted| {
            let next =
                acknowledged.iter().find(|(_, invoked, node)| node == wanted && *invoked >= after);
            next.is_some_and(|(returned, ..)| {
                after = *returned;
                true
            })
        })
    })
}
