//! The rows of the table: which histories, and which verdict is built into them.

use std::fmt::Write as _;

/// One history.
pub(crate) struct Row {
    /// The name without the size.
    family: String,
    /// How many operations or transactions.
    pub(crate) operations: usize,
    /// What `schism generate` is asked for.
    pub(crate) generate: Vec<String>,
    /// What judges it.
    pub(crate) model: &'static str,
    valid: bool,
}

impl Row {
    /// The name with the size.
    pub(crate) fn name(&self) -> String {
        format!("{}, {}", self.family, size(self.operations))
    }

    /// True if the other is the same with ten times the operations.
    pub(crate) fn tenfold(&self, other: &Self) -> bool {
        self.family == other.family && self.operations * 10 == other.operations
    }

    /// False if the exit code says the opposite of what was built in, or nothing.
    pub(crate) fn is_right(&self, code: i32) -> bool {
        code == i32::from(!self.valid) || code == 3
    }

    /// An exit code in words.
    pub(crate) fn verdict(&self, code: i32) -> String {
        let word = match code {
            0 => "valid",
            1 => "invalid",
            3 => "unknown",
            _ => "died",
        };
        if self.is_right(code) { word.to_owned() } else { format!("**{word}: WRONG**") }
    }
}

/// 1000 is `1k`.
pub(crate) fn size(operations: usize) -> String {
    match operations {
        0..1_000_000 => format!("{}k", operations / 1_000),
        _ => format!("{}M", operations / 1_000_000),
    }
}

/// A history of registers.
#[derive(Clone, Copy)]
struct Registers {
    small: bool,
    clients: usize,
    keys: usize,
    percent_crashed: u32,
    plant: &'static str,
}

impl Registers {
    fn row(self, operations: usize) -> Row {
        let Self { small, clients, keys, percent_crashed, plant } = self;
        let mut family = format!("register {} C={clients}", if small { "small" } else { "unique" });
        let mut generate: Vec<String> =
            ["register", "--seed", "1", "--operations"].map(Into::into).into();
        generate.extend([operations.to_string(), "--concurrency".into(), clients.to_string()]);
        if small {
            generate.extend(["--values", "5"].map(Into::into));
        }
        if keys > 1 {
            let _ = write!(family, ", {keys} keys");
            generate.extend(["--keys".into(), keys.to_string()]);
        }
        if percent_crashed > 0 {
            let _ = write!(family, ", {percent_crashed} % info");
            let share = f64::from(percent_crashed) / 100.0;
            generate.extend(["--crashed".into(), share.to_string()]);
        }
        if plant != "nothing" {
            let _ = write!(family, ", {plant}");
            generate.extend(["--plant".into(), plant.into()]);
        }
        Row { family, operations, generate, model: "cas-register", valid: plant == "nothing" }
    }

    /// Does it say something that no other does?
    fn is_telling(self) -> bool {
        match (self.percent_crashed, self.plant, self.clients) {
            (0, "nothing", _) | (0, "stale-read", 10 | 20) | (1, "stale-read", 10) | (5, _, 10) => {
                true
            }
            (5, "nothing" | "stale-read", 50) => !self.small,
            _ => false,
        }
    }
}

/// The most operations of a family: searches over small domains with crashes are told by fewer.
fn sizes(small: bool, percent_crashed: u32) -> &'static [usize] {
    match (small, percent_crashed) {
        (false, _) => &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
        (true, 0) => &[1_000, 10_000, 100_000, 1_000_000],
        (true, _) => &[1_000, 10_000],
    }
}

/// Every row, families together and in the order of their sizes.
pub(crate) fn rows(all: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for small in [false, true] {
        for clients in [5, 10, 20, 50] {
            for percent_crashed in [0, 1, 5] {
                for plant in ["nothing", "stale-read", "phantom-read"] {
                    let family = Registers { small, clients, keys: 1, percent_crashed, plant };
                    if all || family.is_telling() {
                        let sizes = sizes(small, percent_crashed).iter();
                        rows.extend(sizes.map(|operations| family.row(*operations)));
                    }
                }
            }
        }
    }
    for small in [false, true] {
        for (percent_crashed, plant) in [(0, "nothing"), (5, "nothing"), (5, "phantom-read")] {
            let family = Registers { small, clients: 10, keys: 100, percent_crashed, plant };
            rows.extend([100_000, 1_000_000].map(|operations| family.row(operations)));
        }
    }
    for model in ["list-append", "rw-register"] {
        for plant in ["nothing", "read-skew", "write-skew"] {
            for operations in [10_000, 100_000, 1_000_000, 10_000_000] {
                if operations < 10_000_000 || plant == "nothing" {
                    rows.push(transactions(model, plant, operations));
                }
            }
        }
    }
    rows
}

/// A history of transactions.
pub(crate) fn transactions(model: &'static str, plant: &str, operations: usize) -> Row {
    let mut generate: Vec<String> = [model, "--seed", "1", "--operations"].map(Into::into).into();
    generate.push(operations.to_string());
    let mut family = model.to_owned();
    if plant != "nothing" {
        let _ = write!(family, ", {plant}");
        generate.extend(["--plant".into(), plant.into()]);
    }
    Row { family, operations, generate, model, valid: plant == "nothing" }
}
