//! One anomaly as an SVG file of its own, for whoever has a history and no run.
//!
//! It is what the report shows of an anomaly: its words, its operations in time, and, if they form
//! a cycle, the circle. The style is the report's, so that it is legible in light and dark; nothing
//! outside the file is needed.

use super::picture::letter;
use super::svg::escape;
use super::{cycle, picture};
use crate::view::{OpView, RunView};
use schism_core::verdict::Anomaly;
use std::collections::HashMap;
use std::fmt::Write as _;

const WIDTH: f64 = 1080.0;
/// Characters in a line of text.
const LINE: usize = 150;
const LEADING: f64 = 18.0;

/// Draws an anomaly with its operations and those around them, which have to be in the order of
/// invocation. Without any operation there are only words.
pub fn drawing(ops: Vec<OpView>, anomaly: &Anomaly) -> String {
    let run = RunView { ops, ..RunView::default() };
    let by_index: HashMap<u64, &OpView> = run.ops.iter().map(|op| (op.invoked.index, op)).collect();
    let culprits: Vec<&OpView> =
        anomaly.ops.iter().filter_map(|index| by_index.get(index).copied()).collect();
    let mut top = 8.0;
    let mut body = String::new();
    let mut write = |class: &str, text: &str, top: &mut f64| {
        for line in wrap(text, LINE) {
            *top += LEADING;
            let line = escape(&line);
            let _ =
                write!(body, "<text class=\"{class}\" x=\"12\" y=\"{:.0}\">{line}</text>", *top);
        }
    };
    write("kind", &anomaly.kind, &mut top);
    write("", &anomaly.summary, &mut top);
    for (position, step) in anomaly.because.iter().enumerate() {
        write("because", &format!("{}. {step}", position + 1), &mut top);
    }
    for (position, op) in culprits.iter().enumerate() {
        let Some(letter) = letter(position) else { break };
        let text = format!("{letter}  process {}: {}", op.process, op.label());
        write("because", &text, &mut top);
    }
    top += LEADING;
    let pictures = [cycle::cycle(anomaly, &culprits), picture::picture(&run, anomaly, &culprits)];
    for svg in pictures.into_iter().flatten() {
        let height = height(&svg);
        let placed = svg.replacen(
            "<svg ",
            &format!("<svg x=\"0\" y=\"{top:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" "),
            1,
        );
        body.push_str(&placed);
        top += height + 12.0;
    }
    let style = concat!(
        include_str!("../../templates/colours.css"),
        include_str!("../../templates/picture.css"),
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top:.0}\" \
         width=\"{WIDTH}\" height=\"{top:.0}\"><style>{style}\
         text {{ font: 11px ui-monospace, monospace; fill: var(--ink); }}\
         text.kind {{ font-size: 15px; font-weight: 700; fill: var(--culprit); }}\
         text.because {{ fill: var(--ink-2); }}</style>\
         <rect width=\"100%\" height=\"100%\" fill=\"var(--card)\"/>{body}</svg>\n"
    )
}

/// The height of a drawing, from its view box.
fn height(svg: &str) -> f64 {
    let start = svg.find("viewBox=\"").map_or(0, |at| at + "viewBox=\"".len());
    let view = svg[start..].split('"').next().unwrap_or_default();
    view.split(' ').next_back().and_then(|height| height.parse().ok()).unwrap_or(0.0)
}

/// A text in lines of at most so many characters, broken at blanks where there are any.
fn wrap(text: &str, chars: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > chars {
            lines.push(String::new());
            used = 0;
        }
        let line = lines.len() - 1;
        if used > 0 {
            lines[line].push(' ');
            used += 1;
        }
        let kept: String = word.chars().take(chars).collect();
        used += kept.chars().count();
        lines[line].push_str(&kept);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Fate;
    use schism_core::op::Stamp;
    use schism_core::time::Nanos;

    fn op(index: u64, call: &str) -> OpView {
        OpView {
            process: index,
            node: None,
            f: "txn".into(),
            key: None,
            call: call.to_owned(),
            reply: Some(call.to_owned()),
            invoked: Stamp { index, time: Nanos(index * 10) },
            completed: Some(Stamp { index: index + 1, time: Nanos(index * 10 + 25) }),
            fate: Fate::Ok,
            error: None,
        }
    }

    #[test]
    fn a_cycle_is_a_circle_and_lanes_and_nothing_of_it_is_markup() {
        let mut anomaly = Anomaly::new("G2-item", "T0 and T2 <both> come first")
            .because("T0 read x without 1, which T2 appended")
            .because("T2 read y without 2, which T0 appended")
            .because("so none of them can be first");
        anomaly.ops = vec![0, 2];
        let svg = drawing(vec![op(0, "[\"r\" \"x\"]"), op(2, "<script>")], &anomaly);
        assert_eq!(svg.matches("class=\"arrow\"").count(), 2);
        assert!(svg.contains("&lt;both&gt;") && !svg.contains("<script>"));
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }

    #[test]
    fn an_anomaly_without_operations_is_words() {
        let svg = drawing(Vec::new(), &Anomaly::new("lost", "element 3 is nowhere"));
        assert!(svg.contains("element 3 is nowhere") && svg.matches("<svg").count() == 1);
    }

    #[test]
    fn long_texts_are_broken_at_blanks() {
        assert_eq!(wrap("ab cd efg", 5), ["ab cd", "efg"]);
        assert_eq!(wrap("abcdefgh", 5), ["abcde"]);
    }
}
