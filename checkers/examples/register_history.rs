//! Records what threads do with a register, and checks that it was linearizable.
//!
//! Run it with `cargo run -p schism-checkers --example register_history`. Two stores are tried: one
//! behind a lock, and one whose readers keep a copy that is refreshed only now and then. In a test
//! of your own the store is the system under test, and the last line is the assertion.

use schism_checkers::linearizable::Linearizable;
use schism_checkers::record::{Recorder, Session};
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::checker::{Checker, Finding};
use schism_core::limits::Limits;
use schism_core::record::RunFacts;
use schism_core::verdict::Verdict;
use std::sync::Mutex;
use std::thread;

/// What a store must be able to do.
trait Store: Sync {
    fn write(&self, value: i64);
    fn read(&self) -> Option<i64>;
}

/// One value, one lock.
#[derive(Default)]
struct Locked(Mutex<Option<i64>>);

impl Store for Locked {
    fn write(&self, value: i64) {
        *self.0.lock().expect("nobody panics with the lock") = Some(value);
    }

    fn read(&self) -> Option<i64> {
        *self.0.lock().expect("nobody panics with the lock")
    }
}

/// Readers see a replica, which follows only every tenth write.
#[derive(Default)]
struct Replicated {
    leader: Mutex<(u64, Option<i64>)>,
    replica: Mutex<Option<i64>>,
}

impl Store for Replicated {
    fn write(&self, value: i64) {
        let mut leader = self.leader.lock().expect("nobody panics with the lock");
        *leader = (leader.0 + 1, Some(value));
        if leader.0.is_multiple_of(10) {
            *self.replica.lock().expect("nobody panics with the lock") = Some(value);
        }
    }

    fn read(&self) -> Option<i64> {
        *self.replica.lock().expect("nobody panics with the lock")
    }
}

/// Twenty operations of one thread; every value is written once, so that reads are telling.
fn work(store: &impl Store, session: &mut Session<'_, Register>, thread: i64) {
    for step in 0..10 {
        let value = thread * 1000 + step;
        session.invoke(Call::unkeyed(RegisterOp::Write(value)));
        store.write(value);
        session.ok(Reply::Written);
        session.invoke(Call::unkeyed(RegisterOp::Read));
        session.ok(Reply::Read(store.read()));
    }
}

fn judge(store: &impl Store) -> Finding {
    let recorder = Recorder::default();
    thread::scope(|threads| {
        for thread in 0..4 {
            let mut session = recorder.session();
            threads.spawn(move || work(store, &mut session, thread));
        }
    });
    let history = recorder.into_history();
    Linearizable::default().check(&history, &RunFacts::default(), &Limits::default())
}

pub(crate) fn main() {
    let finding = judge(&Locked::default());
    println!("behind a lock: {}", finding.summary);
    assert_eq!(finding.verdict, Verdict::Valid);

    let finding = judge(&Replicated::default());
    println!("from a replica: {}", finding.summary);
    for anomaly in finding.verdict.anomalies() {
        println!("  {}: {}", anomaly.kind, anomaly.summary);
        for step in &anomaly.because {
            println!("  - {step}");
        }
    }
    assert_ne!(finding.verdict, Verdict::Valid);
}
