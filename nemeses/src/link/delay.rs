//! `delay`: packets come late, by a fixed time or, with `±`, by one that varies.

use super::value::millis;
use super::{LinkFault, name};
use crate::kind::{Family, FaultKind, Given};
use crate::spec::FaultSpecError;
use crate::target::ALL_FIRST;
use schism_core::fault::{Fault, LinkShape};

const EXPECTED: &str =
    "a time up to 60s, such as 250ms, with at most as much after ± (or +-), such as 50ms±40ms";

pub(crate) const KIND: FaultKind = FaultKind {
    name: "delay",
    about: "packets come late, by 100 ms ± 10 ms unless a time is given",
    family: Family::Link,
    value: Some(EXPECTED),
    targets: &ALL_FIRST,
    examples: &["delay", "delay=250ms", "delay=50ms±40ms:leader"],
    build,
};

fn build(given: Given<'_>) -> Result<Box<dyn Fault>, FaultSpecError> {
    let (name, delay_ms, jitter_ms) = match given.value {
        None => (name(KIND.name, None), 100.0, 10.0),
        Some(value) => {
            let (delay, jitter) = read(value).ok_or_else(|| FaultSpecError::BadValue {
                fault: KIND.name,
                given: value.to_owned(),
                expected: EXPECTED,
            })?;
            let text = match jitter {
                0.0 => format!("{delay}ms"),
                _ => format!("{delay}ms±{jitter}ms"),
            };
            (name(KIND.name, Some(&text)), delay, jitter)
        }
    };
    let shape = LinkShape { delay_ms, jitter_ms, ..LinkShape::default() };
    Ok(Box::new(LinkFault { name, shape, target: given.target }))
}

fn read(value: &str) -> Option<(f64, f64)> {
    let Some((delay, jitter)) = value.split_once('±').or_else(|| value.split_once("+-")) else {
        return Some((millis(value)?, 0.0));
    };
    let (delay, jitter) = (millis(delay)?, millis(jitter)?);
    (jitter <= delay).then_some((delay, jitter))
}
