//! The command line: what can be asked, and the exit codes.
//!
//! 0 valid · 1 a violation was found · 2 usage error · 3 unknown · 4 the harness or its environment
//! failed. Everything that can be refused is refused before a namespace is made or a process is
//! started.

mod completions;
mod doctor;
mod heal;
mod list;
mod node;
mod pipe;
mod prove;
mod report;
mod test;

use crate::{check, convert, corpus, explain, generate, matrix};
use clap::{Parser, Subcommand};
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// It was asked for something that doesn't exist or doesn't make sense: exit code 2.
    Usage(anyhow::Error),
    /// The harness or its environment failed: exit code 4.
    Harness(anyhow::Error),
}

impl Failure {
    /// A usage error.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Harness(error.into())
    }
}

#[derive(Parser)]
#[command(
    name = "schism",
    version,
    about = "Breaks consensus stores on purpose, and proves whether they kept their promises",
    after_help = "Examples:
  schism test                          the embedded Raft store, 5 nodes, faults on
  schism test primary-replica          finds split-brain double writes; exits 1
  schism test etcd --reads serializable
  schism test raft --nodes 4 --faults partition-halves
  schism check --model cas-register history.edn
  schism explain --model list-append history.edn
  schism list systems

Exit codes: 0 valid, 1 invalid, 2 usage error, 3 unknown, 4 the harness failed."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a test against a real cluster and judge it
    Test(Box<test::Test>),
    /// Judge a history, or a stored run again
    Check(check::Check),
    /// Say what is wrong with a history: words, its smallest part that fails, a picture
    Explain(explain::Explain),
    /// Write a history in another format
    Convert(convert::Convert),
    /// Write a stored run's report again
    Report(report::Report),
    /// Show systems, workloads, faults, models or runs
    List(list::List),
    /// Run many tests and compare each verdict with the expected one
    Matrix(matrix::Matrix),
    /// Judge histories whose verdicts are known, and compare
    Corpus(corpus::Corpus),
    /// Write a history to measure checkers with
    Generate(generate::Generate),
    /// Run a stored run's test again, with the same options and seed
    Replay(report::Replay),
    /// Undo what the faults of a crashed controller left behind
    Heal(heal::Heal),
    /// Show every fault taking effect, and being undone, on this machine
    Prove(prove::Prove),
    /// Say what this machine has, what is missing, and how to get it
    Doctor(doctor::Doctor),
    /// Print a shell's completion script
    Completions(completions::Completions),
    /// Judge one history in this process
    #[command(hide = true)]
    Judge(check::worker::Worker),
    /// One embedded node
    #[command(hide = true)]
    Node(node::Node),
    /// One packet shaper
    #[command(hide = true)]
    Shaper(node::Shaper),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    if !matches!(command, Command::Test(_) | Command::Node(_) | Command::Shaper(_)) {
        pipe::end_with_the_reader();
    }
    let result = match command {
        Command::Test(test) => test.run(),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Convert(convert) => convert.run(),
        Command::Judge(worker) => worker.run(),
        Command::Corpus(corpus) => corpus.run(),
        Command::Generate(generate) => generate.run(),
        Command::Report(report) => report.run(),
        Command::List(list) => list.run(),
        Command::Matrix(matrix) => matrix.run(),
        Command::Replay(replay) => replay.run(),
        Command::Heal(heal) => heal.run(),
        Command::Prove(prove) => prove.run(),
        Command::Doctor(doctor) => Ok(doctor.run()),
        Command::Completions(completions) => Ok(completions.run::<Cli>()),
        Command::Node(node) => node.run(),
        Command::Shaper(shaper) => shaper.run(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Usage(error)) => {
            eprintln!("schism: {error:#}");
            ExitCode::from(2)
        }
        Err(Failure::Harness(error)) => {
            eprintln!("schism: {error:#}");
            ExitCode::from(4)
        }
    }
}

/// Should output be coloured?
pub(crate) fn color(no_color: bool) -> bool {
    !no_color
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::io::stdout().is_terminal()
}

/// How wide the terminal is; 80 columns where there is none.
pub(crate) fn width() -> usize {
    usize::from(console::Term::stdout().size().1).clamp(40, 120)
}
