//! One target on its way to being free.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::known::{Known, Registry};
use crate::error::{Error, Obstacle};
use crate::filter::Verdict;
use crate::holder::{Holder, Identity, Socket, SocketId};
use crate::outcome::{Fate, Freed, HolderReport};
use crate::signal::Signal;
use crate::survey::HiddenSocket;
use crate::sys::Handle;
use crate::target::Target;

/// A process that this target has to do with.
pub(super) struct Member {
    pub identity: Identity,
    /// The target's sockets that it held when it was last looked at. Empty for descendants and supervisors.
    pub sockets: Vec<Socket>,
    /// What was decided at the last look; `None` if it was not among the holders then.
    pub verdict: Option<Verdict>,
    /// Whether it has to end although it may hold nothing: a descendant, or a supervisor.
    pub must_exit: bool,
    /// When it was seen to have given up the port, though it lives.
    pub released: Option<Instant>,
}

/// Where a target stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Somebody holds it, or it has not been looked at.
    Held,
    /// Nobody holds it since then; what was ended may still be ending, or may be started again.
    Free(Instant),
    /// The result is known.
    Done,
}

pub(super) struct Job {
    pub target: Target,
    pub started: Instant,
    pub phase: Phase,
    /// The target's sockets at the last look.
    pub sockets: Vec<Socket>,
    /// Every socket that it ever had.
    pub seen: HashSet<SocketId>,
    pub members: Vec<Member>,
    /// When the first signal was sent: the one clock of this target.
    pub clock: Option<Instant>,
    /// When it came to SIGKILL.
    pub killed: Option<Instant>,
    /// When holders were last looked for.
    pub surveyed: Option<Instant>,
    /// How long that look took.
    pub survey_cost: Duration,
    /// Whether somebody has exited since.
    pub exits: bool,
    /// Since when a socket has had no holder to be seen.
    pub unheld: Option<Instant>,
    pub hidden: Vec<HiddenSocket>,
    /// Who was there at a first look that may have missed holders.
    pub present: Rc<[u32]>,
    /// How many generations were ended.
    pub generations: u32,
    /// Everyone above the holders of the last generation.
    pub forebears: HashSet<Identity>,
    /// Forebears of the generations before.
    pub earlier_forebears: HashSet<Identity>,
    pub tries: u32,
    /// What supervisors have started since the target became free; `None` until they were looked for.
    pub newcomers: Option<Vec<Handle>>,
    pub result: Option<Result<Freed, Error>>,
}

impl Job {
    pub(super) fn new(target: Target, now: Instant) -> Self {
        Self {
            target,
            started: now,
            phase: Phase::Held,
            sockets: Vec::new(),
            seen: HashSet::new(),
            members: Vec::new(),
            clock: None,
            killed: None,
            surveyed: None,
            survey_cost: Duration::ZERO,
            exits: false,
            unheld: None,
            hidden: Vec::new(),
            present: Rc::default(),
            generations: 0,
            forebears: HashSet::new(),
            earlier_forebears: HashSet::new(),
            tries: 0,
            newcomers: None,
            result: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    pub(super) fn member(&mut self, identity: Identity) -> &mut Member {
        let index = self
            .members
            .iter()
            .position(|member| member.identity == identity)
            .unwrap_or_else(|| {
                self.members.push(Member {
                    identity,
                    sockets: Vec::new(),
                    verdict: None,
                    must_exit: false,
                    released: None,
                });
                self.members.len() - 1
            });
        &mut self.members[index]
    }

    /// Takes note of the sockets that are there now. `true` if this is a new generation: all earlier sockets are gone and
    /// others have come. A socket that is only bound was perhaps there all along, unseen by the cheap look.
    pub(super) fn see(&mut self, sockets: Vec<Socket>) -> bool {
        let is_new = |socket: &Socket| !self.seen.contains(&socket.id);
        let renewed = !self.seen.is_empty()
            && !sockets.is_empty()
            && sockets.iter().all(is_new)
            && sockets
                .iter()
                .any(|socket| socket.state != crate::SocketState::Bound);
        self.sockets = sockets;
        renewed
    }

    /// Members that were told to end and are still there, with what is known of them.
    pub(super) fn pending<'a>(
        &'a self,
        registry: &'a Registry,
    ) -> impl Iterator<Item = (&'a Member, &'a Known)> {
        self.members.iter().filter_map(|member| {
            let known = registry.get(member.identity)?;
            known.is_pending().then_some((member, known))
        })
    }

    /// Members that were told to end, and did.
    pub(super) fn told_and_gone<'a>(
        &'a self,
        registry: &'a Registry,
    ) -> impl Iterator<Item = &'a Known> {
        self.members
            .iter()
            .filter_map(|member| registry.get(member.identity))
            .filter(|known| known.exited.is_some() && !known.sent.is_empty())
    }

    /// The target is free: that is the result.
    pub(super) fn finish(&mut self, registry: &Registry, now: Instant) {
        let ended = self.reports(registry, now, true);
        self.result = Some(Ok(Freed {
            target: self.target,
            ended,
            #[cfg(feature = "containers")]
            containers: Vec::new(),
            elapsed: now - self.started,
        }));
        self.phase = Phase::Done;
    }

    /// It can't be freed, for these reasons: that is the result.
    pub(super) fn fail(&mut self, registry: &Registry, now: Instant, obstacles: Vec<Obstacle>) {
        let holders = self.reports(registry, now, false);
        let elapsed = now - self.started;
        self.result = Some(Err(Error::new(self.target, obstacles, holders, elapsed)));
        self.phase = Phase::Done;
    }

    /// What is in the way according to the last look.
    pub(super) fn obstacles(&self, registry: &Registry) -> Vec<Obstacle> {
        let mut obstacles: Vec<Obstacle> = self
            .members
            .iter()
            .filter_map(|member| {
                let holder = self.holder(member, registry)?;
                match member.verdict? {
                    Verdict::Spared(reason) => Some(Obstacle::Spared { holder, reason }),
                    Verdict::Denied => Some(Obstacle::NotPermitted { holder }),
                    Verdict::Signal | Verdict::Withheld => None,
                }
            })
            .collect();
        obstacles.extend(self.hidden.iter().map(|hidden| Obstacle::Hidden {
            socket: hidden.socket.clone(),
            cause: hidden.cause,
            candidates: hidden.candidates.clone(),
        }));
        obstacles
    }

    /// Those who were told and are still there: what is in the way when time is up.
    pub(super) fn stubborn(
        &self,
        registry: &Registry,
        obstacle: impl Fn(Holder, &Known) -> Obstacle,
    ) -> Vec<Obstacle> {
        self.pending(registry)
            .filter(|(member, _)| member.must_exit || member.verdict.is_some())
            .filter_map(|(member, known)| Some(obstacle(self.holder(member, registry)?, known)))
            .collect()
    }

    pub(super) fn holder(&self, member: &Member, registry: &Registry) -> Option<Holder> {
        let known = registry.get(member.identity)?;
        Some(Holder {
            process: known.process.clone(),
            sockets: member.sockets.clone(),
        })
    }

    /// Everyone's story so far, in the order in which they were told.
    pub(super) fn reports(
        &self,
        registry: &Registry,
        now: Instant,
        free: bool,
    ) -> Vec<HolderReport> {
        let mut members: Vec<(&Member, &Known)> = self
            .members
            .iter()
            .filter_map(|member| Some((member, registry.get(member.identity)?)))
            .filter(|(_, known)| !free || !known.sent.is_empty())
            .collect();
        members.sort_by_key(|(_, known)| known.turn);
        members
            .into_iter()
            .filter_map(|(member, known)| {
                Some(HolderReport {
                    holder: self.holder(member, registry)?,
                    signals: known.sent.clone(),
                    fate: fate(member, known, free),
                    elapsed: known
                        .first_sent
                        .map(|sent| known.exited.or(member.released).unwrap_or(now) - sent),
                })
            })
            .collect()
    }
}

fn fate(member: &Member, known: &Known, free: bool) -> Fate {
    if known.exited.is_some() {
        return Fate::Exited;
    }
    if !known.sent.is_empty() {
        let holds = !free && (member.verdict.is_some() || member.must_exit);
        return if holds {
            Fate::Survived
        } else {
            Fate::Released
        };
    }
    match member.verdict {
        Some(Verdict::Spared(reason)) => Fate::Spared(reason),
        Some(Verdict::Denied) => Fate::Denied,
        Some(Verdict::Signal | Verdict::Withheld) => Fate::Withheld,
        None => Fate::Released,
    }
}

/// Which signal is sent now.
pub(super) fn level(signal: Signal, force: bool, killed: bool) -> Signal {
    if force || killed {
        Signal::Kill
    } else {
        signal
    }
}
