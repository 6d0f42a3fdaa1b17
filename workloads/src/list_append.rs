//! List-append: transactions of one to four appends and reads over a few lists at a time.
//!
//! Every element is appended once, so a read shows which appends it has seen, and in which order. A
//! list takes a bounded number of appends and then makes room for a new one: lists stay short, and
//! dependencies dense. Some lists are chosen far more often than others. At the end every node is
//! asked for every list that was used.

use crate::common::{general, keys, modest, paced, read_back, some_ok};
use crate::used::{Used, noting};
use schism_checkers::list_append::ListAppend as ListAppendChecker;
use schism_core::api::Key;
use schism_core::api::list_append::{ListAppend as Api, Mop, Txn};
use schism_core::checker::Checker;
use schism_core::generator::{Gen, from_fn};
use schism_core::record::Coverage;
use schism_core::rng::Rng;
use schism_core::workload::{Params, Workload};

/// Transactions over lists.
#[derive(Clone, Debug, Default)]
pub struct ListAppend {
    lists: Used,
}

/// A list takes so many appends.
const APPENDS_PER_LIST: i64 = 64;
/// A transaction has at most so many micro-operations.
const LONGEST: usize = 4;

/// Where the transactions stand.
#[derive(Clone, Debug)]
struct Progress {
    elements: i64,
    /// The lists in use, each with how many appends it has taken.
    lists: Vec<(i64, i64)>,
    next_list: i64,
}

fn next_txn(progress: &mut Progress, rng: &mut Rng) -> Txn {
    let length = 1 + rng.below(LONGEST);
    (0..length)
        .map(|_| {
            // The square makes low positions likelier: some lists are hot.
            let skewed = rng.unit().powi(2) * progress.lists.len() as f64;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to keys")]
            let slot = (skewed as usize).min(progress.lists.len() - 1);
            let (list, appends) = &mut progress.lists[slot];
            let key = Key::Int(*list);
            if rng.chance(0.5) {
                return Mop::Read(key, None);
            }
            *appends += 1;
            progress.elements += 1;
            if *appends == APPENDS_PER_LIST {
                progress.lists[slot] = (progress.next_list, 0);
                progress.next_list += 1;
            }
            Mop::Append(key, progress.elements)
        })
        .collect()
}

fn list_of(mop: &Mop) -> Option<i64> {
    match mop {
        Mop::Append(Key::Int(list), _) | Mop::Read(Key::Int(list), _) => Some(*list),
        _ => None,
    }
}

/// A transaction for each list, which reads it.
fn reads(lists: &[i64]) -> Vec<Txn> {
    lists.iter().map(|list| vec![Mop::Read(Key::Int(*list), None)]).collect()
}

impl Workload for ListAppend {
    type Api = Api;

    fn name(&self) -> &'static str {
        "list-append"
    }

    fn about(&self) -> &'static str {
        "transactions that append to lists and read them; must be strict-serializable"
    }

    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Api> {
        let keys = keys(params);
        let start = Progress {
            elements: 0,
            lists: (0..keys).map(|list| (list, 0)).collect(),
            next_list: keys,
        };
        let calls =
            from_fn(rng.fork("calls"), start, |progress, rng, _, _| Some(next_txn(progress, rng)));
        let lists = self.lists.clone();
        let noted = noting(calls, move |txn: &Txn| {
            txn.iter().filter_map(list_of).for_each(|list| lists.note(list));
        });
        paced(noted, params, rng)
    }

    fn final_generator(&self, params: &Params, _: &Rng) -> Option<Gen<Api>> {
        Some(read_back(params, reads(&self.lists.all())))
    }

    fn checkers(&self, _: &Params) -> Vec<Box<dyn Checker<Api>>> {
        let mut checkers: Vec<Box<dyn Checker<Api>>> = vec![Box::new(ListAppendChecker::default())];
        checkers.extend(general());
        checkers
    }

    fn coverage(&self, params: &Params) -> Vec<Coverage> {
        vec![some_ok("txn", modest(params, 1.0))]
    }
}

#[cfg(test)]
mod tests;
