//! Who may start an ended holder again, so that a free port has to stay free for a moment before it is called free.

use std::rc::Rc;

use super::job::Job;
use super::known::{Known, Lineage, Registry};
use crate::holder::Process;
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
    for known in job.told_and_gone(registry) {
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

/// Whether a process that was started since may be the next one in the place of an ended holder: it runs the same program, or is a
/// shell that was given the same command line. A script that just goes on to its next command starts something else.
pub(super) fn is_in_place_of(newcomer: &Process, ended: &Process) -> bool {
    let line = |process: &Process| {
        let words: Vec<_> = process
            .command
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        words.join(" ")
    };
    let same_program = newcomer.executable.is_some() && newcomer.executable == ended.executable;
    let wanted = line(ended);
    same_program || (!wanted.is_empty() && line(newcomer).contains(&wanted))
}
