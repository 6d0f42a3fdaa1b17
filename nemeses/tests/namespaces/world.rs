//! Two nodes, `a` and `b`, each in a network namespace, with one link between them.

use crate::ROLE;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{setsockopt, sockopt};
use schism_core::fault::LinkShape;
use schism_nemeses::rules;
use schism_nemeses::shaper::{self, ShaperConfig};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// The two nodes.
pub(crate) struct World {
    /// Which iptables: `nft` or `legacy`.
    flavour: &'static str,
}

/// A running shaper; killed when dropped.
pub(crate) struct Shaper(Child);

impl World {
    pub(crate) fn new(flavour: &'static str) -> Self {
        // `ip netns` and iptables keep files there.
        must(&["mount", "-t", "tmpfs", "tmpfs", "/run"], None);
        for (node, name) in ["a", "b"].iter().enumerate() {
            must(&["ip", "netns", "add", name], None);
            if node == 1 {
                let link = "link add veth0 netns a type veth peer name veth0 netns b";
                must(&[&["ip"], link.split(' ').collect::<Vec<_>>().as_slice()].concat(), None);
            }
        }
        for (name, host) in [("a", 1), ("b", 2)] {
            let ip = |arguments: &str| {
                let words = arguments.split(' ');
                must(&["ip", "-n", name].into_iter().chain(words).collect::<Vec<_>>(), None);
            };
            ip("link set lo up");
            ip("link set veth0 up");
            ip(&format!("addr add 10.99.0.{host}/24 dev veth0"));
            ip(&format!("addr add fd99::{host}/64 dev veth0 nodad"));
        }
        Self { flavour }
    }

    /// The addresses of a node.
    pub(crate) fn addresses(node: &str) -> [IpAddr; 2] {
        let host = if node == "a" { 1 } else { 2 };
        [format!("10.99.0.{host}"), format!("fd99::{host}")]
            .map(|text| text.parse().expect("an address"))
    }

    /// Executes rules at node `b`, as the harness does.
    pub(crate) fn execute(&self, commands: &[rules::Command]) {
        for command in commands {
            let mut argv = command.argv.clone();
            argv[0] = argv[0].replace("tables", &format!("tables-{}", self.flavour));
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            let (ok, text) = try_at("b", &argv, command.stdin.as_deref());
            assert!(ok || command.may_fail, "{argv:?} failed: {text}");
        }
    }

    /// All rules at node `b`, without what changes by itself: comments with the time, and counters.
    pub(crate) fn saved(&self) -> String {
        ["iptables", "ip6tables"]
            .map(|program| {
                let save = format!("{program}-{}-save", self.flavour);
                let (ok, text) = try_at("b", &[&save], None);
                assert!(ok, "{save} failed: {text}");
                let lines = text.lines().filter(|line| !line.starts_with('#'));
                let bare = lines.map(|line| line.split(" [").next().unwrap_or_default());
                bare.collect::<Vec<_>>().join("\n")
            })
            .join("\n")
    }

    /// Does something at node `b`, which has to succeed.
    pub(crate) fn at_b(argv: &[&str]) {
        let (ok, text) = try_at("b", argv, None);
        assert!(ok, "{argv:?} failed: {text}");
    }

    /// Opens something inside a node's network namespace; it stays there.
    pub(crate) fn open<T: Send + 'static>(node: &str, open: fn(IpAddr) -> T, ip: IpAddr) -> T {
        let path = format!("/run/netns/{node}");
        let opened = std::thread::spawn(move || {
            let namespace = File::open(&path).expect("the namespace");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering the namespace");
            open(ip)
        });
        opened.join().expect("a socket")
    }

    /// A socket at a node that waits up to 300 ms for a packet.
    pub(crate) fn udp(node: &str, ip: IpAddr) -> UdpSocket {
        let socket = Self::open(node, |ip| UdpSocket::bind((ip, 0)).expect("bind"), ip);
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        // Room for all packets of a test, lest a busy machine lose some.
        setsockopt(&socket, sockopt::RcvBuf, &(4 << 20)).expect("a larger buffer");
        socket
    }

    /// Starts a shaper at node `b` and waits until it is ready.
    #[allow(clippy::unused_self, reason = "without a world there is no node")]
    pub(crate) fn shaper(&self, queue: u16, shape: LinkShape) -> Shaper {
        let LinkShape { delay_ms, jitter_ms, loss, duplicate } = shape;
        let mut child = enter("b")
            .arg(std::env::current_exe().expect("this program"))
            .env(ROLE, "shaper")
            .env("SHAPE", format!("{queue} {delay_ms} {jitter_ms} {loss} {duplicate}"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shaper starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("its first line");
        assert_eq!(line, "ready\n");
        Shaper(child)
    }
}

impl Shaper {
    /// SIGKILL, whatever it holds.
    pub(crate) fn kill(mut self) {
        assert_eq!(self.0.try_wait().expect("its state"), None, "the shaper has ended by itself");
        self.0.kill().expect("it dies");
        self.0.wait().expect("it died");
    }
}

impl Drop for Shaper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the shaper's process does.
pub(crate) fn be_shaper() -> ExitCode {
    let given = std::env::var("SHAPE").expect("SHAPE is set");
    let numbers: Vec<f64> = given.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [_, delay_ms, jitter_ms, loss, duplicate] = numbers[..] else { panic!("five numbers") };
    let queue = given.split(' ').next().and_then(|word| word.parse().ok()).expect("a queue");
    let shape = LinkShape { delay_ms, jitter_ms, loss, duplicate };
    let ended = shaper::run(ShaperConfig { queue, shape, seed: 11 });
    eprintln!("the shaper ended: {ended:?}");
    ExitCode::FAILURE
}

fn enter(node: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{node}"));
    command
}

fn try_at(node: &str, argv: &[&str], stdin: Option<&str>) -> (bool, String) {
    let mut command = enter(node);
    command.args(argv);
    run(command, stdin)
}

fn must(argv: &[&str], stdin: Option<&str>) {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]);
    let (ok, text) = run(command, stdin);
    assert!(ok, "{argv:?} failed: {text}");
}

fn run(mut command: Command, stdin: Option<&str>) -> (bool, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut input = child.stdin.take().expect("its input");
    input.write_all(stdin.unwrap_or_default().as_bytes()).expect("writing its input");
    drop(input);
    let output = child.wait_with_output().expect("its end");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
