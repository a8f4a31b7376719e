//! Filtration and escalation of one target: who is told to end, and how.

use std::io;
use std::time::{Duration, Instant};

use log::info;

use super::job::{self, Job, level};
use super::known::{Known, Registry};
use super::{Callback, Engine, GENERATIONS, rules, settle};
use crate::error::Obstacle;
use crate::event::Event;
use crate::filter::{Candidate, Rules, Verdict, judge};
use crate::holder::{Identity, Socket};
use crate::signal::Signal;
use crate::sys::{self, Handle};

impl Engine<'_> {
    pub(super) fn decide(
        &mut self,
        index: usize,
        now: Instant,
        callback: Callback<'_>,
    ) -> io::Result<()> {
        let rules = rules(&mut self.rules, self.options);
        let Some(job) = self.jobs.get_mut(index) else {
            return Ok(());
        };
        if job.unheld.is_some() {
            // Perhaps its last holder has just gone. Until that is known, nobody is signalled.
            return Ok(());
        }
        let chosen = apply_filter(job, &self.registry, rules);
        if job.generations >= GENERATIONS {
            let obstacles = respawned(job, &self.registry);
            job.fail(&self.registry, now, obstacles);
            let _ = callback(&Event::GaveUp { target: job.target });
            return Ok(());
        }
        if chosen.is_empty() {
            let obstacles = job.obstacles(&self.registry);
            if !obstacles.is_empty() {
                job.fail(&self.registry, now, obstacles);
                let _ = callback(&Event::GaveUp { target: job.target });
            }
            return Ok(());
        }
        begin_try(job, &self.registry, now, callback);
        if self.broken.get() {
            return Ok(());
        }
        self.choose_and_tell(index, chosen, now, callback)
    }

    /// Tells the holders to end: with their supervisor before them and their descendants after them, if so asked.
    pub(super) fn choose_and_tell(
        &mut self,
        index: usize,
        mut chosen: Vec<Identity>,
        now: Instant,
        callback: Callback<'_>,
    ) -> io::Result<()> {
        if self.options.supervisor && self.tell_supervisors(index, &chosen, now, callback)? {
            return Ok(());
        }
        // Before their children, so that a master can't replace the workers that go before it.
        let depth = |identity: &Identity| {
            let known = self.registry.get(*identity);
            known.map_or(0, |known| known.lineage.ancestors.len())
        };
        chosen.sort_by_key(|identity| (depth(identity), *identity));
        if self.options.tree || sys::ENDS_TREES {
            let descendants = self.descendants(index, &chosen)?;
            chosen.extend(descendants);
        }
        self.tell(index, &chosen, now, callback)
    }

    /// The descendants of these that may be ended.
    pub(super) fn descendants(
        &mut self,
        index: usize,
        of: &[Identity],
    ) -> io::Result<Vec<Identity>> {
        let pids: Vec<u32> = of.iter().map(|identity| identity.pid).collect();
        let handles = sys::descendants(&pids)?;
        let rules = rules(&mut self.rules, self.options);
        let mut chosen = Vec::new();
        for handle in handles {
            let pid = handle.pid();
            let spared = pid == rules.caller || rules.ancestors.contains(&pid);
            let identity = self.registry.add(handle, rules);
            let permitted = self.registry.get(identity).is_some_and(|known| {
                !known.denied && !known.is_kernel && !known.is_init && !known.is_forwarder
            });
            if spared || !permitted || of.contains(&identity) {
                continue;
            }
            if let Some(job) = self.jobs.get_mut(index) {
                job.member(identity).must_exit = true;
                chosen.push(identity);
            }
        }
        Ok(chosen)
    }

    /// Ends whoever was seen to start these holders again. `true` if somebody has to be waited for before the holders are told.
    pub(super) fn tell_supervisors(
        &mut self,
        index: usize,
        chosen: &[Identity],
        now: Instant,
        callback: Callback<'_>,
    ) -> io::Result<bool> {
        let rules = rules(&mut self.rules, self.options);
        let Some(job) = self.jobs.get(index) else {
            return Ok(false);
        };
        let mut starters = Vec::new();
        for identity in chosen {
            let Some(known) = self
                .registry
                .get(*identity)
                .filter(|known| known.unit.is_none())
            else {
                continue;
            };
            if let Some((starter, None)) = settle::starter(job, known)
                && let Some(handle) = Handle::open(starter.pid())?
                && handle.identity() == starter.identity()
                && handle.unit().is_none_or(|_| !has_init_as_parent(&handle))
            {
                starters.push(handle);
            }
        }
        let mut told = Vec::new();
        for handle in starters {
            let identity = self.registry.add(handle, rules);
            if self
                .registry
                .get(identity)
                .is_some_and(|known| !known.denied)
                && !told.contains(&identity)
                && let Some(job) = self.jobs.get_mut(index)
            {
                job.member(identity).must_exit = true;
                told.push(identity);
            }
        }
        self.tell(index, &told, now, callback)?;
        Ok(told
            .iter()
            .any(|identity| self.registry.get(*identity).is_some_and(Known::is_pending)))
    }

    pub(super) fn tell(
        &mut self,
        index: usize,
        chosen: &[Identity],
        now: Instant,
        callback: Callback<'_>,
    ) -> io::Result<()> {
        let kill = self
            .jobs
            .get(index)
            .is_some_and(|job| self.kill_is_due(job, now));
        let Some(job) = self.jobs.get_mut(index) else {
            return Ok(());
        };
        let signal = level(
            self.options.signal,
            self.options.force,
            kill || job.killed.is_some(),
        );
        let mut told = false;
        for &identity in chosen {
            let polite_again = signal != Signal::Kill
                && self
                    .registry
                    .get(identity)
                    .is_some_and(|known| !known.sent.is_empty());
            if polite_again || !self.registry.tell(identity, signal, now)? {
                continue;
            }
            told = true;
            if let Some(known) = self.registry.get(identity) {
                info!(
                    "port {}: {signal} to {}",
                    job.target,
                    crate::error::who(&known.process)
                );
                let _ = callback(&Event::Signalled {
                    target: job.target,
                    process: &known.process,
                    signal,
                });
            }
        }
        // Those whom another target has told already run on this target's clock as well.
        if told || job.pending(&self.registry).next().is_some() {
            job.clock.get_or_insert(now);
            if signal == Signal::Kill {
                job.killed.get_or_insert(now);
            }
        }
        Ok(())
    }
}

/// Judges the holders of the last look, and returns those who are to be told.
pub(super) fn apply_filter(job: &mut Job, registry: &Registry, rules: &Rules) -> Vec<Identity> {
    let hidden: Vec<Socket> = job
        .hidden
        .iter()
        .map(|hidden| hidden.socket.clone())
        .collect();
    let target = job.target;
    let mut holders: Vec<&mut job::Member> = job
        .members
        .iter_mut()
        .filter(|member| !member.sockets.is_empty())
        .collect();
    let verdicts = {
        let candidates: Vec<Candidate<'_>> = holders
            .iter()
            .map(|member| {
                let known = registry.get(member.identity);
                Candidate {
                    pid: member.identity.pid,
                    is_kernel: known.is_some_and(|known| known.is_kernel),
                    is_init: known.is_some_and(|known| known.is_init),
                    is_forwarder: known.is_some_and(|known| known.is_forwarder),
                    permitted: known.is_some_and(|known| !known.denied),
                    sockets: &member.sockets,
                }
            })
            .collect();
        judge(rules, target, &candidates, &hidden)
    };
    let mut chosen = Vec::new();
    for (member, verdict) in holders.iter_mut().zip(verdicts) {
        member.verdict = Some(verdict);
        if verdict == Verdict::Signal {
            chosen.push(member.identity);
        }
    }
    for identity in &chosen {
        if let Some(known) = registry.get(*identity) {
            let above = known.lineage.ancestors.iter();
            let above = above.chain(known.lineage.end.as_ref().map(|(handle, _)| handle));
            job.forebears.extend(above.map(|handle| handle.identity()));
        }
    }
    chosen
}

fn begin_try(job: &mut Job, registry: &Registry, now: Instant, callback: Callback<'_>) {
    let elapsed = job.clock.map_or(Duration::ZERO, |clock| now - clock);
    let number = u32::try_from(elapsed.as_secs())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    if number <= job.tries {
        return;
    }
    job.tries = number;
    let holders: Vec<crate::Holder> = job
        .members
        .iter()
        .filter(|member| !member.sockets.is_empty())
        .filter_map(|member| job.holder(member, registry))
        .collect();
    info!(
        "port {}: try {number}, {} holders",
        job.target,
        holders.len()
    );
    let _ = callback(&Event::Try {
        target: job.target,
        number,
        holders: &holders,
    });
}

fn respawned(job: &Job, registry: &Registry) -> Vec<Obstacle> {
    let current = job
        .members
        .iter()
        .filter(|member| !member.sockets.is_empty())
        .filter_map(|member| Some((member, registry.get(member.identity)?)));
    let mut obstacles = Vec::new();
    for (member, known) in current {
        let starter = settle::starter(job, known);
        let Some(holder) = job.holder(member, registry) else {
            continue;
        };
        obstacles.push(Obstacle::Respawned {
            holder,
            supervisor: starter.as_ref().map(|(handle, _)| handle.describe()),
            supervisor_spared: starter.and_then(|(_, reason)| reason),
            unit: known.unit.clone(),
            generations: job.generations,
        });
    }
    if obstacles.is_empty() {
        obstacles = job.obstacles(registry);
    }
    obstacles
}

/// Whether PID 1 or a user's service manager has started it: then its unit is what would have to be stopped.
fn has_init_as_parent(handle: &Handle) -> bool {
    handle
        .parent()
        .and_then(|pid| Handle::open(pid).ok().flatten())
        .is_none_or(|parent| parent.is_init())
}
