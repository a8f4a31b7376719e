//! What is to be done about one target, decided from one snapshot. Nothing here asks the clock or the system.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conduct::Conduct;
use super::job::{Member, Open, Watch};
use super::supervisors::{respawned, starters};
use super::unseen;
use crate::connection::{Connection, LingeringState};
use crate::discovery::{Crowd, Found, Id, LINGER, Sight, Use};
use crate::error::Obstacle;
use crate::filtration::{Candidate, Part, Permit, Rules, Verdict, judge, judge_holders};
use crate::options::KillOptions;
use crate::process::Process;
use crate::protocol::Protocol;
use crate::report::SparedReason;
use crate::signal::Signal;
use crate::socket::{Socket, SocketId, SocketState};
use crate::supervisor::starts_once;
use crate::verification::{Aftermath, Need, is_in_place_of, proves_free};

/// The longest round: after it, holders are looked for again.
pub(super) const TRY: Duration = Duration::from_secs(1);
/// How long SIGKILL has to work: five tries.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// How long a free port is watched where connections of a moment ago show that somebody serves there.
const WATCH: Duration = Duration::from_millis(250);
/// How long ago that moment may be.
const RECENTLY: Duration = Duration::from_secs(2);
/// How long it is watched, as long as there are new signs.
const LONGEST_WATCH: Duration = Duration::from_secs(3);
/// After so many generations it is certain that something starts them again and again.
const GENERATIONS: u32 = 3;

/// What is known in one round, beside what was seen of the target.
pub(super) struct Round<'a> {
    /// The one instant of the round.
    pub at: Instant,
    pub options: &'a KillOptions,
    pub rules: &'a Rules,
    pub crowd: &'a Crowd,
    pub conduct: &'a Conduct,
    /// Who has exited, of those that matter.
    pub gone: &'a HashSet<Id>,
    /// Who is on the way out, of those who were told to end and of those who may not be.
    pub exiting: &'a HashSet<Id>,
    #[cfg(feature = "containers")]
    pub engines: super::engines::View<'a>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Action {
    /// Tell that a try begins.
    Try(u32),
    /// Send a signal.
    Signal(Permit, Signal),
    /// Ask the container engines what they publish.
    #[cfg(feature = "containers")]
    Ask,
    /// Tell an engine to end a container.
    #[cfg(feature = "containers")]
    Stop(Box<crate::container::Container>),
    /// It is free.
    Free,
    /// It can't be freed.
    GiveUp(Vec<Obstacle>),
}

impl Action {
    /// Whether it only asks, so that nothing is different after it.
    pub(super) fn is_question(&self) -> bool {
        #[cfg(feature = "containers")]
        return matches!(self, Self::Ask);
        #[cfg(not(feature = "containers"))]
        false
    }

    fn is_last(&self) -> bool {
        matches!(self, Self::Free | Self::GiveUp(_))
    }
}

/// Decides.
pub(super) fn decide(open: &mut Open, sight: &Sight, round: &Round<'_>) -> Vec<Action> {
    if !confirm_bound(open, sight, round) {
        return Vec::new();
    }
    if sight.sockets.is_empty() {
        return without_sockets(open, sight, round);
    }
    open.free_since = None;
    open.newcomers = None;
    open.refused_since = None;
    let mut actions = Vec::new();
    if let Some(found) = &sight.found {
        note(open, sight, found, round);
        // Perhaps the last holder has just gone. Until that is known, nobody is signalled.
        if open.unheld.is_none() {
            actions = on_holders(open, round);
        }
    }
    if !actions.iter().any(Action::is_last) {
        actions.extend(on_time(open, round));
    }
    actions
}

/// Whether the sockets that are bound without listening have been there for a moment, or others like them. Somebody may bind to see
/// whether it is possible.
fn confirm_bound(open: &mut Open, sight: &Sight, round: &Round<'_>) -> bool {
    let is_confirmed = is_bound_for_long(open, &sight.sockets, round.at);
    let bound: HashSet<SocketId> = only_bound(&sight.sockets).collect();
    if bound.is_subset(&open.bound_before) {
        open.bound_since = None;
    } else {
        open.bound_since.get_or_insert(round.at);
    }
    open.bound_before = bound;
    is_confirmed
}

pub(super) fn is_bound_for_long(open: &Open, sockets: &[Socket], now: Instant) -> bool {
    only_bound(sockets).all(|id| open.bound_before.contains(&id))
        || open
            .bound_since
            .is_some_and(|since| now.saturating_duration_since(since) >= LINGER)
}

pub(super) fn only_bound(sockets: &[Socket]) -> impl Iterator<Item = SocketId> + '_ {
    let bound = sockets
        .iter()
        .filter(|socket| socket.state == SocketState::Bound);
    bound.map(|socket| socket.id)
}

/// Whether holders have to be looked for.
pub(super) fn wants_holders(open: &Open, sockets: &[Socket], round: &Round<'_>) -> bool {
    let Some((last, cost)) = open.surveyed else {
        return true;
    };
    if let Some((since, unheld)) = &open.unheld {
        let is_other = |socket: &Socket| !unheld.contains(&socket.id);
        return round.since(*since) >= LINGER || sockets.iter().any(is_other);
    }
    let since = round.since(last);
    let soon = cost.saturating_mul(4).max(Duration::from_millis(20));
    since >= TRY
        || sockets.iter().any(|socket| !open.seen.contains(&socket.id))
        || (since >= soon && (open.exits || open.pending(round.conduct).next().is_none()))
        || round.kill_is_due(open)
}

impl Round<'_> {
    pub(super) fn since(&self, then: Instant) -> Duration {
        self.at.saturating_duration_since(then)
    }

    /// See [`Rules::living_supervisor`].
    pub(super) fn living_supervisor(&self, of: Id) -> Option<Id> {
        self.rules.living_supervisor(self.crowd, of, self.gone)
    }

    /// Whether the grace is over and SIGKILL has not been sent yet.
    pub(super) fn kill_is_due(&self, open: &Open) -> bool {
        open.killed(self.conduct).is_none()
            && self.options.escalate
            && open
                .clock(self.conduct)
                .is_some_and(|clock| self.since(clock) >= self.options.grace)
    }

    /// Whether all of these who stand in the way, and there are some, are on their way out. Little can be read of such a process, and nothing
    /// that is known of it is a reason to give up: what it has goes with it, whoever may not end it.
    pub(super) fn are_leaving(&self, open: &Open, ids: impl IntoIterator<Item = Id>) -> bool {
        let stands_in_the_way = |id: &Id| {
            let verdict = open.known(*id).and_then(|member| member.verdict);
            matches!(verdict, Some(Verdict::Spared(_) | Verdict::Denied))
        };
        let mut ids = ids.into_iter().filter(stands_in_the_way).peekable();
        ids.peek().is_some() && ids.all(|id| self.exiting.contains(&id))
    }

    /// The signal that is sent now.
    fn signal(&self, open: &Open) -> Signal {
        if open.killed(self.conduct).is_some() || self.kill_is_due(open) {
            Signal::Kill
        } else {
            self.options.first_signal()
        }
    }

    /// SIGKILL is the same for everybody. What comes before it is what this one takes for "stop".
    pub(super) fn as_taken(&self, signal: Signal, by: Id) -> Signal {
        match signal {
            Signal::Kill => signal,
            _ => self.options.first_signal_to(self.crowd[by].stop_signal),
        }
    }

    /// Judges somebody who holds no listening socket.
    pub(super) fn verdict(&self, open: &Open, id: Id, part: Part) -> Verdict {
        let candidate = Candidate {
            id,
            part,
            sockets: &[],
            denied: self.conduct.of(id).denied,
        };
        judge(self.rules, self.crowd, open.target, &candidate)
    }
}

/// Makes the holders that were found the members of a target, with the sockets that they hold now.
pub(super) fn note(open: &mut Open, sight: &Sight, found: &Found, round: &Round<'_>) {
    let holders: Vec<Id> = found.held.iter().map(|(id, _)| *id).collect();
    let is_next_generation = open.has_told(round.conduct)
        && !holders.is_empty()
        && !holders.iter().any(|&id| round.conduct.was_told(id))
        && !sight
            .sockets
            .iter()
            .any(|socket| open.seen.contains(&socket.id));
    if is_next_generation {
        open.generations += 1;
        log::info!(
            target: "kill_port", "port {}: taken again, by generation {}",
            open.target,
            open.generations + 1
        );
    }
    for member in &mut open.members {
        member.sockets.clear();
        if !member.must_exit() {
            member.verdict = None;
        }
    }
    for (id, sockets) in &found.held {
        let member = open.member(*id, Part::Holder);
        member.sockets.clone_from(sockets);
        member.listened.clone_from(sockets);
    }
    let is_first = open.surveyed.is_none();
    open.surveyed = Some((round.at, found.took));
    open.exits = false;
    if is_first {
        open.present = found.present.clone();
    }
    // Each socket without a holder is given its time: one that was not there at the last look has not had it.
    let unheld: HashSet<SocketId> = found.unheld.iter().map(|hidden| hidden.socket.id).collect();
    let had_time = open
        .unheld
        .take()
        .is_some_and(|(_, before)| unheld.is_subset(&before));
    if !unheld.is_empty() && !had_time {
        open.unheld = Some((round.at, unheld));
    }
    open.hidden = found.unheld.clone();
    let shared = unseen::shared_with_unseen(open, found, round);
    open.hidden.extend(shared);
    open.seen
        .extend(sight.sockets.iter().map(|socket| socket.id));
    open.had_udp |= sight
        .sockets
        .iter()
        .any(|socket| socket.protocol == Protocol::Udp);
    open.descendants.clone_from(&found.descendants);
}

/// Those who descend from somebody who is told to end, and may be ended with it. Whoever descends from a spared holder alone is no concern.
pub(super) fn choose_descendants(
    open: &mut Open,
    chosen: &[Permit],
    round: &Round<'_>,
) -> Vec<Permit> {
    let mut descendants = Vec::new();
    let chosen: HashSet<Id> = chosen.iter().map(|permit| permit.id()).collect();
    for id in open.descendants.clone() {
        let above = &round.crowd[id].ancestors;
        if chosen.contains(&id) || !above.iter().any(|id| chosen.contains(id)) {
            continue;
        }
        let verdict = round.verdict(open, id, Part::Descendant);
        if let Verdict::Signal(permit) = verdict {
            open.member(id, Part::Descendant).verdict = Some(verdict);
            descendants.push(permit);
        }
    }
    descendants
}

/// What follows from who holds the target.
fn on_holders(open: &mut Open, round: &Round<'_>) -> Vec<Action> {
    let chosen = choose(open, round, false);
    if open.generations >= GENERATIONS {
        return vec![Action::GiveUp(respawned(open, round))];
    }
    if chosen.is_empty() && are_leaving(open, round) {
        let since = *open.leaving_since.get_or_insert(round.at);
        if round.since(since) < TRY {
            return Vec::new();
        }
    } else {
        open.leaving_since = None;
    }
    #[cfg(feature = "containers")]
    if let Some(actions) = super::engines::on_holders(open, &chosen, round) {
        return actions;
    }
    if chosen.is_empty() {
        let obstacles = obstacles(open, round.crowd);
        return if obstacles.is_empty() {
            Vec::new()
        } else {
            vec![Action::GiveUp(obstacles)]
        };
    }
    tell_holders(open, chosen, round)
}

/// Whether nobody is in the way of the target but holders on their way out.
pub(super) fn are_leaving(open: &Open, round: &Round<'_>) -> bool {
    let holders = open
        .members
        .iter()
        .filter(|member| !member.sockets.is_empty());
    open.hidden.is_empty() && round.are_leaving(open, holders.map(|member| member.id))
}

/// Judges the holders, and returns those who may be ended. With `without_forwarders`, those who only forward to a container are left
/// out: they end with it.
pub(super) fn choose(open: &mut Open, round: &Round<'_>, without_forwarders: bool) -> Vec<Permit> {
    let is_counted = |member: &Member| {
        let goes_along = without_forwarders && round.crowd[member.id].is_forwarder;
        !member.sockets.is_empty() && !goes_along
    };
    let hidden: Vec<&Socket> = if without_forwarders {
        Vec::new()
    } else {
        open.hidden.iter().map(|hidden| &hidden.socket).collect()
    };
    let members: Vec<&Member> = open
        .members
        .iter()
        .filter(|member| is_counted(member))
        .collect();
    let candidates: Vec<Candidate<'_>> = members
        .iter()
        .map(|member| Candidate {
            id: member.id,
            part: Part::Holder,
            sockets: &member.sockets,
            denied: round.conduct.of(member.id).denied,
        })
        .collect();
    let verdicts = judge_holders(round.rules, round.crowd, open.target, &candidates, &hidden);
    let verdicts: Vec<(Id, Verdict)> = members
        .iter()
        .map(|member| member.id)
        .zip(verdicts)
        .collect();
    let mut chosen = Vec::new();
    for (id, verdict) in verdicts {
        open.member(id, Part::Holder).verdict = Some(verdict);
        if let Verdict::Signal(permit) = verdict {
            chosen.push(permit);
        }
    }
    chosen
}

/// Tells the holders to end: with their supervisor before them and their descendants after them, if so asked.
pub(super) fn tell_holders(
    open: &mut Open,
    mut chosen: Vec<Permit>,
    round: &Round<'_>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let elapsed = open
        .clock(round.conduct)
        .map_or(Duration::ZERO, |clock| round.since(clock));
    let number = u32::try_from(elapsed.as_secs())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    if number > open.tries {
        open.tries = number;
        actions.push(Action::Try(number));
    }
    let signal = round.signal(open);
    if round.options.supervisor {
        let starters = starters(open, &chosen, round);
        if starters.is_refused {
            return vec![Action::GiveUp(respawned(open, round))];
        }
        let is_waited_for = starters.seen.iter().any(|permit| {
            round.conduct.is_new(permit.id(), signal) || round.conduct.is_pending(permit.id())
        });
        actions.extend(signals(starters.seen, signal, round));
        actions.extend(signals(starters.watchers, signal, round));
        if is_waited_for {
            return actions;
        }
    }
    // Before their children, so that a master can't replace the workers that go before it.
    chosen.sort_by_key(|permit| {
        let facts = &round.crowd[permit.id()];
        (facts.ancestors.len(), facts.process.pid)
    });
    let descendants = choose_descendants(open, &chosen, round);
    chosen.extend(descendants);
    actions.extend(signals(chosen, signal, round));
    actions
}

/// This signal, or what they take for it, for those to whom it is news.
fn signals<'r>(
    permits: impl IntoIterator<Item = Permit> + 'r,
    signal: Signal,
    round: &'r Round<'_>,
) -> impl Iterator<Item = Action> + 'r {
    permits
        .into_iter()
        .filter(move |permit| round.conduct.is_new(permit.id(), signal))
        .map(move |permit| Action::Signal(permit, round.as_taken(signal, permit.id())))
}

/// Somebody serves there all the time, and nobody stays long enough to be told to end.
fn fleeting(open: &Open, round: &Round<'_>) -> Obstacle {
    let last = open.members.last().map(|member| member.id);
    let supervisor = last.and_then(|id| round.living_supervisor(id));
    Obstacle::Fleeting {
        process: last.map(|id| round.crowd[id].process.clone()),
        supervisor: supervisor.map(|id| round.crowd[id].process.clone()),
        advice: None,
    }
}

/// What is in the way according to the last look.
pub(super) fn obstacles(open: &Open, crowd: &Crowd) -> Vec<Obstacle> {
    let of_member = |member: &Member| {
        let holder = || open.holder(member, crowd);
        match member.verdict? {
            Verdict::Spared(reason) => Some(Obstacle::Spared {
                holder: holder(),
                reason,
                advice: None,
            }),
            Verdict::Denied => Some(Obstacle::NotPermitted {
                holder: holder(),
                advice: None,
            }),
            Verdict::Signal(_) | Verdict::Withheld => None,
        }
    };
    let holders = open
        .members
        .iter()
        .filter(|member| member.part == Part::Holder || !member.sockets.is_empty());
    let mut obstacles: Vec<Obstacle> = holders.filter_map(of_member).collect();
    obstacles.extend(open.hidden.iter().cloned().map(Obstacle::hidden));
    obstacles
}

/// Gives up a target whose time is over, and sends SIGKILL to those who hold no listening socket but have to end.
fn on_time(open: &mut Open, round: &Round<'_>) -> Vec<Action> {
    let options = round.options;
    let grace = options.grace;
    let (clock, killed) = (open.clock(round.conduct), open.killed(round.conduct));
    // Whether a socket without a holder is one that is just being closed, is known in a moment.
    let is_known = open.unheld.is_none();
    let is_out_of_patience = !options.escalate
        && options.first_signal() != Signal::Kill
        && clock.is_some_and(|clock| round.since(clock) >= grace);
    let has_survived = killed.is_some_and(|killed| round.since(killed) >= AFTER_KILL);
    // Whatever else happens, for example holders that go on appearing: there is an end.
    let longest = match clock {
        None => grace.saturating_add(AFTER_KILL),
        Some(_) => grace.saturating_mul(2).saturating_add(4 * AFTER_KILL),
    };
    #[cfg(feature = "containers")]
    let (begun, is_stopping) = (
        open.containers.last_end().unwrap_or(open.started),
        open.containers.pending_since().is_some(),
    );
    #[cfg(not(feature = "containers"))]
    let (begun, is_stopping) = (open.started, false);
    let is_endless = open.free_since.is_none()
        && !is_stopping
        && round.since(begun) >= longest.saturating_add(options.settling());
    let mut found: Vec<Obstacle> = if is_out_of_patience && is_known {
        stubborn(open, round, |holder, sent| Obstacle::TimedOut {
            holder,
            signal: sent,
            grace,
            advice: None,
        })
    } else if has_survived && is_known {
        stubborn(open, round, |holder, _| Obstacle::Survived {
            holder,
            advice: None,
        })
    } else if is_endless {
        Vec::new()
    } else {
        return kill_the_rest(open, round);
    };
    if found.is_empty() && open.free_since.is_some() {
        // Whoever holds a free port no more need not end.
        return Vec::new();
    }
    if !is_known {
        // There was another socket each time, so that none is known to have no holder.
        open.hidden.clear();
    }
    found.extend(obstacles(open, round.crowd));
    if found.is_empty() {
        let was_looked_at = open.surveyed.is_some_and(|(last, _)| last == round.at);
        if !was_looked_at && !is_endless {
            return kill_the_rest(open, round);
        }
        found = newcomers(open, round);
    }
    vec![Action::GiveUp(found)]
}

/// What is in the way when time is up and all who were told have ended: whoever is there in their place.
fn newcomers(open: &Open, round: &Round<'_>) -> Vec<Obstacle> {
    let members = open.members.iter();
    let there: Vec<&Member> = members
        .filter(|member| !member.sockets.is_empty() && !round.gone.contains(&member.id))
        .collect();
    if open.members.is_empty() && open.seen.is_empty() {
        let error = Arc::new(io::Error::from(io::ErrorKind::TimedOut));
        return vec![Obstacle::system("waiting for the port", &error)];
    }
    if there.is_empty() {
        return vec![fleeting(open, round)];
    }
    if open.generations > 0 {
        return respawned(open, round);
    }
    let signal = round.signal(open);
    let named = there.into_iter().map(|member| {
        let holder = open.holder(member, round.crowd);
        match round.as_taken(signal, member.id) {
            Signal::Kill => Obstacle::Survived {
                holder,
                advice: None,
            },
            signal => Obstacle::TimedOut {
                holder,
                signal,
                grace: round.options.grace,
                advice: None,
            },
        }
    });
    named.collect()
}

/// SIGKILL, when it is due, for those who were told and hold no listening socket.
fn kill_the_rest(open: &Open, round: &Round<'_>) -> Vec<Action> {
    if round.signal(open) != Signal::Kill {
        return Vec::new();
    }
    let rest = open.pending(round.conduct).filter_map(|member| {
        let Some(Verdict::Signal(permit)) = member.verdict else {
            return None;
        };
        (member.part != Part::Holder).then_some(permit)
    });
    signals(rest.collect::<Vec<_>>(), Signal::Kill, round).collect()
}

/// Those who were told and are still in the way: what is to be said when time is up.
fn stubborn(
    open: &Open,
    round: &Round<'_>,
    obstacle: impl Fn(crate::socket::Holder, Signal) -> Obstacle,
) -> Vec<Obstacle> {
    // Whoever gave up the port is not in the way of anybody, be it told to end or not.
    let is_in_the_way = |member: &&Member| {
        let may_be = open.free_since.is_none() || is_user(member);
        member.must_exit() || (member.verdict.is_some() && may_be)
    };
    open.pending(round.conduct)
        .filter(is_in_the_way)
        .map(|member| {
            let sent = round.conduct.of(member.id).signals.last().copied();
            obstacle(open.holder(member, round.crowd), sent.unwrap_or_default())
        })
        .collect()
}

/// How things stand after the sockets of this target are gone.
pub(super) fn aftermath<'a>(open: &'a Open, sight: &'a Sight, round: &Round<'_>) -> Aftermath<'a> {
    let mut told = open.pending(round.conduct);
    // Whoever was seen to start it again may have been ended for that.
    let is_over = open.told_and_gone(round.conduct).any(|id| {
        let member = open.known(id);
        member.is_some_and(|member| member.part == Part::Supervisor)
    });
    let was_seen = (open.generations > 0 && !is_over) || open.may_be_looped;
    let mut gone = open.told_and_gone(round.conduct);
    let is_supervised = was_seen
        || gone.any(|id| {
            let facts = &round.crowd[id];
            facts.unit.is_some()
                || facts.unseen_parent.is_some()
                || round.living_supervisor(id).is_some()
        });
    let mut holders = open.pending(round.conduct);
    let is_followed = holders.any(|member| {
        let facts = &round.crowd[member.id];
        let starts_again = |id: &Id| {
            let has_ended = round.gone.contains(id) || round.conduct.was_told(*id);
            !has_ended && !starts_once(&round.crowd[*id].process)
        };
        let mut above = round.rules.supervisors(round.crowd, member.id).iter();
        let is_left = facts.unit.is_some() || facts.unseen_parent.is_some();
        member.part == Part::Holder && (is_left || above.any(starts_again))
    });
    let how_long =
        |since: Option<Instant>| since.map_or(Duration::ZERO, |since| round.since(since));
    Aftermath {
        free_for: how_long(open.free_since),
        quiet_for: how_long(open.quiet_since(round.conduct)),
        settle: round.options.settling(),
        is_awaiting_exit: open.pending(round.conduct).any(Member::must_exit),
        is_exiting: open
            .pending(round.conduct)
            .any(|member| round.exiting.contains(&member.id)),
        is_living: told.next().is_some(),
        is_supervised,
        is_followed,
        newcomers: sight.newcomers.as_deref().or_else(|| {
            // One that has ended may have left another behind.
            let known = open.newcomers.as_deref()?;
            let is_gone = known
                .iter()
                .any(|newcomer| round.gone.contains(&newcomer.id));
            (!is_gone).then_some(known)
        }),
    }
}

/// One who was told to end and did, and who may start it again.
pub(super) struct Ended {
    id: Id,
    supervisor: Option<Id>,
}

impl Ended {
    pub(super) fn starter(&self) -> Option<Id> {
        self.supervisor
    }
}

/// Those of a target.
pub(super) fn ended(open: &Open, round: &Round<'_>) -> Vec<Ended> {
    open.told_and_gone(round.conduct)
        .map(|id| Ended {
            id,
            supervisor: round.living_supervisor(id),
        })
        .collect()
}

/// Whether somebody who was started since comes from one who has ended, or from who keeps it running.
pub(super) fn is_related(ended: &[Ended], id: Id, crowd: &Crowd) -> bool {
    ended
        .iter()
        .any(|ended| relation(id, ended, crowd).is_some())
}

/// How somebody who was started since is related to one who has ended: `true` if a supervisor started it.
fn relation(id: Id, ended: &Ended, crowd: &Crowd) -> Option<bool> {
    let facts = &crowd[id];
    if (ended.supervisor).is_some_and(|supervisor| facts.ancestors.contains(&supervisor)) {
        return Some(true);
    }
    let before = &crowd[ended.id];
    // One that starts itself again by forking twice has the parent that it had before.
    let is_sibling = facts.ancestors.first() == before.ancestors.first();
    (facts.is_akin(before, ended.id) || is_sibling).then_some(false)
}

/// Whether somebody who was started since may take the place of one who has ended, and whether it is certain that it was started for that: by a
/// supervisor, or by the same parent as the same command.
pub(super) fn takes_place(ended: &[Ended], id: Id, crowd: &Crowd) -> Option<bool> {
    let facts = &crowd[id];
    let relations = ended.iter().filter_map(|ended| {
        let relation = relation(id, ended, crowd)?;
        let before = &crowd[ended.id];
        let command = &facts.process.command;
        let is_again = !command.is_empty()
            && *command == before.process.command
            && facts.ancestors.first() == before.ancestors.first();
        if is_in_place_of(&facts.process, &before.process) {
            return Some(relation || is_again);
        }
        // What was typed goes on: perhaps it is a loop. A prompt starts no job.
        let parent = facts.ancestors.first().copied();
        let is_typed = parent.is_some_and(|parent| crowd[parent].is_interactive_shell());
        (is_typed && facts.is_job()).then_some(false)
    });
    relations.max()
}

/// What follows when the target has no sockets.
fn without_sockets(open: &mut Open, sight: &Sight, round: &Round<'_>) -> Vec<Action> {
    open.unheld = None;
    open.hidden.clear();
    open.leaving_since = None;
    open.free_since.get_or_insert(round.at);
    if sight.newcomers.is_some() {
        open.newcomers.clone_from(&sight.newcomers);
    }
    if aftermath(open, sight, round).needs() != Need::Proof {
        return on_time(open, round);
    }
    match &sight.refusals {
        // It was not asked for this time.
        None => Vec::new(),
        Some(refusals) if !refusals.is_empty() => {
            let since = *open.refused_since.get_or_insert(round.at);
            while_refused(open, sight, round, since)
        }
        Some(_) => {
            forget_users(open);
            let was_refused = open.refused_since.take().is_some();
            if was_refused && open.pending(round.conduct).next().is_some() {
                // Whoever kept it until now has as long to be gone as the holders had.
                open.free_since = Some(round.at);
                if aftermath(open, sight, round).needs() != Need::Proof {
                    return on_time(open, round);
                }
            }
            when_possible(open, sight, round)
        }
    }
}

/// What follows when the kernel lets the target be bound.
fn when_possible(open: &mut Open, sight: &Sight, round: &Round<'_>) -> Vec<Action> {
    let since = open.watch.map(|watch| watch.since);
    let is_over = since.is_some_and(|since| round.since(since) >= LONGEST_WATCH);
    // Where no socket was ever seen, it may be an ended server's connections that end one after the other.
    if is_over && sight.life.was_closed_within(WATCH) && !open.seen.is_empty() {
        return vec![Action::GiveUp(vec![fleeting(open, round)])];
    }
    if !is_over && sight.life.is_within(since.map_or(RECENTLY, |_| WATCH)) {
        open.watch = round.at.checked_add(WATCH).map(|until| Watch {
            since: since.unwrap_or(round.at),
            until,
        });
    }
    let is_watched = open.watch.is_some_and(|watch| round.at < watch.until);
    if is_watched || !proves_free(sight) {
        return Vec::new();
    }
    #[cfg(feature = "containers")]
    if let Some(actions) = super::engines::on_free(open, round) {
        return actions;
    }
    vec![Action::Free]
}

/// What follows when nothing listens, and yet the kernel does not let the target be bound: leftovers of the server that was ended
/// are ended as well, clients are named.
fn while_refused(open: &mut Open, sight: &Sight, round: &Round<'_>, since: Instant) -> Vec<Action> {
    let chosen = choose_users(open, sight, round);
    let signal = round.signal(open);
    let actions: Vec<Action> = signals(chosen.clone(), signal, round).collect();
    if !actions.is_empty() {
        return actions;
    }
    let is_awaited = |member: &Member| is_user(member) && member.verdict.is_some();
    if open.pending(round.conduct).any(is_awaited) {
        return on_time(open, round);
    }
    // What the kernel alone keeps may go in a moment, and so may a bind that somebody tries.
    let patience = if sight.uses.is_empty() { LINGER } else { TRY };
    let obstacles = in_use(open, sight, round);
    let may_pass = |obstacle: &Obstacle| {
        matches!(
            obstacle,
            // Whoever is just ending has given up its descriptors, and not yet its connections.
            Obstacle::Client { process: None, .. }
                | Obstacle::Lingering { .. }
                | Obstacle::Unbindable { .. }
        )
    };
    let may_pass =
        round.are_leaving(open, sight.users_in_the_way()) || obstacles.iter().all(may_pass);
    let is_final = !may_pass || round.since(since) >= patience;
    if is_final && !obstacles.is_empty() {
        return vec![Action::GiveUp(obstacles)];
    }
    on_time(open, round)
}

/// Whether it is somebody who uses the port without listening.
fn is_user(member: &Member) -> bool {
    matches!(member.part, Part::Leftover | Part::Client)
}

/// Whoever has no connection of the target any more is not in the way, be it told to end or not.
fn forget_users(open: &mut Open) {
    for member in open.members.iter_mut().filter(|member| is_user(member)) {
        member.verdict = None;
    }
}

/// Judges those who use the port without listening, and returns those who may be ended. A connection that somebody keeps who may not be
/// is no reason to end the others who have it.
pub(super) fn choose_users(open: &mut Open, sight: &Sight, round: &Round<'_>) -> Vec<Permit> {
    forget_users(open);
    let mut chosen: Vec<Permit> = Vec::new();
    let mut known: HashSet<Id> = HashSet::new();
    for used in sight.uses_in_the_way() {
        let verdicts: Vec<(Id, Part, Verdict)> = used
            .owners
            .iter()
            .map(|&id| {
                let part = part_of(open, used, id, round);
                (id, part, round.verdict(open, id, part))
            })
            .collect();
        let is_released = verdicts
            .iter()
            .all(|(_, _, verdict)| matches!(verdict, Verdict::Signal(_)));
        for (id, part, verdict) in verdicts {
            match verdict {
                Verdict::Signal(permit) if is_released => {
                    open.member(id, part).verdict = Some(verdict);
                    if known.insert(id) {
                        chosen.push(permit);
                    }
                }
                Verdict::Signal(_) if known.contains(&id) => {}
                Verdict::Signal(_) => open.member(id, part).verdict = Some(Verdict::Withheld),
                verdict => open.member(id, part).verdict = Some(verdict),
            }
        }
    }
    chosen
}

/// A connection that an ended server had accepted belongs to it: it has an address that the server listened on, and a process of the server's
/// own kind keeps it. Any other process is a client, as far as can be told.
fn part_of(open: &Open, used: &Use, id: Id, round: &Round<'_>) -> Part {
    if let Some(member) = open.known(id).filter(|member| member.part != Part::Holder) {
        return member.part;
    }
    let local = used.connection.local;
    let is_its = |member: &&Member| {
        let listened = &member.listened;
        member.part == Part::Holder
            && round.conduct.was_told(member.id)
            && listened
                .iter()
                .any(|socket| socket.protocol == used.connection.protocol && socket.serves(local))
            && (member.id == id || round.crowd[id].is_akin(&round.crowd[member.id], member.id))
    };
    if !used.is_clients_end && open.members.iter().any(|member| is_its(&member)) {
        Part::Leftover
    } else {
        Part::Client
    }
}

/// Why the target can't be bound though it has no sockets.
pub(super) fn in_use(open: &Open, sight: &Sight, round: &Round<'_>) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    let mut by_owner: Vec<(Option<Id>, Vec<Connection>)> = Vec::new();
    let mut places: HashMap<Option<Id>, usize> = HashMap::new();
    let mut kept: Vec<&Connection> = Vec::new();
    for used in sight.uses_in_the_way() {
        if used.connection.is_orphaned() {
            kept.push(&used.connection);
            continue;
        }
        let owner = used.owners.first().copied();
        let place = *places.entry(owner).or_insert_with(|| {
            by_owner.push((owner, Vec::new()));
            by_owner.len() - 1
        });
        by_owner[place].1.push(used.connection.clone());
    }
    for (owner, connections) in by_owner {
        let verdict = owner.and_then(|id| Some((id, open.known(id)?.verdict?)));
        obstacles.push(match verdict {
            // It is told to end, or was.
            Some((_, Verdict::Signal(_))) => continue,
            Some((id, Verdict::Denied)) => Obstacle::NotPermitted {
                holder: bare(round.crowd[id].process.clone()),
                advice: None,
            },
            Some((id, Verdict::Spared(reason))) if reason != SparedReason::Client => {
                Obstacle::Spared {
                    holder: bare(round.crowd[id].process.clone()),
                    reason,
                    advice: None,
                }
            }
            _ => Obstacle::Client {
                process: owner.map(|id| round.crowd[id].process.clone()),
                connections,
                advice: None,
            },
        });
    }
    let is_explained = sight
        .uses_in_the_way()
        .any(|used| !used.connection.is_orphaned());
    if is_explained {
        return obstacles;
    }
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let own: Vec<&Connection> = kept
            .iter()
            .copied()
            .filter(|connection| connection.protocol == protocol)
            .collect();
        if !own.is_empty() {
            obstacles.push(Obstacle::Lingering {
                protocol,
                states: LingeringState::count(&own),
                advice: None,
            });
        }
    }
    let refusals = sight.refusals.iter().flatten();
    if obstacles.is_empty() {
        // One family tells as much as two.
        obstacles.extend(refusals.take(1).map(|refusal| Obstacle::Unbindable {
            protocol: refusal.protocol,
            address: refusal.address,
            advice: None,
        }));
    }
    obstacles
}

/// A process that holds no listening socket.
fn bare(process: Process) -> crate::socket::Holder {
    crate::socket::Holder {
        process,
        sockets: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::tests::facts;

    #[test]
    fn what_was_typed_goes_on_with_jobs_and_a_prompt_starts_none() {
        let mut crowd = Crowd::default();
        let mut shell = facts(10);
        shell.process.command = vec!["bash".into()];
        (shell.place.terminal, shell.place.group) = (1, 10);
        let shell = crowd.add(shell);
        let below = |pid: u32, group: u32, command: &[&str]| {
            let mut facts = facts(pid);
            facts.process.command = command.iter().map(Into::into).collect();
            facts.place.group = group;
            facts.ancestors = vec![shell];
            facts
        };
        let server = crowd.add(below(20, 20, &["node", "server.js"]));
        let ended = [Ended {
            id: server,
            supervisor: None,
        }];
        let mut answer = |facts| takes_place(&ended, crowd.add(facts), &crowd);
        assert_eq!(answer(below(21, 21, &["node", "server.js"])), Some(true));
        // It has not become the server yet.
        assert_eq!(answer(below(22, 22, &["bash"])), Some(false));
        assert_eq!(answer(below(23, 10, &["git", "branch"])), None);
    }
}
