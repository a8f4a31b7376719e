//! One target on its way to being free.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::conduct::Conduct;
use crate::discovery::{Crowd, Facts, Id, Newcomer};
use crate::error::{Error, Obstacle};
use crate::filtration::{Part, Verdict};
use crate::protocol::Protocol;
use crate::report::{Fate, Freed, HolderReport};
use crate::socket::{HiddenSocket, Holder, Socket, SocketId};
use crate::supervisor::Supervisor;
use crate::target::Target;

/// A target, and how far it is.
pub(super) struct Job {
    pub target: Target,
    pub state: State,
}

pub(super) enum State {
    Open(Box<Open>),
    Done(Result<Freed, Error>),
}

impl Job {
    pub(super) fn new(target: Target, now: Instant) -> Self {
        let state = State::Open(Box::new(Open::new(target, now)));
        Self { target, state }
    }

    pub(super) fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Open(open) => Some(open),
            State::Done(_) => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Open> {
        match &mut self.state {
            State::Open(open) => Some(open),
            State::Done(_) => None,
        }
    }
}

/// A process that this target has to do with.
#[derive(Debug)]
pub(super) struct Member {
    pub id: Id,
    pub part: Part,
    /// The target's sockets that it held when holders were last looked for.
    pub sockets: Vec<Socket>,
    /// Those that it was last seen to hold.
    pub listened: Vec<Socket>,
    /// What was decided at the last look; `None` if it was not in the way then.
    pub verdict: Option<Verdict>,
    /// When it was seen to have given up the port, though it lives.
    pub released: Option<Instant>,
}

impl Member {
    /// Whether it has to end although it may hold nothing.
    pub(super) fn must_exit(&self) -> bool {
        matches!(self.part, Part::Descendant | Part::Supervisor)
    }
}

/// A free port is watched where connections of a moment ago show that somebody serves there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    pub since: Instant,
    pub until: Instant,
}

/// What is known of a target that is neither free nor given up.
pub(super) struct Open {
    pub target: Target,
    pub started: Instant,
    /// See [`Open::member`].
    pub members: Vec<Member>,
    /// Where each of them is: none is taken out.
    places: HashMap<Id, usize>,
    /// Every socket that it ever had.
    pub seen: HashSet<SocketId>,
    /// Whether one of them was a UDP socket.
    pub had_udp: bool,
    /// The sockets that were bound without listening in the round before. Whoever binds for a moment only, to see whether it can, is
    /// no holder.
    pub bound_before: HashSet<SocketId>,
    /// Since when each round has seen such sockets that were new.
    pub bound_since: Option<Instant>,
    /// Whether it has such sockets that the system does not list: then each socket is asked.
    pub has_unlisted: bool,
    /// When holders were last looked for, and how long that took.
    pub surveyed: Option<(Instant, Duration)>,
    /// Whether somebody has exited since.
    pub exits: bool,
    /// Since when these sockets have had no holder.
    pub unheld: Option<(Instant, HashSet<SocketId>)>,
    pub hidden: Vec<HiddenSocket>,
    /// Since when all who hold it, and may not be ended, have been on their way out.
    pub leaving_since: Option<Instant>,
    /// Everybody below the holders, if that was asked.
    pub descendants: Vec<Id>,
    /// Who was there at a first look that may have missed holders.
    pub present: Rc<[u32]>,
    /// How many generations were ended.
    pub generations: u32,
    pub tries: u32,
    /// Since when it has had no sockets.
    pub free_since: Option<Instant>,
    /// Whether a shell that somebody types into has gone on since: what was typed may be a loop.
    pub may_be_looped: bool,
    /// How a free port is watched for somebody who serves now and then.
    pub watch: Option<Watch>,
    /// Since when the kernel refuses to bind it, though it has no sockets.
    pub refused_since: Option<Instant>,
    /// Who may take the place of those who ended; `None` until they were looked for.
    pub newcomers: Option<Vec<Newcomer>>,
    #[cfg(feature = "containers")]
    pub containers: super::engines::Publishers,
}

impl Open {
    pub(super) fn new(target: Target, now: Instant) -> Self {
        Self {
            target,
            started: now,
            members: Vec::new(),
            places: HashMap::new(),
            seen: HashSet::new(),
            had_udp: false,
            bound_before: HashSet::new(),
            bound_since: None,
            has_unlisted: false,
            surveyed: None,
            exits: false,
            unheld: None,
            hidden: Vec::new(),
            leaving_since: None,
            descendants: Vec::new(),
            present: Rc::default(),
            generations: 0,
            tries: 0,
            free_since: None,
            may_be_looped: false,
            watch: None,
            refused_since: None,
            newcomers: None,
            #[cfg(feature = "containers")]
            containers: super::engines::Publishers::default(),
        }
    }

    /// Who it has to do with, if it is known.
    pub(super) fn known(&self, id: Id) -> Option<&Member> {
        self.members.get(*self.places.get(&id)?)
    }

    pub(super) fn member(&mut self, id: Id, part: Part) -> &mut Member {
        let at = *self.places.entry(id).or_insert_with(|| {
            self.members.push(Member {
                id,
                part,
                sockets: Vec::new(),
                listened: Vec::new(),
                verdict: None,
                released: None,
            });
            self.members.len() - 1
        });
        // Found or pushed just now.
        &mut self.members[at]
    }

    /// Members that were told to end and are still there.
    pub(super) fn pending<'a>(
        &'a self,
        conduct: &'a Conduct,
    ) -> impl Iterator<Item = &'a Member> + 'a {
        self.members
            .iter()
            .filter(|member| conduct.is_pending(member.id))
    }

    /// When the first signal was sent, be it for another target: the one clock of this target.
    pub(super) fn clock(&self, conduct: &Conduct) -> Option<Instant> {
        let members = self.members.iter();
        members
            .filter_map(|member| conduct.of(member.id).first)
            .min()
    }

    /// When it came to SIGKILL.
    pub(super) fn killed(&self, conduct: &Conduct) -> Option<Instant> {
        let members = self.members.iter();
        members
            .filter_map(|member| conduct.of(member.id).killed)
            .min()
    }

    /// Members that were told to end, and did.
    pub(super) fn told_and_gone<'a>(
        &'a self,
        conduct: &'a Conduct,
    ) -> impl Iterator<Item = Id> + 'a {
        let ids = self.members.iter().map(|member| member.id);
        ids.filter(|&id| conduct.was_told(id) && conduct.of(id).ended.is_some())
    }

    /// Since when it has had no sockets, and nobody has ended who was told to.
    pub(super) fn quiet_since(&self, conduct: &Conduct) -> Option<Instant> {
        let ends = self.told_and_gone(conduct);
        let last = ends.filter_map(|id| conduct.of(id).ended).max();
        self.free_since
            .max(last.filter(|_| self.free_since.is_some()))
    }

    /// Whether it is time to ask for signs of life: before the port is watched, and whenever a time of watching is over.
    pub(super) fn asks_for_life(&self, now: Instant) -> bool {
        self.watch.is_none_or(|watch| watch.until <= now)
    }

    /// Whether a UDP bind has to succeed as well: where UDP was asked for by name, or a UDP socket was in the way.
    pub(super) fn wants_udp(&self) -> bool {
        self.target.protocol() == Some(Protocol::Udp) || self.had_udp
    }

    /// Whether somebody was told to end for this target.
    pub(super) fn has_told(&self, conduct: &Conduct) -> bool {
        self.members
            .iter()
            .any(|member| conduct.was_told(member.id))
    }

    pub(super) fn holder(&self, member: &Member, crowd: &Crowd) -> Holder {
        let facts: &Facts = &crowd[member.id];
        Holder {
            process: facts.process.clone(),
            sockets: member.sockets.clone(),
        }
    }

    /// Everyone's story so far, in the order in which they were told.
    pub(super) fn reports(
        &self,
        crowd: &Crowd,
        conduct: &Conduct,
        now: Instant,
        is_free: bool,
    ) -> Vec<HolderReport> {
        let is_told = |member: &&Member| !is_free || conduct.was_told(member.id);
        let mut members: Vec<&Member> = self.members.iter().filter(is_told).collect();
        members.sort_by_key(|member| conduct.of(member.id).turn.unwrap_or(usize::MAX));
        members
            .into_iter()
            .map(|member| {
                let sent = conduct.of(member.id);
                let end = sent.ended.or(member.released).unwrap_or(now);
                HolderReport {
                    holder: self.holder(member, crowd),
                    signals: sent.signals.clone(),
                    fate: fate(member, conduct, is_free),
                    elapsed: sent.first.map(|first| end.saturating_duration_since(first)),
                }
            })
            .collect()
    }

    /// The target is free: that is the result.
    pub(super) fn freed(
        &self,
        crowd: &Crowd,
        conduct: &Conduct,
        now: Instant,
        supervisors: Vec<Supervisor>,
    ) -> Freed {
        Freed {
            target: self.target,
            ended: self.reports(crowd, conduct, now, true),
            #[cfg(feature = "containers")]
            containers: self.containers.stopped(),
            supervisors,
            elapsed: now.saturating_duration_since(self.started),
        }
    }

    /// It can't be freed, for these reasons: that is the result.
    pub(super) fn failed(
        &self,
        crowd: &Crowd,
        conduct: &Conduct,
        now: Instant,
        obstacles: Vec<Obstacle>,
    ) -> Error {
        let holders = self.reports(crowd, conduct, now, false);
        let elapsed = now.saturating_duration_since(self.started);
        let error = Error::new(self.target, obstacles, holders, elapsed);
        #[cfg(feature = "containers")]
        let error = error.with_containers(self.containers.stopped());
        error
    }
}

fn fate(member: &Member, conduct: &Conduct, is_free: bool) -> Fate {
    let sent = conduct.of(member.id);
    if sent.ended.is_some() {
        return Fate::Exited;
    }
    if !sent.signals.is_empty() {
        let holds = !is_free && (member.verdict.is_some() || member.must_exit());
        return if holds {
            Fate::Survived
        } else {
            Fate::Released
        };
    }
    match member.verdict {
        Some(Verdict::Spared(reason)) => Fate::Spared(reason),
        Some(Verdict::Denied) => Fate::Denied,
        Some(Verdict::Signal(_) | Verdict::Withheld) => Fate::Withheld,
        None => Fate::Released,
    }
}
