//! Whole clusters over loopback TCP: each node in a thread of its own with its own runtime, so that
//! stopping one drops all that it had in memory, as killing its process would.

use schism_agreement::host::NodeConfig;
use schism_core::wire::{CLIENT_PORT, NodeStatus, PEER_PORT};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

struct Cluster {
    prefix: u8,
    options: Vec<(&'static str, &'static str)>,
    data: TempDir,
    nodes: Vec<Option<Running>>,
    /// Where the nodes find each other, if not at their own addresses.
    by_way_of: Option<u8>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Cluster {
    /// Nodes on 127.77.`prefix`.1 upwards; each test has a prefix of its own.
    fn start(prefix: u8, size: u8, options: &[(&'static str, &'static str)]) -> Self {
        let mut cluster = Self::empty(prefix, size, options);
        (0..cluster.nodes.len()).for_each(|node| cluster.restart(node));
        cluster
    }

    fn empty(prefix: u8, size: u8, options: &[(&'static str, &'static str)]) -> Self {
        let nodes = (0..size).map(|_| None).collect();
        let data = tempfile::tempdir().unwrap();
        Self { prefix, options: options.to_vec(), data, nodes, by_way_of: None }
    }

    fn ip(&self, node: usize) -> IpAddr {
        self.ip_in(self.prefix, node)
    }

    fn ip_in(&self, prefix: u8, node: usize) -> IpAddr {
        assert!(node < self.nodes.len());
        Ipv4Addr::new(127, 77, prefix, u8::try_from(node + 1).unwrap()).into()
    }

    fn restart(&mut self, node: usize) {
        let ip = |other| match self.by_way_of {
            Some(prefix) if other != node => self.ip_in(prefix, other),
            _ => self.ip(other),
        };
        let names = (0..self.nodes.len()).map(|other| (format!("n{}", other + 1), ip(other)));
        let config = NodeConfig {
            me: node,
            nodes: names.collect(),
            data: self.data.path().join(format!("n{}", node + 1)),
            seed: u64::from(self.prefix),
            options: self.options.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let tasks = tokio::task::LocalSet::new();
            let running = tasks.run_until(async {
                tokio::select! {
                    ended = schism_raft::node(config) => panic!("the node ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
            runtime.block_on(running);
        });
        self.nodes[node] = Some(Running { stop, thread });
    }

    fn kill(&mut self, node: usize) {
        let running = self.nodes[node].take().expect("it runs");
        running.stop.send(()).expect("it runs");
        running.thread.join().expect("it ended well");
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].is_some())
    }

    fn connect(&self, node: usize) -> Option<Client> {
        Client::connect(self.ip(node))
    }

    /// Asks one node over a connection of its own.
    fn ask(&self, node: usize, request: &Value) -> Value {
        self.connect(node)
            .and_then(|mut client| client.ask(request))
            .unwrap_or_else(|| json!({"type": "info", "error": "no connection"}))
    }

    fn status(&self, node: usize) -> NodeStatus {
        let answer = self.ask(node, &json!({"api": "status"}));
        serde_json::from_value(answer["value"].clone()).unwrap_or_default()
    }

    /// Waits until every running node is ready, and exactly one of them leads.
    fn ready(&self) -> usize {
        let ready = || {
            let seen: Vec<_> = self.running().map(|node| (node, self.status(node))).collect();
            let leaders: Vec<_> =
                seen.iter().filter(|(_, status)| status.leader).map(|(node, _)| *node).collect();
            let all = seen.iter().all(|(_, status)| status.ready);
            (all && leaders.len() == 1).then(|| leaders[0])
        };
        eventually("a ready cluster with one leader", ready)
    }

    /// Asks until it is answered with `ok`; only for what may happen twice.
    fn insist(&self, node: usize, request: &Value) -> Value {
        eventually(&request.to_string(), || {
            let answer = self.ask(node, request);
            (answer["type"] == "ok").then(|| answer["value"].clone())
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for running in self.nodes.iter_mut().filter_map(Option::take) {
            // A node that has ended is reported by its test already.
            let _ = running.stop.send(());
            let _ = running.thread.join();
        }
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(ip: IpAddr) -> Option<Self> {
        let stream = TcpStream::connect(SocketAddr::new(ip, CLIENT_PORT)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        Some(Self(BufReader::new(stream)))
    }

    fn ask(&mut self, request: &Value) -> Option<Value> {
        writeln!(self.0.get_mut(), "{request}").ok()?;
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

/// Tries for 20 seconds.
fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(found) = found() {
            return found;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("never happened: {what}");
}

fn write(key: i64, value: i64) -> Value {
    json!({"api": "register", "f": "write", "key": key, "value": value})
}

fn read(key: i64) -> Value {
    json!({"api": "register", "f": "read", "key": key})
}

#[test]
fn every_api_is_served_by_every_node() {
    let cluster = Cluster::start(1, 3, &[]);
    let leader = cluster.ready();
    for node in 0..3 {
        let number = i64::try_from(node).unwrap();
        let ok = |request: Value| {
            let answer = cluster.ask(node, &request);
            assert_eq!(answer["type"], "ok", "{request}: {answer}");
            answer["value"].clone()
        };
        ok(write(1, number));
        ok(json!({"api": "register", "f": "cas", "key": 1, "value": [number, number + 10]}));
        for other in 0..3 {
            let seen = cluster.ask(other, &read(1));
            assert_eq!(seen, json!({"type": "ok", "value": number + 10}), "at {other}");
        }
        let missed = json!({"api": "register", "f": "cas", "key": 1, "value": [number, 5]});
        let answer = cluster.ask(node, &missed);
        let error = format!("it was {}, not {number}", number + 10);
        assert_eq!(answer, json!({"type": "fail", "error": error}));

        ok(json!({"api": "set", "f": "add", "value": number}));
        let elements: Vec<i64> = (0..=number).collect();
        assert_eq!(ok(json!({"api": "set", "f": "read"})), json!(elements));
        let txn = json!([["append", "x", number], ["r", "x", null]]);
        let reply = ok(json!({"api": "list-append", "f": "txn", "value": txn}));
        assert_eq!(reply, json!([["append", "x", number], ["r", "x", elements]]));
        ok(json!({"api": "log", "f": "broadcast", "value": number}));
        let propose = json!({"api": "consensus", "f": "propose", "key": 9, "value": number + 70});
        assert_eq!(ok(propose), json!(70));

        let seen = ok(json!({"api": "leadership", "f": "observe"}));
        assert_eq!(seen["leader"], node == leader, "{seen}");
        let strange = cluster.ask(node, &json!({"api": "queue", "f": "take"}));
        assert_eq!(strange, json!({"type": "fail", "error": "raft does not serve queue"}));
    }
    for node in 0..3 {
        eventually("everything delivered and learned", || {
            let delivered = cluster.ask(node, &json!({"api": "log", "f": "delivered"}));
            let learned = cluster.ask(node, &json!({"api": "consensus", "f": "learn", "key": 9}));
            (delivered["value"] == json!([0, 1, 2]) && learned["value"] == 70).then_some(())
        });
    }
}

#[test]
fn a_single_node_is_a_cluster() {
    let mut cluster = Cluster::start(11, 1, &[]);
    cluster.ready();
    assert_eq!(cluster.ask(0, &write(1, 5))["type"], "ok");
    cluster.kill(0);
    cluster.restart(0);
    cluster.ready();
    assert_eq!(cluster.insist(0, &read(1)), json!(5));
}

#[test]
fn a_cluster_that_was_killed_has_its_data() {
    let mut cluster = Cluster::start(2, 3, &[]);
    cluster.ready();
    for key in 0..20 {
        assert_eq!(cluster.ask(usize::try_from(key % 3).unwrap(), &write(key, key))["type"], "ok");
    }
    let boot = |cluster: &Cluster| {
        cluster.ask(0, &json!({"api": "leadership", "f": "observe"}))["value"]["boot"].clone()
    };
    let before = boot(&cluster);
    (0..3).for_each(|node| cluster.kill(node));
    (0..3).for_each(|node| cluster.restart(node));
    cluster.ready();
    assert_ne!(boot(&cluster), before);
    for key in 0..20 {
        assert_eq!(cluster.insist(0, &read(key)), json!(key));
    }
}

#[test]
fn another_leader_takes_over_and_the_old_one_follows() {
    let mut cluster = Cluster::start(3, 3, &[]);
    let old = cluster.ready();
    let term = cluster.status(old).term;
    assert_eq!(cluster.ask(old, &write(1, 1))["type"], "ok");
    cluster.kill(old);
    let new = cluster.ready();
    assert!(new != old && cluster.status(new).term > term);
    assert_eq!(cluster.insist(new, &read(1)), json!(1));
    cluster.insist(new, &write(1, 2));
    cluster.insist(new, &json!({"api": "log", "f": "broadcast", "value": 8}));
    cluster.restart(old);
    cluster.ready();
    assert_eq!(cluster.insist(old, &read(1)), json!(2));
    let delivered = || cluster.ask(old, &json!({"api": "log", "f": "delivered"}));
    eventually("delivery", || (delivered()["value"] == json!([8])).then_some(()));
}

#[test]
fn half_of_four_makes_no_progress_and_goes_on_when_the_others_return() {
    let mut cluster = Cluster::start(4, 4, &[]);
    let leader = cluster.ready();
    assert_eq!(cluster.ask(0, &write(1, 1))["type"], "ok");
    let other = (leader + 1) % 4;
    let gone = [(leader + 2) % 4, (leader + 3) % 4];
    for node in gone {
        cluster.kill(node);
    }
    for node in [leader, other] {
        let wrote = cluster.ask(node, &write(1, 2));
        assert!(wrote["type"] == "info" || wrote["type"] == "fail", "{wrote}");
        let seen = cluster.ask(node, &read(1));
        assert_eq!(seen["type"], "fail", "{seen}");
    }
    for node in [leader, other] {
        let unready = || (!cluster.status(node).ready).then_some(());
        eventually("a node that says it isn't ready", unready);
    }
    for node in gone {
        cluster.restart(node);
    }
    cluster.ready();
    let value = cluster.insist(other, &read(1));
    assert!(value == json!(1) || value == json!(2), "{value}");
    assert_eq!(cluster.insist(other, &write(1, 3)), json!(3));
}

#[test]
fn a_node_that_is_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::start(5, 3, &[("snapshot_every", "20")]);
    let behind = (cluster.ready() + 1) % 3;
    cluster.kill(behind);
    let leader = cluster.ready();
    for value in 0..120 {
        cluster.insist(leader, &write(value % 7, value));
        cluster.insist(leader, &json!({"api": "log", "f": "broadcast", "value": value}));
    }
    cluster.restart(behind);
    let all: Vec<i64> = (0..120).collect();
    eventually("everything delivered", || {
        let delivered = cluster.ask(behind, &json!({"api": "log", "f": "delivered"}));
        (delivered["value"] == json!(all)).then_some(())
    });
    assert!(cluster.data.path().join(format!("n{}/snapshot", behind + 1)).exists());
    // And what it has is enough to come back with, and to lead the others.
    (0..3).filter(|node| *node != behind).for_each(|node| cluster.kill(node));
    cluster.kill(behind);
    cluster.restart(behind);
    cluster.restart(leader);
    cluster.ready();
    for key in 0..7 {
        let last = (0..120).rfind(|value| value % 7 == key).unwrap();
        assert_eq!(cluster.insist(behind, &read(key)), json!(last));
    }
}

#[test]
fn nodes_are_added_and_removed() {
    let mut cluster = Cluster::start(6, 4, &[("members", "3")]);
    let leader = eventually("a leader", || (0..3).find(|node| cluster.status(*node).leader));
    cluster.insist(leader, &write(1, 1));
    let members = |cluster: &Cluster, node: usize| {
        cluster.ask(node, &json!({"api": "membership", "f": "list"}))["value"]["voters"].clone()
    };
    assert_eq!(members(&cluster, leader), json!([0, 1, 2]));
    let change = |f: &str, node: usize| json!({"api": "membership", "f": f, "value": node});
    assert_eq!(cluster.ask(leader, &change("add", 9))["type"], "fail");
    cluster.ask(leader, &change("add", 3));
    eventually("four voters", || (members(&cluster, 3) == json!([0, 1, 2, 3])).then_some(()));
    cluster.ask((leader + 1) % 3, &change("remove", leader));
    let left: Vec<usize> = (0..4).filter(|node| *node != leader).collect();
    eventually("three voters", || (members(&cluster, 3) == json!(left)).then_some(()));
    cluster.kill(leader);
    cluster.ready();
    assert_eq!(cluster.insist(3, &read(1)), json!(1));
    cluster.insist(3, &write(1, 2));
}

#[test]
fn local_reads_are_answered_without_anybody_else() {
    let mut cluster = Cluster::start(7, 3, &[("reads", "local")]);
    let leader = cluster.ready();
    let lonely = (leader + 1) % 3;
    assert_eq!(cluster.ask(leader, &write(1, 1))["type"], "ok");
    eventually("replication", || (cluster.ask(lonely, &read(1))["value"] == 1).then_some(()));
    (0..3).filter(|node| *node != lonely).for_each(|node| cluster.kill(node));
    assert_eq!(cluster.ask(lonely, &read(1)), json!({"type": "ok", "value": 1}));
    assert_ne!(cluster.ask(lonely, &write(1, 2))["type"], "ok");
}

#[test]
fn a_campaign_brings_a_new_term_with_one_leader() {
    let cluster = Cluster::start(8, 3, &[]);
    let leader = cluster.ready();
    let term = cluster.status(leader).term;
    let asked = cluster.ask((leader + 1) % 3, &json!({"api": "leadership", "f": "campaign"}));
    assert_eq!(asked["type"], "ok", "{asked}");
    eventually("a leader of a later term", || {
        let leader = cluster.ready();
        (cluster.status(leader).term > term).then_some(())
    });
    cluster.insist(leader, &write(1, 1));
}

/// Passes on what arrives for `to`, in both directions, each chunk 80 ms late.
fn slow_link(from: IpAddr, to: IpAddr) {
    let listener = TcpListener::bind((from, PEER_PORT)).unwrap();
    let pass = |mut from: TcpStream, mut to: TcpStream| {
        let mut chunk = [0; 1 << 14];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            thread::sleep(Duration::from_millis(80));
            if to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    };
    thread::spawn(move || {
        for near in listener.incoming() {
            let near = near.unwrap();
            let Ok(far) = TcpStream::connect((to, PEER_PORT)) else { continue };
            let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
            thread::spawn(move || pass(near, far));
            thread::spawn(move || pass(back.0, back.1));
        }
    });
}

/// openraft gives an append one heartbeat interval, which would be 100 ms here.
#[test]
fn links_that_take_longer_than_a_heartbeat_are_slow_and_not_useless() {
    let mut cluster = Cluster::empty(10, 3, &[]);
    cluster.by_way_of = Some(110);
    for node in 1..3 {
        slow_link(cluster.ip_in(110, node), cluster.ip(node));
    }
    (0..3).for_each(|node| cluster.restart(node));
    // The first node founds the cluster, and everybody reaches the others by the slow links.
    eventually("the first node leads", || (cluster.ready() == 0).then_some(()));
    let term = cluster.status(0).term;
    for value in 0..5 {
        assert_eq!(cluster.ask(0, &write(1, value))["type"], "ok");
        assert_eq!(cluster.ask(0, &read(1)), json!({"type": "ok", "value": value}));
    }
    assert_eq!(cluster.status(0).term, term, "no election was needed");
}

/// What a writer and the readers of one register share.
#[derive(Default)]
struct Counting {
    acknowledged: AtomicI64,
    done: AtomicBool,
}

impl Counting {
    /// Counts up, asking one node after the other.
    fn write(&self, ips: &[IpAddr]) {
        for (value, ip) in (1..).zip(ips.iter().cycle()) {
            if self.done.load(Ordering::Relaxed) {
                return;
            }
            match Client::connect(*ip).and_then(|mut node| node.ask(&write(0, value))) {
                Some(answer) if answer["type"] == "ok" => {
                    self.acknowledged.store(value, Ordering::SeqCst);
                }
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Reads, and returns how often, and the first read that was older than it may be.
    fn read(&self, ip: IpAddr) -> Result<usize, String> {
        let mut count = 0;
        while !self.done.load(Ordering::Relaxed) {
            let before = self.acknowledged.load(Ordering::SeqCst);
            match Client::connect(ip).and_then(|mut node| node.ask(&read(0))) {
                Some(answer) if answer["type"] == "ok" => {
                    let seen = answer["value"].as_i64().unwrap_or(0);
                    if seen < before {
                        return Err(format!("read {seen} at {ip} after {before}"));
                    }
                    count += 1;
                }
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
        Ok(count)
    }
}

/// Ends the counting also when the test fails, which would wait for it otherwise.
struct Ending<'a>(&'a Counting);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Relaxed);
    }
}

/// One writer counts up; readers on every node must never see less than was acknowledged before
/// they asked, whatever happens to the leaders meanwhile.
#[test]
fn no_read_is_older_than_an_acknowledged_write_while_leaders_are_killed() {
    let mut cluster = Cluster::start(9, 3, &[("snapshot_every", "50")]);
    cluster.ready();
    let ips: Vec<IpAddr> = (0..3).map(|node| cluster.ip(node)).collect();
    let counting = Counting::default();
    let counted: Result<Vec<usize>, String> = thread::scope(|scope| {
        scope.spawn(|| counting.write(&ips));
        let read = |ip: &IpAddr| {
            let (ip, counting) = (*ip, &counting);
            scope.spawn(move || counting.read(ip))
        };
        let readers: Vec<_> = ips.iter().map(read).collect();
        let ending = Ending(&counting);
        for _ in 0..4 {
            thread::sleep(Duration::from_millis(500));
            let leader = cluster.ready();
            cluster.kill(leader);
            thread::sleep(Duration::from_millis(300));
            cluster.restart(leader);
            cluster.ready();
        }
        drop(ending);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    let reads: usize = counted.unwrap().iter().sum();
    let wrote = counting.acknowledged.load(Ordering::SeqCst);
    assert!(wrote > 20 && reads > 20, "{wrote} writes and {reads} reads show nothing");
    assert!(cluster.insist(0, &read(0)).as_i64() >= Some(wrote));
}
