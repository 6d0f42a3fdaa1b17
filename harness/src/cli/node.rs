//! The internal commands: one embedded node, and one packet shaper.

use super::Failure;
use crate::systems::embedded;
use anyhow::{Context as _, anyhow};
use clap::Args;
use schism_agreement::host::NodeConfig;
use schism_core::fault::LinkShape;
use schism_nemeses::shaper::{self, ShaperConfig};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Node {
    /// Which protocol
    protocol: String,
    /// This node's position in the cluster, from 0
    #[arg(long)]
    me: usize,
    /// Every node, as name=address
    #[arg(long, value_delimiter = ',', required = true)]
    cluster: Vec<String>,
    /// Where to keep what survives a restart
    #[arg(long)]
    data: PathBuf,
    /// Where chance comes from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// An option of the protocol
    #[arg(long = "option")]
    options: Vec<String>,
}

impl Node {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let protocol = self.protocol.clone();
        let config = self.config().map_err(Failure::Usage)?;
        let known = embedded::find(&protocol)
            .ok_or_else(|| Failure::usage(anyhow!("unknown protocol {protocol:?}")))?;
        known.run(config)?;
        Ok(0)
    }

    fn config(self) -> anyhow::Result<NodeConfig> {
        let nodes = self.cluster.iter().map(|node| {
            let (name, ip) =
                node.split_once('=').with_context(|| format!("{node:?}: expected name=address"))?;
            let ip: IpAddr = ip.parse().with_context(|| format!("{node:?}: no address"))?;
            anyhow::Ok((name.to_owned(), ip))
        });
        let nodes: Vec<(String, IpAddr)> = nodes.collect::<Result<_, _>>()?;
        anyhow::ensure!(self.me < nodes.len(), "--me {}: there are {} nodes", self.me, nodes.len());
        let options = self.options.iter().map(|option| {
            let (name, value) = option
                .split_once('=')
                .with_context(|| format!("{option:?}: expected name=value"))?;
            anyhow::Ok((name.to_owned(), value.to_owned()))
        });
        Ok(NodeConfig {
            me: self.me,
            nodes,
            data: self.data,
            seed: self.seed,
            options: options.collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Args)]
pub(super) struct Shaper {
    /// Which queue to serve
    #[arg(long)]
    queue: u16,
    /// Where chance comes from
    #[arg(long)]
    seed: u64,
    /// What to do to packets, as JSON
    #[arg(long)]
    link: String,
}

impl Shaper {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let shape: LinkShape = serde_json::from_str(&self.link)
            .context("--link: no link shape")
            .map_err(Failure::Usage)?;
        shaper::run(ShaperConfig { queue: self.queue, shape, seed: self.seed })?;
        Ok(0)
    }
}
