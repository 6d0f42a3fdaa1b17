//! The cycles of a component: which kinds there are, decided for each, with a short one to show.
//!
//! Kinds, named after Adya (1999) and Elle, from worst: `G0` (ww only), `G1c` (wr too),
//! `G-single-item` (one rw), `G-nonadjacent-item` (several rw, no two in a row), `G2-item` (two rw
//! in a row), each also with process order (`-process`) and real time (`-realtime`). A kind is
//! looked for only if no cycle found in the component is an instance of it. Edges count by their
//! class (`part`).
//!
//! Each is decided, in time that no shape of component makes exponential:
//!
//! - G0 and G1c: a component of the edges allowed.
//! - G-single: an rw edge from `a` to `b`, and a path of the other edges from `b` to `a`. First a
//!   short search from the edges whose ends are near each other in topological order; if that finds
//!   none, reachability for 64 edges at a time over the stretch of that order that lies between:
//!   `O(edges × rw / 64)` at worst, linear if cycles are local.
//! - G-nonadjacent: a component of the graph that remembers whether the last edge was rw.
//! - G2: an rw edge within a component of all edges allowed. Since nothing better was found, its
//!   cycles have two rw in a row.
//!
//! What the classes hide is caught by a second look, as in Elle: for each model that nothing else
//! rules out, is there a cycle in the edges that the model forbids, an edge being whatever kind is
//! needed? Such a finding is called `PL-SI-cycle-exists` and the like. A closed walk that visits a
//! transaction twice counts there too: it refutes the model all the same, since each edge of it has
//! to agree with one order of snapshots and commits.
//!
//! Soundness: every cycle is returned as its edges, and each edge is one of the graph. Whoever
//! reports it checks them against the history.

use super::graph::{Edge, Kind};
use super::models;
use super::part::{Apart, Kinds, PROCESS, Part, Paths, REALTIME, RW, View, WR, WW};
use super::scc::{self, Digraph};
use schism_core::limits::Limits;
use std::collections::BTreeSet;

/// A cycle: each edge begins where the one before ends, and the first where the last does.
pub(super) type Cycle = Vec<Edge>;

/// A limit was exceeded before everything was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// How much is spent on finding a shorter cycle once there is one: starts, and nodes visited.
const STARTS: usize = 500;
const SHORTER: usize = 200_000;

/// The name of a cycle.
pub(super) fn name(cycle: &[Edge]) -> &'static str {
    let rws = cycle.iter().filter(|edge| edge.kind == Kind::Rw).count();
    let mut pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
    let in_a_row = pairs.any(|(edge, next)| edge.kind == Kind::Rw && next.kind == Kind::Rw);
    let base = match rws {
        0 if cycle.iter().any(|edge| edge.kind == Kind::Wr) => 1,
        0 => 0,
        1 => 2,
        _ if in_a_row => 4,
        _ => 3,
    };
    let names = match cycle.iter().map(|edge| edge.kind).max() {
        Some(Kind::Realtime) => [
            "G0-realtime",
            "G1c-realtime",
            "G-single-item-realtime",
            "G-nonadjacent-item-realtime",
            "G2-item-realtime",
        ],
        Some(Kind::Process) => [
            "G0-process",
            "G1c-process",
            "G-single-item-process",
            "G-nonadjacent-item-process",
            "G2-item-process",
        ],
        _ => ["G0", "G1c", "G-single-item", "G-nonadjacent-item", "G2-item"],
    };
    names[base]
}

/// Cycles of a component, the worst kind first, each with its name. `ruled_out` are the models that
/// other anomalies have refuted. When a limit is exceeded, what was found so far is kept in
/// `found`.
pub(super) fn find(
    part: &Part,
    ruled_out: &BTreeSet<&'static str>,
    limits: &Limits,
    found: &mut Vec<(&'static str, Cycle)>,
) -> Result<(), Stopped> {
    let mut names: BTreeSet<&'static str> = BTreeSet::new();
    let mut redundant: BTreeSet<&'static str> = BTreeSet::new();
    let all = part.kinds();
    for (order, needs) in [(0, all), (PROCESS, PROCESS), (PROCESS | REALTIME, REALTIME)] {
        if all & needs == 0 {
            continue;
        }
        let view = part.view(true, WW | WR | order);
        for search in SEARCHES {
            if redundant.contains(search.name(order)) {
                continue;
            }
            let Some(cycle) = (search.run)(view, order, limits)? else { continue };
            let name = name(&cycle);
            if names.insert(name) {
                redundant.extend(models::implied_by(name));
                redundant.extend(models::implied_by(search.name(order)));
                found.push((name, cycle));
            }
        }
    }
    let mut ruled_out = ruled_out.clone();
    ruled_out.extend(models::impossible(names.iter().copied()));
    for exists in EXISTS {
        if ruled_out.contains(exists.model) || all & exists.needs == 0 {
            continue;
        }
        let view = part.view(false, exists.kinds);
        let cycle = if exists.apart {
            nonadjacent(view, limits)?.map(|(cycle, _)| cycle)
        } else {
            shortest(view, limits)?
        };
        if let Some(cycle) = cycle {
            ruled_out.extend(models::impossible([exists.anomaly]));
            found.push((exists.anomaly, cycle));
        }
    }
    Ok(())
}

type Run = fn(View<'_>, Kinds, &Limits) -> Result<Option<Cycle>, Stopped>;

/// One kind of cycle, without or with orders.
struct Search {
    names: [&'static str; 3],
    run: Run,
}

impl Search {
    fn name(&self, order: Kinds) -> &'static str {
        match order {
            0 => self.names[0],
            PROCESS => self.names[1],
            _ => self.names[2],
        }
    }
}

const SEARCHES: [Search; 5] = [
    Search {
        names: ["G0", "G0-process", "G0-realtime"],
        run: |view, order, limits| shortest(view.with(WW | order), limits),
    },
    Search {
        names: ["G1c", "G1c-process", "G1c-realtime"],
        run: |view, _, limits| shortest(view, limits),
    },
    Search {
        names: ["G-single-item", "G-single-item-process", "G-single-item-realtime"],
        run: |view, _, limits| one_rw(view, limits),
    },
    Search {
        names: ["G-nonadjacent-item", "G-nonadjacent-item-process", "G-nonadjacent-item-realtime"],
        run: |view, _, limits| {
            let found = nonadjacent(view, limits)?;
            // A walk that is no cycle is left to the second look.
            Ok(found.filter(|(_, simple)| *simple).map(|(cycle, _)| cycle))
        },
    },
    Search {
        names: ["G2-item", "G2-item-process", "G2-item-realtime"],
        run: |view, order, limits| through_rw(view.with(WW | WR | RW | order), limits),
    },
];

/// Edges that a model does not allow to form a cycle.
struct Exists {
    model: &'static str,
    anomaly: &'static str,
    kinds: Kinds,
    /// With rw edges of which no two follow each other.
    apart: bool,
    /// Without any of these it is the same as a weaker model.
    needs: Kinds,
}

const EXISTS: [Exists; 13] = {
    const fn exists(
        (model, anomaly): (&'static str, &'static str),
        kinds: Kinds,
        apart: bool,
        needs: Kinds,
    ) -> Exists {
        Exists { model, anomaly, kinds, apart, needs }
    }
    const ALL: Kinds = WW | WR | RW;
    const P: Kinds = PROCESS;
    const R: Kinds = PROCESS | REALTIME;
    [
        exists(("PL-1", "PL-1-cycle-exists"), WW, false, WW),
        exists(("PL-2", "PL-2-cycle-exists"), WW | WR, false, WR),
        exists(("PL-SI", "PL-SI-cycle-exists"), WW | WR, true, RW),
        exists(("PL-2.99", "PL-2.99-cycle-exists"), ALL, false, RW),
        exists(("PL-3", "PL-3-cycle-exists"), ALL, false, RW),
        exists(("strong-session-PL-1", "strong-session-PL-1-cycle-exists"), WW | P, false, P),
        exists(("strong-session-PL-2", "strong-session-PL-2-cycle-exists"), WW | WR | P, false, P),
        exists(
            ("strong-session-snapshot-isolation", "strong-session-snapshot-isolation-cycle-exists"),
            WW | WR | P,
            true,
            P,
        ),
        exists(
            ("strong-session-serializable", "strong-session-serializable-cycle-exists"),
            ALL | P,
            false,
            P,
        ),
        exists(("strong-PL-1", "strong-PL-1-cycle-exists"), WW | R, false, REALTIME),
        exists(("strong-PL-2", "strong-PL-2-cycle-exists"), WW | WR | R, false, REALTIME),
        exists(
            ("strong-snapshot-isolation", "strong-snapshot-isolation-cycle-exists"),
            WW | WR | R,
            true,
            REALTIME,
        ),
        exists(("PL-SS", "PL-SS-cycle-exists"), ALL | R, false, REALTIME),
    ]
};

fn go_on(limits: &Limits) -> Result<(), Stopped> {
    if limits.are_exceeded() { Err(Stopped) } else { Ok(()) }
}

/// The smallest component of more than one node.
fn smallest(graph: &impl Digraph) -> Option<Vec<u32>> {
    let mut smallest: Option<Vec<u32>> = None;
    scc::components(graph, |members| {
        if smallest.as_ref().is_none_or(|best| members.len() < best.len()) {
            smallest = Some(members.to_vec());
        }
    });
    smallest
}

/// A short cycle of the edges shown; `None` only if there is none.
pub(super) fn shortest(view: View<'_>, limits: &Limits) -> Result<Option<Cycle>, Stopped> {
    go_on(limits)?;
    let Some(members) = smallest(&view) else { return Ok(None) };
    let mut paths = Paths::new(&view);
    let mut best: Option<Cycle> = None;
    for start in members.iter().take(STARTS) {
        go_on(limits)?;
        let most = best.as_ref().map_or(usize::MAX, |_| SHORTER.saturating_sub(paths.visited));
        let path = paths.find(&view, *start, *start, most);
        keep_shorter(&mut best, path.map(|path| view.cycle(None, &path, *start)));
    }
    Ok(best)
}

fn keep_shorter(best: &mut Option<Cycle>, cycle: Option<Cycle>) {
    if let Some(cycle) = cycle.map(in_order)
        && best.as_ref().is_none_or(|best| cycle.len() < best.len())
    {
        *best = Some(cycle);
    }
}

/// The cycle, beginning with an rw edge if it has one, for there its explanation begins.
fn in_order(mut cycle: Cycle) -> Cycle {
    // A walk that began at a hub ends with the edge that led there: one edge in two pieces.
    if let (Some(first), Some(last)) = (cycle.first().copied(), cycle.last().copied())
        && first.kind == Kind::Pass
        && cycle.len() > 1
    {
        cycle.remove(0);
        if let Some(edge) = cycle.last_mut() {
            debug_assert_eq!(last.to, first.from);
            edge.to = first.to;
        }
    }
    let start = cycle.iter().position(|edge| edge.kind == Kind::Rw).unwrap_or(0);
    cycle.rotate_left(start);
    cycle
}

/// A cycle of one rw edge and edges that are shown; `None` only if there is none.
fn one_rw(view: View<'_>, limits: &Limits) -> Result<Option<Cycle>, Stopped> {
    go_on(limits)?;
    let (component, count) = scc::numbered(&view);
    // Edges shown go to smaller numbers, so a path from b to a needs that b's is not smaller.
    let span = |(a, b): &(u32, u32)| component[*b as usize].checked_sub(component[*a as usize]);
    let mut rws: Vec<(u32, u32)> = view.ends(RW).filter(|rw| span(rw).is_some()).collect();
    rws.sort_by_key(span);
    let mut paths = Paths::new(&view);
    let mut best = None;
    let close = |paths: &mut Paths, best: &mut Option<Cycle>, (a, b): (u32, u32), most: usize| {
        let path = paths.find(&view, b, a, most);
        keep_shorter(best, path.map(|path| view.cycle(Some((a, RW)), &path, a)));
    };
    for rw in rws.iter().take(STARTS) {
        go_on(limits)?;
        let most = SHORTER.saturating_sub(paths.visited).min(SHORTER / 100);
        close(&mut paths, &mut best, *rw, most);
    }
    if best.is_some() {
        return Ok(best);
    }
    let Some(rw) = reachable(&view, &mut rws, &component, count, limits)? else { return Ok(None) };
    close(&mut paths, &mut best, rw, usize::MAX);
    Ok(best)
}

/// The first rw edge from whose target its source can be reached by edges shown.
fn reachable(
    view: &View<'_>,
    rws: &mut [(u32, u32)],
    component: &[u32],
    count: u32,
    limits: &Limits,
) -> Result<Option<(u32, u32)>, Stopped> {
    // The nodes of each component, one component after the other.
    let mut starts = vec![0_u32; count as usize + 1];
    for number in component {
        starts[*number as usize + 1] += 1;
    }
    for number in 0..count as usize {
        starts[number + 1] += starts[number];
    }
    let mut ends = starts.clone();
    let mut members = vec![0_u32; component.len()];
    for (node, number) in (0..).zip(component) {
        let end = &mut ends[*number as usize];
        members[*end as usize] = node;
        *end += 1;
    }
    rws.sort_by_key(|(_, b)| component[*b as usize]);
    let mut reached = vec![0_u64; count as usize];
    for batch in rws.chunks(64) {
        let highest = batch.iter().map(|(_, b)| component[*b as usize]).max().unwrap_or(0);
        let lowest = batch.iter().map(|(a, _)| component[*a as usize]).min().unwrap_or(0);
        reached[lowest as usize..=highest as usize].fill(0);
        for (place, (_, b)) in batch.iter().enumerate() {
            reached[component[*b as usize] as usize] |= 1 << place;
        }
        for number in (lowest..=highest).rev() {
            let bits = reached[number as usize];
            if number % 4096 == 0 {
                go_on(limits)?;
            }
            if bits == 0 {
                continue;
            }
            let nodes = starts[number as usize] as usize..starts[number as usize + 1] as usize;
            for node in &members[nodes] {
                for target in view.targets(*node) {
                    let target = component[target as usize];
                    if target >= lowest {
                        reached[target as usize] |= bits;
                    }
                }
            }
        }
        let hit = batch
            .iter()
            .enumerate()
            .find(|(place, (a, _))| reached[component[*a as usize] as usize] >> place & 1 == 1);
        if let Some((_, rw)) = hit {
            return Ok(Some(*rw));
        }
    }
    Ok(None)
}

/// A closed walk of edges shown and rw edges, no two rw in a row, with at least one; and whether it
/// is a cycle, that is, visits no transaction twice. `None` only if there is none.
fn nonadjacent(view: View<'_>, limits: &Limits) -> Result<Option<(Cycle, bool)>, Stopped> {
    go_on(limits)?;
    let graph = Apart(view);
    let (component, count) = scc::numbered(&graph);
    let mut sizes = vec![0_u32; count as usize];
    for number in &component {
        sizes[*number as usize] += 1;
    }
    let inside = |(a, b): &(u32, u32)| component[2 * *a as usize] == component[2 * *b as usize + 1];
    let mut rws: Vec<(u32, u32)> = view.ends(RW).filter(inside).collect();
    rws.sort_by_key(|(a, _)| sizes[component[2 * *a as usize] as usize]);
    let mut paths = Paths::new(&graph);
    let mut best: Option<(Cycle, bool)> = None;
    for (a, b) in rws.into_iter().take(STARTS) {
        go_on(limits)?;
        let most = best.as_ref().map_or(usize::MAX, |_| SHORTER.saturating_sub(paths.visited));
        let Some(path) = paths.find(&graph, 2 * b + 1, 2 * a, most) else { continue };
        let first = rw_place(&graph, a, b);
        let walk: Vec<(u32, u32)> = [(2 * a, first)].into_iter().chain(path).collect();
        let cycle = in_order(graph.cycle(&walk));
        let mut visited: Vec<u32> = cycle.iter().map(|edge| edge.from).collect();
        visited.sort_unstable();
        visited.dedup();
        let simple = visited.len() == cycle.len();
        let better = best
            .as_ref()
            .is_none_or(|(old, was_simple)| (!simple, cycle.len()) < (!was_simple, old.len()));
        if better {
            best = Some((cycle, simple));
        }
    }
    Ok(best)
}

/// Which successor of `2 a` the rw edge to `b` is.
fn rw_place(graph: &Apart<'_>, a: u32, b: u32) -> u32 {
    let mut nth = 0;
    while let Some(next) = graph.successor(2 * a, nth) {
        if next == scc::Next::Node(2 * b + 1) {
            break;
        }
        nth += 1;
    }
    nth
}

/// A short cycle with an rw edge of the edges shown; `None` only if there is none.
fn through_rw(view: View<'_>, limits: &Limits) -> Result<Option<Cycle>, Stopped> {
    go_on(limits)?;
    let (component, _) = scc::numbered(&view);
    let inside = |(a, b): &(u32, u32)| component[*a as usize] == component[*b as usize];
    let mut paths = Paths::new(&view);
    let mut best: Option<Cycle> = None;
    for (a, b) in view.ends(RW).filter(inside).take(STARTS) {
        go_on(limits)?;
        let most = best.as_ref().map_or(usize::MAX, |_| SHORTER.saturating_sub(paths.visited));
        let path = paths.find(&view, b, a, most);
        keep_shorter(&mut best, path.map(|path| view.cycle(Some((a, RW)), &path, a)));
    }
    Ok(best)
}
