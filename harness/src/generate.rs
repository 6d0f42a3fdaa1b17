//! `schism generate`: histories to measure checkers with, right by construction or planted wrong.

use crate::cli::Failure;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use schism_checkers::generate::registers::{self, Domain, Registers};
use schism_checkers::generate::transactions::{self, Shape, Transactions};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The arguments of `schism generate`.
#[derive(Args)]
#[command(after_help = "Examples:
  schism generate list-append --operations 1000000 -o million.edn
  schism generate register --values 5 --concurrency 20 --crashed 0.05 -o small.edn
  schism generate rw-register --plant write-skew | schism check --model rw-register /dev/stdin

One seed is one history. What is planted is in the middle, and nothing else is wrong.")]
pub(crate) struct Generate {
    /// Of what
    #[arg(value_enum)]
    kind: Kind,
    /// How many operations or transactions
    #[arg(long, default_value = "1000", value_name = "N")]
    operations: usize,
    /// How many clients ask at a time
    #[arg(long, default_value = "10", value_name = "N")]
    concurrency: NonZeroUsize,
    /// Of how many keys; of transactions, how many at a time [default: 1, of transactions 10]
    #[arg(long, value_name = "N")]
    keys: Option<NonZeroUsize>,
    /// register: so many values are written again and again; left out, each value once
    #[arg(long, value_name = "N")]
    values: Option<std::num::NonZeroU32>,
    /// The share of operations that never return
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = share)]
    crashed: f64,
    /// The share of operations that are refused
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = share)]
    failed: f64,
    /// What is wrong with it
    #[arg(long, value_enum, default_value = "nothing")]
    plant: Plant,
    /// One seed is one history
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
    /// Where to write it, as EDN [default: the terminal]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Kind {
    /// Reads, writes and compare-and-sets of registers
    Register,
    /// Transactions over lists
    ListAppend,
    /// Transactions over registers
    RwRegister,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Plant {
    Nothing,
    /// A read misses an acknowledged write
    StaleRead,
    /// register: a read finds what nobody wrote
    PhantomRead,
    /// register: a compare-and-set finds what an acknowledged write had replaced
    LostWrite,
    /// register: two compare-and-sets replace the same value
    DoubleCas,
    /// Transactions: one sees half of another's writes (G-single)
    ReadSkew,
    /// Transactions: two each miss the other's write (G2-item)
    WriteSkew,
    /// Transactions: one reads what a failed one wrote (G1a)
    AbortedRead,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("expected a share from 0 to 1, found {text}"))
}

impl Generate {
    pub(crate) fn run(self) -> Result<u8, Failure> {
        match &self.output {
            None => self.write(std::io::stdout().lock())?,
            Some(path) => {
                let file = File::create(path)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                self.write(file)?;
            }
        }
        Ok(0)
    }

    fn write(&self, out: impl Write) -> Result<(), Failure> {
        let mut out = BufWriter::with_capacity(1 << 20, out);
        match self.kind {
            Kind::Register => self.registers()?.write_edn(&mut out)?,
            Kind::ListAppend => self.transactions(Shape::Lists)?.write_edn(&mut out)?,
            Kind::RwRegister => self.transactions(Shape::Registers)?.write_edn(&mut out)?,
        }
        out.flush()?;
        Ok(())
    }

    fn registers(&self) -> Result<Registers, Failure> {
        let plant = match self.plant {
            Plant::Nothing => registers::Plant::None,
            Plant::StaleRead => registers::Plant::StaleRead,
            Plant::PhantomRead => registers::Plant::PhantomRead,
            Plant::LostWrite => registers::Plant::LostWrite,
            Plant::DoubleCas => registers::Plant::DoubleCas,
            Plant::ReadSkew | Plant::WriteSkew | Plant::AbortedRead => return Err(self.no_plant()),
        };
        let domain = self.values.map_or(Domain::Unique, |values| Domain::Small(values.get()));
        Ok(Registers {
            operations: self.operations,
            concurrency: self.concurrency.get(),
            keys: self.keys.map_or(1, NonZeroUsize::get),
            crashed: self.crashed,
            failed: self.failed,
            plant,
            ..Registers::new(domain, self.seed)
        })
    }

    fn transactions(&self, shape: Shape) -> Result<Transactions, Failure> {
        let plant = match self.plant {
            Plant::Nothing => transactions::Plant::None,
            Plant::StaleRead => transactions::Plant::StaleRead,
            Plant::ReadSkew => transactions::Plant::ReadSkew,
            Plant::WriteSkew => transactions::Plant::WriteSkew,
            Plant::AbortedRead => transactions::Plant::AbortedRead,
            Plant::PhantomRead | Plant::LostWrite | Plant::DoubleCas => {
                return Err(self.no_plant());
            }
        };
        if self.values.is_some() {
            return Err(Failure::usage(anyhow::anyhow!("--values is for register only")));
        }
        Ok(Transactions {
            transactions: self.operations,
            concurrency: self.concurrency.get(),
            live_keys: self.keys.map_or(10, NonZeroUsize::get),
            crashed: self.crashed,
            failed: self.failed,
            plant,
            ..Transactions::new(shape, self.seed)
        })
    }

    fn no_plant(&self) -> Failure {
        Failure::usage(anyhow::anyhow!(
            "--plant {:?} can't be planted into {:?}; `schism generate --help` says what can",
            self.plant,
            self.kind
        ))
    }
}
