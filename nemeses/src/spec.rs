//! How a fault is written: `NAME[=VALUE][:TARGET]`, read strictly.

use crate::catalogue;
use crate::kind::{FaultKind, Given};
use crate::nearest::nearest;
use crate::packages;
use crate::partition::explicit;
use crate::target::Target;
use schism_core::fault::Fault;
use std::fmt;

/// Why a fault can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultSpecError {
    /// There is no such fault.
    UnknownFault {
        /// What was written.
        given: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// The fault has no such target.
    BadTarget {
        /// The fault.
        fault: &'static str,
        /// What was written.
        given: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// The fault takes no target.
    NoTarget {
        /// The fault.
        fault: &'static str,
        /// What was written.
        given: String,
    },
    /// The value can't be read, or is missing.
    BadValue {
        /// The fault.
        fault: &'static str,
        /// What was written.
        given: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// The fault takes no value.
    NoValue {
        /// The fault.
        fault: &'static str,
        /// What was written.
        given: String,
    },
    /// The cluster has no such node or role.
    UnknownNode {
        /// The fault, as written.
        fault: String,
        /// The name.
        given: String,
        /// The names that would do.
        known: Vec<String>,
    },
    /// `none` stands beside other faults.
    NoneAndMore,
}

impl fmt::Display for FaultSpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did_you_mean = |nearest: Option<&str>| {
            nearest.map_or_else(String::new, |word| format!(" Did you mean `{word}`?"))
        };
        match self {
            Self::UnknownFault { given, nearest } => {
                let names: Vec<&str> = catalogue().iter().map(|kind| kind.name).collect();
                let packages: Vec<&str> =
                    packages::PACKAGES.iter().map(|package| package.name).collect();
                write!(
                    f,
                    "there is no fault `{given}`.{} The faults are {}; in one word: {} or none",
                    did_you_mean(*nearest),
                    names.join(", "),
                    packages.join(", "),
                )
            }
            Self::BadTarget { fault, given, nearest } => write!(
                f,
                "{fault} has no target `{given}`.{} Targets are {}, node names joined with `+`, \
                 or a role",
                did_you_mean(*nearest),
                crate::target::ONE_FIRST.join(", "),
            ),
            Self::NoTarget { fault, given } => {
                write!(f, "{fault} takes no target, but got `:{given}`")
            }
            Self::BadValue { fault, given, expected } => {
                write!(f, "{fault}: expected after `=` {expected}; found `{given}`")
            }
            Self::NoValue { fault, given } => {
                write!(f, "{fault} takes no value, but got `={given}`")
            }
            Self::UnknownNode { fault, given, known } => write!(
                f,
                "{fault} names `{given}`, but the nodes and roles are {}",
                known.join(", ")
            ),
            Self::NoneAndMore => f.write_str("`none` can't stand beside other faults"),
        }
    }
}

impl std::error::Error for FaultSpecError {}

/// Reads one fault.
///
/// The names of nodes and roles are not checked, since the cluster isn't known here: see
/// [`check_nodes`].
pub fn parse(spec: &str) -> Result<Box<dyn Fault>, FaultSpecError> {
    let (kind, given) = read(spec)?;
    (kind.build)(given)
}

/// The kind of a fault that can be read.
pub fn kind(spec: &str) -> Result<&'static FaultKind, FaultSpecError> {
    read(spec).map(|(kind, _)| kind)
}

/// Are all nodes and roles that this fault names among `known`?
pub fn check_nodes(spec: &str, known: &[&str]) -> Result<(), FaultSpecError> {
    let (kind, given) = read(spec)?;
    let mut names = given.target.names().to_vec();
    if kind.name == explicit::KIND.name {
        names.extend(explicit::groups(given.value.unwrap_or_default())?.into_iter().flatten());
    }
    match names.into_iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(given) => Err(FaultSpecError::UnknownNode {
            fault: spec.to_owned(),
            given,
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        }),
    }
}

fn read(spec: &str) -> Result<(&'static FaultKind, Given<'_>), FaultSpecError> {
    let name_end = spec.find(['=', ':']).unwrap_or(spec.len());
    let (name, rest) = spec.split_at(name_end);
    let Some(kind) = catalogue().iter().find(|kind| kind.name == name) else {
        let names = catalogue().iter().map(|kind| kind.name);
        let packages = packages::PACKAGES.iter().map(|package| package.name);
        return Err(FaultSpecError::UnknownFault {
            given: name.to_owned(),
            nearest: nearest(name, names.chain(packages).chain(["none"])),
        });
    };
    let (value, target) = match rest.strip_prefix('=') {
        Some(value) => match value.split_once(':') {
            Some((value, target)) => (Some(value), Some(target)),
            None => (Some(value), None),
        },
        None => (None, rest.strip_prefix(':')),
    };
    if let (None, Some(value)) = (kind.value, value) {
        return Err(FaultSpecError::NoValue { fault: kind.name, given: value.to_owned() });
    }
    let text = match (kind.targets.first(), target) {
        (None, Some(given)) => {
            return Err(FaultSpecError::NoTarget { fault: kind.name, given: given.to_owned() });
        }
        (default, given) => given.or(default.copied()).unwrap_or("all"),
    };
    let target = Target::parse(text).map_err(|bad| FaultSpecError::BadTarget {
        fault: kind.name,
        given: text.to_owned(),
        nearest: bad.nearest,
    })?;
    Ok((kind, Given { value, target }))
}
