//! What is shown, one function each.

use crate::world::World;
use schism_core::fault::LinkShape;
use schism_nemeses::rules;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// Every scenario, by the name of its test.
pub(crate) static SCENARIOS: [(&str, fn()); 9] = [
    ("a_cut_cuts_and_a_heal_heals_with_iptables_nft", || cut_and_heal("nft")),
    ("a_cut_cuts_and_a_heal_heals_with_iptables_legacy", || cut_and_heal("legacy")),
    ("a_shape_shapes_with_iptables_legacy", || shaped_with("legacy")),
    ("a_delay_delays", delay),
    ("a_loss_loses_its_share", loss),
    ("duplicates_arrive_twice_and_tcp_takes_no_notice", duplicate),
    ("jitter_reorders", reorder),
    ("packets_pass_once_the_shaper_is_dead", killed),
    ("a_queue_is_had_once", taken),
];

const QUEUE: u16 = 5;

fn hears(from: &UdpSocket, to: &UdpSocket) -> bool {
    let mut buffer = [0; 64];
    while to.recv(&mut buffer).is_ok() {}
    from.send_to(b"probe", to.local_addr().expect("its address")).expect("sending");
    to.recv(&mut buffer).is_ok_and(|size| &buffer[..size] == b"probe")
}

fn cut_and_heal(flavour: &'static str) {
    let world = World::new(flavour);
    for program in ["iptables", "ip6tables"] {
        let program = format!("{program}-{flavour}");
        for rule in [
            "-w -N FOREIGN",
            "-w -A FOREIGN -p tcp --dport 1 -j DROP",
            "-w -A INPUT -p udp -j ACCEPT",
            "-w -A INPUT -j FOREIGN",
            "-w -t mangle -A INPUT -p tcp --dport 2 -j MARK --set-mark 7",
        ] {
            let words: Vec<&str> = [program.as_str()].into_iter().chain(rule.split(' ')).collect();
            World::at_b(&words);
        }
    }
    let before = world.saved();
    assert!(before.contains("FOREIGN"), "{before}");
    let peers = World::addresses("a");
    let pairs = [0, 1].map(|at| {
        let [a, b] = ["a", "b"].map(|node| World::udp(node, World::addresses(node)[at]));
        (a, b)
    });
    let (a, b) = (&pairs[0].0, &pairs[0].1);
    let heard = || pairs.each_ref().map(|(a, b)| hears(a, b));
    assert_eq!(heard(), [true, true], "before");
    world.execute(&rules::uncut(3, &peers));
    assert_eq!(world.saved(), before, "healing what was never cut changes nothing");

    world.execute(&rules::cut(3, &peers));
    assert_eq!(heard(), [false, false], "cut, in spite of a rule that accepts");
    assert!(hears(b, a), "the other direction is open");
    world.execute(&rules::cut(4, &peers[..1]));
    world.execute(&rules::cut(3, &peers));
    world.execute(&rules::uncut(3, &peers));
    assert_eq!(heard(), [false, true], "the other fault still cuts IPv4");
    world.execute(&rules::uncut(4, &peers));
    world.execute(&rules::uncut(4, &peers));
    assert_eq!(heard(), [true, true], "healed");
    assert_eq!(world.saved(), before, "foreign rules are as they were");
}

fn shape(shape: LinkShape) -> (World, crate::world::Shaper) {
    let world = World::new("nft");
    let shaper = world.shaper(QUEUE, shape);
    world.execute(&rules::shape(3, QUEUE, &World::addresses("a")));
    (world, shaper)
}

/// `b` sends back whatever it gets.
fn echo(ip: usize) -> (UdpSocket, std::net::SocketAddr) {
    let b = World::udp("b", World::addresses("b")[ip]);
    let address = b.local_addr().expect("its address");
    b.set_read_timeout(None).expect("no timeout");
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((size, from)) = b.recv_from(&mut buffer) {
            let _ = b.send_to(&buffer[..size], from);
        }
    });
    (World::udp("a", World::addresses("a")[ip]), address)
}

fn round_trips(ip: usize, count: usize) -> Vec<Duration> {
    let (a, b) = echo(ip);
    let mut buffer = [0; 64];
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        a.send_to(b"ping", b).expect("sending");
        a.recv(&mut buffer).expect("the echo");
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times
}

fn delay() {
    let (world, shaper) = shape(LinkShape { delay_ms: 50.0, ..LinkShape::default() });
    let bounds = Duration::from_millis(50)..Duration::from_millis(90);
    for ip in [0, 1] {
        let times = round_trips(ip, 20);
        assert!(times[0] >= bounds.start, "the quickest of 20 took {:?}", times[0]);
        assert!(times[10] < bounds.end, "the median of 20 took {:?}", times[10]);
    }
    world.execute(&rules::unshape(3, &World::addresses("a")));
    shaper.kill();
    let times = round_trips(0, 20);
    assert!(times[10] < Duration::from_millis(25), "healed, the median took {:?}", times[10]);
}

fn shaped_with(flavour: &'static str) {
    let world = World::new(flavour);
    let peers = World::addresses("a");
    let shaper = world.shaper(QUEUE, LinkShape { delay_ms: 40.0, ..LinkShape::default() });
    world.execute(&rules::shape(3, QUEUE, &peers));
    let before = world.saved();
    world.execute(&rules::shape(3, QUEUE, &peers));
    assert_eq!(world.saved(), before, "shaping again changes nothing");
    let times = round_trips(1, 5);
    assert!(times[0] >= Duration::from_millis(40), "the quickest of 5 took {:?}", times[0]);
    world.execute(&rules::unshape(3, &peers));
    shaper.kill();
    assert!(!world.saved().contains("SCHISM"), "{}", world.saved());
}

/// Sends numbered packets from `a` to `b`, and returns the numbers in order of arrival.
fn numbered(ip: usize, count: u32) -> Vec<u32> {
    let [a, b] = ["a", "b"].map(|node| World::udp(node, World::addresses(node)[ip]));
    let to = b.local_addr().expect("its address");
    b.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    let receiver = std::thread::spawn(move || {
        let mut buffer = [0; 4];
        let mut numbers = Vec::new();
        while b.recv(&mut buffer).is_ok_and(|size| size == 4) {
            numbers.push(u32::from_be_bytes(buffer));
        }
        numbers
    });
    for number in 0..count {
        a.send_to(&number.to_be_bytes(), to).expect("sending");
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    receiver.join().expect("what arrived")
}

fn loss() {
    let (_world, shaper) = shape(LinkShape { loss: 0.3, ..LinkShape::default() });
    for ip in [0, 1] {
        let arrived = numbered(ip, 1000).len();
        assert!((600..=800).contains(&arrived), "{arrived} of 1000 arrived");
    }
    shaper.kill();
}

fn duplicate() {
    let (world, shaper) = shape(LinkShape { duplicate: 0.3, ..LinkShape::default() });
    for ip in [0, 1] {
        let mut times = BTreeMap::new();
        for number in numbered(ip, 1000) {
            *times.entry(number).or_insert(0) += 1;
        }
        assert_eq!(times.len(), 1000, "nothing is lost");
        let twice = times.values().filter(|count| **count == 2).count();
        assert!((200..=400).contains(&twice), "{twice} of 1000 came twice");
        assert!(times.values().all(|count| *count <= 2), "a copy isn't copied again");
    }
    for ip in World::addresses("b") {
        transfer(ip, || {});
    }
    // A copy arrives from `a` as the packet did, so a cut stops it too.
    world.execute(&rules::cut(9, &World::addresses("a")));
    assert!(numbered(0, 100).is_empty(), "the cut lets copies through");
    shaper.kill();
}

fn reorder() {
    let shape_of = LinkShape { delay_ms: 20.0, jitter_ms: 20.0, ..LinkShape::default() };
    let (_world, shaper) = shape(shape_of);
    let numbers = numbered(0, 1000);
    assert_eq!(numbers.len(), 1000, "nothing is lost");
    let overtaken = numbers.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > 100, "{overtaken} of 1000 were overtaken");
    transfer(World::addresses("b")[0], || {});
    shaper.kill();
}

/// Sends 300 kB from `a` to `b` over TCP, with something done in the midst of it, and checks every
/// byte.
fn transfer(ip: IpAddr, midway: impl FnOnce()) {
    let listener = World::open("b", |ip| TcpListener::bind((ip, 7000)).expect("bind"), ip);
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the bytes");
        bytes
    });
    let mut stream = World::open("a", |ip| TcpStream::connect((ip, 7000)).expect("connecting"), ip);
    let bytes: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
    stream.write_all(&bytes[..150_000]).expect("the first half");
    midway();
    stream.write_all(&bytes[150_000..]).expect("the second half");
    drop(stream);
    assert!(receiver.join().expect("what arrived") == bytes, "the bytes differ");
}

fn killed() {
    let (world, shaper) = shape(LinkShape { delay_ms: 200.0, ..LinkShape::default() });
    // What the shaper holds when it dies is lost; TCP sends it again.
    transfer(World::addresses("b")[0], || shaper.kill());
    assert_eq!(numbered(0, 100).len(), 100, "the rule lets packets pass");
    world.execute(&rules::unshape(3, &World::addresses("a")));
    assert!(!world.saved().contains("SCHISM"), "{}", world.saved());
}

fn taken() {
    let world = World::new("nft");
    let shaper = world.shaper(QUEUE, LinkShape::default());
    let error = World::open(
        "b",
        |_| {
            use schism_nemeses::shaper::{ShaperConfig, run};
            run(ShaperConfig { queue: QUEUE, shape: LinkShape::default(), seed: 1 })
        },
        World::addresses("b")[0],
    );
    let error = error.expect_err("the queue is taken").to_string();
    assert!(error.contains("queue 5") && error.contains("no other process has it"), "{error}");
    shaper.kill();
}
