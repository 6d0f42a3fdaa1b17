//! What can be said of a kind of fault before one is planned.

use crate::spec::FaultSpecError;
use crate::target::Target;
use schism_core::fault::Fault;

/// What a fault works on. Two faults that overlap come from different families: two partitions at
/// once are hard to read, and of two shapes on one link only the newer acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Who hears whom.
    Partition,
    /// How packets travel.
    Link,
    /// Whether a process runs.
    Process,
}

/// One kind of fault, as `schism list faults` shows it.
#[derive(Debug)]
pub struct FaultKind {
    /// How it is written, such as `partition-leader`.
    pub name: &'static str,
    /// One line for a person.
    pub about: &'static str,
    /// What it works on.
    pub family: Family,
    /// What may follow `=`, in words; `None` if nothing may.
    pub value: Option<&'static str>,
    /// What may follow `:`, besides node names and roles; the first is the default. Empty if
    /// nothing may.
    pub targets: &'static [&'static str],
    /// Ways to write it.
    pub examples: &'static [&'static str],
    /// Makes it from its value and target.
    pub(crate) build: fn(Given<'_>) -> Result<Box<dyn Fault>, FaultSpecError>,
}

/// What the user gave to a kind: `target` is there if the kind takes one.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    /// What followed `=`.
    pub(crate) value: Option<&'a str>,
    /// What followed `:`, or the default; [`Target::All`] for kinds without targets.
    pub(crate) target: Target,
}
