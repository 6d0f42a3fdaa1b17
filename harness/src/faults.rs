//! Carries faults out: the one place where a plan's actions are performed.
//!
//! The life of a fault: plan → journal, durably → inject → verify by probes → hold → heal → verify
//! that it is gone. A fault that can't be planned now is skipped, with the reason in the journal.
//! If an action fails half-way, what was done is healed at once. A heal that fails is tried again
//! with the final one.

mod action;
mod verify;

use crate::environment::Environment;
use crate::interpreter::Nemesis;
use crate::interpreter::clock::Clock;
use crate::journal::Journal;
use crate::status;
use anyhow::bail;
use schism_core::cluster::{Cluster, NodeId};
use schism_core::event::NemesisEvent;
use schism_core::fault::{Action, ClusterView, Plan};
use schism_core::generator::NemesisCall;
use schism_core::record::{FaultRecord, FaultStage};
use schism_core::rng::Rng;
use schism_core::system::System;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Injects and heals faults on one cluster.
pub struct FaultRunner<'a, S, E> {
    system: Rc<S>,
    cluster: Rc<Cluster>,
    environment: &'a E,
    clock: &'a Clock,
    journal: &'a RefCell<Journal>,
    rng: RefCell<Rng>,
    next_number: Cell<u32>,
    active: RefCell<Vec<Active>>,
}

/// A fault that is in force.
#[derive(Clone, Debug)]
struct Active {
    number: u32,
    name: String,
    plan: Plan,
}

impl<'a, S: System, E: Environment> FaultRunner<'a, S, E> {
    /// A runner for this cluster; `rng` chooses targets.
    pub fn new(
        system: Rc<S>,
        cluster: Rc<Cluster>,
        environment: &'a E,
        clock: &'a Clock,
        journal: &'a RefCell<Journal>,
        rng: Rng,
    ) -> Self {
        Self {
            system,
            cluster,
            environment,
            clock,
            journal,
            rng: RefCell::new(rng),
            next_number: Cell::new(1),
            active: RefCell::default(),
        }
    }

    /// Is a fault in force?
    pub fn any_active(&self) -> bool {
        !self.active.borrow().is_empty()
    }

    async fn inject(&self, name: &str) -> anyhow::Result<String> {
        let number = self.next_number.replace(self.next_number.get() + 1);
        let fault = schism_nemeses::parse(name)?;
        let statuses = status::of_all(&*self.system, &self.cluster).await;
        let view = ClusterView {
            cluster: &self.cluster,
            leaders: status::leaders(&statuses),
            roles: self.system.roles(&self.cluster),
            impaired: self.impaired(),
        };
        let planned = fault.plan(&view, &mut self.rng.borrow_mut());
        let plan = match planned {
            Ok(plan) => plan,
            Err(skip) => {
                let mut record = self.record(number, name, FaultStage::Skipped);
                record.note = skip.to_string();
                self.journal.borrow_mut().append(record)?;
                bail!("skipped: {skip}");
            }
        };
        let summary = plan.summary.clone();
        let mut record = self.record(number, name, FaultStage::Planned);
        record.plan = Some(plan.clone());
        self.journal.borrow_mut().append(record)?;
        let active = Active { number, name: name.to_owned(), plan };
        self.active.borrow_mut().push(active.clone());
        if let Err(error) = self.perform_all(number, &active.plan.inject).await {
            let mut record = self.record(number, name, FaultStage::Failed);
            record.note = format!("{error:#}");
            self.journal.borrow_mut().append(record)?;
            self.heal_one(&active).await?;
            return Err(error);
        }
        let record = self.record(number, name, FaultStage::Injected);
        self.journal.borrow_mut().append(record)?;
        let seen = verify::injected(self, &active).await;
        let mut record = self.record(number, name, FaultStage::Verified);
        record.ok = seen.ok;
        record.evidence = seen.evidence;
        self.journal.borrow_mut().append(record)?;
        Ok(summary)
    }

    async fn heal(&self, which: impl Fn(&Active) -> bool) -> anyhow::Result<String> {
        let chosen: Vec<Active> =
            self.active.borrow().iter().filter(|active| which(active)).cloned().collect();
        let mut first_error = None;
        let mut healed = Vec::new();
        // Last in, first out: a later fault may have been planned around an earlier one.
        for active in chosen.iter().rev() {
            match self.heal_one(active).await {
                Ok(()) => healed.push(active.plan.summary.clone()),
                Err(error) => {
                    let mut record = self.record(active.number, &active.name, FaultStage::Failed);
                    record.note = format!("not healed: {error:#}");
                    self.journal.borrow_mut().append(record)?;
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) => Err(error),
            None if healed.is_empty() => Ok("nothing to heal".to_owned()),
            None => Ok(format!("healed: {}", healed.join("; "))),
        }
    }

    async fn heal_one(&self, active: &Active) -> anyhow::Result<()> {
        self.perform_all(active.number, &active.plan.heal).await?;
        self.active.borrow_mut().retain(|other| other.number != active.number);
        let record = self.record(active.number, &active.name, FaultStage::Healed);
        self.journal.borrow_mut().append(record)?;
        let seen = verify::healed(self, active).await;
        let mut record = self.record(active.number, &active.name, FaultStage::HealVerified);
        record.ok = seen.ok;
        record.evidence = seen.evidence;
        self.journal.borrow_mut().append(record)
    }

    /// Heals what the journal of an earlier controller says is in force; what was done, in words.
    ///
    /// # Errors
    /// If a heal fails; those before it have been done.
    pub async fn heal_journaled(&self) -> anyhow::Result<Vec<String>> {
        let left: Vec<Active> = crate::journal::in_force(self.journal.borrow().records())
            .into_iter()
            .filter_map(|record| {
                let plan = record.plan.clone()?;
                Some(Active { number: record.fault, name: record.name.clone(), plan })
            })
            .collect();
        self.active.borrow_mut().clone_from(&left);
        let mut done = Vec::new();
        for active in left.iter().rev() {
            self.heal_one(active).await?;
            done.push(format!("fault {} was healed: {}", active.number, active.plan.summary));
        }
        Ok(done)
    }

    async fn perform_all(&self, number: u32, actions: &[Action]) -> anyhow::Result<()> {
        for action in actions {
            action::perform(self, number, action).await?;
        }
        Ok(())
    }

    /// The nodes whose process a fault in force has killed or paused.
    fn impaired(&self) -> Vec<NodeId> {
        let active = self.active.borrow();
        let actions = active.iter().flat_map(|active| &active.plan.inject);
        actions
            .filter(|action| matches!(action, Action::Kill { .. } | Action::Pause { .. }))
            .map(Action::node)
            .collect()
    }

    fn record(&self, fault: u32, name: &str, stage: FaultStage) -> FaultRecord {
        FaultRecord {
            fault,
            time: self.clock.now(),
            name: name.to_owned(),
            stage,
            plan: None,
            ok: None,
            evidence: Vec::new(),
            note: String::new(),
        }
    }
}

impl<S: System, E: Environment> Nemesis for FaultRunner<'_, S, E> {
    async fn perform(&self, call: NemesisCall) -> NemesisEvent {
        let (f, result) = match &call {
            NemesisCall::Inject(name) => ("inject", self.inject(name).await),
            NemesisCall::Heal(name) => ("heal", self.heal(|active| active.name == *name).await),
            NemesisCall::HealAll => ("heal-all", self.heal(|_| true).await),
        };
        let (value, error) = match result {
            Ok(words) => (words.into(), None),
            Err(error) => (serde_json::Value::Null, Some(format!("{error:#}").into())),
        };
        NemesisEvent { f: f.into(), value, error }
    }
}
