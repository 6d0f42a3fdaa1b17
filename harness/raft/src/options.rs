//! The options of a Raft node, checked before anything starts.

use anyhow::{Context as _, bail, ensure};
use schism_agreement::host::NodeConfig;
use schism_agreement::protocol::ProtocolOption;
use std::time::Duration;

/// Every option with its meaning.
pub(crate) const OPTIONS: &[ProtocolOption] = &[
    ProtocolOption {
        name: "heartbeat_ms",
        about: "how often the leader sends heartbeats, in milliseconds (100)",
    },
    ProtocolOption {
        name: "election_ms",
        about: "a follower runs for leader after one to two times this silence (300)",
    },
    ProtocolOption {
        name: "reads",
        about: "linearizable, or local: whatever the asked node has applied (linearizable)",
    },
    ProtocolOption { name: "snapshot_every", about: "log entries between snapshots (5000)" },
    ProtocolOption { name: "members", about: "the first so many nodes found the cluster (all)" },
];

/// Where reads are answered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// From the leader, once a quorum has confirmed that it is one.
    Linearizable,
    /// From what the asked node has applied; stale on purpose.
    Local,
}

/// The options with their defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) heartbeat: Duration,
    pub(crate) election: Duration,
    pub(crate) reads: Reads,
    pub(crate) snapshot_every: u64,
    pub(crate) members: usize,
}

impl Options {
    pub(crate) fn read(config: &NodeConfig) -> anyhow::Result<Self> {
        for (name, value) in &config.options {
            if !OPTIONS.iter().any(|known| known.name == name) {
                let known: Vec<&str> = OPTIONS.iter().map(|known| known.name).collect();
                bail!("raft has no option {name}={value}; it has {}", known.join(", "));
            }
        }
        ensure!(
            config.me < config.size(),
            "node {} of a cluster of {}: expected a position from 0",
            config.me,
            config.size()
        );
        let heartbeat = config.number("heartbeat_ms", 100)?;
        let election = config.number("election_ms", 300)?;
        ensure!(heartbeat >= 1, "option heartbeat_ms={heartbeat}: expected at least 1");
        ensure!(
            election >= 10 && election / 2 >= heartbeat,
            "option election_ms={election}: expected at least 10, and at least twice heartbeat_ms, \
             which is {heartbeat}"
        );
        // Far above any sensible value, and far below what makes a deadline overflow.
        ensure!(election <= 3_600_000, "option election_ms={election}: expected at most an hour");
        let reads = match config.options.get("reads").map_or("linearizable", String::as_str) {
            "linearizable" => Reads::Linearizable,
            "local" => Reads::Local,
            other => bail!("option reads={other}: expected linearizable or local"),
        };
        let snapshot_every = config.number("snapshot_every", 5_000)?;
        ensure!(snapshot_every >= 1, "option snapshot_every={snapshot_every}: expected at least 1");
        let members = config.number("members", config.size() as u64)?;
        ensure!(
            (1..=config.size() as u64).contains(&members),
            "option members={members}: expected 1 to {}",
            config.size()
        );
        Ok(Self {
            heartbeat: Duration::from_millis(heartbeat),
            election: Duration::from_millis(election),
            reads,
            snapshot_every,
            members: usize::try_from(members).context("option members")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Reads};
    use schism_agreement::host::NodeConfig;
    use std::net::{IpAddr, Ipv4Addr};

    fn read(options: &[(&str, &str)]) -> anyhow::Result<Options> {
        Options::read(&NodeConfig {
            me: 0,
            nodes: vec![("n1".to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST)); 3],
            data: "unused".into(),
            seed: 1,
            options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        })
    }

    #[test]
    fn defaults_are_valid_and_options_are_taken() {
        assert_eq!(read(&[]).unwrap().members, 3);
        assert_eq!(read(&[("reads", "local")]).unwrap().reads, Reads::Local);
    }

    #[test]
    fn what_is_unknown_or_senseless_is_an_error_that_says_what_is_expected() {
        for (given, expected) in [
            (("tempo", "1"), "it has heartbeat_ms, election_ms"),
            (("reads", "stale"), "expected linearizable or local"),
            (("heartbeat_ms", "200"), "at least twice heartbeat_ms"),
            (("heartbeat_ms", "fast"), "expected a number"),
            (("members", "4"), "expected 1 to 3"),
            (("snapshot_every", "0"), "at least 1"),
        ] {
            let error = format!("{:#}", read(&[given]).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
