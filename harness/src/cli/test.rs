//! `schism test`: resolves the options, looks for what is missing, enters the sandbox, runs.

use super::{Failure, color, width};
use crate::environment::docker;
use crate::install;
use crate::interpreter::Progress;
use crate::registry::{self, Entry};
use crate::run::Plan;
use crate::store::{self, RunDir};
use crate::systems::SystemOptions;
use crate::{judge, sandbox};
use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use schism_checkers::log_patterns::LogPatterns;
use schism_core::record::TestRecord;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "Examples:
  schism test                                       Raft, registers, faults on
  schism test raft --workload list-append --time-limit 60s
  schism test raft --nodes 4 --faults partition-halves
  schism test naive-majority --option trace=five-colours
  schism test primary-replica --seed 7 --junit junit.xml
  schism test etcd --env docker --project shop      a cluster that runs already
  schism test etcd --env docker --nodes etcd1,etcd2,etcd3
  schism test etcd --env docker --image my-etcd --nodes 3
  schism test etcd --env docker --nodes 3           in an image made from Debian packages

`schism list systems`, `workloads` and `faults` say what there is. Without an option, a test takes
what suits the system; `--dry-run` shows what that is.")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Test {
    /// The system under test
    #[arg(default_value = "raft")]
    system: String,
    /// Which version of it; only the installed one can be tested yet
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// What clients do [default: the system's first]
    #[arg(long, short)]
    workload: Option<String>,
    /// Faults, with commas between; `none`, `standard` or `all`
    #[arg(long, short)]
    faults: Option<String>,
    /// Where nodes live
    #[arg(long, default_value = "netns", value_parser = ["netns", "docker"])]
    env: String,
    /// With `--env docker`: the compose project that runs already and is to be tested
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    project: Option<String>,
    /// With `--env docker`: bring up a cluster of our own from this image, instead of from one that
    /// is made from Debian packages
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// How many nodes, or their names with commas between; with `--env docker`, the containers
    #[arg(long, short)]
    nodes: Option<String>,
    /// How long clients and faults run, such as 30s or 5m
    #[arg(long, short, value_name = "TIME")]
    time_limit: Option<String>,
    /// Operations a second, over all clients
    #[arg(long, short, allow_negative_numbers = true)]
    rate: Option<f64>,
    /// Client workers
    #[arg(long, short)]
    concurrency: Option<usize>,
    /// Keys in use at a time
    #[arg(long)]
    keys: Option<usize>,
    /// Time between faults, on average
    #[arg(long, value_name = "TIME")]
    nemesis_interval: Option<String>,
    /// How long after the last heal everything has to work again
    #[arg(long, value_name = "TIME")]
    recovery_limit: Option<String>,
    /// How long one operation may take
    #[arg(long, value_name = "TIME")]
    op_timeout: Option<String>,
    /// How reads are asked for, such as `serializable` (etcd) or `local` (raft)
    #[arg(long, default_value = "")]
    reads: String,
    /// A regular expression that no line of a node's log may match; may be repeated. Panics and the
    /// like are looked for without it, and reported as warnings
    #[arg(long = "log-pattern", value_name = "REGEX")]
    log_patterns: Vec<String>,
    /// An option of the system, as NAME=VALUE; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// Where all chance comes from [default: drawn, and recorded]
    #[arg(long, short)]
    seed: Option<u64>,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "DIR")]
    store: PathBuf,
    /// Also write the result here, as XML for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Install what the controller and the system lack, with apt where it may
    #[arg(long)]
    install: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep the nodes' data directories
    #[arg(long)]
    keep_data: bool,
    /// No colours
    #[arg(long)]
    no_color: bool,
}

impl Test {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let entry =
            registry::find(&self.system, self.workload.as_deref()).map_err(Failure::usage)?;
        let mut record = self.resolve(&entry).map_err(Failure::Usage)?;
        if self.dry_run {
            print!("{}", super::list::dry_run(&record).map_err(Failure::Usage)?);
            return Ok(0);
        }
        record.version = self.version(&entry, &record)?;
        perform(&entry, record, &self)
    }

    /// Every option, with the defaults of the pair.
    fn resolve(&self, entry: &Entry) -> anyhow::Result<TestRecord> {
        let defaults = &entry.defaults;
        ensure!(
            self.version.is_none(),
            "a version can't be chosen yet: {} is tested as it is installed",
            entry.system
        );
        let (nodes, place) = self.nodes(entry)?;
        let rate = self.rate.unwrap_or(defaults.rate);
        ensure!(
            rate.is_finite() && rate > 0.0,
            "--rate {rate}: expected operations a second, more than 0, such as 200"
        );
        let concurrency = self.concurrency.unwrap_or(defaults.concurrency.max(nodes.len()));
        ensure!(concurrency > 0, "--concurrency 0: expected at least one client worker");
        let keys = self.keys.unwrap_or(defaults.keys);
        ensure!(keys > 0, "--keys 0: expected at least one key");
        let options = parse_options(&self.options)?;
        LogPatterns::new(&self.log_patterns).context("--log-pattern")?;
        let time_limit =
            seconds("--time-limit", self.time_limit.as_deref(), defaults.time_limit_secs)?;
        let record = TestRecord {
            schism: env!("CARGO_PKG_VERSION").to_owned(),
            system: entry.system.to_owned(),
            version: String::new(),
            workload: entry.workload.to_owned(),
            faults: fault_names(self.faults.as_deref().unwrap_or(defaults.faults))?,
            env: self.env.clone(),
            nodes,
            time_limit_secs: time_limit,
            rate,
            concurrency,
            keys,
            op_timeout_secs: seconds(
                "--op-timeout",
                self.op_timeout.as_deref(),
                entry.op_timeout_secs,
            )?,
            nemesis_interval_secs: seconds(
                "--nemesis-interval",
                self.nemesis_interval.as_deref(),
                defaults.nemesis_interval_secs,
            )?,
            recovery_limit_secs: seconds(
                "--recovery-limit",
                self.recovery_limit.as_deref(),
                defaults.recovery_limit_secs,
            )?,
            reads: self.reads.clone(),
            log_patterns: self.log_patterns.clone(),
            seed: self.seed.unwrap_or_else(drawn_seed),
            started: String::new(),
            options,
            place,
        };
        let roles = (entry.accepts)(&SystemOptions::of(&record), &record.nodes)?;
        let known: Vec<&str> = record.nodes.iter().chain(&roles).map(String::as_str).collect();
        for fault in &record.faults {
            schism_nemeses::check_nodes(fault, &known)?;
        }
        Ok(record)
    }
}

impl Test {
    /// The nodes' names, and the options of the place where they live.
    fn nodes(&self, entry: &Entry) -> anyhow::Result<(Vec<String>, BTreeMap<String, String>)> {
        let given = self.nodes.as_deref();
        if self.env != "docker" {
            for (flag, value) in [("--project", &self.project), ("--image", &self.image)] {
                ensure!(value.is_none(), "{flag} belongs to --env docker");
            }
            return Ok((node_names(given, entry)?, BTreeMap::new()));
        }
        let named = given.is_some_and(|given| given.parse::<usize>().is_err());
        // Only names of containers are recorded: they say it all, also when the test is repeated.
        match (&self.image, &self.project) {
            (None, Some(project)) if !named => {
                let containers = wait_for(docker::containers_of(project))?.join(",");
                Ok((node_names(Some(&containers), entry)?, BTreeMap::new()))
            }
            (None, _) if named => Ok((node_names(given, entry)?, BTreeMap::new())),
            (image, _) => {
                let image = match image {
                    Some(image) => image.clone(),
                    None if self.dry_run => format!("schism-{}", entry.system),
                    None => {
                        wait_for(docker::image::of_packages(entry.system, entry.debian_packages))?
                    }
                };
                Ok((node_names(given, entry)?, BTreeMap::from([("image".to_owned(), image)])))
            }
        }
    }

    /// What is tested, as far as it can be known before it runs.
    fn version(&self, entry: &Entry, record: &TestRecord) -> anyhow::Result<String> {
        if self.env != "docker" {
            install::require(&install::needs(entry), self.install)?;
            return (entry.version)().map_err(|missing| {
                let program = missing.program;
                anyhow!("{program} is not installed: give --install, or see `schism doctor`")
            });
        }
        // What runs is the image's; it is not on this machine.
        install::require(&install::of_controller_missing(), self.install)?;
        match record.place.get("image") {
            Some(image) => Ok(image.clone()),
            None => wait_for(docker::image_of(&record.nodes[0])),
        }
    }
}

/// Waits for what the daemon says.
fn wait_for<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Runs a resolved test: in the sandbox, to a verdict on the terminal.
fn perform(entry: &Entry, mut record: TestRecord, options: &Test) -> Result<u8, Failure> {
    if record.env == "netns" && !sandbox::inside() {
        // The seed is drawn out here and has to be the same in there.
        sandbox::enter_with(&[("SCHISM_SEED", record.seed.to_string())])?;
    }
    let (stamp, started) = store::now();
    record.started = started;
    let dir = RunDir::create(&options.store, &record, &stamp)?;
    let progress = Rc::new(Progress::default());
    let bar = progress_bar(&record);
    let stage = {
        let bar = bar.clone();
        Rc::new(move |words: &str| bar.set_prefix(words.to_owned())) as Rc<dyn Fn(&str)>
    };
    let plan = Plan {
        record,
        dir: dir.clone(),
        keep_data: options.keep_data,
        stage,
        progress: progress.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let judged = local.block_on(&runtime, async {
        let watching = watch(&bar, &progress);
        tokio::select! {
            judged = (entry.run)(plan) => judged,
            error = watching => Err(error),
        }
    });
    bar.finish_and_clear();
    let judged = judged?;
    let report = dir.file("report.html");
    let color = color(options.no_color);
    let summary = schism_reports::terminal(&judged.view, &judge::shown(&report), color, width());
    // Whoever closed the pipe has the exit code and the report.
    let _ = std::io::stdout().write_all(summary.as_bytes());
    if let Some(path) = &options.junit {
        std::fs::copy(dir.file("junit.xml"), path)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(judged.verdict.exit_code())
}

/// Shows the counts, and turns an interrupt into an early but orderly end.
async fn watch(bar: &ProgressBar, progress: &Progress) -> anyhow::Error {
    let mut interrupts = 0;
    loop {
        let tick = tokio::time::sleep(Duration::from_millis(200));
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {
                interrupts += 1;
                if interrupts > 1 {
                    return anyhow!("interrupted");
                }
                progress.stop.set(true);
                bar.println("Interrupted: heals and judges what there is. Again to stop at once.");
            }
            () = tick => {}
        }
        let (ok, fail, info) = (progress.ok.get(), progress.fail.get(), progress.info.get());
        bar.set_message(format!("{ok} ok, {fail} failed, {info} unknown"));
        bar.tick();
    }
}

fn progress_bar(record: &TestRecord) -> ProgressBar {
    // Hidden by itself where stderr is not a terminal.
    let bar = ProgressBar::new_spinner();
    let template = format!(
        "{{spinner}} {} {}: {{prefix}} · {{elapsed}} · {{msg}}",
        record.system, record.workload
    );
    bar.set_style(
        ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar
}

fn node_names(given: Option<&str>, entry: &Entry) -> anyhow::Result<Vec<String>> {
    let (fewest, most) = (*entry.possible_nodes.start(), *entry.possible_nodes.end());
    let names: Vec<String> = match given {
        None => numbered(entry.default_nodes),
        Some(text) => match text.parse::<usize>() {
            Ok(count) => numbered(count.min(crate::environment::netns::MAX_NODES + 1)),
            Err(_) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        },
    };
    ensure!(
        names.len() >= fewest,
        "--nodes: {} needs at least {fewest} nodes, got {}",
        entry.system,
        names.len()
    );
    ensure!(
        names.len() <= most,
        "--nodes: {} takes at most {most} nodes, got {}",
        entry.system,
        names.len()
    );
    ensure!(
        names.len() <= crate::environment::netns::MAX_NODES,
        "--nodes: at most {} nodes",
        crate::environment::netns::MAX_NODES
    );
    for (position, name) in names.iter().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        ensure!(
            !name.is_empty()
                && name.len() <= 63
                && name.chars().all(plain)
                && !name.starts_with('-'),
            "--nodes: {name:?} is no host name; expected a number, or names like n1,n2,n3"
        );
        ensure!(!names[..position].contains(name), "--nodes: {name:?} occurs twice");
    }
    Ok(names)
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("n{number}")).collect()
}

fn fault_names(text: &str) -> anyhow::Result<Vec<String>> {
    Ok(schism_nemeses::expand(text)?)
}

fn parse_options(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let pairs = given.iter().map(|option| {
        let (name, value) = option
            .split_once('=')
            .with_context(|| format!("--option {option:?}: expected NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

fn seconds(flag: &str, given: Option<&str>, default: f64) -> anyhow::Result<f64> {
    let Some(text) = given else { return Ok(default) };
    let duration = humantime::parse_duration(text)
        .with_context(|| format!("{flag} {text:?}: expected a time such as 30s, 500ms or 5m"))?;
    ensure!(!duration.is_zero(), "{flag} {text:?}: expected more than 0");
    Ok(duration.as_secs_f64())
}

/// A seed for a run whose user named none: it is recorded, so the run can be repeated all the same.
#[allow(clippy::disallowed_methods, reason = "the one draw that can't come from a seed")]
fn drawn_seed() -> u64 {
    if let Some(seed) = std::env::var("SCHISM_SEED").ok().and_then(|text| text.parse().ok()) {
        return seed;
    }
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.subsec_nanos());
    u64::from(nanos ^ std::process::id().rotate_left(16)) % 1_000_000_000
}
