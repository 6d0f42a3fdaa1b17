//! The run directory: `runs/<system>-<workload>/<UTC stamp>-<seed>/`.
//!
//! Everything about a run is in it, and nothing in it names the machine. `runs/latest` points to
//! the run that began last.

#![allow(
    clippy::disallowed_methods,
    reason = "a run is named after the wall-clock time of its start"
)]

use anyhow::{Context as _, bail, ensure};
use schism_core::record::{TestRecord, VerdictRecord};
use std::fs;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::macros::format_description;

/// A run's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

/// The time now, UTC: for the directory's name, and for `test.toml`.
pub fn now() -> (String, String) {
    let now = OffsetDateTime::now_utc();
    let stamp = format_description!("[year][month][day]T[hour][minute][second]Z");
    let iso = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    // Formatting a date with constant descriptions cannot fail.
    (now.format(&stamp).unwrap_or_default(), now.format(&iso).unwrap_or_default())
}

impl RunDir {
    /// Makes the directory of a run that begins now, below `store`.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn create(store: &Path, record: &TestRecord, stamp: &str) -> anyhow::Result<Self> {
        let group = store.join(format!("{}-{}", record.system, record.workload));
        fs::create_dir_all(&group).with_context(|| {
            format!("cannot create {}; choose another place with --store", group.display())
        })?;
        let base = format!("{stamp}-{}", record.seed);
        let path = (0..1000)
            .map(|again| if again == 0 { base.clone() } else { format!("{base}.{again}") })
            .map(|name| group.join(name))
            .find(|path| !path.exists())
            .context("too many runs in one second")?;
        fs::create_dir(&path).with_context(|| {
            format!("cannot create {}; choose another place with --store", path.display())
        })?;
        let path = path.canonicalize()?;
        let run = Self { path };
        fs::write(run.file("test.toml"), toml::to_string(record)?)
            .context("cannot write test.toml")?;
        run.point_latest(store);
        Ok(run)
    }

    /// Opens a finished or interrupted run.
    ///
    /// # Errors
    /// If it isn't one.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        ensure!(path.exists(), "there is no {}", path.display());
        let path = path.canonicalize()?;
        let run = Self { path };
        ensure!(
            run.file("test.toml").is_file(),
            "{} is no run directory: it has no test.toml",
            run.path.display()
        );
        Ok(run)
    }

    fn point_latest(&self, store: &Path) {
        let link = store.join("latest");
        let Ok(store) = store.canonicalize() else { return };
        let Ok(target) = self.path.strip_prefix(&store) else { return };
        // A convenience: a file system without links must not stop a run.
        let _ = fs::remove_file(&link);
        let _ = std::os::unix::fs::symlink(target, &link);
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The options of the run.
    ///
    /// # Errors
    /// If `test.toml` can't be read.
    pub fn record(&self) -> anyhow::Result<TestRecord> {
        let path = self.file("test.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is broken", path.display()))
    }

    /// The stored verdict, if the run came so far.
    ///
    /// # Errors
    /// If `verdict.json` is broken.
    pub fn verdict(&self) -> anyhow::Result<Option<VerdictRecord>> {
        let path = self.file("verdict.json");
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} is broken", path.display()))?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let (path, draft) = (self.file(name), self.file(&format!(".{name}.draft")));
        fs::write(&draft, bytes)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The runs below `store`, newest first.
///
/// # Errors
/// If the directory can't be read.
pub fn runs(store: &Path) -> anyhow::Result<Vec<RunDir>> {
    let mut found = Vec::new();
    if !store.exists() {
        return Ok(found);
    }
    for group in fs::read_dir(store).with_context(|| format!("cannot read {}", store.display()))? {
        let group = group?;
        if !group.file_type()?.is_dir() {
            continue;
        }
        for run in fs::read_dir(group.path())? {
            let path = run?.path();
            if path.join("test.toml").is_file() {
                found.push(RunDir { path });
            }
        }
    }
    found.sort_by_key(|run| run.path.file_name().map(std::ffi::OsStr::to_owned));
    found.reverse();
    Ok(found)
}

/// Finds the run that a user names: a path, `latest`, or the end of a path below the store.
///
/// # Errors
/// If there is none.
pub fn find(store: &Path, name: &str) -> anyhow::Result<RunDir> {
    for path in [PathBuf::from(name), store.join(name)] {
        if path.join("test.toml").is_file() {
            return RunDir::open(&path);
        }
    }
    if let Some(run) = runs(store)?.into_iter().find(|run| run.path.ends_with(name)) {
        return Ok(run);
    }
    bail!(
        "no run {name:?}; expected a run directory, `latest`, or the name of one below {} \
         (`schism list runs` shows them)",
        store.display()
    )
}
