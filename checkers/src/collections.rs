//! Collections with distinct elements: what FIFO queues, unordered queues, stacks and priority
//! queues have in common.
//!
//! Sources: Bouajjani, Emmi, Enea and Hamza, "On reducing linearizability to state reachability"
//! (2015), who decide by patterns of a few operations; Lee and Mathur, "Efficient decision
//! procedures for linearizability monitoring of collection types" (2024), who show that distinct
//! elements make it log-linear; Gibbons, Bruno and Phillips, "Black-box correctness tests for basic
//! parallel data structures" (1999), for priority queues. Operations of unknown fate and removals
//! that find nothing are added here.
//!
//! *Gaps.* Everything is reckoned in ranks of events and in *gaps*: gap g is the moment after event
//! g. An operation takes effect in a gap from its invocation's rank on, and before its return's.
//! For an element, let es, ee, ds and de be invocation and return of its insertion and of its
//! removal. It is *certainly in* during [ee, ds), if that isn't empty.
//!
//! *What can be left out.* Each of the four, without an element's insertion and removal, is as
//! correct as before. So an insertion of unknown fate whose element nobody removed is left out.
//!
//! *Removals that found nothing* ("empties"). Suppose that the elements by themselves are
//! linearizable, and that every empty has a gap within its span at which no element is certainly
//! in. Then the whole is linearizable, and not otherwise: put each empty into such a gap. The gaps
//! cut time into segments, and each element can have both its operations in one of them: it has to
//! be after the gaps before max(es, ds), and before those from min(ee, de) on, and none is both.
//! The elements of a segment are linearizable, as they are a part of the whole, and cutting their
//! spans at the segment's ends makes no operation precede another that it did not precede before.
//!
//! *Removals of unknown fate* may each have removed an element that is *open*: inserted, and
//! removed by nobody else. That such a removal began early can only help. So each open element gets
//! a *deadline*, before which it has to be removed so that all else can be right, and removals are
//! dealt out earliest first, earliest deadline first. For the queues these deadlines are exact; see
//! there. For stacks and priority queues they are a good guess: what it yields is an order that is
//! verified, so that it may be believed. If none is found, each open element gets a removal of its
//! own that begins with the earliest; if not even then there is an order, there is none. Nor is
//! there one if too few removals began for a removal that found nothing, as every collection is an
//! unordered queue. In the few cases between, the general engine decides, within its budget.
//!
//! *Elements that were inserted twice* make the problem NP-complete. It is tried whether the first
//! of equal elements to be put in can have been the first to be taken out; if that yields no order,
//! the general engine decides. (An insertion that was tried again because its fate was unknown is
//! no second one, if nobody took the element out.)
//!
//! *Certificates.* An order is replayed by a machine of its own ([`machine`]), a violation is
//! shrunk to a few operations that the general engine has to find impossible too.
//!
//! Kinds: `unexpected` (removed, but nobody had inserted it), `duplicated` (removed more often than
//! inserted), `false-empty` (nothing was found while something was in all the time), `out-of-order`
//! (queues, stacks), `priority-inversion`, and `not-linearizable` where only the engine knows.
//!
//! `O(n log n)` where the engine isn't needed.

pub(crate) mod gaps;
mod least;
pub(crate) mod machine;
pub(crate) mod parts;
mod sequence;
mod shrink;
pub(crate) mod states;
mod words;

use crate::linearizable::timed::{NEVER, Timed};
use crate::objects::{self, Decided, Object, PLEASE_REPORT, Ruling};
use crate::words::count;
use machine::Machine;
use parts::{Fate, Parts, Shape};
use schism_core::api::Api;
use schism_core::api::collection::{Call, Reply};
use schism_core::limits::Limits;
use schism_core::model::Model;

pub(crate) use least::SuffixLeast;
pub(crate) use sequence::Sequence;
pub(crate) use words::did;

/// An order: operations by position, each with what it answered or, where that isn't known, would
/// have.
pub(crate) type Order = Vec<(usize, Reply)>;

/// Why the elements can't be put into an order: those among which the reason is to be found.
#[derive(Debug)]
pub(crate) struct Conflict {
    /// Positions in [`Parts::items`].
    pub(crate) items: Vec<usize>,
    /// Positions in [`Parts::empties`].
    pub(crate) empties: Vec<usize>,
}

/// A rule by which a collection picks what it hands out.
pub(crate) trait Discipline {
    /// The collection's calls.
    type Api: Api<Call = Call, Reply = Reply>;
    /// Its states for the general engine.
    type State: Model<Api = Self::Api>;
    /// What replays a certificate.
    type Machine: Machine;
    /// The kind of a violation of the rule itself.
    const BROKEN: &'static str;
    /// Are the deadlines exact?
    const EXACT: bool;

    /// The rank of the event before which an open element has to be removed, for each element;
    /// `u32::MAX` if it may stay.
    fn deadlines(parts: &Parts) -> Vec<u32>;

    /// Finds an order of parts in which every removal has its element. Exact.
    fn arrange(parts: &Parts) -> Result<Order, Conflict>;

    /// The violation of the rule by these operations in one sentence.
    fn broken(parts: &Parts, conflict: &Conflict) -> String;
}

/// Decides one collection.
pub(crate) fn decide<'h, D: Discipline>(
    object: &Object<'h, D::Api>,
    limits: &Limits,
) -> Decided<'h, D::Api> {
    let by = "intervals";
    let (parts, is_guess) = match parts::of(object) {
        Shape::Distinct(parts) => (parts, false),
        Shape::Repeated(Some(parts)) => (parts, true),
        Shape::Repeated(None) => return by_engine::<D>(&object.ops, limits),
        Shape::Wrong(violation) => return Decided::new(by, Ruling::Violated(violation)),
    };
    if let Some(limit) = limits.exceeded() {
        return Decided::new(by, Ruling::Open(format!("not decided within {limit}")));
    }
    let dealt = deal::<D>(&parts);
    let order = dealt.as_ref().and_then(|dealt| D::arrange(dealt).ok());
    match order.map(|order| machine::replays::<D::Machine, _>(&object.ops, &order)) {
        Some(true) => return Decided::new(by, Ruling::Linearizable),
        _ if is_guess => return by_engine::<D>(&object.ops, limits),
        Some(false) => return Decided::new(by, Ruling::Open(PLEASE_REPORT.to_owned())),
        None => {}
    }
    if let Some(limit) = limits.exceeded() {
        return Decided::new(by, Ruling::Open(format!("not decided within {limit}")));
    }
    let generous = parts.with_removals_for_all();
    let ruling = match D::arrange(&generous) {
        Err(conflict) => accuse::<D>(object, &generous, conflict, limits),
        Ok(_) => match shortage::<D>(&parts) {
            Some(conflict) => accuse_all::<D>(object, &parts, &conflict),
            None => return by_engine::<D>(&object.ops, limits),
        },
    };
    Decided::new(by, ruling)
}

fn by_engine<'h, D: Discipline>(ops: &[Timed<'h, D::Api>], limits: &Limits) -> Decided<'h, D::Api> {
    objects::by_search::<D::State>(ops, limits, |op| did(&op.call, op.reply()))
}

/// Gives removals of unknown fate to open elements. `None` if there are too few in time.
fn deal<D: Discipline>(parts: &Parts) -> Option<Parts> {
    if parts.crashed.is_empty() || parts.open().next().is_none() {
        return Some(parts.clone());
    }
    let mut deadlines = D::deadlines(parts);
    let cover = gaps::Cover::of_closed(parts);
    let moments = cover.moments(parts)?;
    for item in parts.open() {
        // Of the gaps chosen for empties, the first in which it would be inside.
        let at = moments.partition_point(|gap| *gap < parts.items[item].ee);
        if let Some(gap) = moments.get(at) {
            deadlines[item] = deadlines[item].min(gap + 1);
        }
    }
    let mut due: Vec<usize> = parts.open().filter(|item| deadlines[*item] != u32::MAX).collect();
    due.sort_unstable_by_key(|item| deadlines[*item]);
    if due.len() > parts.crashed.len() {
        return None;
    }
    let mut dealt = parts.clone();
    for (item, (start, op)) in due.into_iter().zip(&parts.crashed) {
        if *start >= deadlines[item] {
            return None;
        }
        dealt.remove(item, Fate::Unknown(*op), *start);
    }
    Some(dealt)
}

/// Shrinks a conflict, checks it, and names it.
fn accuse<'h, D: Discipline>(
    object: &Object<'h, D::Api>,
    parts: &Parts,
    conflict: Conflict,
    limits: &Limits,
) -> Ruling<'h, D::Api> {
    let conflict = shrink::shrink::<D>(parts, conflict, limits);
    let mut core = parts.ops_of(&conflict);
    if objects::core_is_impossible::<D::State>(&object.ops, &core) == Some(false) {
        return Ruling::Open(PLEASE_REPORT.to_owned());
    }
    core.retain(|position| object.ops[*position].end != NEVER || parts.is_insertion(*position));
    let empty = conflict.empties.first();
    let (kind, summary) = match empty {
        Some(empty) => ("false-empty", words::false_empty(object, parts, *empty)),
        None => (D::BROKEN, D::broken(parts, &conflict)),
    };
    Ruling::Violated(words::violation(object, kind, summary, &core))
}

/// Too few removals of unknown fate: what is open was overtaken, or was in when nothing was found.
fn accuse_all<'h, D: Discipline>(
    object: &Object<'h, D::Api>,
    parts: &Parts,
    conflict: &Conflict,
) -> Ruling<'h, D::Api> {
    let core = parts.ops_of(conflict);
    if objects::core_is_impossible::<D::State>(&object.ops, &core) == Some(false) {
        return Ruling::Open(PLEASE_REPORT.to_owned());
    }
    let (kind, what) = if conflict.empties.is_empty() {
        (D::BROKEN, "overtaken")
    } else {
        ("false-empty", "in when nothing was found")
    };
    let open = conflict.items.iter().filter(|item| parts.items[**item].fate == Fate::Open).count();
    let removals = parts.crashed_before(parts.horizon(conflict)).len();
    let were = if open == 1 { "was" } else { "were" };
    let summary = format!(
        "{} that no known removal took {were} {what}, and only {} of unknown fate can have taken \
         any",
        count(open, "element", "elements"),
        count(removals, "removal", "removals"),
    );
    Ruling::Violated(words::violation(object, kind, summary, &core))
}

/// The elements, and the empty, for which there are too few removals in time, whatever is taken
/// when: by deadlines that are exact, or because nothing was found.
fn shortage<D: Discipline>(parts: &Parts) -> Option<Conflict> {
    let mut until = None;
    if D::EXACT {
        let deadlines = D::deadlines(parts);
        let mut due: Vec<u32> = parts.open().map(|item| deadlines[item]).collect();
        due.retain(|deadline| *deadline != u32::MAX);
        due.sort_unstable();
        let late = due.iter().enumerate().find(|(at, deadline)| {
            parts.crashed.get(*at).is_none_or(|(start, _)| start >= *deadline)
        });
        until = late.map(|(_, deadline)| (*deadline, None));
    }
    let cover = gaps::Cover::of_closed(parts);
    let (until, empty) = until.or_else(|| {
        let empty = (0..parts.empties.len()).find(|at| cover.moment(parts, *at).is_none())?;
        Some((parts.empties[empty].end, Some(empty)))
    })?;
    // All that had begun by then: what came later has no part in it.
    let items = (0..parts.items.len()).filter(|item| parts.items[*item].es < until).collect();
    Some(Conflict { items, empties: empty.into_iter().collect() })
}
