//! `report.html`: one file that needs nothing else, in light and dark, on screen and on paper.
//!
//! Each section has a file below this module, which makes plain data, and a template that writes
//! it. The templates escape everything. Only what is made here is put in as it is: the style sheet,
//! the script, the drawings (which escape what they take) and the timeline's data (in which no text
//! can end the script element). The page's content security policy forbids the network.

mod anomalies;
mod checkers;
mod cost;
mod cycle;
pub(crate) mod drawing;
mod journal;
mod lanes;
mod logs;
mod picture;
mod plots;
mod quorum;
mod sides;
mod summary;
mod svg;
mod timeline;

use crate::view::RunView;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

const TEMPLATES: [(&str, &str); 9] = [
    ("report.html", include_str!("../templates/report.html")),
    ("summary.html", include_str!("../templates/summary.html")),
    ("anomalies.html", include_str!("../templates/anomalies.html")),
    ("timeline.html", include_str!("../templates/timeline.html")),
    ("plots.html", include_str!("../templates/plots.html")),
    ("sides.html", include_str!("../templates/sides.html")),
    ("cost.html", include_str!("../templates/cost.html")),
    ("journal.html", include_str!("../templates/journal.html")),
    ("rest.html", include_str!("../templates/rest.html")),
];

/// The report. O(n log n) in the operations; a hundred thousand of them take a few megabytes, and
/// from then on it holds a sample.
///
/// # Panics
/// Never: the templates are compiled in, and tests render them.
pub fn html(run: &RunView) -> String {
    let mut templates = Environment::new();
    // A misspelt name in a template is an error, not an empty place.
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        templates.add_template(name, source).expect("the template parses");
    }
    let page = templates.get_template("report.html").expect("it was just added");
    let page = page.render(context! {
        style => concat!(
            include_str!("../templates/colours.css"),
            include_str!("../templates/report.css"),
            include_str!("../templates/picture.css"),
        ),
        script => include_str!("../templates/report.js"),
        summary => value(&summary::summary(run)),
        anomalies => value(&anomalies::anomalies(run)),
        timeline => value(&timeline::timeline(run)),
        plots => value(&[
            ("Latency", plots::latency(run)),
            ("Rate", plots::rate(run)),
        ]),
        sides => value(&sides::sides(run)),
        cost => value(&cost::cost(run)),
        journal => value(&journal::journal(run)),
        checkers => value(&checkers::checkers(run)),
        logs => value(&logs::logs(run)),
    });
    page.expect("the template finds what it names")
}

fn value(of: &impl Serialize) -> Value {
    Value::from(Serde(of))
}
