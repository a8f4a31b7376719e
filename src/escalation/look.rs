//! Discovery: the kernel's word on every open target, and who holds it.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use log::info;

use super::job::{Job, Phase};
use super::{Engine, TRY, rules, unseen};
use crate::holder::{Identity, Socket, SocketId};
use crate::survey::{self, LINGER};
use crate::sys::{Depth, Found, Ports};
use crate::target::{Protocol, Target};

impl Engine<'_> {
    /// The kernel's word on every open target: the cheap look for all, the dear one for those that look free by it.
    pub(super) fn look_at_sockets(&mut self, now: Instant) -> io::Result<()> {
        let open = |job: &Job| !job.is_done();
        let mut sockets = Vec::new();
        self.table
            .listening(Ports::These(&ports(&self.jobs, open)), &mut sockets)?;
        let listening = by_port(sockets);
        let mut own: Vec<Vec<Socket>> = self
            .jobs
            .iter()
            .map(|job| {
                if job.is_done() {
                    Vec::new()
                } else {
                    blocking(&listening, job.target)
                }
            })
            .collect();
        let looks_free: Vec<(u16, Option<Protocol>)> = self
            .jobs
            .iter()
            .zip(&own)
            .filter(|(job, own)| own.is_empty() && self.wants_dear_look(job, now))
            .map(|(job, _)| (job.target.port, job.target.protocol))
            .collect();
        if !looks_free.is_empty() {
            let mut sockets = Vec::new();
            self.table.bound(Ports::These(&looks_free), &mut sockets)?;
            let bound = by_port(sockets);
            for (job, own) in self.jobs.iter().zip(&mut own) {
                if own.is_empty() && !job.is_done() {
                    *own = blocking(&bound, job.target);
                }
            }
        }
        for (job, own) in self.jobs.iter_mut().zip(own) {
            if job.is_done() {
                continue;
            }
            if job.see(own) {
                job.generations += 1;
                job.earlier_forebears
                    .extend(std::mem::take(&mut job.forebears));
                job.surveyed = None;
                job.unheld = None;
                info!(
                    "port {}: taken again, by generation {}",
                    job.target,
                    job.generations + 1
                );
            }
        }
        Ok(())
    }

    /// Whether sockets that are bound without listening matter now: when the target is about to be called free.
    pub(super) fn wants_dear_look(&self, job: &Job, now: Instant) -> bool {
        match job.phase {
            Phase::Held => true,
            Phase::Free(since) => self.free_wait(job, since, now).is_none(),
            Phase::Done => false,
        }
    }

    pub(super) fn needs_survey(&self, job: &Job, now: Instant) -> bool {
        if job.is_done() || job.sockets.is_empty() {
            return false;
        }
        let Some(last) = job.surveyed else {
            return true;
        };
        if let Some(unheld) = job.unheld {
            return now - unheld >= LINGER;
        }
        let since = now - last;
        let is_new = |socket: &Socket| !job.seen.contains(&socket.id);
        since >= TRY
            || job.sockets.iter().any(is_new)
            || job.pending(&self.registry).next().is_none()
            || (job.exits && since >= (job.survey_cost * 4).max(Duration::from_millis(20)))
            || self.kill_is_due(job, now)
    }

    /// Finds the holders of these targets, with one look at the processes.
    pub(super) fn survey(&mut self, due: &[usize]) -> io::Result<()> {
        let begun = Instant::now();
        self.registry.begin_look();
        let mut sockets: Vec<Socket> = Vec::new();
        let mut first = true;
        for &index in due {
            if let Some(job) = self.jobs.get(index) {
                sockets.extend(job.sockets.iter().cloned());
                first &= job.surveyed.is_none() && job.generations == 0;
            }
        }
        let depth = if first && !self.options.thorough {
            Depth::Quick
        } else {
            Depth::Complete
        };
        let found = self.find(&sockets, depth)?;
        let cost = begun.elapsed();
        let held = found.held();
        let present: Rc<[u32]> = found.present.into();
        let mut of: HashMap<SocketId, Vec<Identity>> = HashMap::new();
        let rules = rules(&mut self.rules, self.options);
        for (handle, ids) in found.holders {
            let identity = self.registry.add(handle, rules);
            for id in ids {
                of.entry(id).or_default().push(identity);
            }
        }
        for &index in due {
            let Some(job) = self.jobs.get_mut(index) else {
                continue;
            };
            note_holders(job, &of);
            job.surveyed = Some(begun);
            if first {
                job.present = Rc::clone(&present);
            }
            job.survey_cost = cost;
            job.exits = false;
            let before: Vec<SocketId> = job.hidden.iter().map(|hidden| hidden.socket.id).collect();
            job.hidden = job
                .sockets
                .iter()
                .filter(|socket| !held.contains(&socket.id))
                .map(|socket| survey::hidden(socket.clone(), &found.unreadable))
                .collect();
            let shared = unseen::shared_with_unseen(job, &self.registry, &found.unreadable);
            // Each of them is given its time: one that was not there at the last look has not had it.
            let had_time = job.unheld.is_some()
                && job
                    .hidden
                    .iter()
                    .all(|hidden| before.contains(&hidden.socket.id));
            job.unheld = (!job.hidden.is_empty() && !had_time).then_some(begun);
            job.hidden.extend(shared);
            job.seen.extend(job.sockets.iter().map(|socket| socket.id));
        }
        Ok(())
    }

    /// Quickly first if that is enough, completely where a socket has no holder that way.
    pub(super) fn find(&mut self, sockets: &[Socket], depth: Depth) -> io::Result<Found> {
        let found = self.table.find(sockets, depth)?;
        if depth == Depth::Complete {
            return Ok(found);
        }
        let held = found.held();
        if sockets.iter().all(|socket| held.contains(&socket.id)) {
            return Ok(found);
        }
        self.table.find(sockets, Depth::Complete)
    }
}

pub(super) fn ports(jobs: &[Job], which: impl Fn(&Job) -> bool) -> Vec<(u16, Option<Protocol>)> {
    jobs.iter()
        .filter(|job| which(job))
        .map(|job| (job.target.port, job.target.protocol))
        .collect()
}

pub(super) fn by_port(sockets: Vec<Socket>) -> HashMap<u16, Vec<Socket>> {
    let mut by_port: HashMap<u16, Vec<Socket>> = HashMap::new();
    for socket in sockets {
        by_port.entry(socket.port).or_default().push(socket);
    }
    by_port
}

pub(super) fn blocking(sockets: &HashMap<u16, Vec<Socket>>, target: Target) -> Vec<Socket> {
    let on_port = sockets
        .get(&target.port)
        .map(Vec::as_slice)
        .unwrap_or_default();
    on_port
        .iter()
        .filter(|socket| target.is_blocked_by(socket))
        .cloned()
        .collect()
}

/// Makes the holders that were found the members of a target, with the sockets that they hold now.
fn note_holders(job: &mut Job, of: &HashMap<SocketId, Vec<Identity>>) {
    for member in &mut job.members {
        member.sockets.clear();
        member.verdict = None;
    }
    let sockets = std::mem::take(&mut job.sockets);
    for socket in &sockets {
        for &identity in of.get(&socket.id).into_iter().flatten() {
            job.member(identity).sockets.push(socket.clone());
        }
    }
    job.sockets = sockets;
}
