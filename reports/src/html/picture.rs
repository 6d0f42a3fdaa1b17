//! The counterexample as a picture: the operations of one anomaly and those around them, a lane a
//! node, with the faults behind them and what each node believed of itself above them.
//!
//! The culprits may lie a minute apart and last a millisecond each. So the time axis is stretched:
//! the distance between two neighbouring events grows with the logarithm of the time between them.
//! Order and overlap, which the argument rests on, are exact; lengths are not, and the picture says
//! so.

mod scale;

use super::lanes::node_rank;
use super::svg::{clip, escape, width};
use crate::view::{Belief, Fate, OpView, RunView};
use scale::Scale;
use schism_core::time::Nanos;
use schism_core::verdict::Anomaly;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// So many culprits get a letter and are drawn.
pub(super) const CULPRITS: usize = 12;
/// So many operations are drawn, with those around the culprits.
const DRAWN: usize = 22;
const WIDTH: f64 = 1080.0;
const LEFT: f64 = 84.0;
const ROW: f64 = 26.0;
const BELIEF: f64 = 20.0;
const GAP: f64 = 10.0;

/// One operation in the picture.
struct Bar<'a> {
    op: &'a OpView,
    letter: Option<char>,
    row: usize,
    from: f64,
    to: f64,
    text: String,
    text_at: f64,
}

struct Lane<'a> {
    name: String,
    node: Option<Arc<str>>,
    bars: Vec<Bar<'a>>,
    rows: usize,
    top: f64,
}

impl Lane<'_> {
    fn height(&self) -> f64 {
        BELIEF + self.rows as f64 * ROW + GAP
    }
}

/// The letter of the n-th culprit.
pub(super) fn letter(position: usize) -> Option<char> {
    (position < CULPRITS).then(|| ('A'..='Z').nth(position)).flatten()
}

/// Draws an anomaly; `None` if it names no operation of this run. `culprits` are its operations in
/// its own order.
pub(super) fn picture(run: &RunView, anomaly: &Anomaly, culprits: &[&OpView]) -> Option<String> {
    let culprits = &culprits[..culprits.len().min(CULPRITS)];
    let shown = surroundings(run, culprits);
    let scale = Scale::of(&shown, LEFT, WIDTH - 14.0)?;
    let bands: Vec<_> = run
        .faults
        .iter()
        .filter(|window| window.overlaps(scale.start(), scale.end()))
        .take(4)
        .collect();
    let mut top = 8.0 + bands.len() as f64 * 18.0;
    let mut lanes = lanes(run, anomaly, culprits, &shown, &scale);
    for lane in &mut lanes {
        lane.top = top;
        top += lane.height();
    }
    let height = top + 26.0;
    let label = format!(
        "The {} operations of this anomaly and those around them, by node, in the order of time",
        culprits.len()
    );
    let mut svg = format!(
        "<svg class=\"picture\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"{label}\">"
    );
    for (position, window) in bands.iter().enumerate() {
        let from = scale.x(window.start);
        let to = window.end.map_or(WIDTH, |end| scale.x(end));
        let y = 14.0 + position as f64 * 18.0;
        let text = format!("fault {}: {}", window.fault, window.summary);
        // A band that begins far right would push its name out of the picture.
        let at = from.min(WIDTH - width(&text) - 8.0).max(4.0);
        let _ = write!(
            svg,
            "<rect class=\"band\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
             <text class=\"fault\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            y - 12.0,
            (to - from).max(2.0),
            top - y + 12.0,
            at + 4.0,
            escape(&clip(&text, 150))
        );
    }
    for lane in &lanes {
        draw_lane(&mut svg, run, lane, &scale);
    }
    axis(&mut svg, culprits, &scale, top);
    svg.push_str("</svg>");
    Some(svg)
}

/// The culprits, and the operations on the same keys nearest to them.
fn surroundings<'a>(run: &'a RunView, culprits: &[&'a OpView]) -> Vec<&'a OpView> {
    let own: HashSet<u64> = culprits.iter().map(|op| op.invoked.index).collect();
    let keys: HashSet<&str> = culprits.iter().filter_map(|op| op.key.as_deref()).collect();
    let distance = |op: &OpView| {
        let gap = |culprit: &&OpView| {
            let before = culprit.invoked.time.since(op.end());
            let after = op.invoked.time.since(culprit.end());
            let apart = culprit.invoked.time.0.abs_diff(op.invoked.time.0);
            (before.max(after), apart)
        };
        culprits.iter().map(gap).min()
    };
    let mut around: Vec<&OpView> = run
        .ops
        .iter()
        .filter(|op| !own.contains(&op.invoked.index))
        .filter(|op| keys.is_empty() || op.key.as_deref().is_some_and(|key| keys.contains(key)))
        // What certainly did not happen explains nothing, and there may be a lot of it.
        .filter(|op| op.fate != Fate::Fail)
        .collect();
    around.sort_by_cached_key(|op| distance(op));
    around.truncate(DRAWN.saturating_sub(culprits.len()).min(10));
    around.extend(culprits);
    around.sort_by_key(|op| op.invoked.index);
    around
}

fn lanes<'a>(
    run: &RunView,
    anomaly: &Anomaly,
    culprits: &[&OpView],
    shown: &[&'a OpView],
    scale: &Scale,
) -> Vec<Lane<'a>> {
    // Without nodes, as in a foreign history, a process is the next best line to follow.
    let nodes_known = shown.iter().any(|op| op.node.is_some());
    let key = |op: &OpView| {
        let name = match &op.node {
            Some(node) => node.to_string(),
            None => format!("process {}", op.process),
        };
        let rank = if nodes_known { node_rank(run, op.node.as_deref()) } else { 0 };
        (rank, if nodes_known { 0 } else { op.process }, name)
    };
    let mut groups: BTreeMap<(usize, u64, String), Vec<&OpView>> = BTreeMap::new();
    for op in shown {
        groups.entry(key(op)).or_default().push(op);
    }
    if nodes_known {
        for node in &anomaly.nodes {
            groups.entry((node_rank(run, Some(node)), 0, node.to_string())).or_default();
        }
    }
    let same = |op: &&OpView| op.key == shown.first().and_then(|first| first.key.clone());
    let style = Style { culprits, keys: !shown.iter().all(same) };
    groups
        .into_iter()
        .map(|((_, _, name), ops)| {
            let node = nodes_known.then(|| name.as_str().into());
            let (bars, rows) = stack(&ops, &style, scale);
            Lane { name, node, bars, rows, top: 0.0 }
        })
        .collect()
}

/// Puts bars whose drawings would touch into rows below each other.
fn stack<'a>(ops: &[&'a OpView], style: &Style<'_>, scale: &Scale) -> (Vec<Bar<'a>>, usize) {
    let mut rows: Vec<f64> = Vec::new();
    let mut bars = Vec::new();
    for op in ops {
        let bar = style.bar(op, scale);
        let left = bar.from.min(bar.text_at);
        let right = bar.to.max(bar.text_at + width(&bar.text)) + 8.0;
        let row = rows.iter().position(|end| *end <= left).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(right);
        }
        rows[row] = right;
        bars.push(Bar { row, ..bar });
    }
    (bars, rows.len().max(1))
}

/// How the operations of one picture are written.
struct Style<'a> {
    culprits: &'a [&'a OpView],
    /// The keys differ, so each operation says its own.
    keys: bool,
}

impl Style<'_> {
    fn bar<'b>(&self, op: &'b OpView, scale: &Scale) -> Bar<'b> {
        let position = self.culprits.iter().position(|c| c.invoked.index == op.invoked.index);
        let letter = position.and_then(letter);
        let key = op.key.as_deref().filter(|_| self.keys);
        let key = key.map(|key| format!("[{}] ", clip(key, 10))).unwrap_or_default();
        let text = format!("{key}{}", clip(&op.label(), 34));
        let from = scale.x(op.invoked.time);
        let least = if letter.is_some() { 19.0 } else { 7.0 };
        let to = scale.x(op.end()).max(from + least);
        let lead = if letter.is_some() { 20.0 } else { 6.0 };
        let arrow = if op.fate == Fate::Info { 20.0 } else { 0.0 };
        let inside = from + lead + width(&text) + 4.0 <= to;
        let text_at = if inside { from + lead } else { to + 5.0 + arrow };
        // At the right edge there is room before the bar only.
        let text_at = if text_at + width(&text) > WIDTH {
            (from - 5.0 - width(&text)).max(LEFT)
        } else {
            text_at
        };
        Bar { op, letter, row: 0, from, to, text, text_at }
    }
}

fn draw_lane(svg: &mut String, run: &RunView, lane: &Lane<'_>, scale: &Scale) {
    let bottom = lane.top + lane.height();
    let _ = write!(
        svg,
        "<text class=\"lane\" x=\"4\" y=\"{:.1}\">{}</text>\
         <path class=\"rule\" d=\"M0 {bottom:.1}H{WIDTH}\"/>",
        lane.top + BELIEF + ROW * 0.6,
        escape(&clip(&lane.name, 11))
    );
    if let Some(node) = &lane.node {
        draw_beliefs(svg, run, node, lane.top, scale);
    }
    for bar in &lane.bars {
        draw_bar(svg, bar, lane.top + BELIEF + bar.row as f64 * ROW);
    }
}

fn draw_bar(svg: &mut String, bar: &Bar<'_>, y: f64) {
    let op = bar.op;
    let (from, to) = (bar.from, bar.to);
    let class = if bar.letter.is_some() { "culprit" } else { "around" };
    let index = op.invoked.index;
    let _ = write!(
        svg,
        "<a href=\"#timeline\" data-op=\"{index}\" class=\"{class} {}\">\
         <title>#{index} process {}: {}{}, {} to {}</title>\
         <rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" rx=\"3\"/>",
        op.fate.word(),
        op.process,
        escape(&op.label()),
        op.error.as_deref().map(|error| format!(" ({})", escape(error))).unwrap_or_default(),
        op.invoked.time,
        op.completed.map_or("never".to_owned(), |stamp| stamp.time.to_string()),
        y + 1.0,
        to - from,
        ROW - 6.0
    );
    if let Some(letter) = bar.letter {
        let (x, y) = (from + 6.5, y + ROW * 0.54);
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{letter}</text>");
    }
    if op.fate == Fate::Info {
        // It may still take effect later: an arrow that leads out of the bar.
        let _ = write!(svg, "<path d=\"M{to:.1} {:.1}h16m-4 -4l4 4l-4 4\"/>", y + ROW / 2.0 - 2.0);
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\">{}</text></a>",
        bar.text_at,
        y + ROW * 0.54,
        escape(&bar.text)
    );
}

/// A stretch of time in which a node said the same of itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: Nanos,
    pub(super) to: Nanos,
    pub(super) leader: bool,
    pub(super) says: String,
}

/// What a node said of itself from `from` to `to`, equal samples joined. A sample holds until the
/// next, at most two seconds.
pub(super) fn stretches(beliefs: &[Belief], node: &str, from: Nanos, to: Nanos) -> Vec<Stretch> {
    const HOLDS: std::time::Duration = std::time::Duration::from_secs(2);
    let own: Vec<&Belief> = beliefs.iter().filter(|b| b.node.as_ref() == node).collect();
    let mut stretches: Vec<Stretch> = Vec::new();
    for (position, belief) in own.iter().enumerate() {
        let next = own.get(position + 1).map_or(belief.time + HOLDS, |next| next.time);
        let until = next.min(belief.time + HOLDS);
        if until < from || belief.time > to {
            continue;
        }
        match stretches.last_mut() {
            Some(last) if last.says == belief.says && last.leader == belief.leader => {
                last.to = until;
            }
            _ => stretches.push(Stretch {
                from: belief.time,
                to: until,
                leader: belief.leader,
                says: belief.says.clone(),
            }),
        }
    }
    stretches
}

fn draw_beliefs(svg: &mut String, run: &RunView, node: &str, top: f64, scale: &Scale) {
    for stretch in stretches(&run.beliefs, node, scale.start(), scale.end()) {
        let (from, to) = (scale.x(stretch.from), scale.x(stretch.to));
        if to - from < 2.0 {
            continue;
        }
        let class = if stretch.leader { "belief leads" } else { "belief" };
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"M{from:.1} {:.1}H{:.1}\"><title>{node} from {} to {}: \
             {says}</title></path>",
            top + 17.0,
            to - 2.0,
            stretch.from,
            stretch.to,
            node = escape(node),
            says = escape(&stretch.says),
        );
        // Truncation is wanted: so many characters fit. The texts here are smaller than labels.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 200")]
        let room = ((to - from) / 5.8) as usize;
        if room > 5 {
            let _ = write!(
                svg,
                "<text class=\"says\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                from + 1.0,
                top + 12.0,
                escape(&clip(&stretch.says, room))
            );
        }
    }
}

/// The times at which the culprits began and ended, where there is room.
fn axis(svg: &mut String, culprits: &[&OpView], scale: &Scale, top: f64) {
    let mut times: Vec<Nanos> = culprits
        .iter()
        .flat_map(|op| [Some(op.invoked.time), op.completed.map(|s| s.time)])
        .flatten()
        .collect();
    times.sort_unstable();
    times.dedup();
    let mut free = 0.0;
    for time in times {
        let (x, text) = (scale.x(time), time.to_string());
        let half = width(&text) / 2.0;
        let at = x.clamp(half + 2.0, WIDTH - half - 2.0);
        if at - half < free {
            continue;
        }
        free = at + half + 8.0;
        let _ = write!(
            svg,
            "<path class=\"tick\" d=\"M{x:.1} 8V{:.1}\"/>\
             <text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{text}</text>",
            top + 4.0,
            top + 18.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{letter, stretches};
    use crate::view::Belief;
    use schism_core::time::Nanos;

    fn belief(secs: u64, leader: bool) -> Belief {
        let says = if leader { "primary" } else { "replica" }.to_owned();
        Belief { time: Nanos::from_secs(secs), node: "n1".into(), leader, says }
    }

    #[test]
    fn equal_beliefs_join_and_a_silence_ends_them() {
        let samples = [belief(1, false), belief(2, false), belief(3, true), belief(20, true)];
        let found = stretches(&samples, "n1", Nanos::ZERO, Nanos::from_secs(10));
        let plain: Vec<_> = found.iter().map(|s| (s.from.0, s.to.0, s.leader)).collect();
        let s = 1_000_000_000;
        assert_eq!(plain, [(s, 3 * s, false), (3 * s, 5 * s, true)]);
        assert!(stretches(&samples, "n2", Nanos::ZERO, Nanos::from_secs(10)).is_empty());
    }

    #[test]
    fn only_the_first_culprits_have_letters() {
        assert_eq!(letter(0), Some('A'));
        assert_eq!(letter(11), Some('L'));
        assert_eq!(letter(12), None);
    }
}
