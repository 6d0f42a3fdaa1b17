//! Looks whether a fault took effect, and whether it is gone: by probes, not by trust.
//!
//! A link on which another fault is at work can't tell anything about this one; it is left out. If
//! nothing is left to look at, the answer is that nobody can tell.

use super::{Active, FaultRunner};
use crate::environment::{Environment, ProcessState};
use schism_core::cluster::NodeId;
use schism_core::fault::{Action, LinkShape};
use schism_core::system::System;
use std::time::Duration;

/// What the probes saw.
pub(super) struct Seen {
    /// Whether it was what was expected; `None` if they couldn't tell.
    pub(super) ok: Option<bool>,
    /// One sentence for each thing looked at.
    pub(super) evidence: Vec<String>,
}

/// Datagrams a link: enough that one that is lost by chance doesn't matter.
const PROBES: usize = 3;
const PROBE_WAIT: Duration = Duration::from_millis(60);
/// Datagrams over a link that loses or doubles some of them: enough to see how many.
const SHAPE_PROBES: usize = 60;

/// Has the fault taken effect?
pub(super) async fn injected<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    active: &Active,
) -> Seen {
    look(runner, active, true).await
}

/// Is it gone?
pub(super) async fn healed<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    active: &Active,
) -> Seen {
    look(runner, active, false).await
}

async fn look<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    active: &Active,
    in_force: bool,
) -> Seen {
    let mut checks: Vec<(Option<bool>, String)> = Vec::new();
    let (mut cut, mut shaped) = (Vec::new(), Vec::new());
    for action in &active.plan.inject {
        match action {
            Action::Cut { node, from } => cut.extend(from.iter().map(|from| (*from, *node))),
            Action::Shape { node, from, link } => shaped.push((*node, from.as_slice(), *link)),
            Action::Kill { node } | Action::Pause { node } => {
                checks.push(process(runner, active, action, *node, in_force));
            }
            Action::Uncut { .. }
            | Action::Unshape { .. }
            | Action::Start { .. }
            | Action::Resume { .. } => {}
        }
    }
    if !cut.is_empty() {
        checks.push(cut_links(runner, active, &cut, in_force).await);
    }
    if !shaped.is_empty() {
        checks.extend(shaped_links(runner, active, &shaped, in_force).await);
    }
    let ok = checks.iter().filter_map(|(ok, _)| *ok).reduce(|all, one| all && one);
    Seen { ok, evidence: checks.into_iter().map(|(_, sentence)| sentence).collect() }
}

/// Is another fault at work on this link, or a node without a network at its end?
fn disturbed<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    active: &Active,
    link: (NodeId, NodeId),
) -> bool {
    let gone = |node| runner.environment.forgets_rules() && runner.impaired().contains(&node);
    if gone(link.0) || gone(link.1) {
        return true;
    }
    runner.active.borrow().iter().filter(|other| other.number != active.number).any(|other| {
        other.plan.inject.iter().any(|action| match action {
            Action::Cut { node, from } | Action::Shape { node, from, .. } => {
                *node == link.1 && from.contains(&link.0)
            }
            _ => false,
        })
    })
}

async fn cut_links<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    active: &Active,
    links: &[(NodeId, NodeId)],
    in_force: bool,
) -> (Option<bool>, String) {
    let clear: Vec<_> =
        links.iter().copied().filter(|link| !disturbed(runner, active, *link)).collect();
    if clear.is_empty() {
        return (None, "other faults are at work on the same links".to_owned());
    }
    // The control: if no datagram gets anywhere, silence on the cut links shows nothing.
    let control =
        runner.cluster.ids().flat_map(|from| runner.cluster.ids().map(move |to| (from, to))).find(
            |link| link.0 != link.1 && !links.contains(link) && !disturbed(runner, active, *link),
        );
    let mut all = clear.clone();
    all.extend(control);
    let arrived = match runner.environment.probe(&all, PROBES, PROBE_WAIT).await {
        Ok(arrived) => arrived,
        Err(error) => return (None, format!("the probe failed: {error:#}")),
    };
    let carrying = arrived[..clear.len()].iter().filter(|times| !times.is_empty()).count();
    let name = |node: NodeId| runner.cluster.name(node).clone();
    let control_words = match (control, arrived.get(clear.len())) {
        (Some((from, to)), Some(times)) => {
            format!("; {} → {}, not cut, carried {} of {PROBES}", name(from), name(to), times.len())
        }
        _ => String::new(),
    };
    let sentence =
        format!("{carrying} of {} cut links carried a datagram{control_words}", clear.len());
    let probe_works = arrived.get(clear.len()).is_none_or(|times| !times.is_empty());
    if in_force {
        (Some(carrying == 0 && probe_works), sentence)
    } else {
        (Some(carrying == clear.len()), sentence.replace("cut links", "healed links"))
    }
}

/// Looks at one link to each node whose links are shaped, at all of them at once.
async fn shaped_links<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    active: &Active,
    targets: &[(NodeId, &[NodeId], LinkShape)],
    in_force: bool,
) -> Vec<(Option<bool>, String)> {
    let name = |node: NodeId| runner.cluster.name(node).clone();
    let (mut links, mut shapes, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for (node, from, shape) in targets {
        let clear = from.iter().find(|from| !disturbed(runner, active, (**from, *node)));
        if let Some(source) = clear {
            links.push((*source, *node));
            shapes.push(*shape);
        } else {
            let words = format!("other faults are at work on every link to {}", name(*node));
            checks.push((None, words));
        }
    }
    let longest = shapes.iter().map(|shape| shape.delay_ms + shape.jitter_ms).fold(0.0, f64::max);
    let wait = Duration::from_secs_f64(longest / 1000.0) + PROBE_WAIT;
    let arrived = match runner.environment.probe(&links, SHAPE_PROBES, wait).await {
        Ok(arrived) => arrived,
        Err(error) => return vec![(None, format!("the probe failed: {error:#}"))],
    };
    for (((source, node), shape), times) in links.iter().zip(&shapes).zip(arrived) {
        let (median, count) = median_ms(times);
        let sentence = format!(
            "{} → {}: {count} of {SHAPE_PROBES} datagrams arrived, the median after {} ms",
            name(*source),
            name(*node),
            median.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}")),
        );
        checks.push((Some(as_expected(*shape, median, count, in_force)), sentence));
    }
    checks
}

/// Is this what the shape does to a link, or, once healed, what no shape does?
fn as_expected(shape: LinkShape, median: Option<f64>, count: usize, in_force: bool) -> bool {
    let arrived = count as f64 / SHAPE_PROBES as f64;
    if !in_force {
        // Datagrams sent all at once queue up for a few milliseconds on a busy machine.
        let at_once = median.is_some_and(|ms| ms < 5.0f64.max(shape.delay_ms / 4.0));
        return count == SHAPE_PROBES && at_once;
    }
    // Five standard deviations each, of the median and of the share: one honest measurement in
    // millions falls outside.
    let root = (SHAPE_PROBES as f64).sqrt();
    let least = 0.9 * shape.delay_ms - 5.0 * shape.jitter_ms / root;
    let late = median.is_none_or(|ms| ms >= least);
    let spread = 5.0 * (shape.loss * (1.0 - shape.loss)).sqrt() / root;
    let losing = (1.0 - arrived - shape.loss).abs() <= spread.max(f64::EPSILON);
    late && losing
}

/// The median in milliseconds, and how many there were.
fn median_ms(mut times: Vec<Duration>) -> (Option<f64>, usize) {
    times.sort_unstable();
    let count = times.len();
    (times.get(count / 2).map(|time| time.as_secs_f64() * 1000.0), count)
}

fn process<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    active: &Active,
    action: &Action,
    node: NodeId,
    in_force: bool,
) -> (Option<bool>, String) {
    let others = runner.active.borrow().iter().any(|other| {
        other.number != active.number
            && other.plan.inject.iter().any(|action| {
                matches!(action, Action::Kill { .. } | Action::Pause { .. })
                    && action.node() == node
            })
    });
    let name = runner.cluster.name(node);
    if others {
        return (None, format!("another fault holds {name} down"));
    }
    let state = match runner.environment.state(node) {
        Ok(state) => state,
        Err(error) => return (None, format!("cannot see the processes of {name}: {error:#}")),
    };
    let words = match state {
        ProcessState::Running => "runs",
        ProcessState::Stopped => "is stopped (state T)",
        ProcessState::Dead => "is dead",
    };
    let expected = match (in_force, action) {
        (true, Action::Kill { .. }) => ProcessState::Dead,
        (true, _) => ProcessState::Stopped,
        (false, _) => ProcessState::Running,
    };
    (Some(state == expected), format!("the process of {name} {words}"))
}
