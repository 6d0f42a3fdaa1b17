//! An image made from Debian packages, for machines that reach no registry.
//!
//! A minimal Debian of the same release as this machine (so that this program runs in it), with the
//! system's packages and nothing else, imported as `schism-<system>`. Takes some 25 s, once.

use crate::install;
use anyhow::{Context as _, bail, ensure};
use bollard::Docker as Api;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt as _;
use std::process::{Command, Stdio};

/// The name of the system's image; makes it unless it is there.
///
/// # Errors
/// If it is not there and can't be made, with what would help.
pub async fn of_packages(system: &str, packages: &[&str]) -> anyhow::Result<String> {
    let api = super::connect().await?;
    let suite = suite().unwrap_or_else(|| "stable".to_owned());
    let name = format!("schism-{system}:{suite}");
    if api.inspect_image(&name).await.is_ok() {
        return Ok(name);
    }
    ensure!(
        install::find("mmdebstrap").is_some(),
        "there is no image {name}, and mmdebstrap, which would make it, is not installed: \
         apt-get install mmdebstrap, or name an image by --image"
    );
    eprintln!("schism: making the image {name} from Debian packages (once, about 30 s)");
    make(&api, &suite, packages, &name).await?;
    Ok(name)
}

async fn make(api: &Api, suite: &str, packages: &[&str], name: &str) -> anyhow::Result<()> {
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase", "--mode=root"]);
    if !packages.is_empty() {
        command.arg(format!("--include={}", packages.join(",")));
    }
    let made = tokio::task::spawn_blocking({
        command.args([suite, "-"]).stdin(Stdio::null());
        move || command.output()
    });
    let made = made.await?.context("cannot start mmdebstrap")?;
    if !made.status.success() {
        bail!("mmdebstrap failed: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
    let options =
        CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(tag).build();
    let body = bollard::body_full(made.stdout.into());
    let steps: Result<Vec<_>, _> =
        api.create_image(Some(options), Some(body), None).try_collect().await;
    steps.with_context(|| format!("the Docker daemon doesn't take the image {name}"))?;
    Ok(())
}

/// The release of Debian that this machine runs.
fn suite() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(line.trim_matches('"').to_owned())
}
