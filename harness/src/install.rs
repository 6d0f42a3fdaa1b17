//! What the controller and a system need from the machine, and how to get it.

use crate::registry::Entry;
use anyhow::{bail, ensure};
use schism_core::system::Missing;
use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What the controller itself needs: to make networks, and to cut them.
pub fn of_controller() -> Vec<Missing> {
    [("ip", "iproute2"), ("iptables", "iptables")]
        .into_iter()
        .map(|(program, package)| Missing {
            program: program.to_owned(),
            debian_packages: vec![package.to_owned()],
        })
        .collect()
}

/// What the controller itself lacks.
pub fn of_controller_missing() -> Vec<Missing> {
    of_controller().into_iter().filter(|need| find(&need.program).is_none()).collect()
}

/// What is missing for a test of this pair.
pub fn needs(entry: &Entry) -> Vec<Missing> {
    let mut missing = of_controller_missing();
    missing.extend((entry.version)().err());
    missing
}

/// The program's path, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // A plain user's PATH often lacks the administrator's directories.
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(more).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Makes sure that nothing is missing: installs it if `may_install`, else says what to type.
///
/// # Errors
/// If something stays missing.
pub fn require(missing: &[Missing], may_install: bool) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<&str> = missing.iter().map(|need| need.program.as_str()).collect();
    let packages: Vec<&str> =
        missing.iter().flat_map(|need| &need.debian_packages).map(String::as_str).collect();
    let advice = if find("apt-get").is_some() {
        format!("apt-get install {}", packages.join(" "))
    } else {
        format!("install {} with this system's package manager", programs.join(" and "))
    };
    if !may_install {
        bail!("{} not found. To install: {advice}, or give --install", programs.join(" and "));
    }
    let root = nix::unistd::Uid::effective().is_root();
    ensure!(
        root && find("apt-get").is_some(),
        "{} not found, and --install can't: it needs apt and root. To install by hand: {advice}",
        programs.join(" and ")
    );
    eprintln!("Installing {} (apt-get install {})", programs.join(" and "), packages.join(" "));
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // A package that starts its own service would stand in the way of the nodes.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .output()?;
    ensure!(
        output.status.success(),
        "apt-get {} failed:\n{}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
