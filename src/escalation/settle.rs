//! Who may start an ended holder again, so that a free port has to stay free for a moment before it is called free.

use std::rc::Rc;

use super::job::Job;
use super::known::{Known, Lineage, Registry};
use crate::outcome::SparedReason;
use crate::sys::Handle;

/// What a free port waits for.
#[derive(Default)]
pub(super) struct Watch {
    /// The living ancestors that may start something; the wait is over when all have ended.
    pub handles: Vec<Rc<Handle>>,
    /// Whether somebody may start something whose end can't be seen: PID 1 for a unit, or a parent that `hidepid` hides.
    pub unseen: bool,
}

impl Watch {
    pub(super) fn is_over(&self) -> bool {
        !self.unseen && self.handles.is_empty()
    }
}

/// The supervisors that may be at work after the holders of this target have ended.
///
/// It is each ended holder's nearest living ancestor: a shell that was only a wrapper around the server ends with it, and then
/// it is the turn of what started the shell. Nobody is a supervisor who is PID 1 (but for a unit's sake), the caller, one of
/// its ancestors, or an interactive shell.
pub(super) fn watch(job: &Job, registry: &Registry) -> Watch {
    let mut watch = Watch::default();
    let ended = job
        .members
        .iter()
        .filter_map(|member| registry.get(member.identity))
        .filter(|known| known.exited.is_some() && !known.sent.is_empty());
    for known in ended {
        watch.unseen |= known.unit.is_some() || known.lineage.unseen_parent.is_some();
        if let Some(handle) = living(&known.lineage)
            && !watch.handles.iter().any(|other| Rc::ptr_eq(other, handle))
        {
            watch.handles.push(Rc::clone(handle));
        }
    }
    watch
}

fn living(lineage: &Lineage) -> Option<&Rc<Handle>> {
    lineage.ancestors.iter().find(|handle| !handle.has_exited())
}

/// The process that was seen to start this holder and the generation before it: the nearest ancestor that both have. With it comes
/// the reason why it can't be ended, if it can't.
pub(super) fn starter(job: &Job, known: &Known) -> Option<(Rc<Handle>, Option<SparedReason>)> {
    let seen = |handle: &&Rc<Handle>| {
        job.earlier_forebears.contains(&handle.identity()) && !handle.has_exited()
    };
    if let Some(handle) = known.lineage.ancestors.iter().find(seen) {
        return Some((Rc::clone(handle), None));
    }
    let (handle, reason) = known.lineage.end.as_ref()?;
    // An interactive shell has no reason of its own: a person, or a loop that was typed into it, starts things there.
    job.earlier_forebears
        .contains(&handle.identity())
        .then(|| (Rc::clone(handle), *reason))
}
