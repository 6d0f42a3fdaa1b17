//! The whole runner in simulated time: tokio's clock stands still and jumps.

use super::clock::Clock;
use super::{Interpreter, Nemesis, Progress};
use crate::log_writer::LogSink;
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::client::{Client, ClientError};
use schism_core::cluster::{Cluster, Node, NodeId};
use schism_core::event::NemesisEvent;
use schism_core::generator::{Act, Context, Emit, Gen, Generator, NemesisCall, Next, Thread};
use schism_core::history::History;
use schism_core::op::Outcome;
use schism_core::system::{Launch, Missing, NodeDirs, Serves, System};
use schism_core::time::Nanos;
use schism_core::wire::NodeStatus;
use std::cell::RefCell;
use std::io::BufReader;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

/// A store in which the value that is written says what becomes of the write.
struct Scripted;

/// Takes 100 ms and happens.
const SLOW: i64 = 1;
/// Happens at once.
const FAST: i64 = 2;
/// Is refused.
const REFUSED: i64 = 3;
/// Is answered by a lost connection.
const LOST: i64 = 4;
/// Is never answered.
const SILENT: i64 = 5;

impl System for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn about(&self) -> &'static str {
        "does what it is told"
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

impl Serves<Register> for Scripted {
    type Client = ScriptedClient;
    async fn open(&self, cluster: &Cluster, node: NodeId) -> Result<ScriptedClient, ClientError> {
        if cluster.name(node).as_ref() == "unreachable" {
            Err(std::io::Error::other("refused"))?;
        }
        Ok(ScriptedClient)
    }
}

struct ScriptedClient;

impl Client<Register> for ScriptedClient {
    async fn invoke(&mut self, call: &Call) -> Result<Reply, ClientError> {
        let RegisterOp::Write(what) = call.op else { return Ok(Reply::Read(None)) };
        match what {
            SLOW => tokio::time::sleep(Duration::from_millis(100)).await,
            REFUSED => return Err(ClientError::definite("refused")),
            LOST => Err(std::io::Error::other("connection reset"))?,
            SILENT => std::future::pending().await,
            _ => {}
        }
        Ok(Reply::Written)
    }
}

/// Emits these, each at its time, on whichever thread is free.
struct Script(Vec<(Nanos, i64)>);

impl Generator<Register> for Script {
    fn peek(&self, context: &Context<'_>) -> Next<Register> {
        let Some((at, what)) = self.0.first() else { return Next::Done };
        let free = context.free_threads().find(|thread| *thread != context.nemesis());
        free.map_or(Next::Pending, |thread| {
            let call = Call::unkeyed(RegisterOp::Write(*what));
            Next::Op(Emit { time: *at, thread, act: Act::Call(call) })
        })
    }
    fn take(&mut self, context: &Context<'_>) -> Emit<Register> {
        let Next::Op(emit) = self.peek(context) else { unreachable!("taken without an operation") };
        self.0.remove(0);
        emit
    }
    fn update(&mut self, _: &Context<'_>, _: Thread, _: &schism_core::event::Event<Register>) {}
}

struct NobodysNemesis;

impl Nemesis for NobodysNemesis {
    async fn perform(&self, _: NemesisCall) -> NemesisEvent {
        NemesisEvent { f: "none".into(), value: serde_json::Value::Null, error: None }
    }
}

/// Runs a script on `threads` threads; the history, as it was written to disk.
fn run(threads: usize, node: &str, script: &[(u64, i64)]) -> History<Register> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let cluster = Rc::new(Cluster::new(vec![Node { name: node.into(), ip }]));
        let clock = Clock::start();
        let log = RefCell::new(LogSink::create(&path).unwrap());
        let progress = Progress::default();
        let mut interpreter = Interpreter::new(
            Rc::new(Scripted),
            cluster,
            &[NodeId(0)],
            threads,
            Duration::from_secs(2),
            &NobodysNemesis,
            &clock,
            &log,
            &progress,
        );
        let script = script.iter().map(|(ms, what)| (Nanos::from_millis(*ms), *what)).collect();
        let generator: Gen<Register> = Box::new(Script(script));
        interpreter.run(generator).await.unwrap();
        drop(interpreter);
        log.into_inner().close().unwrap();
    });
    let file = std::fs::File::open(&path).unwrap();
    History::from_jsonl(BufReader::new(file)).unwrap().history
}

#[test]
fn operations_are_invoked_at_their_time_and_complete_at_theirs() {
    let history = run(2, "n1", &[(10, SLOW), (50, FAST)]);
    let [slow, fast] = history.ops() else { panic!("{history:?}") };
    assert_eq!(slow.invoked.time, Nanos::from_millis(10));
    assert_eq!(slow.completed.unwrap().time, Nanos::from_millis(110));
    assert_eq!(fast.invoked.time, Nanos::from_millis(50));
    assert!(fast.completed.unwrap().index < slow.completed.unwrap().index);
}

#[test]
fn a_busy_thread_is_not_given_more() {
    let history = run(1, "n1", &[(0, SLOW), (0, FAST)]);
    let [slow, fast] = history.ops() else { panic!("{history:?}") };
    assert!(slow.precedes(fast));
    assert_eq!((slow.process, fast.process), (0, 0));
}

#[test]
fn a_refused_operation_is_a_fail_and_its_process_goes_on() {
    let history = run(1, "n1", &[(0, REFUSED), (1, FAST)]);
    let [refused, fast] = history.ops() else { panic!("{history:?}") };
    assert_eq!(refused.outcome, Outcome::Fail("refused".into()));
    assert_eq!(fast.process, 0);
}

#[test]
fn after_an_indeterminate_operation_the_thread_is_a_new_process() {
    let history = run(3, "n1", &[(0, LOST), (1, FAST)]);
    let [lost, fast] = history.ops() else { panic!("{history:?}") };
    assert!(matches!(&lost.outcome, Outcome::Info(reason) if reason.contains("reset")));
    assert_eq!(lost.returned(), None);
    assert_eq!((lost.process, fast.process), (0, 3));
}

#[test]
fn an_operation_without_an_answer_is_indeterminate_when_its_time_is_up() {
    let history = run(1, "n1", &[(0, SILENT), (1, FAST)]);
    let [silent, fast] = history.ops() else { panic!("{history:?}") };
    assert!(matches!(silent.outcome, Outcome::Info(_)));
    assert_eq!(silent.completed.unwrap().time, Nanos::from_secs(2));
    assert_eq!(fast.process, 1);
}

#[test]
fn without_a_connection_nothing_was_sent_so_it_certainly_did_not_happen() {
    let history = run(1, "unreachable", &[(0, FAST)]);
    assert!(matches!(history.ops()[0].outcome, Outcome::Fail(_)));
    assert_eq!(history.ops()[0].process, 0);
}

#[test]
fn completions_go_before_new_invocations() {
    // Ten operations that are answered at once, all wanted at time 0, on two threads: each is
    // completed before the next begins, although a second thread is free.
    let history = run(2, "n1", &[(0, FAST); 10]);
    let overlapping = history.ops().windows(2).filter(|pair| !pair[0].precedes(&pair[1])).count();
    assert_eq!(overlapping, 0);
    assert_eq!(history.ops().len(), 10);
}
