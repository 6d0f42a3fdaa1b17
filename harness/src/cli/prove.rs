//! `schism prove`: the table of faults and environments, from this machine.

use super::Failure;
use crate::environment::docker;
use crate::prove::Proof;
use crate::store::{self, RunDir};
use crate::{registry, sandbox};
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use schism_core::record::TestRecord;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The systems on which faults are shown; what one has no role for, the next may.
const SYSTEMS: [(&str, usize); 2] = [("raft", 5), ("primary-replica", 3)];

#[derive(Args)]
#[command(after_help = "Examples:
  schism prove                        every fault, in namespaces and in containers
  schism prove --env netns --only kill,delay
  schism prove --json | jq .

Exits with 0 if every fault was injected, seen to take effect, healed and seen to be gone.")]
pub(super) struct Prove {
    /// Where, with commas between
    #[arg(long, default_value = "netns,docker", value_delimiter = ',')]
    env: Vec<String>,
    /// Only the faults of these names
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Where the journals are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
    /// One environment and one system, in this process
    #[arg(long, hide = true)]
    system: Option<String>,
}

impl Prove {
    pub(super) fn run(self) -> Result<u8, Failure> {
        for env in &self.env {
            if !["netns", "docker"].contains(&env.as_str()) {
                return Err(Failure::Usage(anyhow::anyhow!(
                    "--env {env:?}: expected netns or docker"
                )));
            }
        }
        match &self.system {
            Some(system) => self.here(system),
            None => self.all(),
        }
    }

    /// The faults that are asked for, each in the first way in which it may be written.
    fn faults(&self) -> anyhow::Result<Vec<String>> {
        let all = schism_nemeses::catalogue();
        for name in &self.only {
            let known = all.iter().any(|kind| kind.name == name || kind.examples[0] == name);
            anyhow::ensure!(known, "--only {name:?}: no such fault; see `schism list faults`");
        }
        let wanted = |kind: &&schism_nemeses::FaultKind| {
            let named = |name: &String| kind.name == name || kind.examples[0] == name;
            self.only.is_empty() || self.only.iter().any(named)
        };
        Ok(all.iter().filter(wanted).map(|kind| kind.examples[0].to_owned()).collect())
    }

    /// A process for each environment and system, since each may need namespaces of its own.
    fn all(&self) -> Result<u8, Failure> {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        let mut proofs = BTreeMap::new();
        for env in &self.env {
            let mut left = self.faults().map_err(Failure::Usage)?;
            for (system, _) in SYSTEMS {
                if left.is_empty() {
                    continue;
                }
                bar.set_message(format!("{env}: {} faults on {system}", left.len()));
                let mut proof = self.apart(env, system, &left)?;
                let last = system == SYSTEMS[SYSTEMS.len() - 1].0;
                left = Vec::new();
                proof.rows.retain(|row| {
                    let again = !row.injected && !last;
                    if again {
                        left.push(row.fault.clone());
                    }
                    !again
                });
                proofs.insert((env.clone(), system), proof);
            }
        }
        bar.finish_and_clear();
        let whole = proofs.values().flat_map(|proof| &proof.rows).all(crate::prove::Row::proved);
        if self.json {
            let rows: Vec<_> = proofs.values().collect();
            println!("{}", serde_json::to_string_pretty(&rows).context("cannot write JSON")?);
        } else {
            print!("{}", table(&proofs));
        }
        Ok(u8::from(!whole))
    }

    fn apart(&self, env: &str, system: &str, faults: &[String]) -> anyhow::Result<Proof> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let output = Command::new(program)
            .args(["prove", "--env", env, "--system", system, "--only", &faults.join(",")])
            .arg("--store")
            .arg(&self.store)
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).with_context(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("{env}, {system}: {}", error.trim())
        })
    }

    fn here(&self, system: &str) -> Result<u8, Failure> {
        let env = &self.env[0];
        if env == "netns" && !sandbox::inside() {
            sandbox::enter_with(&[])?;
        }
        let entry = registry::find(system, None).map_err(Failure::Usage)?;
        let size = SYSTEMS.iter().find(|(name, _)| *name == system).map_or(3, |(_, size)| *size);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        let mut place = BTreeMap::new();
        if env == "docker" {
            let image = docker::image::of_packages(system, entry.debian_packages);
            place.insert("image".to_owned(), local.block_on(&runtime, image)?);
        }
        let (stamp, started) = store::now();
        let record = TestRecord {
            schism: env!("CARGO_PKG_VERSION").to_owned(),
            system: system.to_owned(),
            workload: "prove".to_owned(),
            env: env.clone(),
            nodes: (1..=size).map(|number| format!("n{number}")).collect(),
            seed: 1,
            started,
            place,
            ..TestRecord::default()
        };
        let dir = RunDir::create(&self.store, &record, &stamp)?;
        let faults = self.faults().map_err(Failure::Usage)?;
        let proof = local.block_on(&runtime, (entry.prove)(&dir, faults))?;
        if proof.rows.is_empty() {
            return Err(Failure::Harness(anyhow::anyhow!("no fault was tried")));
        }
        println!("{}", serde_json::to_string(&proof).context("cannot write JSON")?);
        Ok(0)
    }
}

/// In Markdown, so that it can be pasted.
fn table(proofs: &BTreeMap<(String, &str), Proof>) -> String {
    let mut text = String::from(
        "| fault | environment | injected | verified | healed | recovered | inject | heal | \
         evidence |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let tick = |ok: bool| if ok { "yes" } else { "**no**" };
    let maybe = |ok: Option<bool>| ok.map_or("?", tick);
    for row in proofs.values().flat_map(|proof| &proof.rows) {
        let evidence = if row.note.is_empty() {
            row.evidence.join("; ")
        } else {
            format!("{} {}", row.note, row.evidence.join("; "))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.1} ms | {:.1} ms | {} |",
            row.fault,
            row.env,
            tick(row.injected),
            maybe(row.verified),
            maybe(row.healed),
            tick(row.recovered),
            row.inject_ms,
            row.heal_ms,
            evidence.replace('|', "\\|"),
        );
    }
    text.push('\n');
    for ((env, system), proof) in proofs {
        let _ = writeln!(
            text,
            "{env}, {system}: nodes started after {:.0} ms, all serving after {:.0} ms",
            proof.up_ms, proof.ready_ms
        );
    }
    text
}
