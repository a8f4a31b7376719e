//! The loop: look, filter, signal, verify, and back, until every target is free or it is certain that it can't be freed.
//!
//! This decides and owns the clock; what it decides with comes from `filter`, what it decides on from `sys`.

mod job;
mod known;
mod look;
mod plan;
mod settle;
mod tell;
mod unseen;

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use log::debug;

use self::job::{Job, Phase};
use self::known::{Known, Registry};
use crate::error::{Error, Obstacle};
use crate::event::Event;
use crate::filter::Rules;
use crate::holder::{Identity, Process};
use crate::options::KillOptions;
use crate::outcome::{Fate, Freed, Plan};
use crate::signal::Signal;
use crate::sys::{self, Handle, Table};
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
/// How long a process that a supervisor has just started is given to take the port.
const STARTUP: Duration = Duration::from_secs(2);
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

    /// Whether the grace is over and SIGKILL has not been sent yet.
    fn kill_is_due(&self, job: &Job, now: Instant) -> bool {
        job.killed.is_none()
            && self.options.escalate
            && job
                .clock
                .is_some_and(|clock| now - clock >= self.options.grace)
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
                job.newcomers = None;
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
        // Whether a socket without a holder is one that is just being closed, is known in a moment.
        let is_known = job.unheld.is_none();
        let survived = job.killed.is_some_and(|killed| now - killed >= AFTER_KILL);
        // Whatever else happens, for example holders that go on appearing: there is an end.
        let longest = match job.clock {
            None => grace.saturating_add(AFTER_KILL),
            Some(_) => grace.saturating_mul(2).saturating_add(4 * AFTER_KILL),
        };
        let endless = now - job.started >= longest;
        let mut obstacles = if out_of_patience && is_known {
            job.stubborn(&self.registry, |holder, known| Obstacle::TimedOut {
                holder,
                signal: known.sent.last().copied().unwrap_or_default(),
                grace,
            })
        } else if survived && is_known {
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
        let is_unsettled =
            free_for < self.options.settle && !settle::watch(job, &self.registry).is_over();
        let is_starting = || {
            let newcomers = job.newcomers.iter().flatten();
            free_for < self.options.settle + STARTUP
                && newcomers.into_iter().any(|newcomer| !newcomer.has_exited())
        };
        (is_unsettled || is_starting()).then_some(())
    }

    /// Looks for what the supervisors have started since the holders were told to end: servers take their time until they listen.
    fn seek_newcomers(&mut self, index: usize) -> io::Result<()> {
        let Some(job) = self.jobs.get_mut(index) else {
            return Ok(());
        };
        let supervisors: Vec<u32> = settle::watch(job, &self.registry)
            .handles
            .iter()
            .map(|handle| handle.pid())
            .collect();
        let mut newcomers = Vec::new();
        if let (false, Some(told)) = (supervisors.is_empty(), job.clock.and_then(wall_clock)) {
            newcomers = sys::descendants(&supervisors)?;
            let ended: Vec<&Process> = job
                .told_and_gone(&self.registry)
                .map(|known| &known.process)
                .collect();
            newcomers.retain(|newcomer| {
                let process = newcomer.describe();
                process.started.is_some_and(|started| started >= told)
                    && !newcomer.has_exited()
                    && ended
                        .iter()
                        .any(|ended| settle::is_in_place_of(&process, ended))
            });
        }
        job.newcomers = Some(newcomers);
        Ok(())
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
        if job.newcomers.is_none() && !self.options.settle.is_zero() {
            self.seek_newcomers(index)?;
            let job = self.jobs.get(index);
            if job.is_some_and(|job| self.free_wait(job, since, now).is_some()) {
                return Ok(false);
            }
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
}

/// That instant as the wall clock tells it, less what the start times of processes are rounded by.
fn wall_clock(instant: Instant) -> Option<SystemTime> {
    SystemTime::now().checked_sub(instant.elapsed() + Duration::from_millis(10))
}

fn rules<'a>(rules: &'a mut Option<Rules>, options: &KillOptions) -> &'a Rules {
    rules.get_or_insert_with(|| Rules {
        caller: sys::caller(),
        ancestors: sys::ancestors(),
        spare_ancestors: options.spare_ancestors,
        ephemeral: sys::ephemeral_ports(),
    })
}
