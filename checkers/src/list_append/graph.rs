//! The dependencies between transactions.

use super::reads::Read;
use super::{Consistency, Lists, Txn};
use petgraph::graph::{DiGraph, NodeIndex};
use schism_core::api::Key;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why<'h> {
    /// Its append comes earlier in the list; `None` before: nobody read the later append.
    Ww { key: &'h Key, first: i64, second: i64 },
    /// Its append was read.
    Wr { key: &'h Key, element: i64 },
    /// It did not see the other's append.
    Rw { key: &'h Key, element: i64 },
    /// The same process did it before.
    Process,
    /// It had ended before the other began.
    Realtime,
}

/// One dependency, between transactions by position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<'h> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) why: Why<'h>,
}

pub(super) type Graph<'h> = DiGraph<(), Edge<'h>>;

/// All dependencies. Node i is transaction i.
pub(super) fn build<'h>(
    txns: &[Txn<'h>],
    lists: &Lists<'h>,
    reads: &[Read<'h>],
    consistency: Consistency,
) -> Graph<'h> {
    let mut edges = Edges::default();
    for (key, list) in lists.iter().filter(|(_, list)| !list.contradictory) {
        let writer = |element: &i64| list.writers.get(element).map(|(txn, _)| *txn);
        for pair in list.order.windows(2) {
            if let [first, second] = *pair
                && let (Some(from), Some(to)) = (writer(&first), writer(&second))
            {
                edges.add(from, to, Why::Ww { key, first, second });
            }
        }
        if let Some(last) = list.order.last()
            && let Some(from) = writer(last)
        {
            for (to, element) in &list.unread {
                edges.add(from, *to, Why::Ww { key, first: *last, second: *element });
            }
        }
    }
    for read in reads {
        let Some(list) = lists.get(read.key).filter(|list| !list.contradictory) else { continue };
        let writer = |element: &i64| list.writers.get(element).map(|(txn, _)| *txn);
        let key = read.key;
        if let Some(element) = read.external().last()
            && let Some(from) = writer(element)
        {
            edges.add(from, read.txn, Why::Wr { key, element: *element });
        }
        match list.order.get(read.before) {
            Some(element) => {
                if let Some(to) = writer(element) {
                    edges.add(read.txn, to, Why::Rw { key, element: *element });
                }
            }
            None => {
                for (to, element) in &list.unread {
                    edges.add(read.txn, *to, Why::Rw { key, element: *element });
                }
            }
        }
    }
    if consistency == Consistency::StrictSerializable {
        processes(txns, &mut edges);
        real_time(txns, &mut edges);
    }
    edges.into_graph(txns.len())
}

/// Edges without repetition.
#[derive(Default)]
struct Edges<'h>(BTreeSet<(usize, usize, Why<'h>)>);

impl<'h> Edges<'h> {
    fn add(&mut self, from: usize, to: usize, why: Why<'h>) {
        if from != to {
            self.0.insert((from, to, why));
        }
    }

    fn into_graph(self, nodes: usize) -> Graph<'h> {
        let mut graph = Graph::with_capacity(nodes, self.0.len());
        (0..nodes).for_each(|_| {
            graph.add_node(());
        });
        for (from, to, why) in self.0 {
            graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), Edge { from, to, why });
        }
        graph
    }
}

fn processes(txns: &[Txn<'_>], edges: &mut Edges<'_>) {
    let mut last: HashMap<u64, usize> = HashMap::new();
    for (position, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.committed) {
        if let Some(before) = last.insert(txn.op.process, position)
            && txns[before].op.precedes(txn.op)
        {
            edges.add(before, position, Why::Process);
        }
    }
}

/// Enough edges that "had ended before the other began" is their transitive closure: from the
/// transactions that had ended by then, without those that are before another of these.
fn real_time(txns: &[Txn<'_>], edges: &mut Edges<'_>) {
    let mut events: BTreeMap<u64, (usize, bool)> = BTreeMap::new();
    for (position, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.committed) {
        events.insert(txn.op.invoked.index, (position, false));
        if let Some(returned) = txn.op.returned() {
            events.insert(returned, (position, true));
        }
    }
    let mut ended: BTreeSet<usize> = BTreeSet::new();
    let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
    for (position, is_return) in events.into_values() {
        if is_return {
            for earlier in before.remove(&position).unwrap_or_default() {
                ended.remove(&earlier);
            }
            ended.insert(position);
        } else {
            for earlier in &ended {
                edges.add(*earlier, position, Why::Realtime);
            }
            before.insert(position, ended.iter().copied().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Edges, Why, real_time};
    use crate::build::{NEVER, cases, history, info, ok, spans};
    use crate::list_append::transactions;
    use proptest::prelude::*;
    use schism_core::api::Key;
    use schism_core::api::list_append::{ListAppend, Mop};
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(cases())]

        /// The edges are few, and their transitive closure is all of real time.
        #[test]
        fn real_time_follows_from_its_edges(
            spans in spans(1..12),
            open in prop::collection::vec(prop::bool::weighted(0.1), 12),
        ) {
            let append = |at: usize| {
                vec![Mop::Append(Key::Int(1), i64::try_from(at).unwrap_or_default())]
            };
            let ops = spans.into_iter().zip(open).enumerate().map(|(at, (span, open))| {
                if open {
                    info::<ListAppend>("n1", span.start..NEVER, append(at))
                } else {
                    ok("n1", span, append(at), append(at))
                }
            });
            let history = history(ops);
            let mut txns = transactions(&history);
            for txn in &mut txns {
                txn.committed = true;
            }
            let mut edges = Edges::default();
            real_time(&txns, &mut edges);
            let mut before: BTreeSet<(usize, usize)> =
                edges.0.iter().map(|(from, to, _)| (*from, *to)).collect();
            prop_assert!(edges.0.iter().all(|(_, _, why)| *why == Why::Realtime));
            for middle in 0..txns.len() {
                for from in 0..txns.len() {
                    for to in 0..txns.len() {
                        if before.contains(&(from, middle)) && before.contains(&(middle, to)) {
                            before.insert((from, to));
                        }
                    }
                }
            }
            for (from, earlier) in txns.iter().enumerate() {
                for (to, later) in txns.iter().enumerate() {
                    prop_assert_eq!(before.contains(&(from, to)), earlier.op.precedes(later.op));
                }
            }
        }
    }
}
