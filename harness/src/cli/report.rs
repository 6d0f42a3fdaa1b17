//! `schism report` and `schism replay`: what can be done with a stored run.

use super::Failure;
use crate::{judge, registry, store};
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
#[command(after_help = "Examples:\n  schism report runs/latest --open")]
pub(super) struct Report {
    /// A run directory, or `latest`
    #[arg(default_value = "latest")]
    run: String,
    /// Open it in the browser
    #[arg(long)]
    open: bool,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
}

impl Report {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let run = store::find(&self.store, &self.run).map_err(Failure::Usage)?;
        let record = run.record().map_err(Failure::Usage)?;
        let entry =
            registry::find(&record.system, Some(&record.workload)).map_err(Failure::Usage)?;
        (entry.judge)(&run)?;
        let path = run.file("report.html");
        println!("{}", judge::shown(&path));
        if self.open {
            Command::new("xdg-open")
                .arg(&path)
                .spawn()
                .context("cannot start xdg-open; open the file above in a browser")?;
        }
        Ok(0)
    }
}

#[derive(Args)]
#[command(
    after_help = "The same options and the same seed: the same operations and the same faults \
at the same times, as far as the system lets itself be timed."
)]
pub(super) struct Replay {
    /// A run directory, or `latest`
    #[arg(default_value = "latest")]
    run: String,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
}

impl Replay {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let run = store::find(&self.store, &self.run).map_err(Failure::Usage)?;
        let record = run.record().map_err(Failure::Usage)?;
        let words = record.arguments();
        eprintln!("schism {}", words.join(" "));
        let program = std::env::current_exe().context("cannot find this program")?;
        let status = Command::new(program).args(words).arg("--store").arg(&self.store).status()?;
        Ok(u8::try_from(status.code().unwrap_or(4)).unwrap_or(4))
    }
}
