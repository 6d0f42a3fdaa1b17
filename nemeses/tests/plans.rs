//! What each fault plans, over clusters of all sizes: snapshots for people, properties for the
//! rest.

use proptest::prelude::*;
use schism_core::cluster::{Cluster, Node, NodeId};
use schism_core::fault::{Action, ClusterView, Plan};
use schism_core::rng::Rng;
use schism_nemeses::{Family, Fault, catalogue, packages, parse, spec};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

fn cluster(size: usize) -> Cluster {
    let node = |at: usize| Node {
        name: format!("n{at}").into(),
        ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, u8::try_from(at).unwrap_or(u8::MAX))),
    };
    Cluster::new((1..=size).map(node).collect())
}

fn view(cluster: &Cluster) -> ClusterView<'_> {
    ClusterView { cluster, leaders: Vec::new(), roles: Vec::new(), impaired: Vec::new() }
}

fn fault(spec: &str) -> Box<dyn Fault> {
    match parse(spec) {
        Ok(fault) => fault,
        Err(error) => panic!("{spec}: {error}"),
    }
}

/// Every kind with each of its targets, and the kinds without any.
fn every_spec() -> Vec<String> {
    let mut specs = Vec::new();
    for kind in catalogue() {
        if kind.name == "partition" {
            specs.push("partition=n1/n2".to_owned());
        } else if kind.targets.is_empty() {
            specs.push(kind.name.to_owned());
        }
        specs.extend(kind.targets.iter().map(|target| format!("{}:{target}", kind.name)));
    }
    specs
}

/// One line an action, with names for nodes.
fn show(cluster: &Cluster, plan: &Plan) -> String {
    let names = |nodes: &[NodeId]| -> String {
        let names: Vec<&str> = nodes.iter().map(|id| cluster.name(*id).as_ref()).collect();
        names.join(" ")
    };
    let mut text = format!("  {}\n", plan.summary);
    if !plan.sides.is_empty() {
        let sides: Vec<String> = plan.sides.iter().map(|side| names(side)).collect();
        let _ = writeln!(text, "  sides: {}", sides.join(" | "));
    }
    for (what, actions) in [("do", &plan.inject), ("undo", &plan.heal)] {
        let _ = write!(text, "    {what}: ");
        for (at, action) in actions.iter().enumerate() {
            let name = cluster.name(action.node());
            let line = match action {
                Action::Cut { from, .. } => format!("{name} cut from {}", names(from)),
                Action::Shape { from, link, .. } => format!("{name} shape {} {link}", names(from)),
                Action::Uncut { .. } => format!("{name} uncut"),
                Action::Unshape { .. } => format!("{name} unshape"),
                Action::Kill { .. } => format!("{name} kill"),
                Action::Start { .. } => format!("{name} start"),
                Action::Pause { .. } => format!("{name} pause"),
                Action::Resume { .. } => format!("{name} resume"),
            };
            let _ = write!(text, "{}{line}", if at == 0 { "" } else { "; " });
        }
        text.push('\n');
    }
    text
}

fn plans_of(size: usize) -> String {
    let cluster = cluster(size);
    let mut view = view(&cluster);
    view.leaders = vec![NodeId(1)];
    let mut text = String::new();
    let others = ["partition=n1,n2|n3", "partition=n1+n2/n2+n3", "delay=50ms±40ms:n2", "loss=30%"];
    // The targets work alike for all kinds that have some.
    let repeats = |spec: &&String| {
        ["loss:", "reorder:", "duplicate:", "pause:"].iter().any(|kind| spec.starts_with(kind))
            && !spec.ends_with(":one")
    };
    let specs = every_spec();
    let specs = specs.iter().filter(|spec| !repeats(spec)).map(String::as_str);
    for spec in specs.chain(others) {
        let fault = fault(spec);
        let _ = writeln!(text, "{}", fault.name());
        match fault.plan(&view, &mut Rng::seeded(7)) {
            Ok(plan) => text.push_str(&show(&cluster, &plan)),
            Err(skip) => {
                let _ = writeln!(text, "  skip: {skip}");
            }
        }
    }
    text
}

#[test]
fn plans_for_three_nodes() {
    insta::assert_snapshot!(plans_of(3));
}

#[test]
fn plans_for_four_nodes() {
    insta::assert_snapshot!(plans_of(4));
}

#[test]
fn plans_for_five_nodes() {
    insta::assert_snapshot!(plans_of(5));
}

#[test]
fn the_monitor_is_cut_off_from_the_leader_alone() {
    let cluster = cluster(3);
    let mut view = view(&cluster);
    view.roles = vec![("monitor".to_owned(), NodeId(2))];
    view.leaders = vec![NodeId(0)];
    let plan = fault("partition-monitor").plan(&view, &mut Rng::seeded(1)).expect("a plan");
    insta::assert_snapshot!(show(&cluster, &plan));
}

#[test]
fn a_role_is_hit_only_by_name() {
    let cluster = cluster(3);
    let mut view = view(&cluster);
    view.roles = vec![("monitor".to_owned(), NodeId(2))];
    let hit = |spec: &str, seed: u64| {
        let plan = fault(spec).plan(&view, &mut Rng::seeded(seed)).expect("a plan");
        plan.inject.iter().map(Action::node).collect::<Vec<_>>()
    };
    for seed in 0..50 {
        for spec in ["kill:one", "kill:follower", "kill:minority", "kill:all"] {
            assert!(!hit(spec, seed).contains(&NodeId(2)), "{spec}");
        }
    }
    assert_eq!(hit("kill:monitor", 0), [NodeId(2)]);
    assert_eq!(hit("kill:n3+n1", 0), [NodeId(0), NodeId(2)]);
}

#[test]
fn what_cannot_be_done_is_skipped_with_the_reason() {
    let cluster = cluster(5);
    let skip = |spec: &str, impaired: &[usize], roles: &[(&str, usize)]| {
        let mut view = view(&cluster);
        view.impaired = impaired.iter().copied().map(NodeId).collect();
        view.roles = roles.iter().map(|(role, at)| ((*role).to_owned(), NodeId(*at))).collect();
        let plan = fault(spec).plan(&view, &mut Rng::seeded(1));
        plan.map(|plan| plan.summary).expect_err(spec).to_string()
    };
    insta::assert_snapshot!(
        [
            skip("partition-leader", &[], &[]),
            skip("partition-monitor", &[], &[]),
            skip("partition-monitor", &[], &[("monitor", 4)]),
            skip("kill:one", &[0, 1], &[]),
            skip("kill:minority", &[0, 1], &[]),
            skip("kill:majority", &[0, 1, 2], &[]),
            skip("kill:all", &[0, 1, 2, 3, 4], &[]),
            skip("kill:n1", &[0], &[]),
            skip("pause:n9", &[], &[]),
            skip("partition=n1/n9", &[], &[]),
            skip("partition=n1/n1", &[], &[]),
            skip("partition-ring", &[], &[("a", 0), ("b", 1), ("c", 2)]),
        ]
        .join("\n")
    );
}

#[test]
fn a_mistake_is_explained() {
    let error = |spec: &str| match parse(spec) {
        Ok(fault) => panic!("{spec} was read as {}", fault.name()),
        Err(error) => error.to_string(),
    };
    let specs = [
        "partition-laeder",
        "quake",
        "",
        "kill:leadr",
        "kill:",
        "kill=3",
        "partition-leader:n1",
        "partition-ring=3",
        "partition",
        "partition=n1",
        "partition=n1||n2",
        "delay=fast",
        "delay=10ms±20ms",
        "delay=-1ms",
        "loss=130%",
        "reorder=",
    ];
    let mut text: Vec<String> =
        specs.iter().map(|spec| format!("{spec:?}: {}", error(spec))).collect();
    for spec in ["kill:n9", "partition=n1+n7/n2"] {
        let error = spec::check_nodes(spec, &["n1", "n2", "monitor"]).expect_err(spec);
        text.push(format!("{spec:?}: {error}"));
    }
    insta::assert_snapshot!(text.join("\n"));
    assert_eq!(spec::check_nodes("kill:monitor+n2", &["n1", "n2", "monitor"]), Ok(()));
    assert_eq!(spec::check_nodes("partition-ring", &[]), Ok(()));
}

#[test]
fn every_name_reads_back_as_itself() {
    let packaged = packages::PACKAGES.iter().flat_map(|package| package.faults);
    let examples = catalogue().iter().flat_map(|kind| kind.examples).chain(packaged);
    let values = ["loss=7%", "loss=0.29", "delay=0.1ms", "delay=300us±100us", "duplicate=33.3%"];
    let examples = examples.chain(values.iter()).map(|spec| (*spec).to_owned());
    for spec in examples.chain(every_spec()) {
        let name = fault(&spec).name();
        assert_eq!(fault(&name).name(), name, "from {spec}");
    }
    assert_eq!(fault("loss=0.29").name(), "loss=29%:all");
    assert_eq!(fault("delay=300us±100us").name(), "delay=0.3ms±0.1ms:all");
}

#[test]
fn the_catalogue_is_fit_to_be_shown() {
    let names: BTreeSet<&str> = catalogue().iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), catalogue().len(), "names are unique");
    for kind in catalogue() {
        assert!(!kind.examples.is_empty() && !kind.about.ends_with('.'), "{}", kind.name);
        for example in kind.examples {
            assert_eq!(spec::kind(example).map(|kind| kind.name), Ok(kind.name));
        }
    }
}

/// Whom each node hears, itself included.
fn hears(cluster: &Cluster, plan: &Plan) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
    let mut whom: BTreeMap<NodeId, BTreeSet<NodeId>> =
        cluster.ids().map(|id| (id, cluster.ids().collect())).collect();
    for action in &plan.inject {
        if let Action::Cut { node, from } = action {
            let heard = whom.entry(*node).or_default();
            heard.retain(|id| !from.contains(id));
        }
    }
    whom
}

/// What undoes an action, and at which node.
fn undoing(action: &Action) -> Action {
    let node = action.node();
    match action {
        Action::Cut { .. } => Action::Uncut { node },
        Action::Shape { .. } => Action::Unshape { node },
        Action::Kill { .. } => Action::Start { node },
        Action::Pause { .. } => Action::Resume { node },
        heal => panic!("{heal:?} is a heal"),
    }
}

prop_compose! {
    fn any_view()(size in 1usize..12)(
        size in Just(size),
        leaders in prop::collection::vec(0..size, 0..3),
        impaired in prop::collection::vec(0..size, 0..4),
        monitor in prop::option::of(0..size),
        seed in any::<u64>(),
    ) -> (usize, Vec<usize>, Vec<usize>, Option<usize>, u64) {
        (size, leaders, impaired, monitor, seed)
    }
}

proptest! {
    #[test]
    fn plans_are_sound((size, leaders, impaired, monitor, seed) in any_view()) {
        let cluster = cluster(size);
        let view = ClusterView {
            cluster: &cluster,
            leaders: leaders.into_iter().map(NodeId).collect(),
            roles: monitor.map(|node| ("monitor".to_owned(), NodeId(node))).into_iter().collect(),
            impaired: impaired.into_iter().map(NodeId).collect(),
        };
        for spec in every_spec() {
            let fault = fault(&spec);
            let planned = fault.plan(&view, &mut Rng::seeded(seed));
            prop_assert_eq!(&planned, &fault.plan(&view, &mut Rng::seeded(seed)), "same seed");
            let Ok(plan) = planned else { continue };
            prop_assert!(!plan.inject.is_empty(), "{}: a plan does something", spec);
            let heals: Vec<Action> = plan.inject.iter().map(undoing).collect();
            prop_assert_eq!(&heals, &plan.heal, "{}: whatever is done is undone", spec);
            for action in &plan.inject {
                match action {
                    Action::Cut { node, from } | Action::Shape { node, from, .. } => {
                        prop_assert!(!from.contains(node) && !from.is_empty(), "{}", spec);
                        prop_assert!(from.is_sorted() && from.iter().all(|id| id.0 < size));
                    }
                    Action::Kill { node } | Action::Pause { node } => {
                        prop_assert!(!view.impaired.contains(node), "{}: it was down", spec);
                    }
                    _ => {}
                }
            }
            let nodes: BTreeSet<NodeId> = plan.inject.iter().map(Action::node).collect();
            prop_assert_eq!(nodes.len(), plan.inject.len(), "{}: each node once", spec);
            if spec.ends_with(":minority") && !spec.starts_with(['d', 'l', 'r']) {
                let down: BTreeSet<_> = nodes.iter().chain(&view.impaired).collect();
                prop_assert!(size - down.len() >= cluster.majority(), "{}: majority left", spec);
            }
            if spec::kind(&spec).map(|kind| kind.family) == Ok(Family::Partition) {
                partition_is_sound(&cluster, &spec, &plan)?;
            } else {
                prop_assert!(plan.sides.is_empty());
            }
        }
    }

    #[test]
    fn in_a_ring_each_node_hears_a_majority_and_no_two_the_same(size in 3usize..30, seed: u64) {
        let cluster = cluster(size);
        let plan = fault("partition-ring").plan(&view(&cluster), &mut Rng::seeded(seed));
        let hears = hears(&cluster, &plan.expect("a ring"));
        let sets: BTreeSet<_> = hears.values().collect();
        prop_assert_eq!(sets.len(), size, "no two hear the same");
        for (node, heard) in &hears {
            let most = size + usize::from(size == 3);
            prop_assert!(heard.len() >= cluster.majority() && heard.len() < most);
            for other in heard {
                prop_assert!(hears[other].contains(node), "a connection needs both ways");
            }
        }
        if size % 4 == 1 {
            prop_assert!(hears.values().all(|heard| heard.len() == cluster.majority()));
        }
    }
}

fn partition_is_sound(cluster: &Cluster, spec: &str, plan: &Plan) -> Result<(), TestCaseError> {
    let hears = hears(cluster, plan);
    let mutual = |a: NodeId, b: NodeId| hears[&a].contains(&b) && hears[&b].contains(&a);
    for a in cluster.ids() {
        prop_assert!(plan.sides.iter().any(|side| side.contains(&a)), "{}: all on a side", spec);
        for b in cluster.ids() {
            let together = plan.sides.iter().any(|side| side.contains(&a) && side.contains(&b));
            prop_assert_eq!(together, mutual(a, b), "{}: sides are who can talk", spec);
        }
    }
    let overlapping =
        ["partition-ring", "partition-bridge", "partition-monitor", "partition=n1/n2"];
    if !overlapping.contains(&spec) {
        let total: usize = plan.sides.iter().map(Vec::len).sum();
        prop_assert_eq!(total, cluster.size(), "{}: no node on two sides", spec);
        prop_assert!(plan.sides.iter().all(|side| !side.is_empty()));
    }
    Ok(())
}
