//! Docker: a cluster of somebody else's is tested and left as it was; one of our own leaves
//! nothing; and a controller that was killed is cleaned up after.
//!
//! Outside CI, the tests are skipped, loudly, where there is no daemon; in CI they fail.

use schism_core::rng::Rng;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const SCHISM: &str = env!("CARGO_BIN_EXE_schism");
const IMAGE_OF: &str = "schism-etcd";

/// Is there a daemon, and an image with etcd? Makes the image if it is missing.
fn ready() -> bool {
    let found = Command::new("docker").arg("info").output();
    let there = found.is_ok_and(|output| output.status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "the Docker daemon doesn't answer");
        eprintln!("SKIPPED: the Docker daemon doesn't answer");
    }
    there
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A compose project's containers and network, made by plain `docker`; removed when dropped.
struct Project {
    name: String,
    third: u8,
}

impl Project {
    fn up(name: &str, third: u8) -> Self {
        let project = Self { name: name.to_owned(), third };
        project.down();
        let label = format!("com.docker.compose.project={name}");
        let subnet = format!("10.79.{third}.0/24");
        docker(&["network", "create", "--subnet", &subnet, "--label", &label, name]);
        let members: Vec<String> =
            (1..=3).map(|n| format!("etcd{n}=http://{}:2380", project.address(n))).collect();
        for n in 1..=3 {
            let url = |port: u16| format!("http://{}:{port}", project.address(n));
            let (peer, client) = (url(2380), url(2379));
            docker(&[
                "run",
                "--detach",
                "--restart=always",
                "--name",
                &project.container(n),
                "--label",
                &label,
                "--network",
                name,
                "--ip",
                &project.address(n),
                &image(),
                "etcd",
                "--name",
                &format!("etcd{n}"),
                "--data-dir",
                "/var/lib/etcd/member",
                "--listen-peer-urls",
                "http://0.0.0.0:2380",
                "--initial-advertise-peer-urls",
                &peer,
                "--listen-client-urls",
                "http://0.0.0.0:2379",
                "--advertise-client-urls",
                &client,
                "--initial-cluster",
                &members.join(","),
            ]);
        }
        project
    }

    fn address(&self, n: usize) -> String {
        format!("10.79.{}.{}", self.third, 10 + n)
    }

    fn container(&self, n: usize) -> String {
        format!("{}-etcd{n}", self.name)
    }

    fn pid(&self, n: usize) -> String {
        docker(&["inspect", "--format", "{{.State.Pid}}", &self.container(n)])
    }

    /// Runs a command in a container's network, from outside.
    fn in_network(&self, n: usize, command: &[&str]) -> String {
        let output = Command::new("nsenter")
            .args(["--target", &self.pid(n), "--net"])
            .args(command)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a fault could have left: rules, and processes that don't run.
    fn state(&self) -> Vec<String> {
        let mut all = Vec::new();
        for n in 1..=3 {
            let pid = self.pid(n);
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = status.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
            let runs = matches!(state, Some('S' | 'R' | 'D'));
            let rules = if runs { self.in_network(n, &["iptables-save"]) } else { String::new() };
            // Docker's own rules for names have other ports after each start.
            let own = |line: &&str| line.starts_with('-') && !line.contains("127.0.0.11");
            let rules: Vec<&str> = rules.lines().filter(own).collect();
            all.push(format!("etcd{n} runs: {runs}; rules: {rules:?}"));
        }
        all
    }

    fn down(&self) {
        for n in 1..=3 {
            let _ = Command::new("docker").args(["rm", "-fv", &self.container(n)]).output();
        }
        let _ = Command::new("docker").args(["network", "rm", &self.name]).output();
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.down();
    }
}

/// An image with etcd: what `schism test etcd --env docker` makes when it is given none.
fn image() -> String {
    let images = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", IMAGE_OF]);
    images.lines().next().expect("the image was made by the first test").to_owned()
}

fn schism(store: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(SCHISM).args(arguments).arg("--store").arg(store).output().unwrap();
    eprintln!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Every container and network that carries a run's label.
fn of_ours() -> String {
    docker(&["ps", "-aq", "--filter", "label=schism.run"])
        + &docker(&["network", "ls", "-q", "--filter", "label=schism.run"])
}

#[test]
fn a_cluster_of_our_own_is_tested_and_leaves_nothing() {
    if !ready() {
        return;
    }
    let store = tempfile::tempdir().unwrap();
    let faults = "kill:one,pause:one,partition-leader,delay=20ms";
    let output = schism(
        store.path(),
        &[
            "test",
            "etcd",
            "--env",
            "docker",
            "--nodes",
            "3",
            "--time-limit",
            "14s",
            "--faults",
            faults,
            "--nemesis-interval",
            "2s",
            "--seed",
            "7",
        ],
    );
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.contains("all seen to take effect, all healed"), "{words}");
    assert_eq!(of_ours(), "", "containers or networks were left");
    let log = std::fs::read(store.path().join("latest/nodes/n1/log")).unwrap();
    assert!(!log.is_empty(), "the containers' output is kept");
}

#[test]
fn somebody_elses_cluster_is_tested_and_left_as_it_was() {
    if !ready() {
        return;
    }
    a_cluster_with_an_image();
    let project = Project::up("schism-test-shop", 1);
    // Rules that aren't ours, in one container's network and in another's the same chain's name.
    project.in_network(1, &["iptables", "-A", "INPUT", "-s", "192.0.2.7", "-j", "DROP"]);
    project.in_network(2, &["iptables", "-N", "SCHISM-FOREIGN"]);
    project.in_network(2, &["iptables", "-A", "SCHISM-FOREIGN", "-j", "RETURN"]);
    std::thread::sleep(Duration::from_secs(2));
    let before = project.state();
    let store = tempfile::tempdir().unwrap();
    let output = schism(
        store.path(),
        &[
            "test",
            "etcd",
            "--env",
            "docker",
            "--project",
            "schism-test-shop",
            "--time-limit",
            "14s",
            "--faults",
            "pause:one,partition-ring,loss=20%",
            "--nemesis-interval",
            "2s",
            "--seed",
            "8",
        ],
    );
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.contains("all seen to take effect, all healed"), "{words}");
    assert_eq!(project.state(), before);
}

#[test]
fn a_killed_controller_is_healed_after() {
    if !ready() {
        return;
    }
    a_cluster_with_an_image();
    let project = Project::up("schism-test-crash", 2);
    std::thread::sleep(Duration::from_secs(2));
    let before = project.state();
    let mut rng = Rng::seeded(11);
    let rounds = std::env::var("SCHISM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for round in 0..rounds {
        let store = tempfile::tempdir().unwrap();
        let mut child = Command::new(SCHISM)
            .args(["test", "etcd", "--env", "docker", "--project", "schism-test-crash"])
            .args(["--time-limit", "20s", "--nemesis-interval", "1s", "--seed", "5"])
            .args(["--faults", "partition-leader,kill:one,pause:one,delay=10ms", "--store"])
            .arg(store.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(1_500 + rng.below(7_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let healed = schism(store.path(), &["heal"]);
        assert_eq!(healed.status.code(), Some(0), "round {round}");
        assert_eq!(project.state(), before, "round {round}");
        let again = schism(store.path(), &["heal"]);
        assert_eq!(again.status.code(), Some(0), "a heal can be repeated");
        assert!(String::from_utf8_lossy(&again.stdout).contains("Nothing was left behind"));
    }
}

/// Makes the image, by a dry run of what would make it: nextest runs tests in any order.
fn a_cluster_with_an_image() {
    let store = tempfile::tempdir().unwrap();
    let output = schism(
        store.path(),
        &[
            "test",
            "etcd",
            "--env",
            "docker",
            "--nodes",
            "1",
            "--time-limit",
            "1s",
            "--faults",
            "none",
        ],
    );
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
}
