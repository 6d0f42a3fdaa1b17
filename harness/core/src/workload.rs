//! Workloads: what clients do, what is read back at the end, and what judges it.

use crate::api::Api;
use crate::checker::Checker;
use crate::generator::Gen;
use crate::record::Coverage;
use crate::rng::Rng;
use std::time::Duration;

/// What clients do and what judges it.
pub trait Workload: 'static {
    /// What its clients speak.
    type Api: Api;

    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// One line for `schism list`.
    fn about(&self) -> &'static str;

    /// What clients do during the run, at the rate of `params`. The runner adds the time limit and
    /// the nemesis.
    fn generator(&self, params: &Params, rng: &Rng) -> Gen<Self::Api>;

    /// What clients do once everything has healed and recovered: read everything back, from every
    /// node.
    fn final_generator(&self, params: &Params, rng: &Rng) -> Option<Gen<Self::Api>>;

    /// What judges the history.
    fn checkers(&self, params: &Params) -> Vec<Box<dyn Checker<Self::Api>>>;

    /// What a meaningful run reaches at least; below it the verdict is unknown.
    fn coverage(&self, params: &Params) -> Vec<Coverage>;

    /// How long one operation may take before it is indeterminate.
    fn op_timeout(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// What a workload may know of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// How many nodes serve clients; worker `t` is pinned to serving node `t % serving_nodes`.
    pub serving_nodes: usize,
    /// Client workers.
    pub concurrency: usize,
    /// How many keys at a time.
    pub keys: usize,
    /// Operations a second, over all clients.
    pub rate: f64,
    /// How long clients and nemesis run.
    pub time_limit: Duration,
    /// How long after the last heal operations may take to complete again.
    pub recovery_limit: Duration,
}
