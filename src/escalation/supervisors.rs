//! Who starts holders again: who of them is ended with a holder, and who is named.

use std::collections::HashSet;

use super::decide::{Round, obstacles};
use super::job::Open;
use crate::discovery::Id;
use crate::error::Obstacle;
use crate::filtration::{Part, Permit, Verdict};
use crate::report::SparedReason;
use crate::supervisor::{Restarts, Supervisor, starts_once};

/// Those who are to end with some holders.
#[derive(Debug, Default)]
pub(super) struct Starters {
    /// Who was seen to start one again, and ends before them.
    pub seen: Vec<Permit>,
    /// Who is known to do so when a file changes.
    pub watchers: Vec<Permit>,
    /// Whether one that was seen to start a holder again is spared for the sake of others.
    pub is_refused: bool,
}

/// Those who start these holders again and may be ended for it: seen to do so, or known to do so when a file changes.
pub(super) fn starters(open: &mut Open, chosen: &[Permit], round: &Round<'_>) -> Starters {
    let mut starters = Starters::default();
    let mut judged: HashSet<Id> = HashSet::new();
    for permit in chosen {
        // Its unit is what would have to be stopped.
        if round.crowd[permit.id()].unit.is_some() {
            continue;
        }
        let seen = starter(open, permit.id(), round);
        let above = round.rules.supervisors(round.crowd, permit.id()).iter();
        let watchers = above.copied().filter(|&id| is_watcher(id, round));
        for id in seen.into_iter().chain(watchers) {
            if round.crowd[id].unit.is_some() || !judged.insert(id) {
                continue;
            }
            let verdict = round.verdict(open, id, Part::Supervisor);
            match verdict {
                Verdict::Signal(permit) => {
                    open.member(id, Part::Supervisor).verdict = Some(verdict);
                    let starters = if seen == Some(id) {
                        &mut starters.seen
                    } else {
                        &mut starters.watchers
                    };
                    starters.push(permit);
                }
                Verdict::Spared(SparedReason::Needed) if seen == Some(id) => {
                    starters.is_refused = true;
                }
                _ => {}
            }
        }
    }
    starters
}

fn is_watcher(id: Id, round: &Round<'_>) -> bool {
    Restarts::of(&round.crowd[id].process) == Restarts::OnChange
}

/// The process that was seen to start this holder in place of one that was told to end: it is above both, and whoever is between it and this
/// one was started after the other was told. Who was there before was started for another reason, and so was what it starts.
fn starter(open: &Open, of: Id, round: &Round<'_>) -> Option<Id> {
    let (told, _) = round.conduct.since?;
    let facts = &round.crowd[of];
    let is_older = |id: &Id| {
        let started = round.crowd[*id].process.started;
        started.is_none_or(|started| started < told)
    };
    if is_older(&of) {
        return None;
    }
    let earlier: HashSet<Id> = open
        .members
        .iter()
        .filter(|member| member.id != of && member.part == Part::Holder)
        .filter(|member| round.conduct.was_told(member.id))
        .flat_map(|member| &round.crowd[member.id].ancestors)
        .copied()
        .collect();
    let supervisors = round.rules.supervisors(round.crowd, of);
    // The one at which the chain of supervisors ends may have started it as well, though it is not one to end.
    let mut above = facts.ancestors.iter().take(supervisors.len() + 1).copied();
    // Who was started a moment before the signal looks as young as who was started after it.
    let was_there = |id: &Id| {
        let pid = round.crowd[*id].process.pid;
        is_older(id) || earlier.contains(id) || open.present.binary_search(&pid).is_ok()
    };
    above
        .find(was_there)
        .filter(|id| earlier.contains(id))
        // It has ended since, and whoever is above it has started nothing.
        .filter(|id| !round.gone.contains(id))
}

/// What is in the way where holders were ended and others came in their place.
pub(super) fn respawned(open: &Open, round: &Round<'_>) -> Vec<Obstacle> {
    let holders = open
        .members
        .iter()
        .filter(|member| !member.sockets.is_empty());
    let respawned: Vec<Obstacle> = holders
        .map(|member| {
            let unit = &round.crowd[member.id].unit;
            // PID 1 is also the parent of whoever has lost its own, and then it has started nothing.
            let starter = starter(open, member.id, round)
                .filter(|&id| unit.is_some() || !round.crowd[id].is_init);
            let verdict = starter.map(|id| round.verdict(open, id, Part::Supervisor));
            let others = starter.and_then(|id| round.rules.others.get(&id));
            Obstacle::Respawned {
                holder: open.holder(member, round.crowd),
                supervisor: starter.map(|id| round.crowd[id].process.clone()),
                supervisor_spared: verdict.and_then(|verdict| match verdict {
                    Verdict::Spared(reason) => Some(reason),
                    _ => None,
                }),
                supervisor_denied: matches!(verdict, Some(Verdict::Denied)),
                others: others.cloned().unwrap_or_default(),
                unit: unit.clone(),
                generations: open.generations,
                advice: None,
            }
        })
        .collect();
    if respawned.is_empty() {
        return obstacles(open, round.crowd);
    }
    respawned
}

/// Those who may start these processes again, of whom this is asked: the nearest above each, whoever is known for it, and the manager of its unit.
pub(super) fn named(
    open: &Open,
    processes: &[Id],
    round: &Round<'_>,
    is_left: impl Fn(Id) -> bool,
) -> Vec<Named> {
    let mut named: Vec<(Id, Option<String>)> = Vec::new();
    for &of in processes {
        let facts = &round.crowd[of];
        if let (Some(unit), Some(&manager)) = (&facts.unit, facts.ancestors.first()) {
            named.push((manager, Some(unit.clone())));
            continue;
        }
        let left = round.rules.supervisors(round.crowd, of).iter().copied();
        let mut is_nearest = true;
        for id in left.filter(|&id| is_left(id)) {
            let facts = &round.crowd[id];
            if let (Some(unit), Some(&manager)) = (&facts.unit, facts.ancestors.first()) {
                named.push((manager, Some(unit.clone())));
            }
            if starts_once(&facts.process) {
                continue;
            }
            let restarts = Restarts::of(&round.crowd[id].process);
            if std::mem::take(&mut is_nearest) || restarts != Restarts::Perhaps {
                named.push((id, None));
            }
        }
    }
    named.sort();
    named.dedup();
    let supervisors = named.into_iter().filter_map(|(id, unit)| {
        let verdict = round.verdict(open, id, Part::Supervisor);
        if unit.is_none() && is_somebody_else(verdict) {
            return None;
        }
        let process = round.crowd[id].process.clone();
        let restarts = Restarts::of(&process);
        let supervisor = Supervisor::new(process, unit, restarts);
        Some(Named {
            id,
            verdict,
            supervisor,
        })
    });
    supervisors.collect()
}

/// Who may start something again, with the judge's word on it.
pub(super) struct Named {
    id: Id,
    verdict: Verdict,
    pub supervisor: Supervisor,
}

impl Named {
    /// With what would become of it in a plan.
    pub(super) fn foreseen(self, round: &Round<'_>) -> Supervisor {
        let others = round.rules.others.get(&self.id);
        let may_end = self.supervisor.unit.is_none() && matches!(self.verdict, Verdict::Signal(_));
        Supervisor {
            may_end,
            would_end: round.options.supervisor && may_end,
            others: others.cloned().unwrap_or_default(),
            ..self.supervisor
        }
    }
}

/// Whether it is spared for what it is: an editor, a forwarder and the like start no server again.
fn is_somebody_else(verdict: Verdict) -> bool {
    use SparedReason::{FolderUnknown, Needed, NotAgreed, Outside};
    match verdict {
        Verdict::Spared(reason) => !matches!(reason, Needed | Outside | FolderUnknown | NotAgreed),
        _ => false,
    }
}
