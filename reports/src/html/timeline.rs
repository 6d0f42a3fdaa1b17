//! The timeline's data for the script, and its overview, which is drawn here so that it is there
//! without a script and on paper too.

use super::lanes::{Lane, lanes, node_rank};
use super::svg::{clip, escape};
use crate::latency::count;
use crate::view::{Fate, OpView, RunView};
use schism_core::time::Nanos;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// A report holds at most so many operations; of a longer run it holds a sample.
const MAX_OPS: usize = 100_000;
const WIDTH: usize = 1000;
const GUTTER: usize = 56;
/// One bucket of the overview is so many units wide.
const BUCKET: usize = 2;

/// What the template needs.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    overview_svg: String,
    data_json: String,
    note: Option<String>,
    shown: String,
}

/// The operations in columns: an order of magnitude smaller than objects, and quick to parse.
#[derive(Debug, Default, Serialize)]
struct Columns {
    index: Vec<u64>,
    process: Vec<u64>,
    /// Microseconds since the operation before it in the lane began.
    start: Vec<i64>,
    /// Microseconds; -1 if the log has no end.
    took: Vec<i64>,
    fate: Vec<u8>,
    /// Into `texts`, as are the others; -1 for none.
    f: Vec<i32>,
    key: Vec<i32>,
    call: Vec<i32>,
    reply: Vec<i32>,
    error: Vec<i32>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    end: u64,
    lanes: Vec<LaneData<'a>>,
    faults: Vec<BandData<'a>>,
    marks: Vec<u64>,
    texts: Vec<String>,
    ops: Columns,
}

#[derive(Debug, Serialize)]
struct LaneData<'a> {
    node: Option<&'a str>,
    /// How many of the columns' rows are this lane's.
    ops: usize,
}

#[derive(Debug, Serialize)]
struct BandData<'a> {
    fault: u32,
    name: &'a str,
    summary: &'a str,
    start: u64,
    end: Option<u64>,
}

/// Draws the overview and packs the data.
pub(super) fn timeline(run: &RunView) -> Timeline {
    let marks: HashSet<u64> = run
        .verdict
        .checkers
        .iter()
        .flat_map(|checker| &checker.anomalies)
        .flat_map(|anomaly| anomaly.ops.iter().copied())
        .collect();
    let chosen = choose(&run.ops, &marks);
    let lanes = lanes(run, &chosen);
    let note = (chosen.len() < run.ops.len()).then(|| {
        format!(
            "The run has {} operations. The timeline shows {}: those around the anomalies, and an \
             even sample of the others. The history beside this report has them all.",
            count(run.ops.len()),
            count(chosen.len())
        )
    });
    Timeline {
        overview_svg: overview(run, &lanes, &marks),
        data_json: pack(run, &lanes, &marks),
        note,
        shown: count(chosen.len()),
    }
}

/// All operations, or the marked ones with their neighbours and an even sample of the rest.
fn choose(ops: &[OpView], marks: &HashSet<u64>) -> Vec<usize> {
    if ops.len() <= MAX_OPS {
        return (0..ops.len()).collect();
    }
    let mut keep = vec![false; ops.len()];
    let mut near = 0;
    for at in (0..ops.len()).filter(|at| marks.contains(&ops[*at].invoked.index)) {
        for slot in &mut keep[at.saturating_sub(200)..(at + 200).min(ops.len())] {
            // Thousands of marks must not defeat the limit; the marked operations come first.
            near += usize::from(!*slot);
            *slot |= near < MAX_OPS / 2;
        }
    }
    let stride = ops.len().div_ceil(MAX_OPS / 2);
    (0..ops.len()).filter(|at| keep[*at] || at.is_multiple_of(stride)).collect()
}

fn micros(time: Nanos) -> u64 {
    time.0 / 1000
}

fn pack(run: &RunView, lanes: &[Lane], marks: &HashSet<u64>) -> String {
    let mut texts = Texts::default();
    let mut columns = Columns::default();
    for lane in lanes {
        let mut before = 0;
        for op in lane.ops.iter().map(|position| &run.ops[*position]) {
            let start = micros(op.invoked.time).cast_signed();
            columns.index.push(op.invoked.index);
            columns.process.push(op.process);
            columns.start.push(start - before);
            columns.took.push(match op.completed {
                None => -1,
                Some(_) => micros(op.end()).cast_signed() - start,
            });
            columns.fate.push(op.fate as u8);
            columns.f.push(texts.id(Some(&op.f)));
            columns.key.push(texts.id(op.key.as_deref()));
            columns.call.push(texts.id(Some(&op.call).filter(|call| !call.is_empty())));
            columns.reply.push(texts.id(op.reply.as_ref().filter(|reply| **reply != op.call)));
            columns.error.push(texts.id(op.error.as_deref()));
            before = start;
        }
    }
    let data = Data {
        end: micros(run.end()),
        lanes: lanes
            .iter()
            .map(|lane| LaneData { node: lane.node.as_deref(), ops: lane.ops.len() })
            .collect(),
        faults: run
            .faults
            .iter()
            .map(|window| BandData {
                fault: window.fault,
                name: &window.name,
                summary: &window.summary,
                start: micros(window.start),
                end: window.end.map(micros),
            })
            .collect(),
        marks: marks
            .iter()
            .copied()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect(),
        texts: texts.list,
        ops: columns,
    };
    script_safe(&serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned()))
}

/// JSON that can stand inside a script element: no text in it can end the element.
fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[derive(Default)]
struct Texts {
    list: Vec<String>,
    ids: HashMap<String, i32>,
}

impl Texts {
    fn id(&mut self, text: Option<impl AsRef<str>>) -> i32 {
        let Some(text) = text else { return -1 };
        let text = text.as_ref();
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let Ok(id) = i32::try_from(self.list.len()) else { return -1 };
        self.list.push(text.to_owned());
        self.ids.insert(text.to_owned(), id);
        id
    }
}

/// One row of the overview: operations of one node, or of one lane where there are few.
struct Row<'a> {
    name: Option<&'a Arc<str>>,
    ops: Vec<usize>,
}

fn overview_rows<'a>(run: &RunView, lanes: &'a [Lane]) -> Vec<Row<'a>> {
    let mut nodes: BTreeMap<(usize, Option<&Arc<str>>), Vec<usize>> = BTreeMap::new();
    for lane in lanes {
        let key = (node_rank(run, lane.node.as_deref()), lane.node.as_ref());
        nodes.entry(key).or_default().extend(&lane.ops);
    }
    nodes.into_iter().map(|((_, name), ops)| Row { name, ops }).collect()
}

fn overview(run: &RunView, lanes: &[Lane], marks: &HashSet<u64>) -> String {
    const ROW: usize = 20;
    const TOP: usize = 14;
    let rows = overview_rows(run, lanes);
    let height = TOP + rows.len().max(1) * ROW + 18;
    let end = run.end().0.max(1);
    let x = |time: Nanos| {
        GUTTER as f64 + (WIDTH - GUTTER) as f64 * (time.0 as f64 / end as f64).clamp(0.0, 1.0)
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" class=\"overview\" \
         aria-label=\"Overview of all operations by node, with the times of the faults\">"
    );
    for window in &run.faults {
        let (from, to) = (x(window.start), x(window.end.unwrap_or(Nanos(end))));
        let _ = write!(
            svg,
            "<rect class=\"band\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\">\
             <title>fault {}: {}</title></rect>",
            (to - from).max(1.0),
            rows.len().max(1) * ROW,
            window.fault,
            escape(&window.summary)
        );
    }
    for (position, row) in rows.iter().enumerate() {
        let middle = TOP + position * ROW + ROW / 2;
        let name = row.name.map_or("clients", |name| name.as_ref());
        let _ = write!(svg, "<text x=\"0\" y=\"{}\">{}</text>", middle + 4, escape(&clip(name, 8)));
        svg.push_str(&row_paths(run, &row.ops, middle, end));
    }
    for op in run.ops.iter().filter(|op| marks.contains(&op.invoked.index)).take(200) {
        let at = x(op.invoked.time);
        let _ = write!(
            svg,
            "<path class=\"mark\" d=\"M{:.1} 2h8l-4 9z\"><title>operation #{}</title></path>",
            at - 4.0,
            op.invoked.index
        );
    }
    axis(&mut svg, height, Nanos(end), &x);
    svg.push_str("</svg>");
    svg
}

/// The row's operations, a path for each outcome: a bucket is filled if an operation of that
/// outcome was open in it.
fn row_paths(run: &RunView, ops: &[usize], middle: usize, end: u64) -> String {
    let buckets = (WIDTH - GUTTER) / BUCKET;
    let bucket = |time: Nanos| {
        let share = u128::from(time.0) * buckets as u128 / u128::from(end);
        usize::try_from(share).unwrap_or(usize::MAX).min(buckets - 1)
    };
    let mut svg = String::new();
    for (fate, y) in [(Fate::Ok, middle), (Fate::Fail, middle + 5), (Fate::Info, middle - 5)] {
        let mut filled = vec![false; buckets];
        let of_fate = ops.iter().map(|position| &run.ops[*position]).filter(|op| op.fate == fate);
        for op in of_fate {
            filled[bucket(op.invoked.time)..=bucket(op.end())].fill(true);
        }
        let mut path = String::new();
        let mut at = 0;
        while at < buckets {
            let length = filled[at..].iter().take_while(|there| **there == filled[at]).count();
            if filled[at] {
                let _ = write!(path, "M{} {y}h{}", GUTTER + at * BUCKET, length * BUCKET);
            }
            at += length;
        }
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"run {}\" d=\"{path}\"/>", fate.word());
        }
    }
    svg
}

fn axis(svg: &mut String, height: usize, end: Nanos, x: &impl Fn(Nanos) -> f64) {
    let secs = end.as_secs_f64();
    let raw = secs / 8.0;
    let magnitude = 10f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * magnitude).find(|s| *s >= raw).unwrap_or(raw);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
    let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    for tick in 0..10u32 {
        let at = f64::from(tick) * step;
        if at > secs * 0.97 {
            break;
        }
        let nanos = Nanos::from(std::time::Duration::try_from_secs_f64(at).unwrap_or_default());
        let anchor = if tick == 0 { "start" } else { "middle" };
        let _ = write!(
            svg,
            "<text class=\"tick\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{}\">\
             {at:.digits$} s</text>",
            x(nanos),
            height - 4
        );
    }
}
