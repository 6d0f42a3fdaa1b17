//! The commands that cut and shape at a node, as data: the harness executes them there.
//!
//! Each fault has a chain of its own, `SCHISM-<fault>`, with one jump to it at the top of `INPUT`
//! (of `filter` to drop, of `mangle` to shape). Rules that others have made are never touched, and
//! never flushed: a heal empties the fault's own chain, which is what makes it effective and can be
//! repeated, and then tidies away jump and chain. `iptables-nft` and `iptables-legacy` take all of
//! it, and IPv4 and IPv6 addresses may be mixed.
//!
//! An injection is atomic for each family of addresses, since `iptables-restore` commits a table at
//! once.
//!
//! ```
//! let commands = schism_nemeses::rules::cut(7, &["10.0.0.2".parse().unwrap()]);
//! assert!(commands[1].stdin.as_ref().unwrap().contains("-A SCHISM-7 -s 10.0.0.2 -j DROP"));
//! ```

use std::fmt::Write as _;
use std::net::IpAddr;

/// Packets with this mark are not shaped: the shaper's own duplicates.
pub const DUPLICATE_MARK: u32 = 0x4a5;

/// One command to execute at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads.
    pub stdin: Option<String>,
    /// If it fails, there was nothing to do: go on with the next. Otherwise the fault, or its heal,
    /// has failed.
    pub may_fail: bool,
}

/// Drops whatever arrives from these addresses, for fault number `fault`.
pub fn cut(fault: u32, from: &[IpAddr]) -> Vec<Command> {
    inject(fault, "filter", from, |rule| {
        rule.push_str("-j DROP");
    })
}

/// Undoes [`cut`]. Of `peers`, any addresses of the cluster, only the families matter.
pub fn uncut(fault: u32, peers: &[IpAddr]) -> Vec<Command> {
    heal(fault, "filter", peers)
}

/// Hands whatever arrives from these addresses to the shaper at `queue`, which has to be ready. If
/// the shaper is gone, packets pass. Of two shapes on one link, the newer acts.
pub fn shape(fault: u32, queue: u16, from: &[IpAddr]) -> Vec<Command> {
    inject(fault, "mangle", from, |rule| {
        let _ = write!(
            rule,
            "-m mark ! --mark {DUPLICATE_MARK:#x} -j NFQUEUE --queue-num {queue} --queue-bypass"
        );
    })
}

/// Undoes [`shape`]; stop the shaper afterwards. Of `peers`, only the families matter.
pub fn unshape(fault: u32, peers: &[IpAddr]) -> Vec<Command> {
    heal(fault, "mangle", peers)
}

/// A queue number for a fault. Numbers are counted for each network namespace, and 65,535 faults
/// are not in force at once.
pub fn queue(fault: u32) -> u16 {
    u16::try_from(fault % (u32::from(u16::MAX) + 1)).unwrap_or_default()
}

fn inject(
    fault: u32,
    table: &str,
    from: &[IpAddr],
    mut action: impl FnMut(&mut String),
) -> Vec<Command> {
    let mut commands = Vec::new();
    for (iptables, addresses) in families(from) {
        let mut script = format!("*{table}\n:SCHISM-{fault} - [0:0]\n");
        for address in addresses {
            let _ = write!(script, "-A SCHISM-{fault} -s {address} ");
            action(&mut script);
            script.push('\n');
        }
        // At the top: a rule of somebody else's that accepts established connections would
        // otherwise let them through.
        let _ = write!(script, "-I INPUT 1 -j SCHISM-{fault}\nCOMMIT\n");
        // Where the fault is injected again, there would be two jumps.
        commands.push(unjump(iptables, fault, table));
        commands.push(restore(iptables, script));
    }
    commands
}

fn heal(fault: u32, table: &str, peers: &[IpAddr]) -> Vec<Command> {
    let mut commands = Vec::new();
    for (iptables, _) in families(peers) {
        // Naming a chain of one's own empties it, or makes it: this can't fail for want of it.
        let script = format!("*{table}\n:SCHISM-{fault} - [0:0]\nCOMMIT\n");
        commands.push(restore(iptables, script));
        commands.push(unjump(iptables, fault, table));
        let chain = format!("SCHISM-{fault}");
        commands.push(may_fail(&[iptables, "-w", "-t", table, "-X", &chain]));
    }
    commands
}

fn restore(iptables: &str, script: String) -> Command {
    let argv = [&format!("{iptables}-restore"), "--noflush", "-w"];
    Command { argv: argv.map(str::to_owned).to_vec(), stdin: Some(script), may_fail: false }
}

fn unjump(iptables: &str, fault: u32, table: &str) -> Command {
    let chain = format!("SCHISM-{fault}");
    may_fail(&[iptables, "-w", "-t", table, "-D", "INPUT", "-j", &chain])
}

fn may_fail(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        stdin: None,
        may_fail: true,
    }
}

/// The addresses of each family that has any, with the program that speaks it.
fn families(addresses: &[IpAddr]) -> impl Iterator<Item = (&'static str, Vec<&IpAddr>)> {
    let (four, six): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv4());
    [("iptables", four), ("ip6tables", six)].into_iter().filter(|(_, some)| !some.is_empty())
}
