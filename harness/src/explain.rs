//! `schism explain`: what is wrong with a history, in words, as the smallest part of it that is
//! still wrong, and as a picture.

use crate::check::worker::detect;
use crate::check::{Judging, judge_file, steps};
use crate::cli::Failure;
use anyhow::{Context as _, anyhow};
use clap::Args;
use schism_checkers::minimize::{RecordedOp, Recording, minimize};
use schism_core::event::{Kind, OwnedEvent};
use schism_core::format;
use schism_core::limits::Limits;
use schism_core::op::{Process, Stamp};
use schism_core::time::Nanos;
use schism_core::verdict::Anomaly;
use schism_reports::view::{Fate, OpView, short_json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The arguments of `schism explain`.
#[derive(Args)]
#[command(after_help = "Examples:
  schism explain --model cas-register history.edn             words, and history.svg
  schism explain --model list-append --svg cycle.svg a.edn
  schism explain --model register --smallest small.edn a.edn  what still fails, as a history
  schism explain --model register --nth 2 a.edn               the second anomaly

Exit codes: those of `schism check`; a history in which nothing is wrong needs no explanation.")]
pub(crate) struct Explain {
    #[command(flatten)]
    judging: Judging,
    /// Where to write the picture [default: the history's name with .svg, in this folder]
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Where to write the smallest part that still fails, as EDN
    #[arg(long, value_name = "FILE")]
    smallest: Option<PathBuf>,
    /// Which of the anomalies that were found
    #[arg(long, value_name = "N", default_value = "1")]
    nth: std::num::NonZeroUsize,
    /// How many parts of the history may be judged to find the smallest
    #[arg(long, value_name = "N", default_value = "2000")]
    judgements: usize,
    /// The history
    #[arg(value_name = "FILE")]
    file: OsString,
}

impl Explain {
    pub(crate) fn run(self) -> Result<u8, Failure> {
        self.judging.make().map_err(Failure::Usage)?;
        let answer = judge_file(&self.judging, &self.file)?;
        if let Some(error) = &answer.error {
            return Err(Failure::usage(anyhow!("{}: {error}", answer.file)));
        }
        print!("{}", answer.in_words(false));
        let anomalies: Vec<&Anomaly> =
            answer.checkers.iter().flat_map(|finding| &finding.anomalies).collect();
        let Some(anomaly) = anomalies.get(self.nth.get() - 1) else {
            for finding in &answer.checkers {
                println!("  {}", finding.summary);
            }
            if !anomalies.is_empty() {
                let many = anomalies.len();
                return Err(Failure::usage(anyhow!("--nth: there are {many} anomalies only")));
            }
            return Ok(answer.exit_code());
        };
        print!("{}", in_words(anomaly));
        let recording = self.record()?;
        self.show_smallest(&recording, anomaly)?;
        let ops = recording.ops().iter().map(view).collect();
        let svg = self.svg.clone().unwrap_or_else(|| beside(&self.file));
        std::fs::write(&svg, schism_reports::drawing(ops, anomaly))
            .with_context(|| format!("cannot write {}", svg.display()))?;
        println!("picture: {}", svg.display());
        if anomalies.len() > self.nth.get() {
            println!("{} more: --nth {} …", anomalies.len() - 1, self.nth.get() + 1);
        }
        Ok(answer.exit_code())
    }

    /// Reads the history again, to show operations as they stand there.
    fn record(&self) -> anyhow::Result<Recording> {
        let mut file = File::open(&self.file)?;
        let (format, head) = match self.judging.asked_format() {
            Some(format) => (format, Vec::new()),
            None => detect(&mut file)?,
        };
        let mut recording = Recording::default();
        let text = head.as_slice().chain(file);
        format::read(format, text, &mut recording, &Limits::default())?;
        Ok(recording)
    }

    fn show_smallest(&self, recording: &Recording, anomaly: &Anomaly) -> anyhow::Result<()> {
        let (model, options) = self.judging.make()?;
        let kind = anomaly.kind.as_str();
        let found = minimize(recording, model, &options, kind, &anomaly.ops, self.judgements);
        let Some(smallest) = found else {
            println!("no smaller part was found to fail in the same way");
            return Ok(());
        };
        let ops = recording.ops();
        println!(
            "the smallest part that still fails so: {} of {} operations",
            smallest.len(),
            ops.len()
        );
        let by_index: HashMap<u64, &RecordedOp> = ops.iter().map(|op| (op.index(), op)).collect();
        let chosen: Vec<&RecordedOp> =
            smallest.iter().filter_map(|index| by_index.get(index).copied()).collect();
        for op in &chosen {
            let view = view(op);
            let key = view.key.as_ref().map(|key| format!("[{key}] ")).unwrap_or_default();
            let until = view.completed.map_or("…".to_owned(), |stamp| stamp.index.to_string());
            println!(
                "  process {:<4} {key}{}   (events {} to {until})",
                view.process,
                view.label(),
                view.invoked.index
            );
        }
        if let Some(path) = &self.smallest {
            let mut events: Vec<&OwnedEvent> = chosen.iter().flat_map(|op| op.events()).collect();
            events.sort_unstable_by_key(|event| event.index());
            let mut text = Vec::new();
            for event in events {
                format::write(format::Format::Edn, &event.raw(), &mut text)?;
            }
            std::fs::write(path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("written to {}", path.display());
        }
        Ok(())
    }
}

fn in_words(anomaly: &Anomaly) -> String {
    let mut text = format!("{}: {}\n", anomaly.kind, anomaly.summary);
    for (position, step) in steps(anomaly).iter().enumerate() {
        let _ = writeln!(text, "  {}. {step}", position + 1);
    }
    text
}

/// `x/history.edn` becomes `history.svg`.
fn beside(file: &OsString) -> PathBuf {
    let stem = Path::new(file).file_stem().unwrap_or(file.as_os_str());
    Path::new(stem).with_extension("svg")
}

/// An operation as reports show it.
fn view(op: &RecordedOp) -> OpView {
    let mut events = op.events();
    let first = events.next().map(OwnedEvent::raw);
    let last = events.next().map(OwnedEvent::raw).or(first);
    let stamp = |raw: &schism_core::event::RawEvent<'_>| {
        let index = raw.index.unwrap_or_default();
        Stamp { index, time: raw.time.unwrap_or(Nanos(index)) }
    };
    let value = |raw: &schism_core::event::RawEvent<'_>| short_json(&raw.asked.value.to_json());
    let ended = last.filter(|raw| raw.kind != Kind::Invoke);
    let process = match first.map(|raw| raw.process) {
        Some(Process::Client(process)) => process,
        Some(Process::Nemesis) | None => 0,
    };
    let call = first.map(|raw| value(&raw)).filter(|call| call != "null");
    OpView {
        process,
        node: first.and_then(|raw| raw.node).map(Into::into),
        f: Cow::Owned(first.map(|raw| raw.asked.f.to_owned()).unwrap_or_default()),
        key: first.and_then(|raw| raw.asked.key).map(|key| key.key().to_string()),
        call: call.unwrap_or_default(),
        reply: ended.filter(|raw| raw.kind == Kind::Ok).map(|raw| value(&raw)),
        invoked: first.map_or(Stamp { index: 0, time: Nanos(0) }, |raw| stamp(&raw)),
        completed: ended.map(|raw| stamp(&raw)),
        fate: ended.map_or(Fate::Info, |raw| Fate::from(raw.kind)),
        error: ended.filter(|raw| raw.error.is_some()).map(|raw| raw.reason().into_owned()),
    }
}
