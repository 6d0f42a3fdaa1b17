//! SIGKILL of the controller at random instants: nothing is left behind, nothing recorded is lost.

use schism_core::rng::Rng;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SCHISM: &str = env!("CARGO_BIN_EXE_schism");

/// The network namespaces of the processes whose command line names `marker`: of all if it is
/// empty. Other tests may have namespaces of their own.
fn namespaces(marker: &str) -> BTreeSet<String> {
    let mut namespaces = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let named = String::from_utf8_lossy(&line).contains(marker);
        if let (true, Ok(link)) = (named, std::fs::read_link(entry.path().join("ns/net"))) {
            namespaces.insert(link.to_string_lossy().into_owned());
        }
    }
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    namespaces.remove(own.to_string_lossy().as_ref());
    namespaces
}

fn mounts() -> usize {
    std::fs::read_to_string("/proc/self/mounts").unwrap().lines().count()
}

/// The processes whose command line names `marker`; zombies have none.
fn processes(marker: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(marker) {
            found.push(line);
        }
    }
    found
}

fn rules() -> String {
    let output = Command::new("iptables-save").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    // Counters and dates differ from call to call.
    text.unwrap_or_default().lines().filter(|line| !line.starts_with('#')).collect()
}

/// Kills a run after `delay`; the store's directory tells its processes from all others. The
/// namespaces that the run had until then.
fn kill_after(store: &Path, delay: Duration, victim: Victim) -> BTreeSet<String> {
    let mut child = Command::new(SCHISM)
        .args(["test", "raft", "--time-limit", "20s", "--nemesis-interval", "1s", "--seed", "5"])
        .args(["--faults", "partition-leader,kill:leader,pause:one,delay:all", "--store"])
        .arg(store)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(delay);
    let had = namespaces(&store.to_string_lossy());
    match victim {
        Victim::Outermost => child.kill().unwrap(),
        Victim::Controller => {
            let marker = store.to_string_lossy().into_owned();
            let newest = pids(&marker).into_iter().max();
            if let Some(pid) = newest {
                Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
            }
        }
    }
    child.wait().unwrap();
    had
}

#[derive(Clone, Copy)]
enum Victim {
    /// The process that the user started.
    Outermost,
    /// The process in the sandbox that does the work.
    Controller,
}

/// The `schism test` processes of this store.
fn pids(marker: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (line.contains(marker) && line.contains(" test ")).then_some(pid)
        })
        .collect()
}

#[test]
fn killing_the_controller_at_20_random_instants_leaves_nothing_behind() {
    let mut rng = Rng::seeded(20);
    let mounts_before = mounts();
    let rules_before = rules();
    let mut judged = 0;
    for round in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join(format!("crash-{round}"));
        // From before the first namespace to the middle of the faults.
        let delay = Duration::from_millis(rng.below(7000) as u64);
        let victim = if round % 2 == 0 { Victim::Outermost } else { Victim::Controller };
        let had = kill_after(&store, delay, victim);
        let marker = store.to_string_lossy().into_owned();
        let gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            processes(&marker).is_empty()
        });
        assert!(gone, "round {round}, {delay:?}: left {:?}", processes(&marker));
        let left: BTreeSet<_> = namespaces("").intersection(&had).cloned().collect();
        assert!(left.is_empty(), "round {round}: namespaces {left:?}");
        // The hub and the nodes; a fault may have killed some of these.
        assert!(delay.as_millis() < 2000 || had.len() >= 3, "round {round}: it never came up");
        assert_eq!(mounts(), mounts_before, "round {round}: mounts");
        assert_eq!(rules(), rules_before, "round {round}: firewall rules");
        let latest = store.join("latest");
        if latest.join("history.jsonl").exists() {
            let output = Command::new(SCHISM)
                .args(["check", "latest", "--store"])
                .arg(&store)
                .output()
                .unwrap();
            let code = output.status.code();
            // Valid, or unknown because it ended too early to mean anything; never a violation.
            assert!(
                code == Some(0) || code == Some(3),
                "round {round}, {delay:?}: {code:?} {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            judged += 1;
        }
    }
    assert!(judged >= 10, "only {judged} of 20 runs came so far that there was a history");
}
