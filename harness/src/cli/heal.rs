//! `schism heal`: undoes what a crashed controller left behind.

use super::Failure;
use crate::{journal, registry, store};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Containers outlive their controller: the run's journal says which faults were in \
force, and each is healed, however often this is done. A cluster that Schism brought up is \
removed.

Nodes in network namespaces need no healing: the kernel removed their rules, processes and links \
together with the controller. The command says so, and lists what was in force."
)]
pub(super) struct Heal {
    /// A run directory, or `latest`
    #[arg(default_value = "latest")]
    run: String,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
}

impl Heal {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let run = store::find(&self.store, &self.run).map_err(Failure::Usage)?;
        let record = run.record().map_err(Failure::Usage)?;
        if record.env == "docker" {
            let entry = registry::find(&record.system, None)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let local = tokio::task::LocalSet::new();
            let done = local.block_on(&runtime, (entry.heal)(&run))?;
            for words in &done {
                println!("{words}");
            }
            if done.is_empty() {
                println!("Nothing was left behind.");
            }
            return Ok(0);
        }
        let records = journal::read(&run.file("faults.jsonl"))?;
        let in_force = journal::in_force(&records);
        if in_force.is_empty() {
            println!("Every fault of this run was healed.");
        } else {
            for left in in_force {
                let summary = left.plan.as_ref().map_or("", |plan| plan.summary.as_str());
                println!("fault {} was in force when the controller ended: {summary}", left.fault);
            }
            println!(
                "Its nodes lived in namespaces ({}) that ended with the controller, and the faults \
                 with them: nothing is left to heal.",
                record.env
            );
        }
        Ok(0)
    }
}
