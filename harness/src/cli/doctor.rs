//! `schism doctor`: what this machine has, what is missing, and the command that installs it.

use crate::{install, registry, sandbox};
use clap::Args;

#[derive(Args)]
pub(super) struct Doctor {
    /// For which environment
    #[arg(long, default_value = "netns", value_parser = ["netns"])]
    env: String,
}

impl Doctor {
    pub(super) fn run(self) -> u8 {
        let mut healthy = true;
        println!("Environment {}:", self.env);
        match sandbox::allowed() {
            Ok(()) => println!("  ✓ namespaces can be made"),
            Err(error) => {
                healthy = false;
                println!("  ✗ {error:#}");
            }
        }
        for need in install::of_controller() {
            if let Some(path) = install::find(&need.program) {
                println!("  ✓ {} ({})", need.program, path.display());
            } else {
                healthy = false;
                let packages = need.debian_packages.join(" ");
                println!("  ✗ {} is missing: apt-get install {packages}", need.program);
            }
        }
        println!("Systems:");
        let mut seen = Vec::new();
        for entry in registry::entries() {
            if seen.contains(&entry.system) {
                continue;
            }
            seen.push(entry.system);
            match (entry.version)() {
                Ok(version) => println!("  ✓ {:<18} {version}", entry.system),
                Err(missing) => println!(
                    "  – {:<18} {} is missing: apt-get install {}",
                    entry.system,
                    missing.program,
                    missing.debian_packages.join(" ")
                ),
            }
        }
        if healthy { 0 } else { 4 }
    }
}
