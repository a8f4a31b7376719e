//! The loop: look, filter, signal, verify, and back, until every target is free or it is certain that it can't be freed.
//!
//! This decides and owns the clock; what it decides with comes from `filter`, what it decides on from `sys`.

mod job;
mod known;
mod settle;

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use log::{debug, info};

use self::job::{Job, Phase, level};
use self::known::{Known, Registry};
use crate::error::{Error, HiddenCause, Obstacle};
use crate::event::Event;
use crate::filter::{Candidate, Rules, Verdict, judge};
use crate::holder::{Identity, Socket, SocketId};
use crate::options::KillOptions;
use crate::outcome::{Fate, Freed, Plan};
use crate::signal::Signal;
use crate::survey::{self, HiddenSocket, LINGER};
use crate::sys::{self, Depth, Found, Handle, Ports, Table};
use crate::target::Target;

type Callback<'a> = &'a mut dyn FnMut(&Event<'_>) -> ControlFlow<()>;

/// The longest round: after it, holders are looked for again.
const TRY: Duration = Duration::from_secs(1);
/// How long SIGKILL has to work: five tries.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// The first pause between two looks at the socket table; each is twice as long as the one before, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(25);
/// How long a process whose port is free may take to be gone, before it counts as one that lives on.
const EXIT_LINGER: Duration = Duration::from_millis(20);
/// The same for one that is known to be on its way out.
const EXITING_LINGER: Duration = Duration::from_secs(1);
/// After so many generations it is certain that something starts them again and again.
const GENERATIONS: u32 = 3;

/// Frees targets side by side.
pub(crate) fn run(
    options: &KillOptions,
    targets: &[Target],
    callback: Callback<'_>,
) -> Vec<(Target, Result<Freed, Error>)> {
    // Events come from deep inside; what is answered to them is heeded at the next place where nothing is half done.
    let broken = Rc::new(Cell::new(false));
    let mut heeded = |event: &Event<'_>| {
        let flow = callback(event);
        if flow.is_break() {
            broken.set(true);
        }
        flow
    };
    let mut results = match Engine::new(options, targets) {
        Ok(mut engine) => {
            engine.broken = Rc::clone(&broken);
            engine.drive(&mut heeded);
            engine.into_results()
        }
        Err(error) => failures(targets, "opening the process table", &error),
    };
    targets
        .iter()
        .map(|&target| {
            let result = results
                .get_mut(&target)
                .map_or_else(|| Ok(nothing_to_do(target)), |result| result.clone());
            (target, result)
        })
        .collect()
}

/// What [`run`] would do.
pub(crate) fn plan(
    options: &KillOptions,
    targets: &[Target],
) -> Vec<(Target, Result<Plan, Error>)> {
    let planned = Engine::new(options, targets).and_then(|mut engine| engine.plan());
    targets
        .iter()
        .map(|&target| {
            let plan = match &planned {
                Ok(plans) => match plans.get(&target) {
                    Some(plan) => Ok(plan.clone()),
                    None => Ok(empty_plan(target)),
                },
                Err(error) => Err(Error::system(
                    target,
                    "looking at the process table",
                    io::Error::new(error.kind(), error.to_string()),
                )),
            };
            (target, plan)
        })
        .collect()
}

fn failures(
    targets: &[Target],
    doing: &'static str,
    error: &io::Error,
) -> HashMap<Target, Result<Freed, Error>> {
    targets
        .iter()
        .filter(|target| target.port != 0)
        .map(|&target| {
            let same = io::Error::new(error.kind(), error.to_string());
            (target, Err(Error::system(target, doing, same)))
        })
        .collect()
}

pub(crate) fn nothing_to_do(target: Target) -> Freed {
    Freed {
        target,
        ended: Vec::new(),
        #[cfg(feature = "containers")]
        containers: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

pub(crate) fn empty_plan(target: Target) -> Plan {
    Plan {
        target,
        holders: Vec::new(),
        #[cfg(feature = "containers")]
        containers: Vec::new(),
        error: None,
        supervisors: Vec::new(),
    }
}

struct Engine<'o> {
    options: &'o KillOptions,
    table: Table,
    /// Made when the first holder is seen: a free port needs no rules.
    rules: Option<Rules>,
    registry: Registry,
    jobs: Vec<Job>,
    /// Whether the callback has asked to break off.
    broken: Rc<Cell<bool>>,
}

impl<'o> Engine<'o> {
    fn new(options: &'o KillOptions, targets: &[Target]) -> io::Result<Self> {
        let now = Instant::now();
        let mut unique: Vec<Target> = targets
            .iter()
            .copied()
            .filter(|target| target.port != 0)
            .collect();
        unique.sort_unstable();
        unique.dedup();
        Ok(Self {
            options,
            table: Table::open()?,
            rules: None,
            registry: Registry::default(),
            jobs: unique
                .into_iter()
                .map(|target| Job::new(target, now))
                .collect(),
            broken: Rc::default(),
        })
    }

    fn into_results(self) -> HashMap<Target, Result<Freed, Error>> {
        self.jobs
            .into_iter()
            .filter_map(|job| Some((job.target, job.result?)))
            .collect()
    }

    fn drive(&mut self, callback: Callback<'_>) {
        let mut pause = FIRST_PAUSE;
        while self.jobs.iter().any(|job| !job.is_done()) {
            match self.advance(callback) {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) => pause = (pause * 2).min(LAST_PAUSE),
                Err(error) => {
                    return self.break_off(|| Obstacle::System {
                        doing: "looking at the process table",
                        error: std::sync::Arc::new(io::Error::new(error.kind(), error.to_string())),
                    });
                }
            }
            if self.jobs.iter().all(Job::is_done) {
                return;
            }
            if self.broken.get() || self.tell_waiting(callback).is_break() {
                return self.break_off(|| Obstacle::Cancelled);
            }
            self.wait(pause);
        }
    }

    fn break_off(&mut self, obstacle: impl Fn() -> Obstacle) {
        let now = Instant::now();
        for job in self.jobs.iter_mut().filter(|job| !job.is_done()) {
            job.fail(&self.registry, now, vec![obstacle()]);
        }
    }

    /// One round of all targets. `true` if something changed.
    fn advance(&mut self, callback: Callback<'_>) -> io::Result<bool> {
        let now = Instant::now();
        let exits = self.note_exits(now, callback);
        self.look_at_sockets(now)?;
        let due: Vec<usize> = (0..self.jobs.len())
            .filter(|&index| {
                self.jobs
                    .get(index)
                    .is_some_and(|job| self.needs_survey(job, now))
            })
            .collect();
        if !due.is_empty() {
            self.survey(&due)?;
        }
        let mut changed = exits || !due.is_empty();
        for index in 0..self.jobs.len() {
            let surveyed = due.contains(&index);
            changed |= self.step(index, surveyed, callback)?;
        }
        Ok(changed)
    }

    fn note_exits(&mut self, now: Instant, callback: Callback<'_>) -> bool {
        let exits = self.registry.note_exits(now);
        for identity in &exits {
            for job in &mut self.jobs {
                if job.is_done()
                    || !job
                        .members
                        .iter()
                        .any(|member| member.identity == *identity)
                {
                    continue;
                }
                job.exits = true;
                if let Some(known) = self.registry.get(*identity) {
                    let elapsed = known.first_sent.map_or(Duration::ZERO, |sent| now - sent);
                    debug!("port {}: PID {} has exited", job.target, identity.pid);
                    // Whether to go on is asked once a round, not here.
                    let _ = callback(&Event::Ended {
                        target: job.target,
                        process: &known.process,
                        fate: Fate::Exited,
                        elapsed,
                    });
                }
            }
        }
        !exits.is_empty()
    }

    /// The kernel's word on every open target: the cheap look for all, the dear one for those that look free by it.
    fn look_at_sockets(&mut self, now: Instant) -> io::Result<()> {
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
        let looks_free: Vec<(u16, Option<crate::Protocol>)> = self
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
    fn wants_dear_look(&self, job: &Job, now: Instant) -> bool {
        match job.phase {
            Phase::Held => true,
            Phase::Free(since) => self.free_wait(job, since, now).is_none(),
            Phase::Done => false,
        }
    }

    fn needs_survey(&self, job: &Job, now: Instant) -> bool {
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

    /// Whether the grace is over and SIGKILL has not been sent yet.
    fn kill_is_due(&self, job: &Job, now: Instant) -> bool {
        job.killed.is_none()
            && self.options.escalate
            && job
                .clock
                .is_some_and(|clock| now - clock >= self.options.grace)
    }

    /// Finds the holders of these targets, with one look at the processes.
    fn survey(&mut self, due: &[usize]) -> io::Result<()> {
        let begun = Instant::now();
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
            job.survey_cost = cost;
            job.exits = false;
            job.hidden = job
                .sockets
                .iter()
                .filter(|socket| !held.contains(&socket.id))
                .map(|socket| survey::hidden(socket.clone(), &found.unreadable))
                .collect();
            let shared = shared_with_unseen(job, &self.registry, &found.unreadable);
            job.unheld = match job.unheld {
                // It was given its time.
                Some(_) => None,
                None => (!job.hidden.is_empty()).then_some(begun),
            };
            job.hidden.extend(shared);
            job.seen.extend(job.sockets.iter().map(|socket| socket.id));
        }
        Ok(())
    }

    /// Quickly first if that is enough, completely where a socket has no holder that way.
    fn find(&mut self, sockets: &[Socket], depth: Depth) -> io::Result<Found> {
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

    fn step(&mut self, index: usize, surveyed: bool, callback: Callback<'_>) -> io::Result<bool> {
        let now = Instant::now();
        let Some(job) = self.jobs.get_mut(index) else {
            return Ok(false);
        };
        match job.phase {
            Phase::Done => Ok(false),
            Phase::Held if job.sockets.is_empty() => {
                job.phase = Phase::Free(now);
                self.settle(index, now, now, callback)
            }
            Phase::Free(_) if !job.sockets.is_empty() => {
                job.phase = Phase::Held;
                self.hold(index, surveyed, now, callback)
            }
            Phase::Held => self.hold(index, surveyed, now, callback),
            Phase::Free(since) => self.settle(index, since, now, callback),
        }
    }

    /// The target is held: decide on the holders if they have just been looked at, and see whether time is up.
    fn hold(
        &mut self,
        index: usize,
        surveyed: bool,
        now: Instant,
        callback: Callback<'_>,
    ) -> io::Result<bool> {
        if surveyed {
            self.decide(index, now, callback)?;
        }
        self.check_time(index, now, callback)?;
        Ok(surveyed)
    }

    fn decide(&mut self, index: usize, now: Instant, callback: Callback<'_>) -> io::Result<()> {
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
    fn choose_and_tell(
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
    fn descendants(&mut self, index: usize, of: &[Identity]) -> io::Result<Vec<Identity>> {
        let pids: Vec<u32> = of.iter().map(|identity| identity.pid).collect();
        let handles = sys::descendants(&pids)?;
        let rules = rules(&mut self.rules, self.options);
        let mut chosen = Vec::new();
        for handle in handles {
            let pid = handle.pid();
            let spared = pid == rules.caller || pid == 1 || rules.ancestors.contains(&pid);
            let identity = self.registry.add(handle, rules);
            let permitted = self
                .registry
                .get(identity)
                .is_some_and(|known| !known.denied && !known.is_kernel && !known.is_forwarder);
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
    fn tell_supervisors(
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
                && handle.unit().is_none_or(|_| handle.parent() != Some(1))
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

    fn tell(
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

    /// Gives up a target whose time is over, and sends SIGKILL to those of the members that hold no socket but have to end.
    fn check_time(&mut self, index: usize, now: Instant, callback: Callback<'_>) -> io::Result<()> {
        let grace = self.options.grace;
        let Some(job) = self.jobs.get(index).filter(|job| !job.is_done()) else {
            return Ok(());
        };
        if job.killed.is_some() || self.kill_is_due(job, now) {
            let must_exit: Vec<Identity> = job
                .pending(&self.registry)
                .filter(|(member, _)| member.must_exit)
                .map(|(member, _)| member.identity)
                .collect();
            if !must_exit.is_empty() {
                self.tell(index, &must_exit, now, callback)?;
            }
        }
        let Some(job) = self.jobs.get_mut(index) else {
            return Ok(());
        };
        let out_of_patience = !self.options.escalate
            && !self.options.force
            && self.options.signal != Signal::Kill
            && job.clock.is_some_and(|clock| now - clock >= grace);
        let survived = job.killed.is_some_and(|killed| now - killed >= AFTER_KILL);
        // Whatever else happens, for example holders that go on appearing: there is an end.
        let longest = match job.clock {
            None => grace.saturating_add(AFTER_KILL),
            Some(_) => grace.saturating_mul(2).saturating_add(4 * AFTER_KILL),
        };
        let endless = now - job.started >= longest;
        let mut obstacles = if out_of_patience {
            job.stubborn(&self.registry, |holder, known| Obstacle::TimedOut {
                holder,
                signal: known.sent.last().copied().unwrap_or_default(),
                grace,
            })
        } else if survived {
            job.stubborn(&self.registry, |holder, _| Obstacle::Survived { holder })
        } else if endless {
            Vec::new()
        } else {
            return Ok(());
        };
        obstacles.extend(job.obstacles(&self.registry));
        if obstacles.is_empty() {
            obstacles.push(Obstacle::System {
                doing: "waiting for the port",
                error: std::sync::Arc::new(io::Error::from(io::ErrorKind::TimedOut)),
            });
        }
        job.fail(&self.registry, now, obstacles);
        let _ = callback(&Event::GaveUp { target: job.target });
        Ok(())
    }

    /// What a free target still waits for: `None` if for nothing.
    fn free_wait(&self, job: &Job, since: Instant, now: Instant) -> Option<()> {
        let free_for = now - since;
        let is_awaited = |(member, known): (&job::Member, &Known)| {
            member.must_exit
                || free_for < EXIT_LINGER
                || (free_for < EXITING_LINGER && known.handle.is_exiting())
        };
        if job.pending(&self.registry).any(is_awaited) {
            return Some(());
        }
        (free_for < self.options.settle && !settle::watch(job, &self.registry).is_over())
            .then_some(())
    }

    fn settle(
        &mut self,
        index: usize,
        since: Instant,
        now: Instant,
        callback: Callback<'_>,
    ) -> io::Result<bool> {
        let Some(job) = self.jobs.get(index) else {
            return Ok(false);
        };
        if self.free_wait(job, since, now).is_some() {
            self.check_time(index, now, callback)?;
            return Ok(false);
        }
        let Some(job) = self.jobs.get_mut(index) else {
            return Ok(false);
        };
        for member in &mut job.members {
            let lives = self
                .registry
                .get(member.identity)
                .is_some_and(Known::is_pending);
            if lives {
                member.released.get_or_insert(since);
            }
        }
        for (member, known) in job.pending(&self.registry) {
            let elapsed = known
                .first_sent
                .zip(member.released)
                .map(|(sent, end)| end - sent);
            let _ = callback(&Event::Ended {
                target: job.target,
                process: &known.process,
                fate: Fate::Released,
                elapsed: elapsed.unwrap_or_default(),
            });
        }
        job.finish(&self.registry, now);
        let _ = callback(&Event::Freed { target: job.target });
        Ok(true)
    }

    fn tell_waiting(&self, callback: Callback<'_>) -> ControlFlow<()> {
        let now = Instant::now();
        for job in self.jobs.iter().filter(|job| !job.is_done()) {
            let processes: Vec<&crate::Process> = match job.phase {
                Phase::Held => job
                    .pending(&self.registry)
                    .map(|(_, known)| &known.process)
                    .collect(),
                Phase::Free(_) | Phase::Done => Vec::new(),
            };
            let elapsed = job.clock.map_or(Duration::ZERO, |clock| now - clock);
            let escalates = self.options.escalate && job.killed.is_none() && !self.options.force;
            callback(&Event::Waiting {
                target: job.target,
                processes: &processes,
                elapsed,
                until_kill: escalates.then(|| self.options.grace.saturating_sub(elapsed)),
            })?;
        }
        ControlFlow::Continue(())
    }

    /// Waits until somebody exits, a deadline comes, or it is time to look at the sockets again.
    fn wait(&self, pause: Duration) {
        let now = Instant::now();
        let mut watched = Vec::new();
        let mut handles: Vec<&Handle> = Vec::new();
        let mut timeout = pause;
        for job in self.jobs.iter().filter(|job| !job.is_done()) {
            handles.extend(job.pending(&self.registry).map(|(_, known)| &known.handle));
            if let Phase::Free(since) = job.phase {
                watched.extend(settle::watch(job, &self.registry).handles);
                let left = self.options.settle.saturating_sub(now - since);
                if !left.is_zero() {
                    timeout = timeout.min(left);
                }
            }
            if let (Some(clock), None) = (job.clock, job.killed) {
                let left = self.options.grace.saturating_sub(now - clock);
                timeout = timeout.min(left.max(Duration::from_micros(100)));
            }
        }
        handles.extend(watched.iter().map(AsRef::as_ref));
        sys::wait(&handles, timeout);
    }

    /// Looks once, completely, and decides without signalling anybody.
    fn plan(&mut self) -> io::Result<HashMap<Target, Plan>> {
        self.look_once()?;
        if self.jobs.iter().any(|job| job.unheld.is_some()) {
            std::thread::sleep(LINGER);
            self.look_once()?;
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

    fn look_once(&mut self) -> io::Result<()> {
        let mut sockets = Vec::new();
        let wanted = ports(&self.jobs, |_| true);
        self.table.listening(Ports::These(&wanted), &mut sockets)?;
        self.table.bound(Ports::These(&wanted), &mut sockets)?;
        let sockets = by_port(sockets);
        let mut due = Vec::new();
        for (index, job) in self.jobs.iter_mut().enumerate() {
            job.sockets = blocking(&sockets, job.target);
            // A generation counts as known, so that the look is a complete one.
            job.surveyed = Some(job.started);
            if !job.sockets.is_empty() {
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

fn rules<'a>(rules: &'a mut Option<Rules>, options: &KillOptions) -> &'a Rules {
    rules.get_or_insert_with(|| Rules {
        caller: sys::caller(),
        ancestors: sys::ancestors(),
        spare_ancestors: options.spare_ancestors,
        ephemeral: sys::ephemeral_ports(),
    })
}

fn ports(jobs: &[Job], which: impl Fn(&Job) -> bool) -> Vec<(u16, Option<crate::Protocol>)> {
    jobs.iter()
        .filter(|job| which(job))
        .map(|job| (job.target.port, job.target.protocol))
        .collect()
}

fn by_port(sockets: Vec<Socket>) -> HashMap<u16, Vec<Socket>> {
    let mut by_port: HashMap<u16, Vec<Socket>> = HashMap::new();
    for socket in sockets {
        by_port.entry(socket.port).or_default().push(socket);
    }
    by_port
}

fn blocking(sockets: &HashMap<u16, Vec<Socket>>, target: Target) -> Vec<Socket> {
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

/// Judges the holders of the last look, and returns those who are to be told.
fn apply_filter(job: &mut Job, registry: &Registry, rules: &Rules) -> Vec<Identity> {
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

/// Sockets that somebody unseen must hold beside the holders that are seen: a worker that runs as the caller's user under a master
/// of root's shares its socket with the master, whose descriptors can't be read.
///
/// Two signs tell of it. The socket was made by the user of the unreadable parent, not by the holder's own; or an earlier holder of this
/// very socket was ended, and the same parent has put another in its place.
fn shared_with_unseen(job: &Job, registry: &Registry, unreadable: &[u32]) -> Vec<HiddenSocket> {
    let mut shared: Vec<HiddenSocket> = Vec::new();
    for member in job
        .members
        .iter()
        .filter(|member| !member.sockets.is_empty())
    {
        let Some(known) = registry.get(member.identity) else {
            continue;
        };
        let parent = match known.lineage.parent() {
            Some(parent) if unreadable.contains(&parent.pid()) && parent.pid() != 1 => {
                Some(parent.describe())
            }
            Some(_) => continue,
            None if known.lineage.unseen_parent.is_some_and(|pid| pid != 1) => None,
            None => continue,
        };
        let replaced = known.sent.is_empty()
            && job.members.iter().any(|other| {
                let other = registry.get(other.identity);
                other.is_some_and(|other| {
                    other.exited.is_some() && other.process.parent_pid == known.process.parent_pid
                })
            });
        for socket in &member.sockets {
            let made_by_parent = socket.uid != known.process.uid
                && parent
                    .as_ref()
                    .is_none_or(|parent| parent.uid == socket.uid);
            let was_there = job.seen.contains(&socket.id);
            let is_noted = shared.iter().any(|hidden| hidden.socket == *socket);
            if (made_by_parent || (replaced && was_there)) && !is_noted {
                let mut hidden = survey::hidden(socket.clone(), &[]);
                hidden.cause = HiddenCause::Unreadable;
                hidden.candidates = parent.iter().cloned().collect();
                shared.push(hidden);
            }
        }
    }
    shared
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
