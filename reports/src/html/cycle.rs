//! A cycle of dependencies as a picture: its transactions in a circle, an arrow for each step of
//! the argument, numbered as the steps are listed.
//!
//! Time plays no part in it: that each must come before the next is all that a cycle says.

use super::picture::{CULPRITS, letter};
use super::svg::{clip, escape, width};
use crate::view::OpView;
use schism_core::verdict::Anomaly;
use std::f64::consts::TAU;
use std::fmt::Write as _;

const WIDTH: f64 = 1080.0;
const BOX: f64 = 34.0;
/// So many characters of a transaction are shown.
const CHARS: usize = 60;

/// Is this an anomaly whose operations form a cycle, each step of its argument an edge?
pub(super) fn is_cycle(anomaly: &Anomaly) -> bool {
    let named = ["G0", "G1c", "G2", "G-"].iter().any(|name| anomaly.kind.starts_with(name));
    (named || anomaly.kind.ends_with("-cycle-exists"))
        && anomaly.ops.len() > 1
        && anomaly.because.len() >= anomaly.ops.len()
}

/// Draws a cycle; `None` if the anomaly is none, is too long to be seen at a glance, or names
/// operations that aren't there.
pub(super) fn cycle(anomaly: &Anomaly, culprits: &[&OpView]) -> Option<String> {
    let count = culprits.len();
    if !is_cycle(anomaly) || count != anomaly.ops.len() || count > CULPRITS {
        return None;
    }
    let (rx, ry) = (330.0, 46.0 + 26.0 * count as f64);
    let (cx, cy) = (WIDTH / 2.0, ry + BOX);
    let height = 2.0 * (ry + BOX);
    let place = |position: usize| {
        let angle = TAU * (position as f64 / count as f64 - 0.25);
        (cx + rx * angle.cos(), cy + ry * angle.sin())
    };
    let mut svg = format!(
        "<svg class=\"picture cycle\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"{count} transactions in a circle, each of which must come before the next\">\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>"
    );
    let boxes: Vec<Node> = culprits
        .iter()
        .enumerate()
        .map(|(position, op)| Node::new(op, position, place(position)))
        .collect();
    for (position, from) in boxes.iter().enumerate() {
        let to = &boxes[(position + 1) % count];
        // Two nodes have two arrows between them, which must not lie on each other.
        let aside = if count == 2 { 26.0 } else { 0.0 };
        let (start, end) = (from.edge_towards(to, aside), to.edge_towards(from, -aside));
        let (mx, my) = (f64::midpoint(start.0, end.0), f64::midpoint(start.1, end.1));
        let step = &anomaly.because[position];
        let _ = write!(
            svg,
            "<g class=\"step\"><title>{}</title>\
             <path class=\"arrow\" marker-end=\"url(#tip)\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>\
             <circle cx=\"{mx:.1}\" cy=\"{my:.1}\" r=\"10\"/>\
             <text text-anchor=\"middle\" x=\"{mx:.1}\" y=\"{:.1}\">{}</text></g>",
            escape(step),
            start.0,
            start.1,
            end.0,
            end.1,
            my + 4.0,
            position + 1
        );
    }
    for node in &boxes {
        node.draw(&mut svg);
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// A transaction in the circle.
struct Node<'a> {
    op: &'a OpView,
    letter: char,
    text: String,
    x: f64,
    y: f64,
    half: f64,
}

impl<'a> Node<'a> {
    fn new(op: &'a OpView, position: usize, (x, y): (f64, f64)) -> Self {
        // What it did is its answer; what it asked is in that as well.
        let did = op.reply.as_deref().unwrap_or(&op.call).replace('"', "");
        let text = clip(&did, CHARS);
        let half = f64::midpoint(width(&text), 34.0);
        let letter = letter(position).unwrap_or('?');
        Self { op, letter, text, x: x.clamp(half + 4.0, WIDTH - half - 4.0), y, half }
    }

    /// Where an arrow to another node leaves the box; `aside` shifts it to one side.
    fn edge_towards(&self, other: &Self, aside: f64) -> (f64, f64) {
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        let by_width = if dx == 0.0 { f64::MAX } else { self.half / dx.abs() };
        let by_height = if dy == 0.0 { f64::MAX } else { BOX / 2.0 / dy.abs() };
        let share = by_width.min(by_height).min(0.5);
        let length = dx.hypot(dy).max(1.0);
        let (sx, sy) = (-dy / length * aside, dx / length * aside);
        (self.x + dx * share + sx, self.y + dy * share + sy)
    }

    fn draw(&self, svg: &mut String) {
        let Self { op, letter, text, x, y, half } = self;
        let _ = write!(
            svg,
            "<a href=\"#timeline\" data-op=\"{}\" class=\"culprit {}\"><title>#{} process {}: {}\
             </title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BOX}\" rx=\"5\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{letter}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text></a>",
            op.invoked.index,
            op.fate.word(),
            op.invoked.index,
            op.process,
            escape(&op.label()),
            x - half,
            y - BOX / 2.0,
            half * 2.0,
            x - half + 8.0,
            y + 4.0,
            x - half + 26.0,
            y + 4.0,
            escape(text)
        );
    }
}
