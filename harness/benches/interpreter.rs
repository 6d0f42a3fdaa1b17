//! How many operations a second the interpreter sustains with a client that answers at once.
//!
//! `cargo bench -p schism --bench interpreter` prints a row for each number of workers: operations
//! a second with the history going to disk, the processor time an operation, and the memory at the
//! end. The generator is a mix of reads and writes, as in a real workload, without a rate.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use schism::interpreter::clock::Clock;
use schism::interpreter::{Interpreter, NoNemesis, Progress};
use schism::log_writer::LogSink;
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::client::{Client, ClientError};
use schism_core::cluster::{Cluster, Node, NodeId};
use schism_core::generator::{Gen, GenExt as _, from_fn, mix};
use schism_core::rng::Rng;
use schism_core::system::{Launch, Missing, NodeDirs, Serves, System};
use schism_core::wire::NodeStatus;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A store that isn't there.
struct Nothing;

impl System for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }
    fn about(&self) -> &'static str {
        "answers at once"
    }
    fn version(&self) -> Result<String, Missing> {
        Ok(String::new())
    }
    fn launch(&self, _: &Cluster, _: NodeId, _: &NodeDirs) -> Launch {
        Launch::default()
    }
    async fn status(&self, _: &Cluster, _: NodeId) -> anyhow::Result<NodeStatus> {
        Ok(NodeStatus::default())
    }
}

impl Serves<Register> for Nothing {
    type Client = Immediate;
    async fn open(&self, _: &Cluster, _: NodeId) -> Result<Immediate, ClientError> {
        Ok(Immediate)
    }
}

struct Immediate;

impl Client<Register> for Immediate {
    async fn invoke(&mut self, call: &Call) -> Result<Reply, ClientError> {
        Ok(match call.op {
            RegisterOp::Read => Reply::Read(Some(1)),
            RegisterOp::Write(_) | RegisterOp::Cas(..) => Reply::Written,
        })
    }
}

fn workload(rng: &Rng) -> Gen<Register> {
    let reads =
        from_fn(rng.fork("reads"), (), |(), _, _, _| Some(Call::keyed(1, RegisterOp::Read)));
    let writes = from_fn(rng.fork("writes"), 0, |next, _, _, _| {
        *next += 1;
        Some(Call::keyed(1, RegisterOp::Write(*next)))
    });
    mix(vec![reads, writes], rng.fork("mix"))
}

fn measure(workers: usize) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let nodes: Vec<Node> = (1..=5)
        .map(|number| Node {
            name: format!("n{number}").into(),
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        })
        .collect();
    let cluster = Rc::new(Cluster::new(nodes));
    let serving: Vec<NodeId> = cluster.ids().collect();
    let clock = Clock::start();
    let log = RefCell::new(LogSink::create(&dir.path().join("history.jsonl"))?);
    let progress = Progress::default();
    let mut interpreter = Interpreter::new(
        Rc::new(Nothing),
        cluster,
        &serving,
        workers,
        Duration::from_secs(2),
        &NoNemesis,
        &clock,
        &log,
        &progress,
    );
    let generator = workload(&Rng::seeded(1)).clients().time_limit(Duration::from_secs(3));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (start, cpu) = (Instant::now(), cpu_secs()?);
    runtime.block_on(interpreter.run(generator))?;
    drop(interpreter);
    log.into_inner().close()?;
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_secs()? - cpu);
    let ops = progress.ok.get() as f64;
    println!(
        "{workers:>5} workers  {:>9.0} ops/s  {:>5.2} µs of processor an op  {:>5.0} MB",
        ops / wall,
        cpu / ops * 1e6,
        peak_memory_mb()?,
    );
    Ok(())
}

fn cpu_secs() -> anyhow::Result<f64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    let secs = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(secs(usage.user_time()) + secs(usage.system_time()))
}

fn peak_memory_mb() -> anyhow::Result<f64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    Ok(usage.max_rss() as f64 / 1024.0)
}

fn main() -> anyhow::Result<()> {
    [10, 30, 1000].into_iter().try_for_each(measure)
}
