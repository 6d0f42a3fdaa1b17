//! `schism convert`: the same history in another format.

use crate::cli::Failure;
use anyhow::{Context as _, anyhow};
use clap::Args;
use schism_core::format::write::Writer;
use schism_core::format::{self, Format, ReadError, Summary};
use schism_core::limits::Limits;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The arguments of `schism convert`.
#[derive(Args)]
#[command(after_help = "Examples:
  schism convert runs/latest/history.jsonl -o history.edn   for Jepsen, Knossos and Elle
  schism convert --to json history.edn > history.json       for elle-cli
  schism convert --to jsonl history.edn                     our own, an event a line
  zcat history.edn.gz | schism convert --to jsonl -

An operation on one of several objects becomes [key value] in edn and json, as Jepsen's
independent keys are, with :keyed true beside it. JSON has no keywords, sets and tags: to
keep those, convert to edn.

Exit codes: 0 converted, 2 the history or a name is wrong, 4 the result can't be written.")]
pub(crate) struct Convert {
    /// The history's format
    #[arg(long, value_name = "FORMAT", default_value = "auto",
          value_parser = ["auto", "jsonl", "edn", "json", "jepsen-log", "plume"])]
    from: String,
    /// The format to write [default: the one that -o ends with, or edn]
    #[arg(long, value_name = "FORMAT", value_parser = ["edn", "json", "jsonl"])]
    to: Option<String>,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The history, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// How many bytes a look at the format takes.
const LOOK: u64 = 64 << 10;

impl Convert {
    /// Carries it out.
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let to = match &self.to {
            Some(name) => name.parse().map_err(Failure::usage)?,
            None => self.output.as_deref().map_or(Format::Edn, named),
        };
        let from = match self.from.as_str() {
            "auto" => None,
            name => Some(name.parse::<Format>().map_err(Failure::usage)?),
        };
        let name = self.file.display();
        let wrong = |error: anyhow::Error| Failure::Usage(error.context(format!("{name}")));
        let mut source = open(&self.file).map_err(wrong)?;
        let mut head = Vec::new();
        source
            .by_ref()
            .take(LOOK)
            .read_to_end(&mut head)
            .map_err(|error| wrong(anyhow!(error).context("cannot be read")))?;
        let from = from.or_else(|| Format::detect(&head)).ok_or_else(|| {
            wrong(anyhow!(
                "its format can't be told from its first bytes; \
                 expected --from jsonl, edn, json, jepsen-log or plume"
            ))
        })?;
        let source = head.as_slice().chain(source);
        let summary = match &self.output {
            None => convert(from, source, to, io::stdout().lock()),
            Some(path) => into_file(path, |file| convert(from, source, to, file)),
        };
        let summary = summary.map_err(|failure| match failure {
            Failure::Usage(error) => wrong(error),
            Failure::Harness(error) => Failure::Harness(error),
        })?;
        if summary.truncated {
            eprintln!("schism: {name}: the last line was cut off, and is left out");
        }
        if !summary.has_real_time {
            eprintln!(
                "schism: {name}: it says nothing of real time, so the order of its sessions is \
                 arbitrary: judge the result by models that don't depend on it"
            );
        }
        Ok(0)
    }
}

/// The format that a file's name ends with.
fn named(path: &Path) -> Format {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.and_then(|extension| extension.parse().ok()).unwrap_or(Format::Edn)
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(File::open(path).context("cannot be opened")?))
}

/// Nothing is left of a conversion that fails, and what was there before stays.
fn into_file(
    path: &Path,
    write: impl FnOnce(File) -> Result<Summary, Failure>,
) -> Result<Summary, Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let file = File::create(part).with_context(|| format!("cannot create {}", part.display()))?;
    let written = write(file).and_then(|summary| {
        std::fs::rename(part, path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(summary)
    });
    if written.is_err() {
        // The failure itself is what there is to say.
        let _also_fails = std::fs::remove_file(part);
    }
    written
}

fn convert(
    from: Format,
    source: impl Read,
    to: Format,
    out: impl Write,
) -> Result<Summary, Failure> {
    let mut writer = Writer::new(to, out).map_err(Failure::usage)?;
    let read = format::read(from, source, &mut writer, &Limits::default());
    // If an event could not be written, the reader only says where it was.
    writer.finish().context("the result cannot be written")?;
    read.map_err(|error: ReadError| Failure::usage(error))
}
