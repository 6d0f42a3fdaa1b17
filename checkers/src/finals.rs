//! The final reads: what is read back once everything has healed and recovered.
//!
//! In a run of ours they are the reads invoked in the final phase; a run that never reached it has
//! none, and nothing can be said of what it kept. A foreign history has no phases: there the reads
//! invoked after every update had ended count. Of each node the last of these reads is taken.
//!
//! A replica may lag. An acknowledged update that a final read lacks is therefore held against a
//! node only if it had had time to arrive: [`LAG`], or the run's recovery limit if that is shorter
//! (a foreign history has none, so there every read counts).

use crate::words::asked;
use schism_core::api::Api;
use schism_core::history::History;
use schism_core::op::Op;
use schism_core::record::RunFacts;
use schism_core::time::Nanos;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a replica may take to show what was acknowledged elsewhere.
pub(crate) const LAG: Duration = Duration::from_secs(1);

/// The last final read of each node, by the node's name (or the process, where none is known).
/// `is_read` picks reads, `is_update` what a read might miss. `O(n)`.
pub(crate) fn by_node<'h, A: Api>(
    history: &'h History<A>,
    run: &RunFacts,
    is_read: impl Fn(&A::Call) -> bool,
    is_update: impl Fn(&A::Call) -> bool,
) -> BTreeMap<String, &'h Op<A>> {
    let updates = history.ops().iter().filter(|op| is_update(&op.call));
    let quiet = updates
        .map(|op| op.completed.map_or(op.invoked.index, |stamp| stamp.index))
        .max()
        .map_or(0, |last| last + 1);
    let is_final = |op: &Op<A>| match run.final_phase_at {
        Some(at) => op.invoked.time >= at,
        None => run.nodes.is_empty() && op.invoked.index >= quiet,
    };
    let reads =
        history.ops().iter().filter(|op| op.reply().is_some() && is_read(&op.call) && is_final(op));
    // Operations come in the order of invocation, so the last one stays.
    reads.map(|op| (asked(op), op)).collect()
}

/// True if an update of `since` had time to arrive everywhere before a read of `read`.
pub(crate) fn had_time(run: &RunFacts, since: Nanos, read: Nanos) -> bool {
    read >= since + LAG.min(run.recovery_limit)
}
