//! Performs one action on one node.

use super::FaultRunner;
use crate::environment::{Environment, NodeSignal, ProcessState};
use anyhow::{Context as _, bail};
use schism_core::cluster::NodeId;
use schism_core::fault::{Action, LinkShape};
use schism_core::system::System;
use schism_nemeses::rules;
use std::net::IpAddr;
use std::time::Duration;

/// Performs it. Every heal may be repeated.
pub(super) async fn perform<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    fault: u32,
    action: &Action,
) -> anyhow::Result<()> {
    let environment = runner.environment;
    let addresses = |nodes: &[NodeId]| -> Vec<IpAddr> {
        nodes.iter().flat_map(|node| environment.addresses(*node)).collect()
    };
    let all = addresses(&runner.cluster.ids().collect::<Vec<_>>());
    match action {
        Action::Cut { node, from } => {
            run_all(environment, *node, rules::cut(fault, &addresses(from))).await
        }
        Action::Uncut { node } => run_all(environment, *node, rules::uncut(fault, &all)).await,
        Action::Shape { node, from, link } => {
            environment.start_shaper(*node, fault, &shaper(fault, *node, link)?).await?;
            let rules = rules::shape(fault, rules::queue(fault), &addresses(from));
            run_all(environment, *node, rules).await
        }
        Action::Unshape { node } => {
            run_all(environment, *node, rules::unshape(fault, &all)).await?;
            environment.stop_shaper(*node, fault)
        }
        Action::Kill { node } => {
            environment.signal(*node, NodeSignal::Kill).await?;
            until(environment, *node, |state| state == ProcessState::Dead).await
        }
        Action::Start { node } => {
            if environment.state(*node)? == ProcessState::Dead {
                let dirs = environment.dirs(*node);
                let launch = runner.system.launch(&runner.cluster, *node, &dirs);
                environment.start(*node, &launch).await?;
                if environment.forgets_rules() {
                    return again(runner, fault, *node).await;
                }
            }
            Ok(())
        }
        Action::Pause { node } => {
            environment.signal(*node, NodeSignal::Stop).await?;
            // One that died meanwhile is beyond pausing, but not beyond the verification.
            until(environment, *node, |state| state != ProcessState::Running).await
        }
        Action::Resume { node } => environment.signal(*node, NodeSignal::Continue).await,
    }
}

/// Puts the rules of the other faults in force into the new network of a node that was started.
async fn again<S: System, E: Environment>(
    runner: &FaultRunner<'_, S, E>,
    healed: u32,
    node: NodeId,
) -> anyhow::Result<()> {
    let others: Vec<_> =
        runner.active.borrow().iter().filter(|other| other.number != healed).cloned().collect();
    for other in &others {
        for action in &other.plan.inject {
            if matches!(action, Action::Cut { .. } | Action::Shape { .. }) && action.node() == node
            {
                Box::pin(perform(runner, other.number, action)).await?;
            }
        }
    }
    Ok(())
}

async fn run_all<E: Environment>(
    environment: &E,
    node: NodeId,
    commands: Vec<rules::Command>,
) -> anyhow::Result<()> {
    for command in commands {
        environment.run(node, &command).await?;
    }
    Ok(())
}

/// This same program, as the packet shaper of one fault on one node.
fn shaper(fault: u32, node: NodeId, link: &LinkShape) -> anyhow::Result<Vec<String>> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Ok(vec![
        program.to_string_lossy().into_owned(),
        "shaper".to_owned(),
        "--queue".to_owned(),
        rules::queue(fault).to_string(),
        "--seed".to_owned(),
        (u64::from(fault) << 32 | node.0 as u64).to_string(),
        "--link".to_owned(),
        serde_json::to_string(link)?,
    ])
}

/// Signals take effect a moment after they were sent.
async fn until<E: Environment>(
    environment: &E,
    node: NodeId,
    reached: impl Fn(ProcessState) -> bool,
) -> anyhow::Result<()> {
    for _ in 0..400 {
        if reached(environment.state(node)?) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("the signal to node {} has had no effect for 2 s", node.0 + 1)
}
