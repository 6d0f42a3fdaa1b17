//! A file that a node appends to, and reads again when it comes back: one JSON record a line.
//!
//! A record that was appended survives a kill of the process, because the kernel has it; one that
//! was [synced](Journal::sync) survives a crash of the machine too. A last line without its end was
//! being written when the process died: nobody was told of it, so it is cut off. Any other line
//! that can't be read is an error, because a node that has lost part of its memory must not go on
//! as if it hadn't.

use crate::host::NodeConfig;
use crate::say::say;
use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::marker::PhantomData;

/// An open journal of records `R`.
pub(crate) struct Journal<R> {
    config: NodeConfig,
    file: File,
    records: PhantomData<R>,
}

impl<R: Serialize + DeserializeOwned> Journal<R> {
    /// Opens `name` in the node's data directory, and reads what an earlier life wrote.
    pub(crate) fn open(config: &NodeConfig, name: &str) -> anyhow::Result<(Self, Vec<R>)> {
        let path = config.data.join(name);
        let context = || format!("cannot use {}", path.display());
        std::fs::create_dir_all(&config.data).with_context(context)?;
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(context),
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut records = Vec::new();
        for (number, line) in (1..).zip(bytes[..whole].split_inclusive(|byte| *byte == b'\n')) {
            let record = serde_json::from_slice(line).with_context(|| {
                format!("line {number} of {} is not a record of this journal", path.display())
            })?;
            records.push(record);
        }
        let file =
            OpenOptions::new().append(true).create(true).open(&path).with_context(context)?;
        file.set_len(whole as u64).with_context(context)?;
        file.sync_all().with_context(context)?;
        // The file's name has to survive as well.
        File::open(&config.data).and_then(|folder| folder.sync_all()).with_context(context)?;
        Ok((Self { config: config.clone(), file, records: PhantomData }, records))
    }

    /// Appends a record. A node that can't is better dead: its process ends.
    pub(crate) fn append(&self, record: &R) {
        let written = serde_json::to_vec(record).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            (&self.file).write_all(&line)
        });
        self.or_stop(written);
    }

    /// Returns when everything appended is on disk.
    pub(crate) fn sync(&self) {
        self.or_stop(self.file.sync_data());
    }

    fn or_stop(&self, result: io::Result<()>) {
        if let Err(error) = result {
            say!(
                self.config,
                "stops, because it can't write down what it has to remember: {error}"
            );
            std::process::exit(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Journal;
    use crate::host::NodeConfig;
    use std::collections::BTreeMap;
    use std::io::Write as _;
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::Path;

    fn config(data: &Path) -> NodeConfig {
        NodeConfig {
            me: 0,
            nodes: vec![("n1".to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST))],
            data: data.to_owned(),
            seed: 1,
            options: BTreeMap::new(),
        }
    }

    #[test]
    fn what_was_appended_is_read_again_and_a_torn_line_is_not() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let config = config(folder.path());
        let (journal, before) = Journal::<(u64, String)>::open(&config, "journal")?;
        assert_eq!(before, []);
        journal.append(&(1, "one".to_owned()));
        journal.append(&(2, "two".to_owned()));
        journal.sync();
        drop(journal);
        let path = folder.path().join("journal");
        std::fs::OpenOptions::new().append(true).open(&path)?.write_all(b"[3,\"thr")?;
        let (journal, before) = Journal::<(u64, String)>::open(&config, "journal")?;
        assert_eq!(before, [(1, "one".to_owned()), (2, "two".to_owned())]);
        journal.append(&(4, "four".to_owned()));
        let (_, before) = Journal::<(u64, String)>::open(&config, "journal")?;
        assert_eq!(before.last(), Some(&(4, "four".to_owned())));
        Ok(())
    }

    #[test]
    fn a_broken_line_in_the_middle_is_an_error_that_names_it() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("journal"), "[1]\nnonsense\n[2]\n")?;
        let Err(error) = Journal::<(u64,)>::open(&config(folder.path()), "journal") else {
            anyhow::bail!("a broken journal was opened");
        };
        assert!(error.to_string().contains("line 2 of"), "{error}");
        Ok(())
    }
}
