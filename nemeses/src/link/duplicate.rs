//! `duplicate`: some packets arrive twice. TCP drops the second; a protocol on datagrams sees both.

use super::value::{percent, share};
use super::{LinkFault, name};
use crate::kind::{Family, FaultKind, Given};
use crate::spec::FaultSpecError;
use crate::target::ALL_FIRST;
use schism_core::fault::{Fault, LinkShape};

const EXPECTED: &str = "a share of the packets, such as 30%";

pub(crate) const KIND: FaultKind = FaultKind {
    name: "duplicate",
    about: "20 % of packets arrive twice, unless a share is given",
    family: Family::Link,
    value: Some(EXPECTED),
    targets: &ALL_FIRST,
    examples: &["duplicate", "duplicate=30%", "duplicate=5%:one"],
    build,
};

fn build(given: Given<'_>) -> Result<Box<dyn Fault>, FaultSpecError> {
    let (name, duplicate) = match given.value {
        None => (name(KIND.name, None), 0.2),
        Some(value) => {
            let share = share(value).ok_or_else(|| FaultSpecError::BadValue {
                fault: KIND.name,
                given: value.to_owned(),
                expected: EXPECTED,
            })?;
            (name(KIND.name, Some(&percent(share))), share)
        }
    };
    let shape = LinkShape { duplicate, ..LinkShape::default() };
    Ok(Box::new(LinkFault { name, shape, target: given.target }))
}
