//! The journal of faults, `faults.jsonl`: what was planned, injected, verified and healed.
//!
//! A plan, with its heal, is on disk before the first action of it is performed. So whoever finds
//! the journal of a controller that died knows everything that may have to be undone.

use anyhow::Context as _;
use schism_core::record::{FaultRecord, FaultStage};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

/// The open journal of a run.
pub struct Journal {
    file: File,
    records: Vec<FaultRecord>,
}

impl Journal {
    /// Creates the file; it must not exist yet.
    ///
    /// # Errors
    /// If it can't be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { file, records: Vec::new() })
    }

    /// Opens that of an earlier run, to go on with it.
    ///
    /// # Errors
    /// If there is none, or it is broken.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let records = read(path)?;
        let file = File::options()
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { file, records })
    }

    /// Appends a record; on return the disk has it.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn append(&mut self, record: FaultRecord) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        self.file.write_all(&line).context("cannot write faults.jsonl")?;
        self.file.sync_data().context("cannot write faults.jsonl")?;
        self.records.push(record);
        Ok(())
    }

    /// Every record so far.
    pub fn records(&self) -> &[FaultRecord] {
        &self.records
    }
}

/// Reads a journal. A last line that was cut off is left out.
///
/// # Errors
/// If the file can't be read, or another line is broken.
pub fn read(path: &Path) -> anyhow::Result<Vec<FaultRecord>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let lines: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>()?;
    let mut records = Vec::new();
    for (position, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(_) if position + 1 == lines.len() => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("{}, line {}", path.display(), position + 1));
            }
        }
    }
    Ok(records)
}

/// The faults that were in force when the journal ended: planned, and neither skipped nor healed.
pub fn in_force(records: &[FaultRecord]) -> Vec<&FaultRecord> {
    let over = |fault: u32| {
        records.iter().any(|record| {
            record.fault == fault
                && matches!(record.stage, FaultStage::Healed | FaultStage::Skipped)
        })
    };
    let planned = records.iter().filter(|record| record.stage == FaultStage::Planned);
    planned.filter(|record| !over(record.fault)).collect()
}
