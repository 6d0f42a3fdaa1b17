//! Strongly connected components, without recursion and without storing edges.
//!
//! Source: Tarjan, "Depth-first search and linear graph algorithms" (1972). `O(nodes + edges)`, 16
//! bytes a node and 8 a node on the path.

/// A directed graph whose nodes are `0..len`.
pub trait Digraph {
    /// How many nodes.
    fn len(&self) -> usize;

    /// True if there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `nth` successor of a node; `None` after the last.
    fn successor(&self, node: u32, nth: u32) -> Option<Next>;
}

/// What a graph says of the `nth` successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is this.
    Node(u32),
    /// There is none here, but there may be further ones.
    Skip,
}

const UNSEEN: u32 = u32::MAX;

/// Calls `found` with every component of more than one node; a component is complete before any
/// that reaches it. Nodes with an edge to themselves only are not told apart from others.
pub fn components(graph: &impl Digraph, mut found: impl FnMut(&[u32])) {
    walk(graph, |members| {
        if members.len() > 1 {
            found(members);
        }
    });
}

/// The component of each node, numbered so that edges between components go to smaller numbers;
/// and how many there are.
pub fn numbered(graph: &impl Digraph) -> (Vec<u32>, u32) {
    let mut component = vec![0; graph.len()];
    let mut count = 0;
    walk(graph, |members| {
        for member in members {
            component[*member as usize] = count;
        }
        count += 1;
    });
    (component, count)
}

fn walk(graph: &impl Digraph, mut found: impl FnMut(&[u32])) {
    let nodes = graph.len();
    // The order of discovery; after a component is complete, `nodes`, which is above all of them.
    let mut order = vec![UNSEEN; nodes];
    let mut low = vec![0_u32; nodes];
    let done = u32::try_from(nodes).unwrap_or(UNSEEN - 1);
    let mut pending: Vec<u32> = Vec::new();
    let mut path: Vec<(u32, u32)> = Vec::new();
    let mut next = 0;
    for root in 0..done {
        if order[root as usize] != UNSEEN {
            continue;
        }
        path.push((root, 0));
        while let Some((node, nth)) = path.last_mut() {
            let at = *node as usize;
            if *nth == 0 && order[at] == UNSEEN {
                order[at] = next;
                low[at] = next;
                next += 1;
                pending.push(*node);
            }
            let successor = graph.successor(*node, *nth);
            *nth += 1;
            match successor {
                Some(Next::Skip) => {}
                Some(Next::Node(to)) if order[to as usize] == UNSEEN => path.push((to, 0)),
                Some(Next::Node(to)) => {
                    if order[to as usize] != done {
                        low[at] = low[at].min(order[to as usize]);
                    }
                }
                None => {
                    let (lowest, node) = (low[at], *node);
                    path.pop();
                    if let Some((before, _)) = path.last() {
                        let before = *before as usize;
                        low[before] = low[before].min(lowest);
                    }
                    if lowest == order[at] {
                        let start = pending.iter().rposition(|member| *member == node);
                        let members = &pending[start.unwrap_or_default()..];
                        found(members);
                        for member in members {
                            order[*member as usize] = done;
                        }
                        pending.truncate(start.unwrap_or_default());
                    }
                }
            }
        }
    }
}
