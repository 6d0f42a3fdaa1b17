//! The rules and the shaper at work: two real network namespaces, real packets.
//!
//! Each test runs in a process of its own inside fresh user, network, mount and process namespaces,
//! so it needs no rights and leaves nothing behind, not even if it is killed. Where a machine
//! forbids that, the tests say so and pass; with `CI` set they fail instead.
#![allow(clippy::disallowed_methods, reason = "real packets take real time")]

mod scenarios;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::SCENARIOS;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Says what a re-executed process is to do.
const ROLE: &str = "SCHISM_NAMESPACES_TEST";

fn main() -> ExitCode {
    match std::env::var(ROLE) {
        Ok(role) => inside(&role),
        Err(_) => outside(),
    }
}

fn outside() -> ExitCode {
    let trials =
        SCENARIOS.iter().map(|(name, _)| Trial::test(*name, move || in_namespaces(name))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn in_namespaces(scenario: &str) -> Result<(), Failed> {
    if let Err(why) = run_inside("nothing") {
        if std::env::var_os("CI").is_some() {
            return Err(format!("namespaces can't be used: {why}").into());
        }
        eprintln!("\n*** SKIPPED {scenario}: namespaces can't be used here: {why} ***\n");
        return Ok(());
    }
    run_inside(scenario).map_err(Failed::from)
}

fn run_inside(role: &str) -> Result<(), String> {
    let output = Command::new("unshare")
        .args(["-Urnmpf", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().map_err(|error| error.to_string())?)
        .env(ROLE, role)
        .output()
        .map_err(|error| format!("can't start unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Err(format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr)))
}

fn inside(role: &str) -> ExitCode {
    if role == "shaper" {
        return world::be_shaper();
    }
    // A test that hangs should fail with its name, not with the whole run.
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_mins(1));
        eprintln!("still not done after a minute");
        std::process::exit(1);
    });
    let Some((_, scenario)) = SCENARIOS.iter().find(|(name, _)| *name == role) else {
        // The trial run: can a world be built at all?
        let _world = world::World::new("nft");
        return ExitCode::SUCCESS;
    };
    scenario();
    ExitCode::SUCCESS
}
