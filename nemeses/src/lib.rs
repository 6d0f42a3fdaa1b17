//! What breaks the cluster: faults as plans, when they happen, and how packets are shaped.
//!
//! Planning is pure: a [`Fault`] reads a [`ClusterView`](schism_core::fault::ClusterView), draws
//! from the run's chance and answers with data. Nothing here reaches a node; [`rules`] renders the
//! commands that the harness executes there, and [`shaper`] is the one exception that meets the
//! real world, because the harness runs it as a process inside a node's network namespace.
//!
//! A fault is written `NAME[=VALUE][:TARGET]`, such as `partition-leader`, `kill:minority` or
//! `delay=50ms±40ms:n2+n3`. Each lives in a file of its own, and [`catalogue`] lists them all.
//!
//! ```
//! let fault = schism_nemeses::parse("kill:folower").err().unwrap().to_string();
//! assert!(fault.contains("Did you mean `follower`?"), "{fault}");
//! assert_eq!(schism_nemeses::parse("pause")?.name(), "pause:one");
//! assert_eq!(schism_nemeses::expand("kill,partition=n1,n2|n3")?, ["kill:one",
//! "partition=n1+n2/n3"]);
//! # Ok::<(), schism_nemeses::FaultSpecError>(())
//! ```
//!
//! Random targets are drawn from the nodes that are up and have no role of their own, and leave a
//! majority of all nodes standing, counting those that are down already. `majority`, `all` and
//! names are the user's explicit wish, and take what they say.
//!
//! What it refuses: faults that can't be undone.

pub mod kind;
mod link;
mod nearest;
pub mod packages;
mod partition;
mod process;
pub mod rules;
pub mod schedule;
pub mod script;
pub mod shaper;
pub mod spec;
mod target;
mod view;
mod words;

pub use kind::{Family, FaultKind};
pub use packages::expand;
pub use schedule::schedule;
pub use schism_core::fault::Fault;
pub use script::script;
pub use spec::{FaultSpecError, check_nodes, parse};

/// Every fault there is: one file and one line each.
static CATALOGUE: [FaultKind; 16] = [
    partition::one::KIND,
    partition::halves::KIND,
    partition::majority::KIND,
    partition::leader::KIND,
    partition::primary::KIND,
    partition::ring::KIND,
    partition::bridge::KIND,
    partition::one_way::KIND,
    partition::monitor::KIND,
    partition::explicit::KIND,
    link::delay::KIND,
    link::loss::KIND,
    link::reorder::KIND,
    link::duplicate::KIND,
    process::kill::KIND,
    process::pause::KIND,
];

/// Every fault there is, in the order in which people should read about them.
pub fn catalogue() -> &'static [FaultKind] {
    &CATALOGUE
}
