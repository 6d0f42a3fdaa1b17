//! What clients do: one workload a file, and the list of them.
//!
//! A workload says what is asked, at its own pace, what is read back at the end, from every node,
//! and which checkers judge it. It knows the cluster only as [`Params`](schism_core::workload::Params),
//! and all chance comes from the generator of the run's seed that it is handed. The runner adds the
//! time limit and the nemesis.
//!
//! ```
//! use schism_core::workload::Workload;
//! assert_eq!(schism_workloads::Register.name(), "register");
//! ```

mod common;
mod coordinated_attack;
mod consensus;
mod leader_election;
mod list_append;
mod register;
mod rounds;
mod set;
mod total_order;

pub use consensus::Consensus;
pub use coordinated_attack::CoordinatedAttack;
pub use leader_election::LeaderElection;
pub use list_append::ListAppend;
pub use register::Register;
pub use set::Set;
pub use total_order::TotalOrder;
