//! Turns a run into what people and CI read: [`html()`] (`report.html`, one self-contained file),
//! [`junit()`] (`junit.xml`) and [`terminal()`] (the summary that a person reads in five seconds).
//!
//! [`drawing()`] is one anomaly as an SVG, for a history without a run.
//!
//! It draws and never judges: every verdict and every argument comes from the checkers' records.
//! Figures that it works out itself (counts, quantiles, who answered when) are plain counting of
//! the operations. It touches no clock, disk or network; what it reads is all in
//! [`view::RunView`].
//!
//! Values, log lines and errors come from systems under test. They are text to this crate, never
//! markup: templates escape everything, and so do the drawings that are put together here.

pub mod html;
pub mod junit;
pub mod latency;
pub mod terminal;
pub mod view;

pub use html::drawing::drawing;
pub use html::html;
pub use junit::junit;
pub use terminal::terminal;
