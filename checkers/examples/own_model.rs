//! A model of your own, written as a struct, and a history checked against it.
//!
//! Run it with `cargo run -p schism-checkers --example own_model`. The object is a ticket
//! dispenser: each call takes the next number. Its Api says how calls look in a history; its model
//! says what a correct one answers, one call after the other. The rest is the general engine's.

use schism_checkers::linearizable::search;
use schism_checkers::linearizable::timed::{Answer, Timed};
use schism_checkers::linearizable::verify::is_linearization;
use schism_checkers::record::Recorder;
use schism_core::api::{Api, Asked, DecodeError, Payload};
use schism_core::form::Form;
use schism_core::history::History;
use schism_core::model::SequentialSpec;
use serde_json::Value;

/// The Api: one call, `take`, answered with a number.
#[derive(Clone, Debug, PartialEq)]
struct Tickets;

#[derive(Clone, Debug, PartialEq)]
struct Take;

impl Api for Tickets {
    const NAME: &'static str = "tickets";
    type Call = Take;
    type Reply = i64;

    fn encode_call(_: &Take) -> Payload {
        Payload::unkeyed("take", Value::Null)
    }

    fn encode_reply(_: &Take, reply: &i64) -> Value {
        Value::from(*reply)
    }

    fn decode_call(asked: &Asked<'_>) -> Result<Take, DecodeError> {
        match asked.f {
            "take" => Ok(Take),
            other => Err(DecodeError::unknown_f("tickets", &["take"], other)),
        }
    }

    fn decode_reply(_: &Take, value: Form<'_>) -> Result<i64, DecodeError> {
        value.int()
    }
}

/// The model: what a correct dispenser does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Dispenser {
    taken: i64,
}

impl SequentialSpec for Dispenser {
    type Api = Tickets;

    fn apply(&mut self, _: &Take) -> i64 {
        self.taken += 1;
        self.taken
    }
}

/// Two customers at once, then a third: these are the numbers that they got.
fn history(numbers: [i64; 3]) -> History<Tickets> {
    let recorder = Recorder::default();
    let [mut ann, mut bob, mut eve] = [(); 3].map(|()| recorder.session());
    ann.invoke(Take);
    bob.invoke(Take);
    bob.ok(numbers[1]);
    ann.ok(numbers[0]);
    eve.invoke(Take);
    eve.ok(numbers[2]);
    recorder.into_history()
}

fn decide(history: &History<Tickets>) -> Answer {
    let ops: Vec<Timed<'_, Tickets>> = history.ops().iter().filter_map(Timed::of).collect();
    let answer = search::decide::<Dispenser>(&ops, 1_000_000);
    if let Answer::Linearizable(order) = &answer {
        assert!(is_linearization::<Dispenser>(&ops, order), "the certificate holds");
    }
    answer
}

pub(crate) fn main() {
    // Ann and Bob overlap, so either may be first.
    let answer = decide(&history([1, 2, 3]));
    println!("1, 2, 3: {answer:?}");
    assert!(matches!(answer, Answer::Linearizable(_)));
    assert!(matches!(decide(&history([2, 1, 3])), Answer::Linearizable(_)));

    // Eve came after both; nobody can have number 3 before her.
    let answer = decide(&history([1, 3, 2]));
    println!("1, 3, 2: {answer:?}");
    assert_eq!(answer, Answer::Impossible);
    assert_eq!(decide(&history([1, 1, 2])), Answer::Impossible);
}
