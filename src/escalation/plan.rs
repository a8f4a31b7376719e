//! What would happen: one complete look, the filter's word, and nobody signalled.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use super::job::Job;
use super::look::{blocking, by_port, ports};
use super::tell::apply_filter;
use super::{Engine, rules};
use crate::error::Error;
use crate::outcome::{Fate, Plan};
use crate::signal::Signal;
use crate::survey::{LINGER, LOOKS};
use crate::sys::{self, Ports};
use crate::target::Target;

impl Engine<'_> {
    /// Looks once, completely, and decides without signalling anybody.
    pub(super) fn plan(&mut self) -> io::Result<HashMap<Target, Plan>> {
        self.look_once(|_| true)?;
        for _ in 0..LOOKS {
            if self.jobs.iter().all(|job| job.unheld.is_none()) {
                break;
            }
            std::thread::sleep(LINGER);
            self.look_once(|job| job.unheld.is_some())?;
        }
        let now = Instant::now();
        let mut plans = HashMap::new();
        let first = if self.options.force {
            Signal::Kill
        } else {
            self.options.signal
        };
        for index in 0..self.jobs.len() {
            let rules = rules(&mut self.rules, self.options);
            let Some(job) = self.jobs.get_mut(index) else {
                continue;
            };
            let mut chosen = apply_filter(job, &self.registry, rules);
            if !chosen.is_empty() && (self.options.tree || sys::ENDS_TREES) {
                let descendants = self.descendants(index, &chosen)?;
                chosen.extend(descendants);
            }
            let Some(job) = self.jobs.get(index) else {
                continue;
            };
            let mut holders = job.reports(&self.registry, now, false);
            let is_chosen = |pid| chosen.iter().any(|identity| identity.pid == pid);
            for report in &mut holders {
                if is_chosen(report.holder.process.pid) {
                    report.fate = Fate::WouldSignal;
                    report.signals = vec![first];
                }
            }
            let obstacles = job.obstacles(&self.registry);
            let error = (!obstacles.is_empty())
                .then(|| Error::new(job.target, obstacles, holders.clone(), now - job.started));
            let supervisors = chosen
                .iter()
                .filter_map(|identity| self.registry.get(*identity)?.lineage.ancestors.first())
                .filter(|parent| !is_chosen(parent.pid()))
                .map(|parent| parent.describe())
                .collect();
            let plan = Plan {
                target: job.target,
                holders,
                #[cfg(feature = "containers")]
                containers: Vec::new(),
                error,
                supervisors,
            };
            plans.insert(job.target, plan);
        }
        Ok(plans)
    }

    /// One complete look at some of the targets.
    fn look_once(&mut self, which: impl Fn(&Job) -> bool) -> io::Result<()> {
        let mut sockets = Vec::new();
        let wanted = ports(&self.jobs, &which);
        self.table.listening(Ports::These(&wanted), &mut sockets)?;
        self.table.bound(Ports::These(&wanted), &mut sockets)?;
        let sockets = by_port(sockets);
        let mut due = Vec::new();
        for (index, job) in self.jobs.iter_mut().enumerate() {
            if !which(job) {
                continue;
            }
            job.sockets = blocking(&sockets, job.target);
            // A generation counts as known, so that the look is a complete one.
            job.surveyed = Some(job.started);
            if job.sockets.is_empty() {
                // What an earlier look found is gone.
                job.hidden.clear();
                job.unheld = None;
                job.members.clear();
            } else {
                due.push(index);
            }
        }
        if due.is_empty() {
            Ok(())
        } else {
            self.survey(&due)
        }
    }
}
