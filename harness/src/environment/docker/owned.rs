//! A cluster that Schism brings up itself: one network, one container a node.
//!
//! Everything carries the label `schism.run`, so it is found and removed even if the controller
//! that made it is gone. A node's data and configuration are directories of the run, mounted at the
//! same path, and so is this program, for systems that are part of it.

use super::is_so_already;
use anyhow::{Context as _, bail};
use bollard::Docker as Api;
use bollard::errors::Error as ApiError;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig,
    NetworkCreateRequest, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use schism_core::cluster::{Cluster, NodeId};
use schism_core::record::TestRecord;
use schism_core::system::{Launch, NodeDirs};
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// What marks a container or a network as a run's.
const RUN_LABEL: &str = "schism.run";
/// The first of the addresses that nodes have in their network.
const FIRST_HOST: u8 = 11;

/// A network of our own.
pub(super) struct Owned {
    run: String,
    image: String,
    third: u8,
}

/// The run's name, as containers carry it.
pub(super) fn run_name(record: &TestRecord) -> String {
    let stamp: String = record.started.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("schism-{stamp}-{}", record.seed)
}

impl Owned {
    /// Makes the network, in the first range that nobody has.
    pub(super) async fn make_network(
        api: &Api,
        record: &TestRecord,
        image: &str,
    ) -> anyhow::Result<Self> {
        api.inspect_image(image).await.with_context(|| {
            format!("there is no image {image:?} here: pull it, or build it, first")
        })?;
        let run = run_name(record);
        let first = u8::try_from(record.seed % 251).unwrap_or_default();
        for third in (first..=250).chain(0..first) {
            let subnet =
                IpamConfig { subnet: Some(format!("10.77.{third}.0/24")), ..IpamConfig::default() };
            let request = NetworkCreateRequest {
                name: run.clone(),
                driver: Some("bridge".to_owned()),
                ipam: Some(Ipam { config: Some(vec![subnet]), ..Ipam::default() }),
                labels: Some(labels(&run)),
                ..NetworkCreateRequest::default()
            };
            match api.create_network(request).await {
                Ok(_) => return Ok(Self { run, image: image.to_owned(), third }),
                Err(ApiError::DockerResponseServerError { message, .. })
                    if message.contains("overlaps") => {}
                Err(error) => return Err(error).context("cannot make a Docker network"),
            }
        }
        bail!("every range 10.77.*.0/24 is in use by some Docker network");
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// What the node's container is called.
    pub(super) fn container(&self, node: &str) -> String {
        format!("{}-{node}", self.run)
    }

    /// The address of the node of that number, from 0.
    pub(super) fn address(&self, number: usize) -> IpAddr {
        let host = u8::try_from(number).unwrap_or(u8::MAX).saturating_add(FIRST_HOST);
        IpAddr::V4(Ipv4Addr::new(10, 77, self.third, host))
    }

    /// Makes the node's container unless it is there.
    pub(super) async fn make(
        &self,
        api: &Api,
        cluster: &Cluster,
        node: NodeId,
        dirs: &NodeDirs,
        launch: &Launch,
    ) -> anyhow::Result<()> {
        let name = self.container(cluster.name(node));
        fs::create_dir_all(&dirs.data)?;
        for (file, text) in &launch.files {
            fs::write(dirs.config.join(file), text)?;
        }
        let endpoint = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(self.address(node.0).to_string()),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        };
        let others = cluster.nodes().iter().map(|node| format!("{}:{}", node.name, node.ip));
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            hostname: Some(cluster.name(node).to_string()),
            entrypoint: Some(launch.argv.clone()),
            cmd: Some(Vec::new()),
            env: Some(launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            working_dir: Some(path(&dirs.data)?),
            labels: Some(labels(&self.run)),
            host_config: Some(HostConfig {
                network_mode: Some(self.run.clone()),
                extra_hosts: Some(others.collect()),
                binds: Some(binds(dirs)?),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.run.clone(), endpoint)])),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        match api.create_container(Some(options), body).await {
            // There is one of that name: this one, from an earlier start.
            Ok(_) | Err(ApiError::DockerResponseServerError { status_code: 409, .. }) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot make container {name}")),
        }
    }
}

fn binds(dirs: &NodeDirs) -> anyhow::Result<Vec<String>> {
    let (data, config) = (path(&dirs.data)?, path(&dirs.config)?);
    let program = path(&std::env::current_exe().context("cannot find this program")?)?;
    Ok(vec![
        format!("{data}:{data}"),
        format!("{config}:{config}"),
        format!("{program}:{program}:ro"),
    ])
}

fn path(path: &Path) -> anyhow::Result<String> {
    let whole = std::path::absolute(path)?;
    let text = whole.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(text.to_owned())
}

fn labels(run: &str) -> HashMap<String, String> {
    HashMap::from([(RUN_LABEL.to_owned(), run.to_owned())])
}

/// Removes a run's containers and network; the names of what was removed.
pub(super) async fn remove(api: &Api, run: &str) -> anyhow::Result<Vec<String>> {
    let filters = HashMap::from([("label".to_owned(), vec![format!("{RUN_LABEL}={run}")])]);
    let mut removed = Vec::new();
    let all = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    for container in api.list_containers(Some(all)).await? {
        let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let name = name.trim_start_matches('/').to_owned();
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match api.remove_container(&name, Some(options)).await {
            Err(error) if !is_so_already(&error) => {
                return Err(error).with_context(|| format!("cannot remove container {name}"));
            }
            _ => removed.push(name),
        }
    }
    let ours = ListNetworksOptionsBuilder::default().filters(&filters).build();
    for network in api.list_networks(Some(ours)).await? {
        let name = network.name.unwrap_or_default();
        match api.remove_network(&name).await {
            Err(error) if !is_so_already(&error) => {
                return Err(error).with_context(|| format!("cannot remove network {name}"));
            }
            _ => removed.push(name),
        }
    }
    Ok(removed)
}
