//! What clients do: one workload a file, and the list of them.
//!
//! A workload says what is asked, at its own pace, what is read back at the end, from every node,
//! and which checkers judge it. It knows the cluster only as
//! [`Params`](schism_core::workload::Params), and all chance comes from the generator of the run's
//! seed that it is handed. The runner adds the time limit and the nemesis.
//!
//! Some remember what their generator has used, such as which keys, so that their final generator
//! can ask for exactly that: both have to come from the same value, or a clone of it.
//!
//! ```
//! use schism_core::workload::Workload;
//! assert_eq!(schism_workloads::Register::default().name(), "register");
//! assert!(schism_workloads::list().iter().any(|(name, _)| *name == "list-append"));
//! ```

mod common;
mod consensus;
mod coordinated_attack;
mod leader_election;
mod learn;
mod list_append;
mod register;
mod rounds;
mod set;
mod total_order;
mod used;

#[cfg(test)]
mod testing;

pub use consensus::Consensus;
pub use coordinated_attack::CoordinatedAttack;
pub use leader_election::LeaderElection;
pub use list_append::ListAppend;
pub use register::Register;
pub use set::Set;
pub use total_order::TotalOrder;

use schism_core::workload::Workload;

/// Every workload: its name, and what it is about in one line.
pub fn list() -> Vec<(&'static str, &'static str)> {
    vec![
        entry::<Register>(),
        entry::<Set>(),
        entry::<ListAppend>(),
        entry::<TotalOrder>(),
        entry::<Consensus>(),
        entry::<LeaderElection<false>>(),
        entry::<CoordinatedAttack>(),
    ]
}

fn entry<W: Workload + Default>() -> (&'static str, &'static str) {
    let workload = W::default();
    (workload.name(), workload.about())
}

#[cfg(test)]
mod tests {
    use crate::testing::{calls, params};
    use schism_core::workload::Workload;
    use std::collections::BTreeSet;

    fn one_seed_is_one_run<W: Workload + Default>() {
        let of_seed = |seed| calls(&W::default(), &params(), seed);
        assert!(of_seed(5).len() > 100);
        assert_eq!(of_seed(5), of_seed(5), "{}", W::default().name());
    }

    #[test]
    fn one_seed_is_one_run_of_every_workload() {
        one_seed_is_one_run::<super::Register>();
        one_seed_is_one_run::<super::Set>();
        one_seed_is_one_run::<super::ListAppend>();
        one_seed_is_one_run::<super::TotalOrder>();
        one_seed_is_one_run::<super::Consensus>();
        one_seed_is_one_run::<super::LeaderElection<false>>();
        one_seed_is_one_run::<super::CoordinatedAttack>();
    }

    #[test]
    fn names_differ_and_every_line_says_something() {
        let list = super::list();
        let names: BTreeSet<&str> = list.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), list.len());
        assert!(list.iter().all(|(_, about)| (10..=80).contains(&about.len())));
    }
}
