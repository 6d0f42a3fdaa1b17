//! One process measured by the kernel, several times.
//!
//! Every measured command is started by a process that starts nothing else, since the kernel adds
//! up the children that a process had. What it counts for a child has the child's own children in
//! it.

use nix::sys::resource::{UsageWho, getrusage};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Tells this program to measure one command, and nothing else.
pub(crate) const FLAG: &str = "--measure";

/// Several measurements of one thing, sorted.
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The middle one; of two middle ones the lesser.
    pub(crate) fn median(&self) -> f64 {
        self.0[(self.0.len() - 1) / 2]
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let (median, least, most) = (self.median(), self.0[0], self.0[self.0.len() - 1]);
        write!(f, "{median:.digits$}")?;
        if most - least > median / 20.0 && format!("{least:.digits$}") != format!("{most:.digits$}")
        {
            write!(f, " ({least:.digits$}–{most:.digits$})")?;
        }
        Ok(())
    }
}

/// What a command cost, each time that it ran.
pub(crate) struct Costs {
    /// Its exit code, the same each time; -1 for a signal, -2 if it differed.
    pub(crate) code: i32,
    /// User and system time, in seconds.
    pub(crate) cpu: Sample,
    /// From start to end, in seconds.
    pub(crate) wall: Sample,
    /// In megabytes (10⁶ bytes).
    pub(crate) peak: Sample,
}

impl Costs {
    /// How many times those of a smaller history.
    pub(crate) fn growth(&self, less: &Self) -> String {
        let times = |more: &Sample, less: &Sample| more.median() / less.median();
        format!("× {:.1}, × {:.1}", times(&self.cpu, &less.cpu), times(&self.peak, &less.peak))
    }
}

/// Runs the command so many times.
pub(crate) fn repeated(command: &[OsString], runs: usize) -> Result<Costs, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut columns = [const { Vec::new() }; 3];
    let mut codes = Vec::new();
    for _ in 0..runs {
        let output = Command::new(&program).arg(FLAG).args(command).output();
        let output = output.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.split_whitespace();
        let code = words.next().and_then(|word| word.parse::<i32>().ok());
        codes.push(code.ok_or_else(|| format!("{} can't be started", command[0].display()))?);
        for column in &mut columns {
            let number = words.next().and_then(|word| word.parse::<f64>().ok());
            column.push(number.ok_or("nothing was measured")?);
        }
    }
    let code = if codes.iter().all(|code| *code == codes[0]) { codes[0] } else { -2 };
    let [cpu, wall, peak] = columns.map(Sample::new);
    Ok(Costs { code, cpu, wall, peak })
}

/// Runs a command once and prints exit code, processor seconds, wall seconds and peak megabytes.
pub(crate) fn one(command: &[String]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else { return ExitCode::FAILURE };
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let begun = Instant::now();
    let quiet = (Stdio::null(), Stdio::null());
    let ran = Command::new(program).args(arguments).stdout(quiet.0).stderr(quiet.1).status();
    let wall = begun.elapsed().as_secs_f64();
    let (Ok(status), Ok(usage)) = (ran, getrusage(UsageWho::RUSAGE_CHILDREN)) else {
        return ExitCode::FAILURE;
    };
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    let peak = usage.max_rss() as f64 * 1024.0 / 1e6;
    println!("{} {cpu} {wall} {peak}", status.code().unwrap_or(-1));
    ExitCode::SUCCESS
}

/// A temporary folder that is removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one.
    pub(crate) fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("schism-bench-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing depends on it; what is left is in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
