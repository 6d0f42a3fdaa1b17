//! Reads, writes and compare-and-sets on a few registers at a time.
//!
//! Jepsen's shape: half of the threads only read, so that reads go on where writes block; the
//! others write and compare-and-set. Threads are told apart so that each node has both kinds; with
//! fewer than two threads a node every thread does both.
//!
//! A written value never comes again. A compare-and-set expects the value that was last seen on the
//! register, by whichever thread, so that it has a good chance and races with others of its kind.
//!
//! A register is used for about [`CALLS_PER_KEY`] calls and then left alone. The number varies, so
//! that registers don't all change at once.

use crate::used::Used;
use schism_core::api::Key;
use schism_core::api::register::{Call, Register, RegisterOp, Reply};
use schism_core::event::{Body, Event};
use schism_core::generator::{Act, Context, Emit, Gen, Generator, Next, Thread};
use schism_core::op::Outcome;
use schism_core::rng::Rng;

/// How many calls a key gets, give or take a tenth.
const CALLS_PER_KEY: usize = 300;

/// Calls for ever, on `keys` registers at a time; notes which it has used.
pub(super) fn traffic(nodes: usize, keys: i64, used: Used, rng: &Rng) -> Gen<Register> {
    let mut traffic = Traffic {
        nodes: nodes.max(1),
        slots: Vec::new(),
        next_key: 0,
        next_value: 1,
        used,
        rng: rng.fork("traffic"),
    };
    traffic.slots = (0..keys).map(|_| traffic.fresh_slot()).collect();
    Box::new(traffic)
}

struct Traffic {
    nodes: usize,
    slots: Vec<Slot>,
    next_key: i64,
    next_value: i64,
    used: Used,
    rng: Rng,
}

/// A register in use.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: i64,
    calls_left: usize,
    /// The value that was last seen there.
    seen: Option<i64>,
}

impl Traffic {
    fn fresh_slot(&mut self) -> Slot {
        let key = self.next_key;
        self.next_key += 1;
        let calls_left = CALLS_PER_KEY * 9 / 10 + self.rng.below(CALLS_PER_KEY / 5 + 1);
        Slot { key, calls_left, seen: None }
    }

    fn reads_only(&self, context: &Context<'_>, thread: Thread) -> Option<bool> {
        (context.clients() >= 2 * self.nodes).then_some((thread / self.nodes).is_multiple_of(2))
    }

    /// What comes next, on which thread and register. Draws from `rng`.
    fn choose(&self, context: &Context<'_>, rng: &mut Rng) -> Option<(Thread, usize, Call)> {
        let thread = context.some_free(rng.bits())?;
        let at = rng.below(self.slots.len());
        let slot = self.slots[at];
        let read = self.reads_only(context, thread).unwrap_or_else(|| rng.chance(0.5));
        let op = match slot.seen {
            _ if read => RegisterOp::Read,
            Some(old) if rng.chance(0.5) => RegisterOp::Cas(old, self.next_value),
            _ => RegisterOp::Write(self.next_value),
        };
        Some((thread, at, Call::keyed(slot.key, op)))
    }
}

impl Generator<Register> for Traffic {
    fn peek(&self, context: &Context<'_>) -> Next<Register> {
        match self.choose(context, &mut self.rng.clone()) {
            Some((thread, _, call)) => {
                Next::Op(Emit { time: context.time, thread, act: Act::Call(call) })
            }
            None => Next::Pending,
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Emit<Register> {
        let mut rng = self.rng.clone();
        let Some((thread, at, call)) = self.choose(context, &mut rng) else {
            unreachable!("take is called only where peek answers an operation")
        };
        self.rng = rng;
        self.used.note(self.slots[at].key);
        if call.op != RegisterOp::Read {
            self.next_value += 1;
        }
        self.slots[at].calls_left -= 1;
        if self.slots[at].calls_left == 0 {
            self.slots[at] = self.fresh_slot();
        }
        Emit { time: context.time, thread, act: Act::Call(call) }
    }

    fn update(&mut self, _: &Context<'_>, _: Thread, event: &Event<Register>) {
        let Body::Complete { call, outcome: Outcome::Ok(reply), .. } = &event.body else { return };
        let Some(Key::Int(key)) = call.key else { return };
        let seen = match (call.op, reply) {
            (_, Reply::Read(value)) => *value,
            (RegisterOp::Write(value) | RegisterOp::Cas(_, value), Reply::Written) => Some(value),
            (RegisterOp::Read, Reply::Written) => return,
        };
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.key == key) {
            slot.seen = seen;
        }
    }
}
