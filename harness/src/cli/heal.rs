//! `schism heal`: undoes what a crashed controller left behind.

use super::Failure;
use crate::{journal, store};
use clap::Args;
use schism_core::record::FaultStage;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Nodes in network namespaces need no healing: the kernel removed their rules, \
processes and links together with the controller. The command says so, and lists what was in force."
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
        let mut in_force = BTreeMap::new();
        for entry in journal::read(&run.file("faults.jsonl"))? {
            match entry.stage {
                FaultStage::Planned => {
                    let summary = entry.plan.map(|plan| plan.summary).unwrap_or_default();
                    in_force.insert(entry.fault, summary);
                }
                FaultStage::Healed | FaultStage::Skipped => {
                    in_force.remove(&entry.fault);
                }
                _ => {}
            }
        }
        if in_force.is_empty() {
            println!("Every fault of this run was healed.");
        } else {
            for (number, summary) in &in_force {
                println!("fault {number} was in force when the controller ended: {summary}");
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
