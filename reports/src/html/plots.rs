//! Latency and rate over time, drawn with plotters.
//!
//! Plotters knows fixed colours only. It is given placeholders, which then become the style sheet's
//! variables, so that a plot follows the page between light and dark. The texts are axis labels of
//! our own; names from the run stand in the legend, which the template writes and escapes.

use crate::view::{Fate, RunView};
use plotters::coord::Shift;
use plotters::prelude::*;
use schism_core::time::Nanos;
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;

/// Twice what is shown, because plotters rounds to whole units.
const SIZE: (u32, u32) = (2000, 560);
const LABEL: u32 = 30;
/// A latency plot has so many buckets, with at most three points for each outcome.
const BUCKETS: usize = 400;
/// Rates of so many operations are drawn, each in a colour of its own.
const RATES: usize = 5;

const INK: RGBColor = RGBColor(0, 0, 1);
const GRID: RGBColor = RGBColor(0, 0, 2);
const BAND: RGBColor = RGBColor(0, 0, 3);
const FATE: [RGBColor; 3] = [RGBColor(0, 1, 0), RGBColor(0, 1, 1), RGBColor(0, 1, 2)];

/// A drawing and what its signs mean.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    pub(super) svg: String,
    legend: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    label: String,
    color: String,
    dash: &'static str,
    sign: &'static str,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Latency of every operation over time; `None` if there is nothing to draw.
pub(super) fn latency(run: &RunView) -> Option<Plot> {
    let points = points(run);
    let low = points.iter().map(|p| p.ms).min_by(f64::total_cmp)?;
    let high = points.iter().map(|p| p.ms).max_by(f64::total_cmp)?;
    let range = 10f64.powf(low.log10().floor())..10f64.powf(high.log10().floor() + 1.0);
    let svg = draw(run, "Latency of operations over time, logarithmic", |area, end| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(56)
            .y_label_area_size(150)
            .build_cartesian_2d(0.0..end, range.clone().log_scale())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.stroke_width(1))
            .light_line_style(TRANSPARENT)
            .axis_style(GRID.stroke_width(2))
            .label_style(("sans-serif", LABEL, &INK))
            .x_label_formatter(&|secs| format!("{secs} s"))
            .y_label_formatter(&|ms| power_of_ten(*ms))
            .y_labels(6)
            .draw()?;
        let bands = bands(run, end);
        chart.draw_series(bands.iter().map(|(from, to)| {
            Rectangle::new([(*from, range.start), (*to, range.end)], BAND.mix(0.16).filled())
        }))?;
        for p in &points {
            let at = (p.secs, p.ms);
            match p.fate {
                Fate::Ok => chart.draw_series([Circle::new(at, 4, FATE[0].mix(0.7).filled())])?,
                Fate::Fail => {
                    chart.draw_series([Cross::new(at, 6, FATE[1].mix(0.9).stroke_width(3))])?
                }
                Fate::Info => {
                    chart.draw_series([TriangleMarker::new(at, 9, FATE[2].mix(0.9).filled())])?
                }
            };
        }
        Ok(())
    })?;
    Some(Plot { svg, legend: fates() })
}

fn fates() -> Vec<Entry> {
    [("ok", "●"), ("fail", "✕"), ("info", "▲")]
        .into_iter()
        .zip(["answered", "failed for certain", "unknown, the time that was waited"])
        .map(|((fate, sign), words)| Entry {
            label: words.to_owned(),
            color: format!("var(--{fate})"),
            dash: "",
            sign,
        })
        .collect()
}

struct Point {
    secs: f64,
    ms: f64,
    fate: Fate,
}

/// The fastest, the slowest and one between, of each outcome in each bucket of time.
fn points(run: &RunView) -> Vec<Point> {
    let end = run.end().0.max(1);
    let mut buckets: BTreeMap<(usize, Fate), Vec<(f64, f64)>> = BTreeMap::new();
    for op in &run.ops {
        let Some(completed) = op.completed else { continue };
        let bucket = share(op.invoked.time, end, BUCKETS);
        let ms = completed.time.since(op.invoked.time).as_secs_f64() * 1e3;
        let point = (op.invoked.time.as_secs_f64(), ms.max(0.001));
        buckets.entry((bucket, op.fate)).or_default().push(point);
    }
    let mut points = Vec::new();
    for ((_, fate), mut inside) in buckets {
        inside.sort_by(|left, right| left.1.total_cmp(&right.1));
        let mut chosen = vec![0, inside.len() / 2, inside.len() - 1];
        chosen.dedup();
        points.extend(chosen.into_iter().map(|at| Point {
            secs: inside[at].0,
            ms: inside[at].1,
            fate,
        }));
    }
    points
}

/// Which of `buckets` equal parts of the run a time falls into.
fn share(time: Nanos, end: u64, buckets: usize) -> usize {
    let bucket = u128::from(time.0) * buckets as u128 / u128::from(end.max(1));
    usize::try_from(bucket).unwrap_or(usize::MAX).min(buckets - 1)
}

/// Completed operations a second over time, by operation and outcome.
pub(super) fn rate(run: &RunView) -> Option<Plot> {
    let series = rates(run);
    let high = series.iter().flat_map(|s| &s.points).map(|p| p.1).max_by(f64::total_cmp)?;
    let top = (high * 1.08).max(1.0);
    let mut svg = draw(run, "Operations a second over time", |area, end| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(56)
            .y_label_area_size(150)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.stroke_width(1))
            .light_line_style(TRANSPARENT)
            .axis_style(GRID.stroke_width(2))
            .label_style(("sans-serif", LABEL, &INK))
            .x_label_formatter(&|secs| format!("{secs} s"))
            .y_label_formatter(&|rate| format!("{rate} /s"))
            .y_labels(5)
            .draw()?;
        let bands = bands(run, end);
        chart.draw_series(bands.iter().map(|(from, to)| {
            Rectangle::new([(*from, 0.0), (*to, top)], BAND.mix(0.16).filled())
        }))?;
        for one in &series {
            chart.draw_series(LineSeries::new(
                one.points.iter().copied(),
                one.placeholder().stroke_width(4),
            ))?;
        }
        Ok(())
    })?;
    for one in &series {
        let dash = one.dash();
        let style = if dash.is_empty() {
            format!("stroke=\"{}\"", one.color())
        } else {
            format!("stroke=\"{}\" stroke-dasharray=\"{dash}\"", one.color())
        };
        svg = svg.replace(&format!("stroke=\"{}\"", hex(one.placeholder())), &style);
    }
    let legend = series
        .iter()
        .map(|one| Entry {
            label: format!("{} {}", one.f, one.fate.word()),
            color: one.color(),
            dash: one.dash(),
            sign: "",
        })
        .collect();
    Some(Plot { svg, legend })
}

struct Rate {
    f: String,
    color: u8,
    fate: Fate,
    /// Seconds, operations a second.
    points: Vec<(f64, f64)>,
}

impl Rate {
    fn placeholder(&self) -> RGBColor {
        RGBColor(1, self.color, self.fate as u8)
    }

    fn color(&self) -> String {
        format!("var(--s{})", self.color + 1)
    }

    fn dash(&self) -> &'static str {
        match self.fate {
            Fate::Ok => "",
            Fate::Fail => "18 10",
            Fate::Info => "4 8",
        }
    }
}

fn rates(run: &RunView) -> Vec<Rate> {
    let end = run.end().0.max(1);
    // A bucket is at least a tenth of a second, so that a rate is more than noise.
    let buckets = usize::try_from(end / 100_000_000).unwrap_or(usize::MAX).clamp(2, 120);
    let mut counts: BTreeMap<&str, [Vec<u32>; 3]> = BTreeMap::new();
    for op in &run.ops {
        let Some(completed) = op.completed else { continue };
        let of_f = counts.entry(&op.f).or_insert_with(|| [(); 3].map(|()| vec![0; buckets]));
        of_f[op.fate as usize][share(completed.time, end, buckets)] += 1;
    }
    let mut by_count: Vec<_> = counts.into_iter().collect();
    by_count.sort_by_key(|(_, fates)| std::cmp::Reverse(fates.iter().flatten().sum::<u32>()));
    let secs = Nanos(end).as_secs_f64();
    let width = secs / buckets as f64;
    let mut series = Vec::new();
    for ((f, fates), color) in by_count.into_iter().take(RATES).zip(0u8..) {
        for (fate, counts) in Fate::ALL.into_iter().zip(fates) {
            if counts.iter().all(|count| *count == 0) {
                continue;
            }
            let point =
                |(at, count): (usize, &u32)| ((at as f64 + 0.5) * width, f64::from(*count) / width);
            let points = counts.iter().enumerate().map(point).collect();
            series.push(Rate { f: f.to_owned(), color, fate, points });
        }
    }
    series
}

/// The faults' times in seconds, within the plot.
fn bands(run: &RunView, end: f64) -> Vec<(f64, f64)> {
    run.faults
        .iter()
        .map(|window| {
            let to = window.end.map_or(end, Nanos::as_secs_f64).min(end);
            (window.start.as_secs_f64().min(to), to)
        })
        .collect()
}

/// Runs a drawing and makes it part of the page. A plot that can't be drawn is left out: it must
/// not cost the report.
fn draw(run: &RunView, label: &str, plot: impl FnOnce(&Area<'_>, f64) -> Drawn) -> Option<String> {
    let end = run.end().as_secs_f64().max(1e-3);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        plot(&area, end).ok()?;
        area.present().ok()?;
    }
    let open = format!("<svg width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1);
    let mut svg =
        svg.replacen(&open, &format!("<svg class=\"plot\" role=\"img\" aria-label=\"{label}\""), 1);
    for (placeholder, color) in [
        (INK, "var(--ink-2)"),
        (GRID, "var(--line)"),
        (BAND, "var(--fault)"),
        (FATE[0], "var(--ok)"),
        (FATE[1], "var(--fail)"),
        (FATE[2], "var(--info)"),
    ] {
        svg = svg.replace(&format!("\"{}\"", hex(placeholder)), &format!("\"{color}\""));
    }
    Some(svg)
}

/// A label of the logarithmic axis.
fn power_of_ten(ms: f64) -> String {
    match ms {
        ms if ms >= 999.0 => format!("{:.0} s", ms / 1e3),
        ms if ms >= 0.999 => format!("{ms:.0} ms"),
        ms => format!("{:.0} µs", ms * 1e3),
    }
}

fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}
