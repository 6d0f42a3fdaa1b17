//! `schism doctor`: what this machine has, what is missing, and the command that installs it.

use crate::environment::docker;
use crate::{install, registry, sandbox};
use clap::Args;

#[derive(Args)]
pub(super) struct Doctor {
    /// For which environment
    #[arg(long, default_value = "netns", value_parser = ["netns", "docker"])]
    env: String,
}

impl Doctor {
    pub(super) fn run(self) -> u8 {
        let mut healthy = true;
        println!("Environment {}:", self.env);
        let place = if self.env == "docker" { docker() } else { namespaces() };
        for (ok, words) in place {
            healthy &= ok;
            println!("  {} {words}", if ok { '✓' } else { '✗' });
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

fn namespaces() -> Vec<(bool, String)> {
    vec![match sandbox::allowed() {
        Ok(()) => (true, "namespaces can be made".to_owned()),
        Err(error) => (false, format!("{error:#}")),
    }]
}

fn docker() -> Vec<(bool, String)> {
    let reached = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(docker::version()));
    let daemon = match reached {
        Ok(version) => (true, format!("the Docker daemon answers ({version})")),
        Err(error) => (false, format!("{error:#}. To install: apt-get install docker.io")),
    };
    let root = if nix::unistd::Uid::effective().is_root() {
        (true, "containers' networks can be entered (root)".to_owned())
    } else {
        (false, "containers' networks can be entered only as root: use sudo".to_owned())
    };
    vec![daemon, root]
}
