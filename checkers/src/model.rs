//! What a model is: takes a history's events as a reader finds them, and then judges them.
//!
//! Every checker that can be named on a command line has a constant of this type; [`crate::models`]
//! lists them. It is apart from the list so that checkers depend on it, and the list on them.
//!
//! ```
//! use schism_checkers::models::{self, Options};
//! let register = models::find("register").unwrap();
//! let mistyped = Options { group_size: Some(3), ..Options::default() };
//! assert!(register.make(&mistyped).is_err());
//! ```

mod options;
mod typed;

use schism_core::checker::Finding;
use schism_core::history::Sink;
use schism_core::limits::Limits;
use schism_core::verdict::Verdict;

pub use options::{BadOption, Options};
pub(crate) use typed::typed;

/// A model by which histories can be judged.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Its page: which operations it knows, what it finds, how, and which options it has.
    pub page: &'static str,
    pub(crate) make: fn(&Options) -> Result<Box<dyn Judge>, BadOption>,
}

/// What takes a history's events and then judges them.
pub trait Judge: Sink + Send {
    /// How many operations it has taken.
    fn operations(&self) -> usize;

    /// Judges what it has taken. Once a limit is exceeded, it answers unknown with what it has
    /// decided so far.
    fn judge(self: Box<Self>, limits: &Limits) -> Judged;
}

/// What a model says of a history.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// What each checker found.
    pub findings: Vec<Finding>,
}

impl From<Finding> for Judged {
    fn from(finding: Finding) -> Self {
        Self { verdict: finding.verdict.clone(), findings: vec![finding] }
    }
}

impl Model {
    /// Makes a judge, or says which option this model can't take.
    pub fn make(&self, options: &Options) -> Result<Box<dyn Judge>, BadOption> {
        (self.make)(options)
    }
}
