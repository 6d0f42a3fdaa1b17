//! `reorder`: packets overtake each other, each late by a random time up to the one given.
//!
//! Datagrams arrive in another order; TCP puts its bytes right again, but messages on *different*
//! connections overtake each other all the same, and that is what a protocol sees.

use super::value::millis;
use super::{LinkFault, name};
use crate::kind::{Family, FaultKind, Given};
use crate::spec::FaultSpecError;
use crate::target::ALL_FIRST;
use schism_core::fault::{Fault, LinkShape};

const EXPECTED: &str = "the greatest delay, up to 60s, such as 80ms";

pub(crate) const KIND: FaultKind = FaultKind {
    name: "reorder",
    about: "packets overtake each other, each up to 100 ms late unless a time is given",
    family: Family::Link,
    value: Some(EXPECTED),
    targets: &ALL_FIRST,
    examples: &["reorder", "reorder=400ms:follower"],
    build,
};

fn build(given: Given<'_>) -> Result<Box<dyn Fault>, FaultSpecError> {
    let (name, latest) = match given.value {
        None => (name(KIND.name, None), 100.0),
        Some(value) => {
            let latest = millis(value).ok_or_else(|| FaultSpecError::BadValue {
                fault: KIND.name,
                given: value.to_owned(),
                expected: EXPECTED,
            })?;
            (name(KIND.name, Some(&format!("{latest}ms"))), latest)
        }
    };
    let shape =
        LinkShape { delay_ms: latest / 2.0, jitter_ms: latest / 2.0, ..LinkShape::default() };
    Ok(Box::new(LinkFault { name, shape, target: given.target }))
}
