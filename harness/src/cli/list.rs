//! `schism list`: what there is. And what a test would do (`--dry-run`).

use super::Failure;
use crate::{registry, store};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use schism_checkers::models::MODELS;
use schism_core::cluster::{Cluster, NodeId};
use schism_core::fault::{Action, ClusterView};
use schism_core::record::TestRecord;
use schism_core::rng::Rng;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:
  schism list systems
  schism list models
  schism list models list-append     its page: operations, anomalies, options")]
pub(super) struct List {
    /// Of what
    #[arg(value_enum, default_value = "systems")]
    what: What,
    /// Of models: the one whose page to show
    name: Option<String>,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Systems under test, with their workloads
    Systems,
    /// What clients do
    Workloads,
    /// What the nemesis does
    Faults,
    /// What `check --model` judges by
    Models,
    /// Stored runs
    Runs,
}

impl List {
    pub(super) fn run(self) -> Result<u8, Failure> {
        match self.what {
            What::Systems => systems(),
            What::Workloads => workloads(),
            What::Faults => {
                for kind in schism_nemeses::catalogue() {
                    println!("{:<22} {}", kind.name, kind.about);
                }
            }
            What::Models => models(self.name.as_deref())?,
            What::Runs => {
                for run in store::runs(&self.store)? {
                    let verdict = run.verdict().ok().flatten();
                    let (valid, headline) = verdict.map_or_else(
                        || ("not judged".to_owned(), String::new()),
                        |verdict| (verdict.valid.to_string(), verdict.headline),
                    );
                    println!("{}\t{valid}\t{headline}", crate::judge::shown(run.path()));
                }
            }
        }
        Ok(0)
    }
}

fn models(name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else {
        for model in MODELS {
            println!("{:<20} {}", model.name, model.about);
        }
        println!("\n`schism list models NAME` shows one model's page.");
        return Ok(());
    };
    let model = schism_checkers::models::find(name).ok_or_else(|| {
        Failure::usage(anyhow!("unknown model {name:?}; see `schism list models`"))
    })?;
    println!("{}: {}\n\n{}", model.name, model.about, model.page);
    Ok(())
}

fn systems() {
    let entries = registry::entries();
    let mut seen = Vec::new();
    for entry in &entries {
        if seen.contains(&entry.system) {
            continue;
        }
        seen.push(entry.system);
        let workloads: Vec<&str> = entries
            .iter()
            .filter(|other| other.system == entry.system)
            .map(|other| other.workload)
            .collect();
        println!("{:<18} {}", entry.system, entry.system_about);
        println!("{:<18} workloads: {}", "", workloads.join(", "));
    }
}

fn workloads() {
    let mut seen = Vec::new();
    for entry in registry::entries() {
        if !seen.contains(&entry.workload) {
            seen.push(entry.workload);
            println!("{:<20} {}", entry.workload, entry.workload_about);
        }
    }
}

/// The options of a test, and an example of each fault's plan.
pub(super) fn dry_run(record: &TestRecord) -> anyhow::Result<String> {
    let mut text = toml::to_string(record)?;
    let cluster = registry::nowhere(&record.nodes);
    let view = ClusterView {
        cluster: &cluster,
        leaders: vec![NodeId(0)],
        roles: Vec::new(),
        impaired: Vec::new(),
    };
    let mut rng = Rng::seeded(record.seed).fork("targets");
    for name in &record.faults {
        let _ = writeln!(text, "\n# {name}, for example, while {} leads:", cluster.name(NodeId(0)));
        match schism_nemeses::parse(name)?.plan(&view, &mut rng) {
            Ok(plan) => {
                let _ = writeln!(text, "#   {}", plan.summary);
                for (verb, actions) in [("inject", &plan.inject), ("heal", &plan.heal)] {
                    for action in actions {
                        let _ = writeln!(text, "#   {verb}: {}", in_words(action, &cluster));
                    }
                }
            }
            Err(skip) => {
                let _ = writeln!(text, "#   skipped: {skip}");
            }
        }
    }
    Ok(text)
}

fn in_words(action: &Action, cluster: &Cluster) -> String {
    let node = cluster.name(action.node());
    let names = |nodes: &[NodeId]| -> String {
        nodes.iter().map(|id| cluster.name(*id).as_ref()).collect::<Vec<_>>().join(", ")
    };
    match action {
        Action::Cut { from, .. } => format!("{node} drops packets from {}", names(from)),
        Action::Uncut { .. } => format!("{node} takes packets from everybody"),
        Action::Shape { from, link, .. } => {
            format!("packets from {} reach {node} {link}", names(from))
        }
        Action::Unshape { .. } => format!("packets reach {node} as they come"),
        Action::Kill { .. } => format!("SIGKILL to {node}"),
        Action::Start { .. } => format!("start {node}"),
        Action::Pause { .. } => format!("SIGSTOP to {node}"),
        Action::Resume { .. } => format!("SIGCONT to {node}"),
    }
}
